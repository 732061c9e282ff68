from pathlib import Path

import pytest

from anaphora.errors import ConfigError
from anaphora.settings import Settings, config_folder, load_settings


def write(text: str) -> Path:
    path = config_folder() / "settings.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_nothing_is_set():
    assert load_settings({}) == Settings()


def test_the_file_is_overridden_by_the_environment_and_that_by_flags():
    write('model = "a"\nsystem = "s"\ntemperature = 1\n')
    environment = {"ANAPHORA_MODEL": "b", "ANAPHORA_MAX_TOKENS": "5", "ANAPHORA_STREAM": "no"}
    settings = load_settings(environment, {"model": "c", "seed": None})
    assert settings == Settings(model="c", system="s", temperature=1, max_tokens=5, stream=False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model = \n", "not valid TOML.*line 1"),
        ('system = "x"\nmodle = "x"', "line 2: there is no setting 'modle'. Did you mean model"),
        ('max_tokens = "five"', "line 1: max_tokens must be a whole number"),
        ("stream = 1", "true or false"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(text: str, reason: str):
    path = write(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        load_settings({})
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("TEMPERATURE", "warm"), ("MAX_TOKENS", "1.5"), ("STREAM", "perhaps")])
def test_a_wrong_variable_is_named(name: str, text: str):
    with pytest.raises(ConfigError, match=f"ANAPHORA_{name}.*{text}"):
        load_settings({f"ANAPHORA_{name}": text})


def test_a_file_that_cannot_be_read_is_said_so():
    write("").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings({})
