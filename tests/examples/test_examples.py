"""Every program in examples/ is run as it stands: with a script, and where it makes sense with the real local model."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from tests.doubles.program import scripted

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
RIGHT = 'tool: score {"right": true}'
# What each program's model says, and what must then be on the screen.
RUNS: dict[str, tuple[list[list[str]], list[str]]] = {
    "code_reviewer": ([["text: Line 3 is wrong."], ["text: Line 3."]], ["Reviewing code_reviewer.py, ", "Line 3 is wrong."]),
    "cooking_assistant": ([["text: An omelette?"], ["text: Beat the eggs."], ["text: Now the rice."]], ["Cook: Beat the eggs."]),
    "error_handling": (
        [["text: Hi."]],
        [
            "At once: there is no provider 'opnai'. Did you mean openai",
            "Kept and waiting: Are you there?",
            "Half an [",
            "Whole.",
            "Hi.",
        ],
    ),
    "extraction": (
        [['text: {"number": 17, "items": [{"name": "lamp", "price": 40}, {"name": "chair", "price": "85.5"}]}']],
        ["17: lamp, chair, 125.50"],
    ),
    "forgetful_window": (
        [["text: Hello Ada."], ["text: Cats purr."], ["text: Dogs bark."], ["text: I do not know."]],
        ["Bot: I do not know.\n     [2 older messages are not seen]", "still has all 8 messages"],
    ),
    "movie_critic": ([["text: A dream."], ["text: Totoro."], ["text: The forest."]], ["Critic: Totoro."]),
    "nora": (
        [['tool: stock {"words": "dune"}'], ["text: Yes!!! For 11.50."], ["text: 11.50."]],
        ["Nora: Yes! For 11.50.", "Nora (refused): I only talk about books."],
    ),
    "notes_chat": ([["text: With max_cost."]], ["With max_cost.", "  from library.md: all of it"]),
    "quiz_bot": (
        [
            ["text: Which is the longest?"],
            ['tool: score {"right": true}'],
            ["text: Right. And in Vienna?"],
            ['tool: score {"right": true}'],
            ["text: Yes."],
        ],
        ["[1 of 1 right] Right.", "[2 of 2 right] Yes."],
    ),
    "research_helper": (
        [
            ["text: Noted."],
            ['tool: plan {"steps": ["search the past", "read the manual"]}'],
            ['tool: search_past {"words": "decided cost"}'],
            ['tool: read_file {"path": "library.md", "first_line": 1, "last_line": 3}'],
            ["text: Ten cents, by max_cost."],
        ],
        ["1. search the past", "a conversation may cost ten cents", "# The library", "Ten cents, by max_cost."],
    ),
    "save_and_load": ([["text: Lovely."]], ["2 messages loaded.", "Lovely."]),
    "support_bot": ([["text: Yes."]] * 4, ["ada: What is the largest one?", "tom: Who wrote it?"]),
    "three_turns": (
        [["text: Paris."], ["text: Two million."], ["text: The tower."]],
        ["> What's its population?\nTwo million.", "6 messages"],
    ),
    "tools": (
        [
            ['tool: free_tables {"day": "2026-12-27"}'],
            ['tool: book {"day": "2026-12-27", "guests": 2}'],
            ["text: Booked for two."],
        ],
        ["3 tables are free for dinner on Sunday", "(allowed: book", "booked for 2 on 2026-12-27", "Booked for two."],
    ),
    "travel_planner": (
        [
            ["text: Budget?"],
            ["text: When?"],
            ["text: What do you like?"],
            ["text: Split."],
            ['text: {"place": "Split", "days": 7, "euros": 780}'],
        ],
        ["Planner: When?", "Split: 7 days, 780 euros"],
    ),
    "word_counter": ([["text: The sea is wide and blue."]], ["The sea is wide and blue.\n[6 words]"]),
}


def shown(name: str, model: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), model],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*RUNS, "web_app"}


@pytest.mark.parametrize("name", RUNS)
def test_an_example_does_what_it_says(name: str, tmp_path: Path):
    replies, wanted = RUNS[name]
    # One that opens a second chatbot begins its script anew.
    text = shown(name, scripted(tmp_path, *replies), tmp_path)
    for words in wanted:
        assert words in text, text


@pytest.mark.local
@pytest.mark.parametrize(
    "name", ["movie_critic", "word_counter", "three_turns", "forgetful_window", "save_and_load", "notes_chat"]
)
@pytest.mark.slow
def test_an_example_works_with_the_local_model(name: str, tmp_path: Path):
    assert len(shown(name, "local", tmp_path)) > 40


@pytest.mark.anyio
async def test_the_users_of_the_web_app_see_only_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(os.environ, "MODEL", "scripted:")
    monkeypatch.setitem(os.environ, "STORE", str(tmp_path / "web.db"))
    spec = importlib.util.spec_from_file_location("web_app", EXAMPLES / "web_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    transport = httpx2.ASGITransport(app=module.app)
    async with module.lifespan(module.app), httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        for user in ("ada", "tom"):
            body = {"user": user, "conversation": "one", "text": f"I am {user}"}
            assert (await client.post("/chat", json=body)).text == f"You said: I am {user}"
        history = (await client.get("/history/ada/one")).json()
        assert history == [{"role": "user", "text": "I am ada"}, {"role": "assistant", "text": "You said: I am ada"}]
