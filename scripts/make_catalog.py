"""Make the catalog of models from the public tables that two packages on PyPI ship, and list where they differ.

    python -m pip download --no-deps litellm==1.109.1 genai-prices==0.2.3
    python scripts/make_catalog.py litellm-1.109.1-*.whl genai_prices-0.2.3-*.whl --date 2026-11-21

Writes ``src/anaphora/providers/models/models.jsonl`` and ``docs/explanation/catalog-differences.md``; the same wheels
and day (on which the prices are to hold) give the same files. litellm's table (MIT) goes
first; models that only genai-prices (MIT) knows are taken from there.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# Our provider: litellm's name for it, the prefix of its models there, and genai-prices' name.
PROVIDERS = {
    "anthropic": ("anthropic", "", "anthropic"),
    "cerebras": ("cerebras", "cerebras/", "cerebras"),
    "deepseek": ("deepseek", "deepseek/", "deepseek"),
    "gemini": ("gemini", "gemini/", "google"),
    "groq": ("groq", "groq/", "groq"),
    "mistral": ("mistral", "mistral/", "mistral"),
    "openai": ("openai", "", "openai"),
    "openrouter": ("openrouter", "openrouter/", "openrouter"),
    "together": ("together_ai", "together_ai/", "together"),
    "xai": ("xai", "xai/", "x-ai"),
}
ABILITIES = {
    "sampling": "supports_sampling_params",
    "images": "supports_vision",
    "tools": "supports_function_calling",
    "json_schema": "supports_response_schema",
    "thinking": "supports_reasoning",
}
PRICES = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "thinking_price": "output_cost_per_reasoning_token",
}
GENAI = {"input": "input_mtok", "output": "output_mtok", "cached": "cache_read_mtok", "cache_write": "cache_write_mtok"}
Row = dict[str, Any]


def main() -> None:
    """Read both wheels, write both files."""
    parser = argparse.ArgumentParser(description="make the catalog of models")
    parser.add_argument("litellm", type=Path)
    parser.add_argument("genai_prices", type=Path)
    parser.add_argument("--date", required=True, type=date.fromisoformat, help="the day whose prices are taken")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the project (default: where this script is)")
    arguments = parser.parse_args()
    theirs = dict(from_genai_prices(arguments.genai_prices, str(arguments.date)))
    ours = dict(from_litellm(arguments.litellm))
    rows = {**theirs, **ours}
    sources = [
        f"{path.name.split('-')[0].replace('_', '-')} {path.name.split('-')[1]}"
        for path in (arguments.litellm, arguments.genai_prices)
    ]
    head = {"date": str(arguments.date), "sources": sources}
    lines = [head, *({"model": name, **rows[name]} for name in sorted(rows))]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (arguments.root / "src/anaphora/providers/models/models.jsonl").write_text(text, encoding="utf-8")
    found = list(differences(ours, theirs))
    report = "".join(f"| {' | '.join(line)} |\n" for line in found)
    (arguments.root / "docs/explanation/catalog-differences.md").write_text(
        f"# Where the catalog's sources differ\n\nMade by `scripts/make_catalog.py` from {' and '.join(sources)}: of the models "
        f"that both know, those whose prices (dollars for a million tokens) differ. The catalog has the first.\n\n"
        f"| model | price | {sources[0]} | {sources[1]} |\n|---|---|---|---|\n{report}",
        encoding="utf-8",
    )
    print(json.dumps({"models": len(rows), "both": len(ours.keys() & theirs.keys()), "differences": len(found)}))


def from_litellm(wheel: Path) -> Iterator[tuple[str, Row]]:
    """Chat models of litellm's table, as ``provider:model`` and what is known."""
    with zipfile.ZipFile(wheel) as archive:
        table = json.loads(archive.read("litellm/model_prices_and_context_window_backup.json"))
    for provider, (theirs, prefix, _) in PROVIDERS.items():
        for name, entry in table.items():
            if entry.get("litellm_provider") != theirs or entry.get("mode") not in {"chat", "responses"}:
                continue
            if name.startswith(prefix) and not name.startswith("ft:"):
                yield f"{provider}:{name.removeprefix(prefix)}", row(entry)


