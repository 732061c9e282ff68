"""Guards that are ready to use."""

from __future__ import annotations

import json
import re

from anaphora.errors import ConfigError
from anaphora.guards.base import Check, Guard, Refusal, Verdict
from anaphora.schema.values import NotOfType, parsed_json
from anaphora.search.terms import terms

MASK = "[secret]"
_JSON = frozenset('{["-0123456789tfn')
# Keys of the large services, tokens, private keys, and passwords in addresses.
_SECRETS = re.compile(
    r"""
      \b(?:sk|pk|rk)[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9_-]{16,}        # OpenAI, Anthropic, Stripe, …
    | \b(?:ghp|gho|ghu|ghs|ghr|github_pat|glpat|hf|gsk|xai|npm|pypi)[-_][A-Za-z0-9_-]{16,}
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,}                                 # Slack
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                                    # AWS
    | \bAIza[A-Za-z0-9_-]{30,}                                         # Google
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*        # JSON web tokens
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    | (?<=://)[^\s/:@]+:[^\s/@]+(?=@)                                  # a name and a password in an address
    | (?i:(?<=bearer\ )[A-Za-z0-9._~+/-]{12,}=*)
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMED = re.compile(
    r"""(?i)\b((?:api[-_ ]?key|secret(?:[-_ ]?key)?|access[-_ ]?token|password|passwd|passphrase)["']?\s*"""
    # "The password is required" contains no password.
    r"""(?:[:=]\s*["']?|is\s+["']?(?=\S*[0-9!@#$%^&*])))([^\s"',;]{4,})"""
)


def mask_secrets() -> Guard:
    """Makes a guard that puts ``[secret]`` in place of keys, tokens and passwords in messages and in results of tools."""

    def masked(text: str) -> Verdict:
        return _NAMED.sub(rf"\1{MASK}", _SECRETS.sub(MASK, text))

    return Guard(masked, frozenset({"message", "result"}), hides=True)


def topics(*words: str, refusal: str = "I can only talk about {topics}.") -> Guard:
    """Makes a guard that refuses messages without any of these words, in any form: book, books. Raises ConfigError for no words.

    It compares words, not meanings, so give it many; a short message with a pronoun ("and its price?") has none of them.
    """
    wanted = _stems(" ".join(words))
    if not wanted:
        raise ConfigError("name the words of the topics that are allowed.")
    said = Refusal(refusal.replace("{topics}", ", ".join(words)))

    def on_topic(text: str) -> Verdict:
        return None if wanted & _stems(text) else said

    return Guard(on_topic, frozenset({"message"}))


def maximum_length(characters: int, *, on: str = "message") -> Guard:
    """Makes a guard that refuses longer messages (or, with ``on="answer"``, cuts longer answers). Raises ConfigError."""
    if characters < 1 or on not in {"message", "answer"}:
        raise ConfigError("a maximum length is a number of characters from 1, on message or answer.")

    def short_enough(text: str) -> Verdict:
        if len(text) <= characters:
            return None
        if on == "answer":
            return f"{text[: characters - 1].rstrip()}…"
        return Refusal(f"This message has {len(text)} characters; at most {characters} are allowed.")

    check: Check = short_enough
    return Guard(check, frozenset({"message"} if on == "message" else {"answer"}))


def json_only(refusal: str = "There is no answer in the form that was asked for.") -> Guard:
    """Makes a guard that passes the JSON value of an answer, without fence or words around it, and refuses other answers."""

    def is_json(text: str) -> Verdict:
        try:
            value = parsed_json(text)
        except NotOfType:
            return Refusal(refusal)
        return None if text.lstrip()[:1] in _JSON else json.dumps(value, ensure_ascii=False)

    return Guard(is_json, frozenset({"answer"}))


def _stems(text: str) -> frozenset[str]:
    return frozenset(terms(text))
