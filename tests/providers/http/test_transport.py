import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from tests.doubles.loopback import Loopback, Reset, chunked, delta, head, http, stream

from anaphora.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionFailed,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerFailed,
    StreamInterrupted,
    UnreadableAnswer,
)
from anaphora.providers.base import Deadlines, ModelRef, ProviderOptions, Request
from anaphora.providers.http.service import Service, open_provider
from anaphora.providers.http.transport import HTTPTransport
from anaphora.values.draft import AnswerDraft
from anaphora.values.events import Ended
from anaphora.values.message import text_message

pytestmark = pytest.mark.anyio
ASK = Request("m", (text_message("user", "hi"),))
# Longer than any test takes on a busy machine.
LONG = 30.0


async def opened(loopback: Loopback, **seconds: float) -> AsyncGenerator[Service, None]:
    deadlines = Deadlines(**{"connect": LONG, "first_byte": LONG, "between_chunks": LONG, "total": LONG, **seconds})
    provider = open_provider(ModelRef("openai-compatible", "m"), ProviderOptions(base_url=loopback.url, deadlines=deadlines))
    await provider.prepare("m")
    yield provider
    await provider.aclose()


@pytest.fixture
async def provider(loopback: Loopback) -> AsyncGenerator[Service, None]:
    async for provider in opened(loopback):
        yield provider


@pytest.fixture
async def hasty(loopback: Loopback) -> AsyncGenerator[Service, None]:
    """A provider that waits for the first byte but a moment."""
    async for provider in opened(loopback, first_byte=0.3):
        yield provider


@pytest.fixture
async def restless(loopback: Loopback) -> AsyncGenerator[Service, None]:
    """A provider that waits but a moment between two pieces."""
    async for provider in opened(loopback, between_chunks=0.3):
        yield provider


async def said(provider: Service) -> tuple[str, Ended | None, ProviderError | None]:
    """What came, whether it ended, and the error."""
    draft, end = AnswerDraft(), None
    try:
        async with aclosing(provider.stream(ASK)) as events:
            async for event in events:
                if isinstance(event, Ended):
                    end = event
                else:
                    draft.add(event)
    except ProviderError as error:
        return draft.message().text, end, error
    return draft.message().text, end, None


async def test_a_stream_is_read_to_its_end(loopback: Loopback, provider: Service):
    loopback.answer(stream("Par", "is."))
    text, end, error = await said(provider)
    assert (text, error) == ("Paris.", None)
    assert end is not None
    assert end.usage is not None
    assert loopback.seen[0].line.startswith("POST /v1/chat/completions")
    assert "authorization" not in loopback.seen[0].headers


async def test_it_does_not_matter_how_the_bytes_arrive(loopback: Loopback, provider: Service):
    body = delta("Pär") + delta("is 😀") + delta("", "stop")
    head_bytes = head(transfer_encoding="chunked")
    loopback.answer(head_bytes, *(chunked(body[index : index + 1]) for index in range(len(body))), chunked(b""))
    assert (await said(provider))[0] == "Päris 😀"


async def test_a_stream_cut_at_any_byte_is_an_error_and_keeps_what_came(loopback: Loopback, provider: Service):
    body = delta("Par") + delta("is") + delta("", "stop") + b"data: [DONE]\n\n"
    complete = body.index(b'"stop"') + 10
    for place in range(0, len(body), 11):
        loopback.answer(head(transfer_encoding="chunked"), chunked(body[:place]) if place else b"")
        text, end, error = await said(provider)
        assert "Paris".startswith(text)
        assert isinstance(error, StreamInterrupted) or place > complete
        assert end is None


async def test_a_cut_that_the_framing_hides_is_noticed_all_the_same(loopback: Loopback, provider: Service):
    loopback.answer(head(), delta("Par"))
    text, _, error = await said(provider)
    assert text == "Par"
    assert isinstance(error, StreamInterrupted)
    assert error.retryable


@pytest.mark.parametrize("steps", [(Reset(),), (head(), delta("Par"), 0.05, Reset())])
async def test_a_connection_that_is_reset_is_an_error_of_ours(loopback: Loopback, provider: Service, steps):
    loopback.answer(*steps)
    _, _, error = await said(provider)
    assert isinstance(error, (ConnectionFailed, StreamInterrupted))


async def test_silence_before_the_answer_is_a_timeout(loopback: Loopback, hasty: Service):
    loopback.answer(1.0)
    assert isinstance((await said(hasty))[2], ProviderTimeout)


async def test_silence_after_the_head_counts_as_before_the_answer(loopback: Loopback, hasty: Service):
    loopback.answer(head(), 1.0)
    _, _, error = await said(hasty)
    assert isinstance(error, ProviderTimeout)
    assert "0.3 seconds" in str(error)


async def test_silence_in_the_middle_is_an_interruption_long_before_the_limit_for_the_first_byte(
    loopback: Loopback, restless: Service
):
    loopback.answer(head(), delta("Par"), 2 * LONG)
    with anyio.fail_after(LONG / 2):
        text, _, error = await said(restless)
    assert text == "Par"
    assert isinstance(error, StreamInterrupted)
    assert "silent in the middle of the answer for 0.3 seconds" in str(error)


async def test_a_drip_ends_at_the_deadline_for_the_whole(loopback: Loopback):
    deadlines = Deadlines(connect=2, first_byte=2, between_chunks=2, total=0.5)
    provider = open_provider(ModelRef("openai-compatible", "m"), ProviderOptions(base_url=loopback.url, deadlines=deadlines))
    drip: list[bytes | float] = [b": x\n\n", 0.05]
    loopback.answer(head(), *(drip * 40))
    _, _, error = await said(provider)
    await provider.aclose()
    assert isinstance(error, StreamInterrupted)
    assert "longer than 0.5 seconds" in str(error)