def row(entry: Row) -> Row:
    """One model."""
    limits = {
        "context_window": entry.get("max_input_tokens") or entry.get("max_tokens"),
        "max_output": entry.get("max_output_tokens"),
    }
    known: Row = {name: int(value) for name, value in limits.items() if isinstance(value, int | float) and value >= 1}
    known |= prices(entry, "")
    sizes = sorted({int(found[1]) for key in entry if (found := re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key))})
    tiers = [{"above": size * 1000, **known_prices(known), **prices(entry, f"_above_{size}k_tokens")} for size in sizes]
    if tiers and "input" in known:
        known["tiers"] = tiers
    known |= {name: entry[key] for name, key in ABILITIES.items() if isinstance(entry.get(key), bool)}
    if re.fullmatch(r"\d{4}-\d\d-\d\d", str(entry.get("deprecation_date"))):
        known["retires"] = entry["deprecation_date"]
    return known


def known_prices(known: Row) -> Row:
    """The prices of a model's first tier, which hold for the others where those do not say."""
    return {name: known[name] for name in PRICES if name in known}


def prices(entry: Row, suffix: str) -> Row:
    """Dollars for a million tokens; nothing where input or output is missing."""
    found = {name: entry.get(key + suffix) for name, key in PRICES.items()}
    if found["input"] is None or found["output"] is None:
        return {}
    return {name: round(price * 1e6, 6) for name, price in found.items() if isinstance(price, int | float)}


def from_genai_prices(wheel: Path, day: str) -> Iterator[tuple[str, Row]]:
    """The same of genai-prices, as they are on that day."""
    sys.path.insert(0, str(wheel))
    from genai_prices.data import providers

    by_name = {provider.id: provider for provider in providers}
    for provider, (_, _, theirs) in PROVIDERS.items():
        for model in by_name[theirs].models:
            if provider == "gemini" and not model.id.startswith(("gemini", "gemma")):
                # Google resells other vendors' models, but not under this address.
                continue
            chosen = model.prices
            if isinstance(chosen, list):
                usual = [one for one in chosen if one.constraint is None or hasattr(one.constraint, "start_date")]
                begun = [one for one in usual if one.constraint is None or str(one.constraint.start_date) <= day]
                chosen = begun[-1].prices if begun else None
            found = {} if chosen is None else mtok_prices(chosen)
            if model.context_window:
                found = {"context_window": model.context_window, **found}
            if found:
                yield f"{provider}:{model.id}", found


def mtok_prices(prices: Any) -> Row:
    """Dollars for a million tokens, and the tiers."""
    given = {name: getattr(prices, key, None) for name, key in GENAI.items()}
    if given["input"] is None or given["output"] is None:
        return {}
    found: Row = {name: float(getattr(price, "base", price)) for name, price in given.items() if price is not None}
    sizes = sorted({tier.start for price in given.values() for tier in getattr(price, "tiers", ())})
    tiers = [{"above": size, **{name: at(price, size) for name, price in given.items() if price is not None}} for size in sizes]
    return {**found, "tiers": tiers} if tiers else found


def at(price: Any, size: int) -> float:
    """The price for a prompt a little above that size."""
    tiers = [tier for tier in getattr(price, "tiers", ()) if tier.start <= size]
    return float(tiers[-1].price if tiers else getattr(price, "base", price))


def differences(ours: dict[str, Row], theirs: dict[str, Row]) -> Iterator[tuple[str, str, str, str]]:
    """Model, price, and what either says, where both say something else."""
    for name in sorted(ours.keys() & theirs.keys()):
        for price in GENAI:
            one, other = ours[name].get(price), theirs[name].get(price)
            if one is not None and other is not None and abs(one - other) > 1e-9:
                yield name, price, f"{one:g}", f"{other:g}"


if __name__ == "__main__":
    main()
