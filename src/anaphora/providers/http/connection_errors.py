"""Translates the errors of the HTTP library into our own errors, each with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from anaphora.errors import ConfigError, ConnectionFailed, StreamInterrupted
from anaphora.providers.wires.failures import Answerer


@contextmanager
def our_errors(who: Answerer, *, began: bool = False) -> Iterator[None]:
    """Turns the transport's errors into ours. ``began``: bytes of the answer have come."""
    import httpx2

    try:
        yield
    except httpx2.ConnectTimeout as error:
        raise ConnectionFailed(
            f"{who.provider}: no connection within the time limit. Check the network and the base URL.", provider=who.provider
        ) from error
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise ConfigError(f"the base URL is not one that can be used: {error}") from error
    except httpx2.TransportError as error:
        if began:
            raise StreamInterrupted(
                f"{who.provider}: the connection broke in the middle of the answer. Try again.", provider=who.provider
            ) from error
        raise ConnectionFailed(_why_no_connection(who, error), provider=who.provider) from error
    except httpx2.HTTPError as error:
        raise StreamInterrupted(f"{who.provider}: the answer could not be read ({error}).", provider=who.provider) from error


def _innermost(error: BaseException) -> str:
    """Gives the text of the first cause that has any: on trio only the causes have text."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return "" if cause is None else str(cause)


def _why_no_connection(who: Answerer, error: Exception) -> str:
    import httpx2

    reason = _innermost(error)
    if "CERTIFICATE" in reason.upper():
        return f"{who.provider}: its certificate is not trusted ({reason}). Check the address and the system's ca-certificates."
    if "WRONG_VERSION_NUMBER" in reason:
        return f"{who.provider}: this port does not speak https. If it is a server of your own, try http:// in the base URL."
    if "Name or service not known" in reason or "getaddrinfo" in reason or "nodename" in reason:
        return f"{who.provider}: the host name is not known. Check the base URL and your network."
    if isinstance(error, httpx2.ConnectError):
        return f"{who.provider}: cannot connect ({reason or 'refused'}). Is the server running, and is the base URL right?"
    return f"{who.provider}: the connection broke before the answer began ({reason or type(error).__name__}). Try again."
