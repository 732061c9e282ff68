"""A web application with many users: each has conversations of their own, answers stream, and nobody sees anybody else's.

usage: pip install starlette uvicorn && MODEL=ollama:llama3 uvicorn --app-dir examples web_app:app
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from anaphora import AsyncChatbot
from anaphora.errors import AnaphoraError

STORE = os.environ.get("STORE", "web_app.db")
_bots: dict[str, AsyncChatbot] = {}


def bot_of(user: str) -> AsyncChatbot:
    """A user's bot. The owner is part of every key in the store, so what one user says reaches no other."""
    if user not in _bots:
        _bots[user] = AsyncChatbot(os.environ.get("MODEL", "local"), store=STORE, owner=user, max_tokens=200)
    return _bots[user]


async def chat(request: Request) -> Response:
    """POST {"user", "conversation", "text"}: the answer as it comes."""
    said = await request.json()
    reply = bot_of(said["user"]).conversation(said["conversation"]).stream(said["text"])

    async def words() -> AsyncGenerator[str, None]:
        try:
            async for text in reply:
                yield text
        except AnaphoraError as error:
            yield f"\n[{error}]"

    return StreamingResponse(words(), media_type="text/plain; charset=utf-8")


async def history(request: Request) -> Response:
    """GET /history/{user}/{conversation}: what was said."""
    conversation = bot_of(request.path_params["user"]).conversation(request.path_params["conversation"])
    return JSONResponse([{"role": entry.role, "text": entry.text} for entry in await conversation.history()])


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """At the end, let go of everything."""
    yield
    for bot in _bots.values():
        await bot.aclose()
    _bots.clear()


app = Starlette(
    routes=[Route("/chat", chat, methods=["POST"]), Route("/history/{user}/{conversation}", history)], lifespan=lifespan
)