async def test_slow_but_steady_is_fine(loopback: Loopback):
    loopback.answer(head(), *(step for _ in range(6) for step in (delta("x"), 0.25)), delta("", "stop"))
    async for provider in opened(loopback, first_byte=1.0, between_chunks=1.0):
        assert await said(provider) == ("xxxxxx", Ended("stop", None, "m", {}, "c", "stop"), None)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (http(b'{"error": {"message": "bad key"}}', status=401), AuthenticationFailed),
        (http(b'{"error": {"message": "slow"}}', status=429, retry_after="2"), RateLimited),
        (http(b"<html><title>Oops</title></html>", status=500, kind="text/html"), ServerFailed),
        (http(b"<!doctype html><title>Log in</title>", kind="text/html"), UnreadableAnswer),
        (http(b"plain words", kind="text/plain"), UnreadableAnswer),
        (http(b"", kind="application/json"), UnreadableAnswer),
        (head() + delta("x") + b'data: {"error": {"message": "boom", "code": 500}}\n\n', ServerFailed),
        (head(content_encoding="gzip") + b"this is not gzip", ProviderError),
        (b"HTTP/1.1 nonsense\r\n\r\n", ProviderError),
        (head() + b"data: " + b"x" * (33 << 20), UnreadableAnswer),
    ],
)
async def test_every_wrong_answer_is_a_typed_error(loopback: Loopback, provider: Service, response: bytes, kind):
    loopback.answer(response)
    _, _, error = await said(provider)
    assert isinstance(error, kind)
    assert "openai-compatible" in str(error)


async def test_a_whole_json_answer_is_taken_instead_of_a_stream(loopback: Loopback, provider: Service):
    loopback.answer(http(b'{"model": "m", "choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}]}'))
    assert (await said(provider))[0] == "Paris."


async def test_a_stream_with_the_wrong_content_type_is_read(loopback: Loopback, provider: Service):
    loopback.answer(http(delta("Paris.") + delta("", "stop"), kind="text/plain"))
    assert (await said(provider))[0] == "Paris."


async def test_nobody_listening_is_said_so():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    provider = open_provider(ModelRef("openai-compatible", "m"), ProviderOptions(base_url=f"http://127.0.0.1:{port}/v1"))
    _, _, error = await said(provider)
    await provider.aclose()
    assert isinstance(error, ConnectionFailed)
    assert "Is the server running" in str(error)


async def test_an_unknown_host_is_said_so():
    provider = open_provider(ModelRef("openai-compatible", "m"), ProviderOptions(base_url="http://no-such-host.invalid/v1"))
    _, _, error = await said(provider)
    await provider.aclose()
    assert isinstance(error, ConnectionFailed)


async def test_an_untrusted_certificate_is_said_so(tmp_path: Path):
    trustme = pytest.importorskip("trustme")
    import ssl

    certificate = trustme.CA().issue_cert("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        from threading import Thread

        def serve() -> None:
            connection, _ = listener.accept()
            with pytest.raises(OSError):
                context.wrap_socket(connection, server_side=True)

        thread = Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        provider = open_provider(ModelRef("openai-compatible", "m"), ProviderOptions(base_url=url))
        _, _, error = await said(provider)
        await provider.aclose()
        thread.join()
    assert isinstance(error, ConnectionFailed)
    assert "certificate" in str(error)


@pytest.mark.parametrize("url", ["ftp://x", "localhost:80", ""])
def test_a_base_url_that_is_none_is_refused(url: str):
    with pytest.raises(ConfigError, match="http://"):
        HTTPTransport(url, {}, Deadlines())


async def test_leaving_early_closes_the_connection_and_loses_none(loopback: Loopback, provider: Service):
    for _ in range(40):
        loopback.answer(head(), delta("Par"), 0.2, delta("is"), delta("", "stop"))
        async with aclosing(provider.stream(ASK)) as events:
            async for _event in events:
                break
    loopback.answer(stream("Paris."))
    assert (await said(provider))[0] == "Paris."


async def test_a_storm_of_cancelled_answers_leaves_the_provider_usable(loopback: Loopback, provider: Service):
    async def cancelled() -> None:
        with anyio.move_on_after(0.05):
            await said(provider)

    for _ in range(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(12):
                loopback.answer(head(), delta("Par"), 0.2)
                tasks.start_soon(cancelled)
    loopback.answers.clear()
    # A request that was cancelled may still arrive, and take an answer.
    for _ in range(60):
        loopback.answer(stream("Paris."))
    last = [await said(provider) for _ in range(3)]
    assert any(text == "Paris." for text, *_ in last), last


async def test_the_key_is_not_sent_to_where_a_redirect_points(loopback: Loopback):
    provider = open_provider(ModelRef("openai", "m"), ProviderOptions(base_url=loopback.url, api_key="sk-canary"))
    loopback.answer(http(b"", status=307, location=f"{loopback.url}/elsewhere"))
    _, _, error = await said(provider)
    await provider.aclose()
    assert error is not None
    assert "redirects" in str(error)
    assert len(loopback.seen) == 1
    assert loopback.seen[0].headers["authorization"] == "Bearer sk-canary"
    assert "canary" not in repr(error) + str(error.__cause__) + repr(provider)
