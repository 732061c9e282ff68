"""Pictures: read, shrunk, shown to models that can see, and kept."""

import random
import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow
from tests.doubles.dialects import ANSWERS, streamed
from tests.doubles.loopback import Loopback

from anaphora import AsyncChatbot, Image, Retries, ScriptedProvider
from anaphora.chat.image_source import image_of
from anaphora.errors import ConfigError, InvalidMessage, MissingExtra, ProviderError
from anaphora.values.images import LONGEST_EDGE, MOST_BYTES
from anaphora.values.message import Text

pytestmark = pytest.mark.anyio


def picture(form: str = "PNG", size: tuple[int, int] = (8, 4), *, noisy: bool = False) -> bytes:
    out = BytesIO()
    image = Pillow.new("RGB", size, "red")
    if noisy:
        image = Pillow.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3))
    image.save(out, form)
    return out.getvalue()


@pytest.mark.parametrize(
    ("form", "kind"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp")]
)
def test_a_picture_is_known_by_its_bytes_whatever_its_name(tmp_path: Path, form: str, kind: str):
    path = tmp_path / "picture.txt"
    path.write_bytes(picture(form))
    image = image_of(path)
    assert image == Image(path.read_bytes(), f"image/{form.lower()}")
    assert image_of(str(path)) == image_of(path.read_bytes()) == image_of(image) == image


@pytest.mark.parametrize(("form", "kind"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/jpeg")])
def test_a_picture_that_is_too_large_is_shrunk(form: str, kind: str):
    image = image_of(picture(form, (4_000, 1_000)))
    assert image.media_type == kind
    with Pillow.open(BytesIO(image.data)) as shrunk:
        assert shrunk.size == (LONGEST_EDGE, LONGEST_EDGE // 4)


def test_a_picture_with_too_many_bytes_becomes_a_jpeg():
    image = image_of(picture(size=(1_500, 1_500), noisy=True))
    assert image.media_type == "image/jpeg"
    assert len(image.data) <= MOST_BYTES


@pytest.mark.parametrize("source", [b"", b"%PDF-1.7", b"\x89PNG\r\n\x1a\nbroken", "no/such/file.png", "/", 7])
def test_what_is_no_picture_is_refused(source: object):
    with pytest.raises(InvalidMessage):
        image_of(source)  # type: ignore[arg-type]


def test_a_photograph_stays_upright_when_it_is_shrunk():
    exif = Pillow.Exif()
    exif[0x0112] = 6
    out = BytesIO()
    Pillow.new("RGB", (3_000, 2_000), "red").save(out, "JPEG", exif=exif)
    with Pillow.open(BytesIO(image_of(out.getvalue()).data)) as shrunk:
        assert shrunk.size[0] < shrunk.size[1]


def test_a_damaged_picture_is_no_crash():
    whole = picture(size=(64, 64), noisy=True)
    for place in range(8, 200, 3):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        try:
            image_of(damaged)
        except InvalidMessage:
            continue


def test_a_bomb_is_refused():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    with pytest.raises(InvalidMessage, match="cannot be read"):
        image_of(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


def test_without_pillow_small_pictures_go_as_they_are(monkeypatch: pytest.MonkeyPatch):
    data = picture()
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert image_of(data).data == data
    with pytest.raises(MissingExtra, match=r"anaphora\[images\]"):
        image_of(data + b"\0" * MOST_BYTES)


async def test_a_picture_is_shown_and_kept(tmp_path: Path):
    provider = ScriptedProvider("A red field.", "Yes.")
    async with AsyncChatbot(provider, store=tmp_path / "chats.db") as bot:
        await bot.say("What is this?", images=[picture()])
        await bot.say("Is it red?")
        history = await bot.history()
    assert history[0].message.parts == (Image(picture(), "image/png"), Text("What is this?"))
    assert provider.requests[1].messages[0].parts == history[0].message.parts


@pytest.mark.parametrize("name", ANSWERS)
async def test_every_dialect_shows_it(loopback: Loopback, name: str):
    loopback.answer(streamed(name, "A red field."))
    async with AsyncChatbot(f"{name}:m", base_url=loopback.url, api_key="k", context_window=8_000) as bot:
        assert (await bot.say("What is this?", images=[picture()])).text == "A red field."
    assert "iVBORw0KGgo" in loopback.seen[0].body.decode()


async def test_a_model_that_cannot_see_says_so_and_the_words_are_kept(loopback: Loopback):
    async with AsyncChatbot("groq:openai/gpt-oss-120b", base_url=loopback.url) as bot:
        with pytest.raises(ConfigError, match="cannot see"):
            await bot.say("What is this?", images=[picture()])
        asked = await bot.unanswered()
    assert asked is not None
    assert asked.text == "What is this?"
    assert loopback.seen == []


async def test_whoever_knows_better_than_the_catalog_is_believed(loopback: Loopback):
    loopback.answer(streamed("openai", "A red field."))
    known = {"groq:openai/gpt-oss-120b": {"images": True}}
    async with AsyncChatbot("groq:openai/gpt-oss-120b", base_url=loopback.url, models=known) as bot:
        await bot.say("What is this?", images=[picture()])


async def test_an_older_picture_is_told_in_words_to_a_model_that_cannot_see(loopback: Loopback, tmp_path: Path):
    store = tmp_path / "chats.db"
    async with AsyncChatbot(ScriptedProvider("A red field."), store=store) as bot:
        await bot.conversation("red").say("What is this?", images=[picture()])
    loopback.answer(streamed("openai", "Yes."))
    async with AsyncChatbot("groq:openai/gpt-oss-120b", base_url=loopback.url, store=store) as bot:
        await bot.conversation("red").say("Is it red?")
    sent = loopback.seen[0].json["messages"][0]["content"]
    assert sent == "[a picture that you cannot see] What is this?"


async def test_several_answers_are_siblings_and_the_first_goes_on():
    async with AsyncChatbot(ScriptedProvider("one", "two", "three", "four")) as bot:
        answers = await bot.candidates("Say a number", 3)
        assert [answer.text for answer in answers] == ["one", "two", "three"]
        assert [leaf.text for leaf in await bot.branches()] == ["one", "two", "three"]
        assert [entry.text for entry in await bot.history()] == ["Say a number", "one"]
        with pytest.raises(ConfigError, match="from 1"):
            await bot.candidates("Say a number", 0)


async def test_if_a_later_answer_fails_the_first_goes_on():
    async with AsyncChatbot(ScriptedProvider("one", "two"), retries=Retries(attempts=0)) as bot:
        with pytest.raises(ProviderError):
            await bot.candidates("Say a number", 3)
        assert [entry.text for entry in await bot.history()] == ["Say a number", "one"]
