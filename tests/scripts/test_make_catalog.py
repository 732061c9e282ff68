"""The catalog's script: what it takes from which table, and that the same tables give the same files."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "make_catalog.py"
TABLE = {
    "gpt-x": {
        "litellm_provider": "openai",
        "mode": "chat",
        "max_input_tokens": 1_000,
        "max_output_tokens": 100,
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 4e-6,
        "cache_read_input_token_cost": 1e-7,
        "input_cost_per_token_above_200k_tokens": 2e-6,
        "output_cost_per_token_above_200k_tokens": 8e-6,
        "supports_vision": True,
        "deprecation_date": "2027-01-01",
    },
    "gemini/gemini-x": {"litellm_provider": "gemini", "mode": "chat", "max_input_tokens": 5},
    "gpt-pictures": {"litellm_provider": "openai", "mode": "image_generation"},
    "bedrock/gpt-x": {"litellm_provider": "bedrock", "mode": "chat"},
}
# As much of genai-prices as is read of it.
GENAI = """
from types import SimpleNamespace as S
from datetime import date
IDS = "anthropic cerebras deepseek google groq mistral openai openrouter together x-ai".split()
LATER = S(constraint=S(start_date=date(2026, 6, 1)), prices=S(input_mtok=3, output_mtok=9))
FUTURE = S(constraint=S(start_date=date(2030, 1, 1)), prices=S(input_mtok=99, output_mtok=99))
FIRST = S(constraint=None, prices=S(input_mtok=2, output_mtok=9))
MODELS = {
    "openai": [S(id="gpt-x", context_window=None, prices=S(input_mtok=1.5, output_mtok=4))],
    "google": [S(id="claude-resold", context_window=None, prices=S(input_mtok=1, output_mtok=1))],
    "openrouter": [S(id="acme/y", context_window=7, prices=[FIRST, LATER, FUTURE])],
}
providers = [S(id=name, models=MODELS.get(name, [])) for name in IDS]
"""


@pytest.fixture
def wheels(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "litellm-1.0-py3-none-any.whl", tmp_path / "genai_prices-2.0-py3-none-any.whl"]
    with zipfile.ZipFile(paths[0], "w") as archive:
        archive.writestr("litellm/model_prices_and_context_window_backup.json", json.dumps(TABLE))
    with zipfile.ZipFile(paths[1], "w") as archive:
        archive.writestr("genai_prices/__init__.py", "")
        archive.writestr("genai_prices/data.py", GENAI)
    return [str(path) for path in paths]


def made(wheels: list[str], root: Path) -> tuple[dict[str, Any], bytes, str]:
    """What the script prints, and the two files it writes."""
    (root / "src/anaphora/providers/models").mkdir(parents=True)
    (root / "docs/explanation").mkdir(parents=True)
    command = [sys.executable, str(SCRIPT), *wheels, "--date", "2026-11-21", "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    catalog = (root / "src/anaphora/providers/models/models.jsonl").read_bytes()
    return json.loads(done.stdout), catalog, (root / "docs/explanation/catalog-differences.md").read_text(encoding="utf-8")


def test_the_same_tables_give_the_same_files_with_what_differs_listed(wheels: list[str], tmp_path: Path):
    figures, catalog, differences = made(wheels, tmp_path / "a")
    assert made(wheels, tmp_path / "b")[1:] == (catalog, differences)
    assert figures == {"models": 3, "both": 1, "differences": 1}
    assert "| openai:gpt-x | input | 1 | 1.5 |" in differences
    head, *lines = map(json.loads, catalog.splitlines())
    assert head == {"date": "2026-11-21", "sources": ["litellm 1.0", "genai-prices 2.0"]}
    assert {line["model"]: line for line in lines} == {
        "gemini:gemini-x": {"model": "gemini:gemini-x", "context_window": 5},
        "openai:gpt-x": {
            "model": "openai:gpt-x",
            "context_window": 1_000,
            "max_output": 100,
            "input": 1.0,
            "output": 4.0,
            "cached": 0.1,
            "tiers": [{"above": 200_000, "input": 2.0, "output": 8.0, "cached": 0.1}],
            "images": True,
            "retires": "2027-01-01",
        },
        # The price that holds on that day.
        "openrouter:acme/y": {"model": "openrouter:acme/y", "context_window": 7, "input": 3.0, "output": 9.0},
    }
