import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from platformdirs import user_config_path
from tests.doubles.loopback import Loopback, delta, head, http, stream
from tests.doubles.program import PROGRAM, Terminal, run, run_process, scripted

from anaphora import __version__


def test_version_and_help():
    assert run_process("--version").stdout == f"anaphora {__version__}\n"
    shown = run_process("--help")
    assert shown.returncode == 0
    for words in ("examples:", "cat notes.txt | anaphora", "ollama:llama3", "exit codes"):
        assert words in shown.stdout


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_next_to_nothing(flag: str):
    code = (
        f"import sys\nbefore = {{*sys.modules}}\nsys.argv = ['anaphora', '{flag}']\nfrom anaphora.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\nprint(sorted({*sys.modules} - before))"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("'httpx2'", "'rich'", "'prompt_toolkit'", "'anyio'", "'dataclasses'", "'asyncio'", "'json'"):
        assert heavy not in modules


def test_one_question_one_answer():
    done = run_process("-m", "scripted:", "What's", "up?")
    assert (done.stdout, done.returncode) == ("You said: What's up?\n", 0)


def test_text_from_a_pipe_is_the_question_or_is_added_to_it():
    assert run_process("-m", "scripted:", stdin=b"hello\n").stdout == "You said: hello\n"
    done = run_process("-m", "scripted:", "Summarise:", stdin=b"line 1\nline 2\n")
    assert done.stdout == "You said: Summarise:\n\n<document>\nline 1\nline 2\n</document>\n"


def test_json_for_programs():
    value = json.loads(run_process("-m", "scripted:", "--json", "hi").stdout)
    assert value["text"] == "You said: hi"
    assert value["status"] == "complete"
    assert value["usage"]["output_tokens"] == 3


def test_an_answer_can_be_shown_whole():
    assert run_process("-m", "scripted:", "--no-stream", "hi").stdout == "You said: hi\n"


def test_flags_reach_the_service(loopback: Loopback):
    loopback.answer(http(b'{"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}'))
    done = run_process(
        "--base-url",
        loopback.url,
        "-m",
        "gpt-x",
        "-s",
        "Be brief.",
        "--temperature",
        "0",
        "--max-tokens",
        "9",
        "--seed",
        "4",
        "hi",
    )
    assert done.stdout == "ok\n"
    body = loopback.seen[0].json
    assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("gpt-x", 0, 9, 4)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_persona_is_a_system_prompt_with_options(loopback: Loopback):
    loopback.answer(http(b'{"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}'))
    assert run_process("--base-url", loopback.url, "-m", "gpt-x", "-p", "code-reviewer", "x = 1").returncode == 0
    body = loopback.seen[0].json
    assert body["temperature"] == 0
    assert body["messages"][0]["content"].startswith("You review code.")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-m", "opnai:x", "hi"], 2, "Did you mean openai:x"),
        (["-m", "openai:x", "hi"], 2, "OPENAI_API_KEY"),
        (["-m", "local:/no/such.gguf", "hi"], 1, "No such file"),
        (["-m", "x", "--base-url", "http://127.0.0.1:1/v1", "hi"], 1, "Is the server running"),
        (["--base-url", "http://127.0.0.1:1/v1", "hi"], 2, "-m NAME"),
        (["-m", "scripted:", " "], 2, "empty"),
        (["-m", "scripted:", "-p", "tutr", "hi"], 2, "Did you mean tutor"),
        (["-m", "scripted:", "--temperature", "9", "hi"], 2, "from 0 to 2"),
        (["--no-such-flag"], 2, "unrecognized arguments"),
        (["--temperature", "warm", "hi"], 2, "invalid float value"),
        (["-m", "scripted:", "--context-window", "300", "x " * 4_000], 1, "too many"),
    ],
)
def test_bad_input_is_one_clear_line_and_the_right_exit_code(arguments: list[str], code: int, words: str):
    done = run_process(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_input_that_is_not_utf8_is_refused_with_its_place():
    done = run_process("-m", "scripted:", stdin=b"abc\xff")
    assert done.returncode == 2
    assert "byte 0xff at position 4" in done.stderr


def test_an_argument_that_is_not_utf8_is_refused():
    done = run_process("-m", "scripted:", b"abc\xff")
    assert done.returncode == 2
    assert "not valid Unicode" in done.stderr


def test_a_chat_without_a_terminal_is_refused():
    done = subprocess.run([*PROGRAM, "-m", "scripted:"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr


def test_a_reader_that_has_had_enough_ends_it_quietly(tmp_path: Path):
    model = scripted(tmp_path, ["text: " + "many words " * 20_000])
    command = f"{shlex.join([*PROGRAM, '-m', model, 'hi'])} | head -c 20"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("many words many word", "")


def test_what_came_before_a_fault_is_shown(tmp_path: Path):
    done = run_process("-m", scripted(tmp_path, ["text: The Eiff", "cut"]), "hi")
    assert done.returncode == 1
    assert done.stdout == "The Eiff\n"
    assert "broke off" in done.stderr


def test_ctrl_c_ends_with_130_and_shows_what_came(tmp_path: Path):
    process = subprocess.Popen(
        [*PROGRAM, "-m", scripted(tmp_path, ["text: Once", "delay: 30"]), "story"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 4) == b"Once"
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_what_a_model_sends_cannot_command_the_terminal(tmp_path: Path):
    evil = "a\x1b]0;owned\x07b\x1b[2Jc\x9b31md\u202ee\u2066f"
    done = run_process("-m", scripted(tmp_path, [f"text: {evil}"]), "hi")
    assert done.stdout == "a]0;ownedb[2Jc31mdef\n"


def test_the_choice_of_a_model_is_shown(tmp_path: Path):
    model = scripted(tmp_path, ["text: ok"])
    assert "ANAPHORA_MODEL" not in os.environ
    done = run_process("hi", environment={"ANAPHORA_MODEL": model})
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_in_a_terminal_an_answer_is_rendered_and_its_cost_is_told(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["text: This is **bold**.\\n\\n- one\\n- two\\n"]), "hi") as terminal:
        assert terminal.exit_code() == 0
        assert "This is bold." in terminal.text
        assert "• one" in terminal.text
        assert "tokens in" in terminal.text


def test_no_key_is_ever_written_anywhere(loopback: Loopback, tmp_path: Path):
    environment = {"OPENAI_API_KEY": "sk-canary-12345", "HOME": str(tmp_path)}
    loopback.answer(http(b'{"error": {"message": "Incorrect API key provided"}}', status=401))
    done = run_process("-m", "openai:x", "--base-url", loopback.url, "hi", environment=environment)
    assert loopback.seen[0].headers["authorization"] == "Bearer sk-canary-12345"
    assert done.returncode == 1
    assert "OPENAI_API_KEY" in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert not any(b"canary" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_cannot_be_written_is_said_so():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, "-m", "scripted:", "hi"], stdin=subprocess.DEVNULL, stdout=full, stderr=-1, check=False)
    assert done.returncode == 1
    assert done.stderr.decode() == "anaphora: the output cannot be written: No space left on device.\n"


def test_a_closed_output_is_said_so():
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *PROGRAM, "-m", "scripted:", "hi"], stdin=-3, stderr=-1, check=False)
    assert done.returncode == 1
    assert b"standard output is closed" in done.stderr


