"""The services over HTTP: one row for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dialect = Literal["openai", "anthropic", "gemini", "ollama"]


@dataclass(frozen=True, slots=True)
class Vendor:
    """A service. ``key_variable`` None: it needs no key. ``model``: the default model.

    ``max_tokens_field``: the field for the answer's limit; OpenAI's thinking models refuse the old name. ``first_byte``: seconds
    to wait for the first byte. ``is_free``: it runs on the user's machine. ``exact_tokens``: an exact counter exists for it.
    ``strict_schemas``: it has OpenAI's strict mode. ``short_call_ids``: ids of tool calls must have Mistral's form.
    ``most_tools`` and ``longest_description`` (characters): its limits for tools. ``cost_field``: the field of its usage that
    states the cost, in units of ``cost_unit`` dollars.
    """

    name: str
    base_url: str | None
    key_variable: str | None
    model: str = ""
    dialect: Dialect = "openai"
    max_tokens_field: str = "max_tokens"
    first_byte: float | None = None
    is_free: bool = False
    exact_tokens: bool = False
    strict_schemas: bool = False
    short_call_ids: bool = False
    most_tools: int | None = None
    longest_description: int | None = None
    cost_field: str = ""
    cost_unit: float = 1.0


VENDORS: dict[str, Vendor] = {
    vendor.name: vendor
    for vendor in (
        Vendor(
            "openai",
            "https://api.openai.com/v1",
            "OPENAI_API_KEY",
            "gpt-5.4-mini",
            max_tokens_field="max_completion_tokens",
            exact_tokens=True,
            strict_schemas=True,
            most_tools=128,
            longest_description=1_024,
        ),
        Vendor("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", "claude-haiku-5-5", "anthropic"),
        Vendor(
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta",
            "GEMINI_API_KEY",
            "gemini-3.8-flash",
            "gemini",
            most_tools=512,
        ),
        Vendor("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "openai/gpt-oss-120b", most_tools=128),
        Vendor("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", "openai/gpt-oss-120b"),
        Vendor(
            "openrouter",
            "https://openrouter.ai/api/v1",
            "OPENROUTER_API_KEY",
            "openrouter/auto",
            most_tools=128,
            cost_field="cost",
        ),
        Vendor("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", "mistral-medium-latest", short_call_ids=True),
        Vendor("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY", "deepseek-chat", most_tools=128),
        Vendor("xai", "https://api.x.ai/v1", "XAI_API_KEY", most_tools=200, cost_field="cost_in_usd_ticks", cost_unit=1e-10),
        Vendor("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
        # Ollama loads the model on the first request, which may take minutes.
        Vendor("ollama", "http://127.0.0.1:11434", None, dialect="ollama", first_byte=600.0, is_free=True),
        Vendor("openai-compatible", None, None, first_byte=600.0),
    )
}
