"""The endpoints of models and embeddings."""

from __future__ import annotations

import base64
import struct
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from anaphora.server.auth import Grant
from anaphora.server.error_bodies import ApiError
from anaphora.server.http import json_body, json_response
from anaphora.server.openai.fields import wrong
from anaphora.server.services import Services

_MOST_TEXTS = 2_048


async def listed(services: Services, grant: Grant, request: Request) -> Response:
    """Lists the models that clients may name, and the aliases."""
    del grant, request
    found = [await _model(services, name) for name in services.models.names()]
    return json_response({"object": "list", "data": found})


async def retrieve(services: Services, grant: Grant, request: Request) -> Response:
    """Gives one model."""
    del grant
    name = request.path_params["name"]
    services.models.find(name)
    return json_response(await _model(services, name))


async def _model(services: Services, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, **await services.models.card(name)}


async def embeddings(services: Services, grant: Grant, request: Request) -> Response:
    """Gives rows of numbers for texts, where an embedder is configured."""
    del grant
    body = await json_body(request, services.config.most_bytes, services.config.body_seconds)
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(isinstance(one, str) and one for one in texts):
        raise wrong("input", "must be a text or a list of texts.", "invalid_type")
    if len(texts) > _MOST_TEXTS:
        raise wrong("input", f"has {len(texts)} texts, and at most {_MOST_TEXTS} are taken at once.")
    form = body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise wrong("encoding_format", f"must be float or base64, not {form!r}.")
    if services.embed is None:
        told = 'this server makes no embeddings: name an embedder in its settings (embedder = "PROVIDER:MODEL").'
        raise ApiError(told, status=404, code="model_not_found", param="model")
    rows = await services.embed(texts)
    data = [{"object": "embedding", "index": place, "embedding": _form(row, form)} for place, row in enumerate(rows)]
    tokens = sum(len(one.encode()) // 4 + 1 for one in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_response({"object": "list", "data": data, "model": body.get("model") or services.embedder, "usage": usage})


def _form(row: Any, form: str) -> Any:
    numbers = [float(one) for one in row]
    if form == "float":
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode("ascii")
