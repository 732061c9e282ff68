"""The commands of the chat that are about memory: what is known of the user, and forgetting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anaphora.cli.context_view import show_context
from anaphora.cli.sanitize import sanitized
from anaphora.context.fence import day_of
from anaphora.derived import Fact

if TYPE_CHECKING:
    from anaphora.cli.commands import Chat


def remember(chat: Chat, text: str) -> None:
    """``/remember TEXT``, or the last message of the user."""
    known = {fact.id for fact in chat.bot.facts}
    if text:
        fact = chat.bot.facts.add(text)
    else:
        last = next((entry for entry in reversed(chat.conversation.history) if entry.role == "user"), None)
        if last is None:
            chat.say("What? /remember TEXT keeps it for all conversations; alone it keeps your last message.")
            return
        fact = chat.bot.facts.add(last.text, message=last, conversation=chat.conversation.id)
    chat.say(f"{'Remembered already' if fact.id in known else 'Remembered'}: {_plain(fact.text)}")


def memories(chat: Chat, which: str) -> None:
    """``/memories``: what is known, with where it comes from; with ``all`` also what held once."""
    facts = chat.bot.facts.history() if which == "all" else chat.bot.facts.list()
    numbers = {fact.id: number for number, fact in enumerate(chat.bot.facts.list(), 1)}
    for fact in facts:
        number = f"{numbers[fact.id]:3}" if fact.id in numbers else "  -"
        until = "" if fact.superseded is None else f", until {day_of(fact.superseded)}"
        chat.say(f"{number}  {_plain(fact.text)}  ({day_of(fact.created)}{until}, {_source(fact)})")
    chat.say("/forget NUMBER forgets one." if facts else "Nothing is remembered yet. /remember TEXT keeps something.")


def forget(chat: Chat, which: str) -> None:
    """``/forget NUMBER`` of ``/memories``, or ``/forget last`` for the last question and its answer."""
    if which.lower() == "last":
        _forget_last(chat)
        return
    facts = chat.bot.facts.list()
    if not which.isdecimal() or len(which) > 8:
        chat.say("/forget NUMBER forgets a memory (/memories shows them); /forget last blanks your last question and its answer.")
        return
    if not 0 < int(which) <= len(facts):
        chat.say(f"There is no memory {which}: /memories shows {len(facts) or 'none'}.")
        return
    fact = facts[int(which) - 1]
    chat.bot.facts.delete(fact)
    chat.say(f"Forgotten: {_plain(fact.text)}")
    if fact.evidence:
        chat.say("The message that it came from is still in its conversation.")


def context(chat: Chat, _: str) -> None:
    """``/context``."""
    show_context(chat.conversation.context.report)


def _forget_last(chat: Chat) -> None:
    last = next((entry for entry in reversed(chat.conversation.history) if entry.role == "user"), None)
    asked = chat.conversation.unanswered() or last
    if asked is None or not asked.message.parts:
        chat.say("There is nothing to forget.")
        return
    chat.conversation.forget(asked, answers=True)
    chat.forget_typed(asked.text)
    chat.say("Your last question and its answers are blank now, and nothing that was made of them is left.")


def _source(fact: Fact) -> str:
    """Where a fact comes from, for people."""
    if not fact.evidence:
        return "you told it"
    said = f"“{_short(_plain(fact.evidence[0].quote))}”"
    more = f" and {len(fact.evidence) - 1} more" if len(fact.evidence) > 1 else ""
    return f"you said {said}{more}"


def _plain(text: str) -> str:
    return " ".join(sanitized(text).split())


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"
