"""What was spent, in the terminal."""

import json
from pathlib import Path

from tests.doubles.loopback import Loopback, http
from tests.doubles.program import run, scripted

from anaphora.cli.terminal.listing import dollars
from anaphora.cli.verbs.usage import usage_lines
from anaphora.values.message import Usage
from anaphora.values.usage import Spent


def spent(day: str, cost: float | None, model: str = "m", tokens: int = 1_000) -> Spent:
    return Spent(day, model, "answer", 1, int(cost is None), Usage(tokens, tokens // 2, 10, cost=cost or 0.0))


def test_every_day_has_a_bar_as_long_as_it_was_dear():
    lines = usage_lines([spent("2026-11-20", 0.5), spent("2026-11-21", 1.0, "other")], width=60)
    bars = [line.count("█") for line in lines[:2]]
    assert 2 * bars[0] - bars[1] in {-1, 0, 1}
    assert all(len(line) <= 60 for line in lines[:2])
    assert "$0.5000" in lines[0]
    assert "$1.00" in lines[1]


def test_a_table_has_every_model_and_the_sum():
    lines = usage_lines([spent("2026-11-20", 0.5), spent("2026-11-21", 1.0, "other")], width=60)
    assert lines[3].split() == ["model", "calls", "in", "cached", "out", "cost"]
    assert lines[4].split() == ["m", "1", "1,000", "50%", "10", "$0.5000"]
    assert lines[6].split() == ["all", "2", "2,000", "50%", "20", "$1.50"]


def test_what_is_not_known_is_not_called_nothing():
    lines = usage_lines([spent("2026-11-20", None), spent("2026-11-20", 0.5, "other")], width=60)
    assert "$0.5000+?" in lines[0]
    assert lines[3].endswith("unknown")
    assert dollars(None) == "unknown"


def test_what_is_free_is_drawn_by_its_tokens():
    lines = usage_lines([spent("2026-11-20", 0.0, tokens=100), spent("2026-11-21", 0.0, tokens=1_000)], width=60)
    assert 0 < lines[0].count("█") < lines[1].count("█")
    assert "$0.00" in lines[0]


def test_anaphora_usage_tells_what_was_asked(tmp_path: Path):
    result = run("usage")
    assert result.returncode == 0
    assert "No model was asked" in result.stderr
    run("-m", scripted(tmp_path, ["text: Paris."]), "What is the capital of France?")
    result = run("usage")
    assert "answer" in result.stdout
    assert "unknown" in result.stdout
    value = json.loads(run("usage", "--json", "--days", "7").stdout)
    assert (value["calls"], value["unpriced"], value["cost"]) == (1, 1, None)
    assert value["rows"][0]["purpose"] == "answer"


def test_a_budget_that_would_be_passed_is_told_before_anything_is_sent(tmp_path: Path):
    script = scripted(tmp_path, ["text: Paris."])
    result = run("-m", script, "--budget", "0.5", "Hi")
    assert result.returncode == 2
    assert "price is not known" in result.stderr
    assert run("-m", script, "--budget", "-1", "Hi").returncode == 2


def test_the_catalog_is_listed_and_searched():
    result = run("models", "gpt-5.4", "mini")
    assert "openai:gpt-5.4-mini " in result.stdout
    assert "$0.75 in, $4.5 out" in result.stdout
    assert "claude" not in result.stdout
    assert "dollars for a million tokens" in result.stderr
    (one,) = json.loads(run("models", "openai:gpt-5.4-mini-2026-03-17", "--json").stdout)
    assert one["prices"]["input"] == 0.75
    result = run("models", "no-such-model")
    assert (result.returncode, result.stdout) == (1, "")
    assert run("models", "--ask", "nobody").returncode == 2


def test_a_provider_is_asked_for_its_own_models(loopback: Loopback):
    models = {"data": [{"id": "b", "context_length": 4_096}, {"id": "a"}]}
    loopback.about["/models"] = http(json.dumps(models).encode())
    result = run("models", "--ask", "openai-compatible", "--base-url", loopback.url)
    assert result.stdout.splitlines() == [
        "openai-compatible:a  window unknown  price unknown",
        "openai-compatible:b    4,096 tokens  price unknown",
    ]
