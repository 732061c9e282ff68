"""What is known of the OpenAI-compatible services: one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vendor:
    """A service that speaks the OpenAI dialect. ``key_variable`` None: it wants no key.

    ``model`` is what is taken where none is named.

    ``max_tokens_field`` is how the answer's limit is written; OpenAI's thinking models refuse the old name.
    """

    name: str
    base_url: str | None
    key_variable: str | None
    model: str = ""
    max_tokens_field: str = "max_tokens"
    first_byte: float | None = None


VENDORS: dict[str, Vendor] = {
    vendor.name: vendor
    for vendor in (
        Vendor("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-5.4-mini", max_tokens_field="max_completion_tokens"),
        Vendor("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "openai/gpt-oss-120b"),
        Vendor("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", "openai/gpt-oss-120b"),
        Vendor("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openrouter/auto"),
        # It loads the model on the first request, which may take minutes.
        Vendor("ollama", "http://127.0.0.1:11434/v1", None, first_byte=600.0),
        Vendor("openai-compatible", None, None, first_byte=600.0),
    )
}
