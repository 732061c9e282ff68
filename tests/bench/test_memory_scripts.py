"""The scripts that measure memory run, and what is exact in their figures is as it should be."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent


def figures(script: str, *arguments: str) -> dict[str, Any]:
    """What a script prints last."""
    command = [sys.executable, str(ROOT / "bench" / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return last


def test_facts_told_early_survive_every_move_of_the_window():
    after = figures("facts_survive.py", "--moves", "1", "4")["after"]
    for moves in ("1", "4"):
        assert after[moves] == {"context": 20, "recalled": 20, "either": 20, "window": 0}


def test_planning_is_measured_at_every_length():
    found = figures("context.py", "--sizes", "100", "1000", "--rounds", "5")
    assert set(found) == {f"{name}_{size}_p95_ms" for name in ("read", "plan", "tutorial") for size in (100, 1000)}


def test_recall_is_measured_on_dialogues_in_locomos_format(tmp_path: Path):
    said = [
        ("Ann", "I adopted a dog and called him Rex"),
        ("Ben", "What a fine name!"),
        ("Ann", "The weather was good today"),
        ("Ben", "I baked bread with my sister"),
    ]
    session = [{"speaker": who, "dia_id": f"D1:{number}", "text": text} for number, (who, text) in enumerate(said, 1)]
    later = [{"speaker": "Ben", "dia_id": "D2:1", "text": "Nothing new", "blip_caption": "a photo of a red boat"}]
    dialogue = {
        "conversation": {
            "session_1": session,
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_2": later,
            "session_2_date_time": "9:00 am on 1 June, 2023",
        },
        "qa": [
            {"question": "What is the name of Ann's dog?", "evidence": ["D1:1"]},
            {"question": "Whose sister helped with the bread?", "evidence": ["D1:04"]},
            {"question": "Who sent a photo of a boat?", "evidence": ["D2:1"]},
            {"question": "No evidence", "evidence": []},
        ],
    }
    path = tmp_path / "dialogues.json"
    path.write_text(json.dumps([dialogue]), encoding="utf-8")
    found = figures("recall.py", str(path), "--no-hybrid")
    assert found["questions"] == 3
    assert found["lexical"]["recall@5"] == 1.0
    assert found["lexical"]["mrr"] == 1.0
    assert {"recall@10", "recall@20", "recall@500tokens", "recall@1000tokens", "tokens@10", "median_ms"} <= set(found["lexical"])
    assert found["lexical"]["recall@2000tokens"] == found["kinds"][""]["recall@10"] == 1.0


def test_what_is_sent_is_measured_through_whole_turns(tmp_path: Path):
    said = [
        ("user", "My dog is called Rex"),
        ("assistant", "A fine name!"),
        ("user", "The weather is good"),
        ("assistant", "Yes"),
    ]
    session = [{"speaker": who, "dia_id": f"D1:{number}", "text": text} for number, (who, text) in enumerate(said, 1)]
    questions = [{"question": "What is my dog called?", "evidence": ["D1:1"], "category": "extraction"}]
    path = tmp_path / "dialogues.json"
    path.write_text(json.dumps([{"conversation": {"session_1": session}, "qa": questions}]), encoding="utf-8")
    found = figures("sent.py", str(path), "--windows", "8000", "32000")
    assert found["ranked@10"] == 1.0
    assert found["sent"] == {"8000": 1.0, "32000": 1.0}
    assert found["needless"] == 0.0
    assert found["tokens"] > 0


def test_the_cost_of_turns_is_measured():
    found = figures("turns.py", "--turns", "30", "--rounds", "5")
    assert {"memory_ratio", "sqlite_ratio", "raw_ratio", "turn_ms", "raw_ms"} <= set(found)


@pytest.mark.slow
@pytest.mark.local
def test_answers_with_a_memory_are_measured_against_answers_without():
    found = figures("memory_helps.py", "--dialogues", "2")
    assert found["answers"] == 6
    assert found["personal_questions"] == 2
    assert found["worse"] == 0.0


def test_questions_about_our_own_documents_find_their_pieces():
    found = figures(
        "recall.py", "--documents", str(ROOT / "docs"), "--questions", str(ROOT / "bench" / "document_questions.json")
    )
    assert found["questions"] >= 40
    assert found["first_5"] >= 0.85
    assert found["given"] >= 0.85
