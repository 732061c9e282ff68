"""A calculator for models, which calculate badly: arithmetic with a small grammar, bounded, and without eval.

sum     = product (("+" | "-") product)*
product = unary (("*" | "/" | "//" | "%") unary)*
unary   = ("-" | "+") unary | power
power   = atom (("**" | "^") unary)?
atom    = number "%"? | name "(" sum ("," sum)* ")" | name | "(" sum ")"
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from fractions import Fraction

from anaphora.tools.base import ToolFailed

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?"
_TOKEN = re.compile(rf"\s*(?:({_NUMBER})|([a-z][a-z0-9_]*)|(\*\*|//|[-+*/%^(),]))", re.ASCII)
_LONGEST = 500
_DEEPEST = 50
_DIGITS = 60
_EXACT = Decimal(10) ** 45
_LARGEST = Decimal(10) ** 300

_FUNCTIONS: dict[str, Callable[..., Decimal]] = {
    "sqrt": lambda x: x.sqrt(),
    "abs": abs,
    "min": min,
    "max": max,
    "round": lambda x, digits=Decimal(0): round(x, int(digits)),
    "floor": lambda x: Decimal(math.floor(x)),
    "ceil": lambda x: Decimal(math.ceil(x)),
    "exp": lambda x: x.exp(),
    "ln": lambda x: x.ln(),
    "log": lambda x, base=Decimal(10): x.ln() / base.ln(),
    "sin": lambda x: Decimal(math.sin(x)),
    "cos": lambda x: Decimal(math.cos(x)),
    "tan": lambda x: Decimal(math.tan(x)),
}
_CONSTANTS = {"pi": Decimal("3.141592653589793238462643383279"), "e": Decimal("2.718281828459045235360287471353")}


def calculate(expression: str) -> str:
    """Work out an arithmetic expression exactly. Use it for every sum, also for easy ones.

    Args:
        expression: for example (23 + 17) * 2.5, 19% * 240, 2**10, sqrt(2), round(10/3, 2)
    """
    if len(expression) > _LONGEST:
        raise ToolFailed(f"the expression has more than {_LONGEST} characters")
    try:
        with localcontext(prec=_DIGITS):
            value = _Reader(_tokens(expression)).whole()
    except (DivisionByZero, ZeroDivisionError):
        raise ToolFailed("there is a division by zero in it") from None
    except Overflow:
        raise ToolFailed("the number is too large") from None
    except (InvalidOperation, OverflowError, ValueError, TypeError) as error:
        reason = f"it cannot be worked out ({type(error).__name__})"
        raise ToolFailed(f"{reason}: use numbers, + - * / // % ** and {_names()}") from None
    return _written(value)


def _names() -> str:
    return ", ".join((*_FUNCTIONS, *_CONSTANTS))


def _tokens(expression: str) -> list[str]:
    text = expression.replace("×", "*").replace("·", "*").replace("÷", "/").replace("−", "-").lower().rstrip()
    tokens: list[str] = []
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ToolFailed(f"what is {text[place:].split()[0][:20]!r}? Use numbers, + - * / // % ** and {_names()}")
        tokens.append(found[found.lastindex or 0])
        place = found.end()
    return tokens


def _written(value: Decimal) -> str:
    if value == value.to_integral_value() and abs(value) < Decimal(10) ** (_DIGITS - 10):
        return f"{value:.0f}"
    text = f"{value:.15g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


class _Reader:
    """A parser that calculates while it reads, from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def whole(self) -> Decimal:
        value = self._sum()
        if self._place < len(self._tokens):
            raise ToolFailed(f"it does not go on with {self._tokens[self._place]!r} there")
        return value

    def _next(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._next()
        if token not in wanted:
            return ""
        self._place += 1
        return token

    def _sum(self) -> Decimal:
        value = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            value = _bounded(value + other if sign == "+" else value - other)
        return value

    def _product(self) -> Decimal:
        value = self._unary()
        while sign := self._take("*", "/", "//", "%"):
            other = self._unary()
            match sign:
                case "*":
                    value *= other
                case "/":
                    value /= other
                case _:
                    value = _divided(value, other, rest=sign == "%")
            value = _bounded(value)
        return value

    def _unary(self) -> Decimal:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ToolFailed("it is nested too deeply")
        try:
            sign = self._take("-", "+")
            if sign:
                value = self._unary()
                return -value if sign == "-" else value
            return self._power()
        finally:
            self._depth -= 1

    def _power(self) -> Decimal:
        value = self._atom()
        if self._take("**", "^"):
            exponent = self._unary()
            if abs(exponent) > 10_000:
                raise ToolFailed("the exponent is too large")
            value = _bounded(value**exponent)
        return value

    def _atom(self) -> Decimal:
        word = self._next()
        self._place += 1
        if word == "(":
            value = self._sum()
            self._close()
            return value
        if word in _FUNCTIONS and self._take("("):
            return self._called(word)
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if word[:1].isdigit() or word[:1] == ".":
            return self._number(word)
        raise ToolFailed(f"{word!r} is not expected there" if word else "it ends too soon")

    def _number(self, token: str) -> Decimal:
        value = _bounded(Decimal(token))
        # % means per cent, unless a number follows: then it is the remainder of a division.
        after = self._tokens[self._place + 1] if self._place + 1 < len(self._tokens) else ""
        is_percent = self._next() == "%" and not (after == "(" or after[:1].isalnum() or after[:1] == ".")
        return value / 100 if is_percent and self._take("%") else value

    def _called(self, name: str) -> Decimal:
        given = [self._sum()]
        while self._take(","):
            given.append(self._sum())
        self._close()
        return _bounded(_FUNCTIONS[name](*given))

    def _close(self) -> None:
        if not self._take(")"):
            raise ToolFailed("a closing parenthesis is missing")


def _divided(value: Decimal, other: Decimal, *, rest: bool) -> Decimal:
    """Gives the whole part of a quotient, or the remainder. Rounded numbers are too large for either and raise ToolFailed."""
    if max(abs(value), abs(other)) >= _EXACT:
        raise ToolFailed("the number is too large for // and %")
    if not rest:
        return Decimal(math.floor(Fraction(value) / Fraction(other)))
    left = Fraction(value) % Fraction(other)
    return Decimal(left.numerator) / Decimal(left.denominator)


def _bounded(value: Decimal) -> Decimal:
    if not value.is_finite() or abs(value) > _LARGEST:
        raise ToolFailed("the number is too large")
    return value if abs(value) > 1 / _LARGEST else Decimal(0)
