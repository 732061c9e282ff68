"""Writes the pages of docs/reference/ that are made from the code: options.md and commands.md.

    python scripts/make_reference.py

A test compares the pages with what this gives.
"""

from __future__ import annotations

from pathlib import Path

from anaphora.chat.options import ChatbotOptions, TurnOptions
from anaphora.chat.signatures import option_docs
from anaphora.cli.chat.commands import COMMANDS

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def options_page() -> str:
    """Gives the page of all options."""
    return (
        "# Options\n\nMade from the code by `scripts/make_reference.py`; `help(Chatbot)` says the same.\n\n"
        f"## Of a bot: `Chatbot(model, …)`\n\n{_table(option_docs(ChatbotOptions))}\n"
        "## Of one answer: `say`, `stream`, `retry`, `continue_answer`, `edit`, `candidates`\n\n"
        f"{_table(option_docs(TurnOptions))}"
    )


def commands_page() -> str:
    """Gives the page of the chat's commands."""
    rows = {f"{command.name} {command.takes}".strip(): command.help for command in COMMANDS.values()}
    table = "| command | |\n|---|---|\n" + "".join(f"| `{usage}` | {text} |\n" for usage, text in rows.items())
    return f"# Commands of the chat\n\nMade from the code by `scripts/make_reference.py`; `/help` says the same.\n\n{table}"


def _table(docs: dict[str, str]) -> str:
    return "| option | |\n|---|---|\n" + "".join(f"| `{name}` | {text} |\n" for name, text in docs.items())


def main() -> None:
    """Writes the pages."""
    (REFERENCE / "options.md").write_text(options_page(), encoding="utf-8")
    (REFERENCE / "commands.md").write_text(commands_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
