"""From text to values: the answer is of the type that was asked for, or an error says why not.

usage: python examples/extraction.py [MODEL]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date

from anaphora import Chatbot
from anaphora.errors import InvalidAnswer


@dataclass
class Item:
    """A line of an invoice."""

    name: str
    price: float


@dataclass
class Invoice:
    """What is owed."""

    number: int
    items: list[Item]
    due: date | None = None


TEXT = "Invoice 17. A lamp for 40 euros and a chair for 85.50, to be paid by 2026-12-31."

with Chatbot(sys.argv[1] if len(sys.argv) > 1 else None, system="You read invoices.") as bot:
    try:
        invoice: Invoice = bot.say(f"Read this invoice: {TEXT}", output_type=Invoice).value
    except InvalidAnswer as error:
        sys.exit(f"It could not be read: {error.reason}\n{error.text}")
print(f"{invoice.number}: {', '.join(item.name for item in invoice.items)}, {sum(item.price for item in invoice.items):.2f}")
