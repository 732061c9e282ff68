"""The description of the API for programs, as OpenAPI 3.1."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def openapi() -> dict[str, Any]:
    """Gives the description."""
    text = (files("anaphora.server.openai") / "openapi.json").read_text(encoding="utf-8")
    described: dict[str, Any] = json.loads(text)
    return described
