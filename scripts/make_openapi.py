"""Writes src/anaphora/server/openai/openapi.json, the description of the server's API.

    python scripts/make_openapi.py

``tests/server/test_openapi.py`` holds it to the server, and the server to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anaphora
from anaphora.server.app import ROUTES

TARGET = Path(__file__).parent.parent / "src" / "anaphora" / "server" / "openai" / "openapi.json"
Json = dict[str, Any]


def obj(properties: Json, *required: str) -> Json:
    """Gives the schema of an object with these members, and perhaps others."""
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def maybe(schema: Json) -> Json:
    """Gives the schema of a value that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "integer"}
PAIRS: Json = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 512}, "maxProperties": 16}
ITEM: Json = {"type": "object"}
PAGE = {"object": {"const": "list"}, "data": {"type": "array", "items": ITEM}, "has_more": {"type": "boolean"}}
LIST = obj({**PAGE, "first_id": TEXT, "last_id": TEXT}, "object", "data", "has_more")
STATUSES = ["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
RESPONSE = obj(
    {
        "id": TEXT,
        "object": {"const": "response"},
        "created_at": NUMBER,
        "status": {"enum": STATUSES},
        "model": TEXT,
        "output": {"type": "array", "items": ITEM},
        "metadata": PAIRS,
        "usage": maybe(ITEM),
    },
    *("id", "object", "created_at", "status", "model", "output"),
)
CONVERSATION = obj(
    {"id": TEXT, "object": {"const": "conversation"}, "created_at": NUMBER, "metadata": PAIRS, "title": TEXT},
    *("id", "object", "created_at", "metadata"),
)
INPUT = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": ITEM, "minItems": 1}]}
TOOLS = {"type": "array", "items": ITEM}
RESPONSE_REQUEST = obj(
    {
        "input": INPUT,
        "model": TEXT,
        "instructions": maybe(TEXT),
        "conversation": maybe({"anyOf": [TEXT, obj({"id": TEXT}, "id")]}),
        "previous_response_id": maybe(TEXT),
        "store": maybe({"type": "boolean"}),
        "stream": maybe({"type": "boolean"}),
        "background": maybe({"type": "boolean"}),
        "max_output_tokens": maybe({"type": "integer", "minimum": 1}),
        "temperature": maybe({"type": "number", "minimum": 0, "maximum": 2}),
        "tools": maybe(TOOLS),
        "truncation": maybe({"enum": ["auto", "disabled"]}),
        "metadata": maybe(PAIRS),
    },
    "input",
)
CHAT_REQUEST = obj(
    {
        "messages": {"type": "array", "items": ITEM, "minItems": 1},
        "model": TEXT,
        "conversation": maybe({"anyOf": [TEXT, obj({"id": TEXT}, "id")]}),
        "stream": maybe({"type": "boolean"}),
        "n": maybe({"type": "integer", "minimum": 1, "maximum": 16}),
        "temperature": maybe({"type": "number", "minimum": 0, "maximum": 2}),
        "tools": maybe(TOOLS),
    },
    "messages",
)
COMPLETION = obj({"id": TEXT, "object": {"const": "chat.completion"}, "choices": TOOLS}, "id", "object", "choices")
DELETED = obj({"id": TEXT, "deleted": {"type": "boolean"}}, "id", "deleted")
MODEL = obj({"id": TEXT, "object": {"const": "model"}, "owned_by": TEXT, "context_window": maybe(NUMBER)}, "id", "object")
# Bodies and answers by method and path.
BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/v1/responses"): RESPONSE_REQUEST,
    ("POST", "/v1/responses/input_tokens"): obj(RESPONSE_REQUEST["properties"]),
    ("POST", "/v1/responses/{id}/confirm"): obj({"call_id": TEXT, "allow": {"type": "boolean"}}, "call_id", "allow"),
    ("POST", "/v1/conversations"): obj({"metadata": maybe(PAIRS), "items": maybe({"type": "array", "items": ITEM})}),
    ("POST", "/v1/conversations/{id}"): obj({"metadata": PAIRS}, "metadata"),
    ("POST", "/v1/conversations/{id}/items"): obj({"items": {"type": "array", "items": ITEM, "maxItems": 20}}, "items"),
    ("POST", "/v1/chat/completions"): CHAT_REQUEST,
    ("POST", "/v1/embeddings"): obj({"input": {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}, "model": TEXT}, "input"),
}
ANSWERS: dict[tuple[str, str], Json] = {
    ("POST", "/v1/responses"): RESPONSE,
    ("POST", "/v1/responses/input_tokens"): obj({"object": TEXT, "input_tokens": NUMBER}, "object", "input_tokens"),
    ("GET", "/v1/responses/{id}"): RESPONSE,
    ("DELETE", "/v1/responses/{id}"): DELETED,
    ("POST", "/v1/responses/{id}/cancel"): RESPONSE,
    ("GET", "/v1/responses/{id}/input_items"): LIST,
    ("GET", "/v1/conversations"): LIST,
    ("POST", "/v1/conversations"): CONVERSATION,
    ("GET", "/v1/conversations/{id}"): CONVERSATION,
    ("POST", "/v1/conversations/{id}"): CONVERSATION,
    ("DELETE", "/v1/conversations/{id}"): DELETED,
    ("GET", "/v1/conversations/{id}/items"): LIST,
    ("POST", "/v1/conversations/{id}/items"): LIST,
    ("DELETE", "/v1/conversations/{id}/items/{item}"): CONVERSATION,
    ("POST", "/v1/chat/completions"): COMPLETION,
    ("GET", "/v1/models"): obj({"object": {"const": "list"}, "data": {"type": "array", "items": MODEL}}, "object", "data"),
    ("GET", "/v1/models/{name}"): MODEL,
}
PAGED = {"/v1/conversations", "/v1/conversations/{id}/items", "/v1/responses/{id}/input_items"}
ERROR = obj({"error": obj({"message": TEXT, "type": TEXT, "param": maybe(TEXT), "code": maybe(TEXT)}, "message")}, "error")
FAILURE = {"$ref": "#/components/schemas/Error"}
STREAMED = {"/v1/responses", "/v1/chat/completions", "/v1/responses/{id}"}


