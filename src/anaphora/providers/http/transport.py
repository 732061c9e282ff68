"""The HTTP requests of all providers: bytes out, and our own errors instead of the library's."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel

from anaphora.concurrency import run_in_thread
from anaphora.errors import ConfigError, ProviderTimeout
from anaphora.providers.base import Deadlines
from anaphora.providers.http.body import LONGER, HTTPBody
from anaphora.providers.http.connection_errors import our_errors
from anaphora.providers.wires.failures import Answerer
from anaphora.values.address import is_loopback, without_secrets

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    import httpx2  # noqa: TC004 -- _import_httpx2 binds it when it is needed


# The trace that a call belongs to, as headers: it goes with every call that a server makes for a request.
TRACE_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("TRACE_HEADERS", default={})  # noqa: B039 -- nobody changes it


class HTTPTransport:
    """The open connections to one base URL. Several event loops may use it, one after the other."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str], deadlines: Deadlines, *, client: httpx2.AsyncClient | None = None
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigError(f"the base URL ({without_secrets(base_url)}) must begin with http:// or https://.")
        try:
            _ = urlsplit(base_url).port
        except ValueError as error:
            raise ConfigError(
                f"the base URL ({without_secrets(base_url)}) is not one that can be used: its port is wrong."
            ) from error
        address, _, self._query = base_url.partition("?")
        self._base_url = address.rstrip("/")
        self._headers = dict(headers)
        self._deadlines = deadlines
        self._own_client = client
        self._client: httpx2.AsyncClient | None = None
        self._loop: object = None

    async def connect(self) -> None:
        """Loads the HTTP library off the event loop, since that takes a tenth of a second."""
        await run_in_thread(_import_httpx2)

    async def post(self, who: Answerer, path: str, headers: Mapping[str, str], body: bytes) -> HTTPBody:
        """Sends a POST and gives the body of the answer, unread. Raises ProviderError."""
        end = time.monotonic() + self._deadlines.total
        # Compression would delay the words of a stream.
        headers = {"accept-encoding": "identity", **headers, **TRACE_HEADERS.get()}
        return await self._answer(who, await self._send(who, "POST", path, headers, body), end)

    async def ask(self, who: Answerer, path: str, body: bytes | None) -> bytes:
        """Gives the bytes of a small answer to a GET, or to a POST with a body. Raises ProviderError."""
        end = time.monotonic() + self._deadlines.first_byte
        kind = {"content-type": "application/json"}
        response = await self._send(who, "GET" if body is None else "POST", path, kind, body)
        async with await self._answer(who, response, end) as answer:
            return await answer.whole()

    async def aclose(self) -> None:
        """Closes all connections."""
        client, self._client = self._client, None
        if client is not None and self._loop == anyio.lowlevel.current_token():
            await client.aclose()

    async def _answer(self, who: Answerer, response: httpx2.Response, end: float) -> HTTPBody:
        body = HTTPBody(response, who, self._deadlines, end)
        await body.check()
        return body

    async def _send(
        self, who: Answerer, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> httpx2.Response:
        url = path if path.startswith("http") else self._base_url + path
        if self._query and not path.startswith("http"):
            url += f"{'&' if '?' in url else '?'}{self._query}"
        first_byte = min(self._deadlines.first_byte, self._deadlines.total)
        with our_errors(who):
            client = self._open()
            timeout = httpx2.Timeout(None, connect=self._deadlines.connect)
            together = {**self._headers, **headers}
            request = client.build_request(method, url, headers=together, content=body, timeout=timeout)
            try:
                with anyio.fail_after(first_byte):
                    return await client.send(request, stream=True)
            except TimeoutError:
                late = f"it did not begin to answer for {first_byte:g} seconds. {LONGER}"
                raise ProviderTimeout(f"{who.provider}: {late}", provider=who.provider) from None

    def _open(self) -> httpx2.AsyncClient:
        """Gives a client for the running event loop and drops that of an earlier loop. Raises ConfigError for a bad proxy."""
        _import_httpx2()
        if self._own_client is not None:
            return self._own_client
        loop = anyio.lowlevel.current_token()
        if self._client is None or self._loop != loop:
            try:
                self._client = httpx2.AsyncClient(
                    verify=_trust(self._base_url),
                    # A local server is reached without a proxy.
                    trust_env=not is_loopback(self._base_url),
                    limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
                    cookies=_no_cookies(),
                )
            except (ValueError, ImportError) as error:
                raise ConfigError(
                    f"the proxy in the environment (HTTPS_PROXY, ALL_PROXY) cannot be used ({error}): correct it, or unset it."
                ) from error
            self._loop = loop
        return self._client


def _import_httpx2() -> None:
    global httpx2  # noqa: PLW0603 -- the import takes a tenth of a second, so it waits for the first call
    import httpx2


def _no_cookies() -> CookieJar:
    """Gives a jar that keeps none: one call tells nothing of another."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def _trust(base_url: str) -> ssl.SSLContext | bool:
    return ssl.create_default_context() if base_url.startswith("https://") else False
