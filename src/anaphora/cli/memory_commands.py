"""The commands of the chat that are about memory: what is known of the user, and forgetting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anaphora.cli.context_view import show_context
from anaphora.cli.listing import fact_lines, one_line

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
    chat.say(f"{'Remembered already' if fact.id in known else 'Remembered'}: {one_line(fact.text)}")


def memories(chat: Chat, which: str) -> None:
    """``/memories``: what is known, with where it comes from; with ``all`` also what held once."""
    facts = chat.bot.facts.history() if which == "all" else chat.bot.facts.list()
    for line in fact_lines(facts):
        chat.say(line)
    chat.say("/forget NUMBER forgets one." if facts else "Nothing is remembered yet. /remember TEXT keeps something.")


def forget(chat: Chat, which: str) -> None:
    """``/forget NUMBER`` of ``/memories``, or ``/forget last`` for the last question and its answer."""
    if which.lower() == "last":
        _forget_last(chat)
        return
    document = next((one for one in chat.conversation.documents if which and one.name == which), None)
    if document is not None:
        chat.conversation.forget(document)
        chat.say(f"Forgotten: {one_line(document.name)}")
        return
    facts = chat.bot.facts.list()
    if not which.isdecimal() or len(which) > 8:
        chat.say("/forget NUMBER forgets a memory (/memories shows them), /forget NAME a document (/attach shows them);")
        chat.say("/forget last blanks your last question and its answer.")
        return
    if not 0 < int(which) <= len(facts):
        chat.say(f"There is no memory {which}: /memories shows {len(facts) or 'none'}.")
        return
    fact = facts[int(which) - 1]
    chat.bot.facts.delete(fact)
    chat.forget_typed(fact.text)
    chat.say(f"Forgotten: {one_line(fact.text)}")
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
