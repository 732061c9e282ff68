"""The endpoints of conversations and their items."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from anaphora.errors import NotFound
from anaphora.server.auth import Grant
from anaphora.server.error_bodies import ApiError
from anaphora.server.http import json_body, json_response
from anaphora.server.openai.fields import metadata_of, wrong
from anaphora.server.openai.items import items_of, items_of_messages, message_of_item, page
from anaphora.server.openai.paging import is_ascending, limit_of, page_of
from anaphora.server.openai.place import conversation_scope, new_scope, no_conversation
from anaphora.server.openai.responses_request import input_messages
from anaphora.server.services import Services
from anaphora.stores.records import checked_query
from anaphora.transfer.plain import PlainMessage
from anaphora.values.message import Message
from anaphora.values.scope import Scope
from anaphora.values.transcript import START, ConversationInfo, Entry

_MOST_ITEMS = 20
_METADATA = "metadata"


async def create(services: Services, grant: Grant, request: Request) -> Response:
    """Begins a conversation, perhaps with items and pairs of the client's own."""
    body = await _body(services, request)
    metadata, messages = metadata_of(body), _items(body, is_required=False)
    scope = new_scope(grant)
    await services.store.describe(scope, settings={_METADATA: metadata})
    if messages:
        await _append(services, scope, messages)
    return json_response(conversation_object(await services.store.info(scope)))


async def retrieve(services: Services, grant: Grant, request: Request) -> Response:
    """Gives a conversation."""
    return json_response(conversation_object(await services.store.info(await _scope(services, grant, request))))


async def update(services: Services, grant: Grant, request: Request) -> Response:
    """Sets the pairs of the client's own."""
    scope = await _scope(services, grant, request)
    body = await _body(services, request)
    if body.get("metadata") is None:
        raise wrong("metadata", "give the pairs that the conversation is to have.", "missing_required_parameter")
    settings = {**(await services.store.info(scope)).settings, _METADATA: metadata_of(body)}
    await services.store.describe(scope, settings=settings)
    return json_response(conversation_object(await services.store.info(scope)))


async def delete(services: Services, grant: Grant, request: Request) -> Response:
    """Deletes a conversation with all its messages."""
    scope = await _scope(services, grant, request)
    await services.kept.bot.conversation(scope.conversation, owner=grant.owner).delete()
    return json_response({"id": scope.conversation, "object": "conversation.deleted", "deleted": True})


async def listed(services: Services, grant: Grant, request: Request) -> Response:
    """Lists the owner's conversations, or those in which something was said: an extension of ours."""
    query = request.query_params
    limit, after, text = limit_of(query), query.get("after"), query.get("q")
    if text is not None:
        return json_response(await _found(services, grant, text, limit))
    infos = list(await services.store.conversations(grant.owner))
    if is_ascending(query):
        infos.reverse()
    start = 0
    if after:
        start = next((place + 1 for place, info in enumerate(infos) if info.id == after), -1)
        if start < 0:
            raise no_conversation(after)
    shown = [conversation_object(info) for info in infos[start : start + limit]]
    return json_response(page(shown, has_more=len(infos) > start + limit))


async def _found(services: Services, grant: Grant, text: str, limit: int) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for hit in await services.store.search(grant.owner, checked_query(text, limit)):
        if hit.conversation not in found:
            info = await services.store.info(Scope(grant.owner, hit.conversation))
            found[hit.conversation] = {**conversation_object(info), "matches": []}
        match = {"item_id": hit.entry.id, "role": hit.entry.role, "created_at": int(hit.entry.created), "text": hit.excerpt}
        found[hit.conversation]["matches"].append(match)
    return page(list(found.values()), has_more=False)


async def items(services: Services, grant: Grant, request: Request) -> Response:
    """Lists the items of the current branch."""
    scope = await _scope(services, grant, request)
    branch = await services.store.branch(scope, (await services.store.info(scope)).head)
    return json_response(page_of(items_of_messages(branch), request.query_params))


async def add_items(services: Services, grant: Grant, request: Request) -> Response:
    """Appends items that no model answers."""
    scope = await _scope(services, grant, request)
    entries = await _append(services, scope, _items(await _body(services, request), is_required=True))
    return json_response(page(items_of_messages(entries), has_more=False))


async def item(services: Services, grant: Grant, request: Request) -> Response:
    """Gives one item."""
    entry, item_id = await _entry(services, grant, request)
    found = next((one for one in items_of(entry) if one["id"] == item_id), None)
    if found is None:
        raise _no_item(item_id)
    return json_response(found)


async def delete_item(services: Services, grant: Grant, request: Request) -> Response:
    """Forgets the message of an item for good, with all that was derived from it. Gives the conversation."""
    entry, _ = await _entry(services, grant, request)
    scope = Scope(grant.owner, request.path_params["id"])
    await services.kept.bot.conversation(scope.conversation, owner=grant.owner).forget(entry.id)
    return json_response(conversation_object(await services.store.info(scope)))


async def _entry(services: Services, grant: Grant, request: Request) -> tuple[Entry, str]:
    scope = await _scope(services, grant, request)
    item_id = request.path_params["item"]
    try:
        return (await services.store.branch(scope, message_of_item(item_id), reach=START))[-1], item_id
    except NotFound:
        raise _no_item(item_id) from None


def _no_item(item_id: str) -> ApiError:
    return ApiError(f"there is no item {item_id!r} in this conversation.", status=404, code="item_not_found")


async def _scope(services: Services, grant: Grant, request: Request) -> Scope:
    return await conversation_scope(services.kept, grant, request.path_params["id"])


async def _body(services: Services, request: Request) -> dict[str, Any]:
    return await json_body(request, services.config.most_bytes, services.config.body_seconds)


def _items(body: dict[str, Any], *, is_required: bool) -> tuple[Message, ...]:
    given = body.get("items")
    if given is None and not is_required:
        return ()
    if not isinstance(given, list):
        raise wrong("items", "must be a list of items.", "invalid_type")
    if len(given) > _MOST_ITEMS:
        raise wrong("items", f"has {len(given)} items, and at most {_MOST_ITEMS} are taken at once: send the rest after them.")
    return input_messages(given, "items") if given else ()


async def _append(services: Services, scope: Scope, messages: tuple[Message, ...]) -> list[Entry]:
    """Appends messages at the head. Raises ConversationBusy."""
    known = services.kept.conversation(scope)
    async with known.writing():
        head = (await services.store.info(scope)).head
        last = await known.append_all([PlainMessage(message) for message in messages], head)
    return list(await services.store.branch(scope, last))[-len(messages) :]


def conversation_object(info: ConversationInfo) -> dict[str, Any]:
    """Gives a conversation as OpenAI has it, with its title and its length beside."""
    metadata = info.settings.get(_METADATA)
    return {
        "id": info.id,
        "object": "conversation",
        "created_at": int(info.created),
        "metadata": metadata if isinstance(metadata, dict) else {},
        "title": info.title,
        "updated_at": int(info.updated),
        "messages": info.messages,
    }
