from pathlib import Path

import pytest

from anaphora import Chatbot, ScriptedProvider
from anaphora.errors import ConfigError
from anaphora.personas.persona import Persona, load_persona, parse_persona, persona_file, persona_names
from anaphora.providers.scripted import ScriptedReply
from anaphora.values.events import Ended, ToolCallDelta


def test_every_persona_of_the_package_can_be_loaded():
    for name in persona_names():
        persona = load_persona(name)
        assert persona.description
        assert len(persona.prompt) > 50


def test_the_users_own_personas_come_first(tmp_path: Path):
    (tmp_path / "tutor.md").write_text("---\ntemperature: 0.5\nmodel: local\nmax_tokens: 9\n---\nMine.\n", encoding="utf-8")
    assert load_persona("tutor", tmp_path) == Persona("tutor", "Mine.", "", "local", 0.5, 9)
    assert "tutor" in persona_names(tmp_path)


def test_a_persona_may_be_a_prompt_alone():
    assert parse_persona("x", "You are x.\n").prompt == "You are x."


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean tutor"):
        load_persona("tutr")
    with pytest.raises(ConfigError, match=r"There are: .*tutor"):
        load_persona("zzz")


@pytest.mark.parametrize(
    ("source", "reason"),
    [("---\nmood: good\n---\nx", "line 2"), ("---\nno end", "not ended"), ("---\ntemperature: warm\n---\nx", "warm")],
)
def test_a_wrong_file_is_said_so(source: str, reason: str):
    with pytest.raises(ConfigError, match=reason):
        parse_persona("x", source)


def test_a_file_that_is_not_text_is_said_so(tmp_path: Path):
    (tmp_path / "odd.md").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_persona("odd", tmp_path)


def test_a_persona_inherits_prompt_values_and_tools(tmp_path: Path):
    (tmp_path / "base.md").write_text("---\ntemperature: 0.5\ntools: now\nmemory: none\n---\nBe kind.\n", encoding="utf-8")
    (tmp_path / "mine.md").write_text("---\ninherits: base\ntools: calculate\nmax_tokens: 9\n---\nBe brief.\n", encoding="utf-8")
    mine = load_persona("mine", tmp_path)
    assert (mine.prompt, mine.temperature, mine.max_tokens) == ("Be kind.\n\nBe brief.", 0.5, 9)
    assert (mine.tools, mine.memory) == (("now", "calculate"), ())
    assert persona_file(tmp_path / "mine.md") == mine


def test_a_persona_may_add_to_the_one_of_the_package_that_it_is_named_after(tmp_path: Path):
    (tmp_path / "tutor.md").write_text("---\ninherits: tutor\n---\nIn French.\n", encoding="utf-8")
    prompt = load_persona("tutor", tmp_path).prompt
    assert prompt.startswith("You are a patient tutor.")
    assert prompt.endswith("In French.")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("---\ninherits: nobody\n---\nx", "there is no persona 'nobody', from which odd inherits"),
        ("---\ninherits: odd\n---\nx", "there is no persona 'odd', from which odd inherits"),
        ("---\nmemory: dreams\n---\nx", "memory is none, or some of"),
    ],
)
def test_what_cannot_be_inherited_or_remembered_is_said(tmp_path: Path, source: str, reason: str):
    (tmp_path / "odd.md").write_text(source, encoding="utf-8")
    with pytest.raises(ConfigError, match=reason):
        load_persona("odd", tmp_path)


def test_personas_that_inherit_from_one_another_are_an_error(tmp_path: Path):
    (tmp_path / "a.md").write_text("---\ninherits: b\n---\nx", encoding="utf-8")
    (tmp_path / "b.md").write_text("---\ninherits: a\n---\nx", encoding="utf-8")
    with pytest.raises(ConfigError, match="the personas a, b inherit from one another"):
        load_persona("a", tmp_path)


def test_a_file_that_cannot_be_read_harms_no_other(tmp_path: Path):
    (tmp_path / "odd.md").write_bytes(b"\xff")
    assert load_persona("tutor", tmp_path).prompt
    assert "odd" in persona_names(tmp_path)


def test_a_chatbot_takes_a_persona_and_what_is_set_holds_over_it():
    provider = ScriptedProvider("Hi.", "Ho.")
    with Chatbot(provider, persona="nora", temperature=0.9) as bot:
        assert "Nora" in bot.system()
        bot.say("Hi")
    (request,) = provider.requests
    assert [tool.name for tool in request.tools] == ["stock"]
    assert request.options.temperature == 0.9
    with Chatbot(ScriptedProvider(), persona="nora", system="Mine.") as other:
        assert other.system() == "Mine."


def test_the_score_of_the_quiz_is_counted_from_the_branch():
    def scored(right: str) -> list[ScriptedReply]:
        return [[ToolCallDelta(0, f"s{right}", "score", f'{{"right": {right}}}'), Ended("tool_calls")], "Next."]

    provider = ScriptedProvider(*scored("true"), *scored('"false"'), *scored("true"))
    with Chatbot(provider, persona="quiz") as bot:
        said = [bot.say(f"answer {number}").steps[-1].tool_results[0].text for number in range(2)]
        bot.undo()
        said.append(bot.say("another answer").steps[-1].tool_results[0].text)
    assert said == ["1 of 1 right", "1 of 2 right", "2 of 2 right"]


def test_the_stock_is_what_the_catalogue_says():
    provider = ScriptedProvider([ToolCallDelta(0, "x", "stock", '{"words": "Have you got Dune?"}'), Ended("tool_calls")], "Yes.")
    with Chatbot(provider, persona="nora") as bot:
        result = bot.say("Dune?").steps[-1].tool_results[0].text
    assert '"title": "Dune"' in result
    assert "Emma" not in result
