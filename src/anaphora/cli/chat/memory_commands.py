"""The commands of the chat that are about memory: what is known of the user, and forgetting."""

from __future__ import annotations

from anaphora.cli.session import Session
from anaphora.cli.terminal.context_view import show_context
from anaphora.cli.terminal.listing import fact_lines, one_line


def remember(session: Session, text: str) -> None:
    """``/remember TEXT``, or the last message of the user."""
    known = {fact.id for fact in session.bot.facts}
    if text:
        fact = session.bot.facts.add(text)
    else:
        last = next((entry for entry in reversed(session.conversation.history()) if entry.role == "user"), None)
        if last is None:
            session.say("What? /remember TEXT keeps it for all conversations; alone it keeps your last message.")
            return
        fact = session.bot.facts.add(last.text, message=last, conversation=session.conversation.id)
    session.say(f"{'Remembered already' if fact.id in known else 'Remembered'}: {one_line(fact.text)}")


def memories(session: Session, which: str) -> None:
    """``/memories``: what is known, with where it comes from; with ``all`` also what held once."""
    facts = session.bot.facts.history() if which == "all" else session.bot.facts.list()
    for line in fact_lines(facts):
        session.say(line)
    session.say("/forget NUMBER forgets one." if facts else "Nothing is remembered yet. /remember TEXT keeps something.")


def forget(session: Session, which: str) -> None:
    """``/forget NUMBER`` of ``/memories``, or ``/forget last`` for the last question and its answer."""
    if which.lower() == "last":
        _forget_last(session)
        return
    document = next((one for one in session.conversation.documents() if which and one.name == which), None)
    if document is not None:
        session.conversation.forget(document)
        session.say(f"Forgotten: {one_line(document.name)}")
        return
    facts = session.bot.facts.list()
    if not which.isdecimal() or len(which) > 8:
        session.say("/forget NUMBER forgets a memory (/memories shows them), /forget NAME a document (/attach shows them);")
        session.say("/forget last blanks your last question and its answer.")
        return
    if not 0 < int(which) <= len(facts):
        session.say(f"There is no memory {which}: /memories shows {len(facts) or 'none'}.")
        return
    fact = facts[int(which) - 1]
    session.bot.facts.delete(fact)
    session.forget_typed(fact.text)
    session.say(f"Forgotten: {one_line(fact.text)}")
    if fact.evidence:
        session.say("The message that it came from is still in its conversation.")


def context(session: Session, _: str) -> None:
    """``/context``."""
    show_context(session.conversation.context().report)


def _forget_last(session: Session) -> None:
    last = next((entry for entry in reversed(session.conversation.history()) if entry.role == "user"), None)
    asked = session.conversation.unanswered() or last
    if asked is None or not asked.message.parts:
        session.say("There is nothing to forget.")
        return
    session.conversation.forget(asked, answers=True)
    session.forget_typed(asked.text)
    session.say("Your last question and its answers are blank now, and nothing that was made of them is left.")
