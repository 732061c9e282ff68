import json
import os
import stat
from pathlib import Path

import pytest
from platformdirs import user_state_path
from tests.doubles.loopback import Loopback, delta, head, stream
from tests.doubles.program import Terminal, scripted


def test_a_conversation(tmp_path: Path):
    model = scripted(tmp_path, ["text: **Paris**."], ["text: About two million."])
    with Terminal("-m", model) as terminal:
        terminal.wait_for("Ctrl-D leaves.")
        terminal.enter("What's the capital of France?")
        terminal.wait_for("Paris.")
        terminal.wait_for("tokens in")
        terminal.enter("What's its population?")
        terminal.wait_for("About two million.")
        terminal.wait_for("tokens in", times=2)
        terminal.enter("/context")
        terminal.wait_for("4 messages")
        terminal.type("\x04")
        assert terminal.exit_code() == 0


@pytest.mark.slow
@pytest.mark.parametrize("word", ["quit", "exit", "/quit", "QUIT"])
def test_words_that_leave(word: str):
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.enter(word)
        assert terminal.exit_code() == 0


def test_ctrl_c_stops_an_answer_keeps_it_and_the_chat_goes_on(tmp_path: Path):
    model = scripted(tmp_path, ["text: Once upon", "delay: 60"], ["text: a time"])
    with Terminal("-m", model) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("Tell me a story")
        terminal.wait_for("Once upon")
        terminal.type("\x03")
        terminal.wait_for("what came is kept")
        terminal.enter("go on")
        terminal.wait_for("a time")
        path = tmp_path / "chat.json"
        terminal.enter(f"/save {path}")
        terminal.wait_for("Saved to")
        saved = json.loads(path.read_text(encoding="utf-8"))
        assert [item["content"] for item in saved] == ["Tell me a story", "Once upon", "go on", "a time"]
        terminal.enter("quit")
        assert terminal.exit_code() == 0


@pytest.mark.slow
def test_ctrl_c_twice_leaves():
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.type("\x03")
        terminal.wait_for("Ctrl-C again leaves")
        terminal.type("\x03")
        assert terminal.exit_code() == 130


@pytest.mark.slow
def test_ctrl_c_twice_while_an_answer_comes_leaves_too(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["text: Once", "delay: 60"])) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("story")
        terminal.wait_for("Once")
        terminal.type("\x03")
        terminal.wait_for("Ctrl-C again leaves")
        terminal.type("\x03")
        assert terminal.exit_code() == 130


def test_a_fault_is_a_sentence_and_retry_answers_again(tmp_path: Path):
    model = scripted(tmp_path, ["error: authentication_failed"], ["text: Now it works."])
    with Terminal("-m", model) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("hello")
        terminal.wait_for("the API key was not accepted")
        terminal.enter("/retry")
        terminal.wait_for("Now it works.")
        assert "Traceback" not in terminal.text


def test_every_command_says_what_it_did(tmp_path: Path):
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        for line, words in (
            ("/help", "Alt-Enter begins a new line"),
            ("/undo", "nothing to undo"),
            ("/retry", "no message yet"),
            ("/system", "There is no system prompt."),
            ("/system Be brief.", "The system prompt is set."),
            ("/system", "Be brief."),
            ("first", "You said: first"),
            ("/undo", "Taken back: first"),
            ("/model", "scripted"),
            ("/model opnai:x", "Did you mean openai:x"),
            ("/model scripted:", "scripted answers from now on."),
            ("/save", "Where to?"),
            ("/load", "From where?"),
            ("/load /no/such.json", "cannot be read"),
            ("/nonsense", "There is no command /nonsense"),
            ("/new", "A new conversation."),
            ("//slash", "You said: /slash"),
            ("/conte", "context window"),
        ):
            terminal.enter(line)
            terminal.wait_for(words)
        assert "Traceback" not in terminal.text


@pytest.mark.slow
def test_a_saved_conversation_is_loaded_and_goes_on(tmp_path: Path):
    path = tmp_path / "chat.json"
    path.write_text('[{"role": "user", "content": "Capital?"}, {"role": "assistant", "content": "Paris."}]', encoding="utf-8")
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.enter(f"/load {path}")
        terminal.wait_for("2 messages loaded")
        terminal.enter("more")
        terminal.wait_for("You said: more")
        terminal.enter("/context")
        terminal.wait_for("4 messages")


def test_pasted_lines_stay_one_message():
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.type("\x1b[200~line one\nline two\x1b[201~")
        terminal.wait_for("line two")
        terminal.type("\r")
        terminal.wait_for("You said: line one")
        terminal.wait_for("tokens in")
        terminal.enter("/context")
        terminal.wait_for("2 messages")


@pytest.mark.slow
def test_alt_enter_begins_a_new_line():
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.type("one\x1b\rtwo\r")
        terminal.wait_for("You said: one")
        terminal.wait_for("tokens in")
        terminal.enter("/context")
        terminal.wait_for("2 messages")


@pytest.mark.slow
def test_what_was_typed_is_there_the_next_time_and_nobody_else_can_read_it():
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("remember this")
        terminal.wait_for("You said: remember this")
        terminal.type("\x04")
        assert terminal.exit_code() == 0
    path = user_state_path("anaphora") / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.type("\x1b[A")
        terminal.wait_for("remember this")


@pytest.mark.slow
def test_without_a_place_for_the_history_the_chat_works(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with Terminal("-m", "scripted:", environment={"XDG_STATE_HOME": str(blocked)}) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("hello")
        terminal.wait_for("You said: hello")


@pytest.mark.slow
def test_the_screen_is_the_same_as_for_the_harmless_text(tmp_path: Path):
    evil = "before\x1b]0;owned\x07\x1b[2J\x1b[31mred\u202eabc after"
    with Terminal("-m", scripted(tmp_path, [f"text: {evil}"])) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("go")
        terminal.wait_for("after")
        terminal.wait_for("Ctrl-D leaves.")
        assert terminal.screen.title != "owned"
        assert b"\x1b]0;owned" not in terminal.raw


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_is_said_with_the_first_question_and_the_chat_stays(tmp_path: Path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + os.urandom(1_000))
    with Terminal("-m", f"local:{path}") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("hello")
        terminal.wait_for("the file is damaged")
        terminal.enter("/model scripted:")
        terminal.wait_for("answers from now on")
        terminal.enter("/retry")
        terminal.wait_for("You said: hello")


@pytest.mark.slow
def test_another_model_gets_neither_the_address_nor_the_window_of_the_one_before(loopback: Loopback):
    loopback.answer(stream("from here"))
    with Terminal("-m", "x", "--base-url", loopback.url, environment={"GROQ_API_KEY": "gsk-secret"}) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("/model groq:y")
        terminal.wait_for("groq:y answers")
        terminal.enter("/model scripted:")
        terminal.wait_for("scripted answers")
        terminal.enter("hi")
        terminal.wait_for("You said: hi")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    assert loopback.seen == []


@pytest.mark.slow
def test_the_name_a_server_gives_its_model_cannot_command_the_terminal(loopback: Loopback):
    loopback.answer(head() + delta("hi", "stop", model="m\x1b]0;pwned\x07\x1b[2J") + b"data: [DONE]\n\n")
    with Terminal("-m", "x", "--base-url", loopback.url) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("hi")
        terminal.wait_for("m]0;pwned")
        assert b"\x1b]0;pwned" not in terminal.raw
