from pathlib import Path

import pytest

from anaphora.errors import ConfigError
from anaphora.persona import Persona, load_persona, parse_persona, persona_names


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
