"""Better titles of conversations than their first words: from the model, and nobody waits for them."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from anaphora.billing import Billing
from anaphora.context.asides import without_asides
from anaphora.providers.model import Model
from anaphora.values.message import Message, Options, text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import TITLE_LENGTH, UNNAMED, shortened

# A thinking model needs room to think; the others end by themselves.
_ANSWER_TOKENS = 400
# Asked after the conversation itself, so that the provider reads almost all of it from its cache.
_QUESTION = "Give our conversation a title of at most six words, in its own language. Answer with the title alone."
# After so many messages a title that the model could not better is left as it is.
_MESSAGES = 6


def cleaned_title(text: str) -> str:
    """The title in what a model answered; empty if there is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    title = " ".join(lines[0].split()).strip("\"'“”„«»*#` ").removeprefix("Title:").rstrip(".").strip() if lines else ""
    return title if len(title) <= TITLE_LENGTH else ""


async def retitle(billing: Billing, model: Model, scope: Scope, messages: Sequence[Message], *, quiet: float) -> None:
    """Asks the model for a title if the conversation still has that of its first words. Raises AnaphoraError.

    Waits ``quiet`` seconds before, so that a quick follow-up does not find the model busy.
    """
    await anyio.sleep(quiet)
    store = billing.store
    info = await store.info(scope)
    # What memory quoted belongs to other conversations, perhaps, and is to be in no title.
    messages = [without_asides(message) for message in messages]
    first = next((message.text for message in messages if message.role == "user"), "")
    is_named = not scope.conversation.startswith(UNNAMED) or info.title != shortened(first)
    if is_named or info.messages > _MESSAGES:
        return
    asked, options = [*messages, text_message("user", _QUESTION)], Options(max_tokens=_ANSWER_TOKENS)
    answer, _ = await billing.request(scope, model, model.request(asked, options, "title", stable=len(messages)))
    title = cleaned_title(answer)
    # Somebody may have named it meanwhile.
    if title and (await store.info(scope)).title == info.title:
        await store.describe(scope, title=title)