def parameters(path: str) -> list[Json]:
    """Gives the parameters of a path."""
    found = [
        {"name": name, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}
        for name in ("id", "item", "name")
        if f"{{{name}}}" in path
    ]
    if path in PAGED:
        limit = {"type": "integer", "minimum": 1, "maximum": 100}
        found += [{"name": "limit", "in": "query", "schema": limit}, {"name": "after", "in": "query", "schema": TEXT}]
        found.append({"name": "order", "in": "query", "schema": {"enum": ["asc", "desc"]}})
    if path == "/v1/conversations":
        found.append({"name": "q", "in": "query", "schema": TEXT})
    if path == "/v1/responses/{id}":
        found.append({"name": "stream", "in": "query", "schema": {"type": "boolean"}})
        found.append({"name": "starting_after", "in": "query", "schema": {"type": "integer"}})
    return found


def operation(method: str, path: str, summary: str) -> Json:
    """Gives the description of one endpoint."""
    content: Json = {"application/json": {"schema": ANSWERS.get((method, path), {"type": "object"})}}
    if path in STREAMED and method in {"POST", "GET"}:
        content["text/event-stream"] = {"schema": TEXT}
    found: Json = {
        "summary": summary,
        "operationId": f"{method.lower()}{path.replace('/', '_').replace('{', '').replace('}', '')}",
        "responses": {
            "200": {"description": "The answer.", "content": content},
            "default": {"description": "An error.", "content": {"application/json": {"schema": FAILURE}}},
        },
    }
    if given := parameters(path):
        found["parameters"] = [one for one in given if one["in"] == "path" or method == "GET"]
    if (method, path) in BODIES:
        body = {"application/json": {"schema": BODIES[method, path]}}
        found["requestBody"] = {"required": True, "content": body}
    return found


def description() -> Json:
    """Gives the whole description."""
    paths: dict[str, Json] = {}
    for method, route, endpoint in ROUTES:
        path = route.replace(":path", "")
        summary = (endpoint.__doc__ or "").splitlines()[0]
        paths.setdefault(path, {})[method.lower()] = operation(method, path, summary)
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "anaphora", "version": anaphora.__version__, "description": "OpenAI's API, with memory."},
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}, "securitySchemes": {"token": bearer}},
        "security": [{}, {"token": []}],
    }


def text() -> str:
    """Gives the file."""
    return json.dumps(description(), indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
