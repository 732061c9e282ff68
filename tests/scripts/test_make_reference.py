from pathlib import Path

from scripts.make_reference import commands_page, options_page

from anaphora.chat.options import ChatbotOptions, TurnOptions
from anaphora.chat.signatures import option_docs

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"


def test_the_pages_that_are_made_from_the_code_are_up_to_date():
    assert (REFERENCE / "options.md").read_text(encoding="utf-8") == options_page()
    assert (REFERENCE / "commands.md").read_text(encoding="utf-8") == commands_page()


def test_every_option_has_its_text():
    for options in (ChatbotOptions, TurnOptions):
        assert set(option_docs(options)) == set(options.__annotations__)
        assert all(option_docs(options).values())
