"""``anaphora usage``: what was spent, as bars for each day and a table for each model."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from anaphora.cli.exit import OK
from anaphora.cli.terminal.listing import dollars
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.sanitize import sanitized
from anaphora.sync.chatbot import Chatbot
from anaphora.values.usage import Spent, Total, total, totals

_DAY = 86_400
_BAR = "█"


def usage(bot: Chatbot, arguments: argparse.Namespace) -> int:
    """Print what was spent lately; gives the exit code."""
    spent = bot.spent(since=time.time() - arguments.days * _DAY)
    if arguments.json:
        print(json.dumps(usage_as_json(spent)))
        return OK
    if not spent:
        notice(f"No model was asked in the last {arguments.days} days.")
        return OK
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    print("\n".join(usage_lines(spent, width=width)))
    return OK


def usage_as_json(spent: Sequence[Spent]) -> dict[str, object]:
    """Everything, for programs; ``cost`` null is unknown."""
    whole = total(spent)
    return {
        "cost": whole.cost,
        "calls": whole.calls,
        "unpriced": whole.unpriced,
        "rows": [
            {
                **{name: value for name, value in asdict(one).items() if name != "usage"},
                **asdict(one.usage),
                "cost": None if one.unpriced == one.calls else one.usage.cost,
            }
            for one in spent
        ],
    }


def usage_lines(spent: Sequence[Spent], *, width: int) -> list[str]:
    """A bar for each day, then a table of models, then one of what the calls were for."""
    whole = total(spent)
    return [
        *_bars(totals(spent, "day"), width),
        "",
        *table("model", totals(spent, "model"), whole),
        "",
        *table("for", totals(spent, "purpose"), whole),
    ]


def _cost(one: Total) -> str:
    """Gives the known cost, and says if a part of it is unknown."""
    if one.unpriced == one.calls:
        return dollars(None)
    return dollars(one.usage.cost) + ("+?" if one.unpriced else "")


def _tokens(one: Total) -> int:
    return one.usage.input_tokens + one.usage.output_tokens


def _bars(days: Mapping[str, Total], width: int) -> list[str]:
    """By what they cost, or by tokens where nothing costs anything."""
    costs = {day: one.usage.cost or 0.0 for day, one in days.items()}
    sizes = costs if any(costs.values()) else {day: float(_tokens(one)) for day, one in days.items()}
    most = max(sizes.values()) or 1.0
    texts = {day: f"{_cost(one)}  {_tokens(one):,} tokens" for day, one in days.items()}
    room = max(width - 14 - max(map(len, texts.values())), 1)
    columns = {day: max(round(room * size / most), 1 if size else 0) for day, size in sizes.items()}
    return [f"{day}  {_BAR * columns[day]}{' ' * bool(columns[day])}{texts[day]}" for day in days]


def table(name: str, rows: Mapping[str, Total], whole: Total) -> list[str]:
    """Calls, tokens and dollars of each row, and of all."""
    head = (name, "calls", "in", "cached", "out", "cost")
    lines = [head, *(_row(sanitized(key), one) for key, one in rows.items())]
    if len(rows) > 1:
        lines.append(_row("all", whole))
    return list(_aligned(lines))


def _row(name: str, one: Total) -> tuple[str, ...]:
    share = f"{one.usage.cached_tokens / one.usage.input_tokens:.0%}" if one.usage.input_tokens else "-"
    return (name, f"{one.calls:,}", f"{one.usage.input_tokens:,}", share, f"{one.usage.output_tokens:,}", _cost(one))


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        yield "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))])
