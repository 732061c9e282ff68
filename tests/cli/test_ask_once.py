"""One question and its answer: pictures in it are named, and given to programs."""

import base64
import json
from pathlib import Path

import pytest
from tests.chat.test_image_source import picture
from tests.doubles.loopback import Loopback, head
from tests.doubles.program import Terminal, run

PNG = picture()


def drawn() -> bytes:
    """An answer with a picture alone."""
    address = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    choice = {"index": 0, "delta": {"images": [{"image_url": {"url": address}}]}, "finish_reason": "stop"}
    return head() + b"data: " + json.dumps({"model": "m", "choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n"


def flags(loopback: Loopback) -> tuple[str, ...]:
    return ("-m", "m", "--base-url", loopback.url, "--context-window", "8000")


def test_a_picture_in_an_answer_is_named_beside_it_and_the_answer_is_not_empty(loopback: Loopback):
    loopback.answer(drawn())
    done = run(*flags(loopback), "Draw a cat")
    assert done.returncode == 0
    assert "[picture, image/png" in done.stderr


def test_a_program_gets_the_picture(loopback: Loopback):
    loopback.answer(drawn())
    (image,) = json.loads(run(*flags(loopback), "--json", "Draw a cat").stdout)["images"]
    assert (image["media_type"], base64.b64decode(image["data"])) == ("image/png", PNG)


@pytest.mark.slow
def test_in_a_chat_the_newest_picture_is_written(loopback: Loopback, tmp_path: Path):
    loopback.answer(drawn())
    run(*flags(loopback), "Draw a cat")
    with Terminal("-c") as terminal:
        terminal.wait_for("Going on with")
        terminal.enter(f"/pictures {tmp_path / 'cat.png'}")
        terminal.wait_for("image/png")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    assert (tmp_path / "cat.png").read_bytes() == PNG
