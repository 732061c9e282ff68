"""The page in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.doubles.server import Served, scripted_server
from tests.server.web.test_markdown import ATTACKS

from anaphora.errors import ServerFailed
from anaphora.providers.scripted import Delay
from anaphora.stores.token_records import Limits, Token, token_hash
from anaphora.values.events import TextDelta

CHROMIUM = shutil.which("chromium")
sync_api: Any = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]
FLAGS = "--no-sandbox --disable-gpu --disable-quic --disable-background-networking --disable-component-update --disable-sync"
SLOW = [TextDelta("one "), Delay(1.0), TextDelta("two "), Delay(1.0), TextDelta("three")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield opened
        opened.close()


@contextmanager
def opened(browser: Any, served: Served, path: str = "/", **options: Any) -> Iterator[Any]:
    """A page that must not complain of anything."""
    context = browser.new_context(**options)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{served.url}{path}")
    yield page
    assert [one for one in problems if "404" not in one and "503" not in one and "502" not in one] == []
    context.close()


def say(page: Any, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def test_words_appear_as_they_come_and_stay_after_a_reload(browser: Any):
    with scripted_server(SLOW) as served, opened(browser, served) as page:
        say(page, "count")
        sync_api.expect(page.locator(".bot")).to_contain_text("one")
        assert "three" not in page.locator(".bot").inner_text()
        page.reload()
        sync_api.expect(page.locator(".bot")).to_contain_text("one two three")
        assert page.locator("article").count() == 2
        assert re.search(r"/c/conv_\w+$", page.url)
        sync_api.expect(page.get_by_role("button", name=re.compile("what the model saw"))).to_be_visible()


def test_two_tabs_show_the_same_answer_and_one_stops_it(browser: Any):
    with scripted_server([TextDelta("one "), Delay(60.0), TextDelta("two")]) as served, opened(browser, served) as page:
        say(page, "count")
        sync_api.expect(page.locator(".bot")).to_contain_text("one")
        with opened(browser, served, page.url.removeprefix(served.url)) as other:
            sync_api.expect(other.locator(".bot")).to_contain_text("one")
            other.keyboard.press("Escape")
            for tab in (page, other):
                sync_api.expect(tab.locator(".state")).to_contain_text("You stopped this answer")


def test_what_is_typed_survives_a_reload_and_a_failure(browser: Any):
    with scripted_server(ServerFailed("it is down.", retryable=False), "back") as served, opened(browser, served) as page:
        box = page.get_by_label("Message", exact=True)
        box.fill("a draft")
        page.reload()
        sync_api.expect(box).to_have_value("a draft")
        page.keyboard.press("Enter")
        sync_api.expect(page.locator(".state").first).to_contain_text("It is down")
        page.get_by_role("button", name="Retry").first.click()
        sync_api.expect(page.locator(".bot").last).to_contain_text("back")


def test_a_message_typed_meanwhile_waits_in_line(browser: Any):
    with scripted_server(SLOW, "second answer") as served, opened(browser, served) as page:
        say(page, "first")
        sync_api.expect(page.locator(".bot")).to_contain_text("one")
        say(page, "second")
        sync_api.expect(page.locator("#queue")).to_contain_text("waits: second")
        sync_api.expect(page.locator(".bot").last).to_contain_text("second answer", timeout=15_000)
        assert page.locator(".you").count() == 2


def test_a_message_is_edited_with_the_keyboard_alone_and_both_wordings_stay(browser: Any):
    with scripted_server(echo=True) as served, opened(browser, served) as page:
        say(page, "old words")
        sync_api.expect(page.locator(".bot")).to_contain_text("You said: old words")
        page.get_by_label("Message", exact=True).focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Control+A")
        page.keyboard.type("new words")
        page.keyboard.press("Enter")
        sync_api.expect(page.locator(".bot")).to_contain_text("You said: new words")
        sync_api.expect(page.locator(".you .places")).to_contain_text("2/2")
        page.locator(".you").get_by_label("The one before").click()
        sync_api.expect(page.locator(".bot")).to_contain_text("You said: old words")


def test_nothing_that_is_said_runs_or_is_fetched(browser: Any):
    text = "\n\n".join(ATTACKS)
    with scripted_server(text, text) as served, opened(browser, served) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate("window.alert = () => { window.hacked = true; }")
        say(page, text)
        sync_api.expect(page.get_by_role("button", name="Copy").last).to_be_visible(timeout=15_000)
        page.reload()
        page.wait_for_load_state("networkidle", timeout=10_000)
        assert not page.evaluate("window.hacked")
        assert [url for url in asked if not url.startswith((served.url, "data:"))] == []


def test_a_page_of_another_origin_can_neither_read_nor_post(browser: Any):
    with scripted_server(echo=True) as served, scripted_server(echo=True) as evil, opened(browser, evil) as page:
        script = """async (url) => {
            const tries = [
                () => fetch(url + "/v1/conversations"),
                () => fetch(url + "/page/say", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }),
                () => fetch(url + "/page/say", { method: "POST", mode: "no-cors", body: '{"text": "hi"}' }),
            ];
            const found = [];
            for (const one of tries) found.push(await one().then((answer) => answer.type, () => "refused"));
            return found;
        }"""
        # Its own policy would forbid it too; a page without one is asked.
        context = browser.new_context(bypass_csp=True)
        other = context.new_page()
        other.goto(evil.url)
        assert set(other.evaluate(script, served.url)) <= {"refused", "opaque"}
        context.close()
        assert served.http().get("/v1/conversations").json()["data"] == []
        assert page.url


def test_somebody_signs_in_once_and_out_again(browser: Any):
    with scripted_server(echo=True, is_open=False) as served:
        served.do(lambda: served.services.store.add_token(Token(token_hash("ana_ada"), "ada", "ada", Limits())))
        context = browser.new_context()
        page = context.new_page()
        page.goto(served.url)
        page.get_by_label("Your token").fill("ana_ada")
        page.keyboard.press("Enter")
        say(page, "hello")
        sync_api.expect(page.locator(".bot")).to_contain_text("You said: hello")
        page.get_by_role("link", name="Usage").click()
        page.get_by_role("button", name="Sign out").click()
        sync_api.expect(page.get_by_label("Your token")).to_be_visible()
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1_200])
def test_it_fits_a_narrow_and_a_wide_screen_in_both_schemes(browser: Any, scheme: str, width: int):
    reply = "A table:\n\n| a | b |\n|---|---|\n| " + "long " * 60 + "| c |\n\n```python\n" + "x = 1  # " + "y" * 300 + "\n```"
    size = {"width": width, "height": 700}
    with scripted_server(reply) as served, opened(browser, served, viewport=size, color_scheme=scheme) as page:
        say(page, "show me")
        sync_api.expect(page.locator("table")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 320:
            page.locator(".menu").click()
        page.get_by_label("Search all chats").fill("table")
        sync_api.expect(page.locator("#list")).to_contain_text("show me")


def test_a_deleted_conversation_can_be_had_back(browser: Any):
    with scripted_server(echo=True) as served, opened(browser, served) as page:
        say(page, "keep me")
        sync_api.expect(page.locator(".bot")).to_contain_text("You said: keep me")
        sync_api.expect(page.locator("#list a")).to_have_count(1)
        page.get_by_label("More").click()
        page.get_by_role("button", name="Delete").click()
        sync_api.expect(page.locator("#notice")).to_contain_text("deleted")
        page.get_by_role("button", name="Undo").click()
        sync_api.expect(page.locator(".bot")).to_contain_text("You said: keep me")


def test_a_long_conversation_opens_quickly(browser: Any):
    with scripted_server(echo=True) as served:
        made = served.http().post("/v1/conversations", json={}).json()["id"]

        async def fill() -> None:
            from anaphora.stores.records import Draft
            from anaphora.values.message import text_message
            from anaphora.values.scope import Scope

            store, scope, parent = served.services.store, Scope("me", made), None
            for number in range(2_000):
                message = text_message("user" if number % 2 == 0 else "assistant", f"number {number}")
                parent = (await store.append(scope, Draft(parent, message, head=True))).id

        served.do(fill)
        with opened(browser, served, f"/c/{made}") as page:
            sync_api.expect(page.locator("article").last).to_contain_text("number 1999")
            page.get_by_role("button", name="Earlier messages").click()
            sync_api.expect(page.locator("article").nth(110)).to_be_attached()
