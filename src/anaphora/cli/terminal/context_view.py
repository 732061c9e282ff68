"""Shows what the model sees: a bar of the parts of the budget, and a table of what went in, what stayed out, and why."""

from __future__ import annotations

import shutil
import sys
import textwrap

from anaphora.cli.terminal.sanitize import sanitized
from anaphora.values.report import Report

# The parts of a report, each with its letter in the bar and its colour (of the 16 that every terminal has).
_PARTS = {"system": ("s", 35), "tools": ("f", 31), "memory": ("m", 33), "window": ("w", 32), "tail": ("t", 36), "room": ("·", 90)}
_LONGEST_NAME = 14


def show_context(report: Report) -> None:
    """Print it on standard error, with colours if that is a terminal."""
    colours = sys.stderr.isatty()
    width = max(shutil.get_terminal_size().columns - 1, 30)
    print("\n".join(context_lines(report, width=width, colours=colours)), file=sys.stderr, flush=True)


def context_lines(report: Report, *, width: int, colours: bool) -> list[str]:
    """The bar, its legend and the table, within so many columns."""
    lines = [_bar(report, width, colours=colours), *_legend(report, width, colours=colours)]
    for name, text in report.lines():
        indent = " " * (_LONGEST_NAME + 2)
        whole = f"{name:{_LONGEST_NAME}}  {sanitized(text)}"
        lines += textwrap.wrap(" ".join(whole.split("\n")), width, subsequent_indent=indent, drop_whitespace=True) or [whole]
    return lines


def _bar(report: Report, width: int, *, colours: bool) -> str:
    """As long as the line, each part as long as its share of the budget; what is there at all has at least one column."""
    sizes = {name: tokens for name, tokens in report.parts.items() if tokens > 0}
    whole = sum(sizes.values()) or 1
    columns = {name: max(width * tokens // whole, 1) for name, tokens in sizes.items()}
    largest = max(columns, key=lambda name: columns[name], default=None)
    if largest is not None:
        columns[largest] += width - sum(columns.values())
    return "".join(
        _coloured(name, "█" if colours and name != "room" else _PARTS[name][0], count, colours) for name, count in columns.items()
    )


def _legend(report: Report, width: int, *, colours: bool) -> list[str]:
    parts = [(name, f"{_PARTS[name][0]} {name} {tokens}") for name, tokens in report.parts.items() if tokens > 0]
    if sum(len(text) + 2 for _, text in parts) > width:
        return [_coloured(name, text, 1, colours) for name, text in parts]
    return ["  ".join(_coloured(name, text, 1, colours) for name, text in parts)]


def _coloured(name: str, text: str, count: int, colours: bool) -> str:
    shown = text * max(count, 0)
    return f"\x1b[{_PARTS[name][1]}m{shown}\x1b[0m" if colours else shown


def moved_line(report: Report) -> str | None:
    """Gives a line that says that the window has just moved and the model no longer sees everything."""
    if report.left is None or report.prefix is None or report.prefix.reason != "the window moved":
        return None
    left = report.left
    if not left.summarised:
        return f"{_messages(left.messages)} no longer shown to the model; /context says more."
    rest = f", {left.unseen} are not shown" if left.unseen else ""
    return f"{_messages(left.summarised)} now a summary{rest}; /context says more."


def _messages(count: int) -> str:
    return "1 earlier message is" if count == 1 else f"{count} earlier messages are"