def test_what_the_terminal_cannot_show_becomes_a_question_mark():
    assert run_process("-m", "scripted:", "é", environment={"PYTHONIOENCODING": "ascii"}).stdout == "You said: ?\n"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "foo://x"])
def test_a_proxy_that_cannot_be_used_is_named(proxy: str):
    done = run_process(
        "-m", "x", "--base-url", "http://example.test/v1", "hi", environment={"ALL_PROXY": proxy, "all_proxy": proxy}
    )
    assert done.returncode == 2
    assert "the proxy in the environment" in done.stderr


def test_a_server_on_this_machine_is_asked_without_a_proxy(loopback: Loopback):
    loopback.answer(stream("here"))
    done = run_process("-m", "x", "--base-url", loopback.url, "hi", environment={"HTTP_PROXY": "http://127.0.0.1:1"})
    assert done.stdout == "here\n"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("lst", "Did you mean anaphora list?"),
        ("serch", "Did you mean anaphora search?"),
        ("hlep", "Did you mean anaphora help?"),
        ("config", "settings stand in"),
        ("settings", "settings stand in"),
        ("version", "anaphora --version"),
    ],
)
def test_a_single_word_that_is_near_a_command_is_no_question_to_pay_for(word: str, told: str):
    done = run("-m", "scripted:", word)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert f"anaphora -- {word}" in done.stderr
    asked = run("-m", "scripted:", "--", word)
    assert (asked.returncode, asked.stdout) == (0, f"You said: {word}\n")


def test_a_command_in_capitals_is_no_question():
    done = run("List")
    assert (done.returncode, done.stdout) == (2, "")
    assert "written in small letters: anaphora list" in done.stderr


@pytest.mark.parametrize("words", [("list",), ("delete", "99"), ("show", "1"), ("store", "check"), ("import", "x.json")])
def test_a_command_that_stands_behind_a_flag_is_no_question_either(words: tuple[str, ...]):
    done = run("-q", "-m", "scripted:", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"a command goes first: anaphora {' '.join(words)}" in done.stderr


@pytest.mark.parametrize(
    "words", [("show", "me", "the", "money"), ("list", "three", "rivers"), ("show me",), ("usage", "of", "commas")]
)
def test_a_question_that_begins_with_such_a_word_is_asked(words: tuple[str, ...]):
    assert run("-q", "-m", "scripted:", *words).stdout == f"You said: {' '.join(words)}\n"


@pytest.mark.parametrize("word", ["hello", "story", "why", "Paris"])
def test_other_single_words_are_questions(word: str):
    assert run("-m", "scripted:", word).stdout == f"You said: {word}\n"


def test_the_word_help_shows_the_help():
    for words, usage in (
        (("help",), "usage: anaphora"),
        (("HELP",), "usage: anaphora"),
        (("help", "list"), "usage: anaphora list"),
    ):
        done = run(*words)
        assert done.returncode == 0
        assert usage in done.stdout


def test_where_nothing_came_the_exit_code_says_so_and_a_line_beside_it(tmp_path: Path):
    model = scripted(tmp_path, ['text: ""'])
    for flags in ((), ("-q",), ("--json",), ("--no-stream",)):
        done = run("-m", model, *flags, "hi")
        assert done.returncode == 1, flags
        if "--json" not in flags:
            assert done.stdout.strip() == ""
            assert "empty" in done.stderr or "nothing" in done.stderr


def test_on_a_pipe_a_cut_answer_is_told_beside_it(loopback: Loopback):
    loopback.answer(head(), delta("I w"), delta("", "length"), b"data: [DONE]\n\n")
    done = run("-m", "m", "--base-url", loopback.url, "--context-window", "8000", "hi")
    assert (done.returncode, done.stdout) == (0, "I w\n")
    assert "cut at the longest answer allowed" in done.stderr


def test_wrong_flags_are_told_without_obeying_what_they_hold():
    done = run("--\x1b]0;owned\x07", "hi")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    done = run("list", "--limit", "\x1b[2J")
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_a_timeout_that_is_none_is_told_by_its_flag(seconds: str):
    done = run("-m", "scripted:", f"--timeout={seconds}", "hi")
    assert done.returncode == 2
    assert "the timeout (--timeout)" in done.stderr


@pytest.mark.parametrize("way", ["flag", "file", "environment"])
def test_a_timeout_is_the_longest_silence_however_it_is_set(loopback: Loopback, way: str):
    loopback.answer(30.0)
    user_config_path("anaphora").mkdir(parents=True)
    if way == "file":
        (user_config_path("anaphora") / "settings.toml").write_text("timeout = 0.25\n")
    flags = ("--timeout", "0.25") if way == "flag" else ()
    done = run(
        "-m",
        "m",
        "--base-url",
        loopback.url,
        "--context-window",
        "8000",
        *flags,
        "hi",
        environment={"ANAPHORA_TIMEOUT": "0.25"} if way == "environment" else {},
    )
    assert done.returncode == 1
    assert "it did not begin to answer for 0.25 seconds" in done.stderr


@pytest.mark.slow
def test_a_pipe_that_stays_open_is_told():
    process = subprocess.Popen(
        [*PROGRAM, "-m", "scripted:", "hi"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    assert b"waiting for standard input to end" in process.stderr.readline()
    out, _ = process.communicate(b"", timeout=20)
    assert (process.returncode, out) == (0, b"You said: hi\n")


def test_standard_input_is_read_no_further_than_any_model_could(tmp_path: Path):
    done = run("-m", "scripted:", "hi", stdin=b"x" * ((16 << 20) + 5))
    assert done.returncode == 2
    assert "standard input has more than 16 MiB" in done.stderr


def test_of_several_answers_an_empty_or_cut_one_is_told(tmp_path: Path):
    model = scripted(tmp_path, ['text: ""'], ['text: ""'])
    done = run("-m", model, "-n", "2", "hi")
    assert done.returncode == 1
    assert "[1] " in done.stderr


@pytest.mark.parametrize("address", ["htp://u:sk-canary1@host/v1", "sk-canary1", "http://host:x/v1?key=sk-canary1"])
def test_an_address_that_cannot_be_used_is_told_without_what_may_be_a_key(address: str):
    done = run("-m", "m", "--base-url", address, "hi")
    assert done.returncode == 2
    assert "sk-canary1" not in done.stderr
