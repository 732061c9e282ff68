"""The synchronous classes have the names, signatures and docstrings of the asynchronous ones."""

import inspect
from collections.abc import Callable

import pytest

from anaphora import AsyncChatbot, AsyncConversation, Chatbot, Conversation

PAIRS = [(AsyncChatbot, Chatbot), (AsyncConversation, Conversation)]
# What differs by its nature.
OTHERS = {"aclose", "close", "begin", "sibling"}


def verbs(kind: type) -> dict[str, Callable[..., object]]:
    return {name: value for name, value in inspect.getmembers(kind, callable) if not name.startswith("_")}


@pytest.mark.parametrize(("theirs", "ours"), PAIRS)
def test_names_signatures_and_docstrings_are_the_same(theirs: type, ours: type):
    asynchronous, synchronous = verbs(theirs), verbs(ours)
    assert asynchronous.keys() - OTHERS == synchronous.keys() - OTHERS
    for name in asynchronous.keys() - OTHERS:
        one, other = inspect.signature(asynchronous[name]), inspect.signature(synchronous[name])
        assert list(one.parameters.values()) == list(other.parameters.values()), name
        assert synchronous[name].__doc__ == (asynchronous[name].__doc__ or "").replace("Async", ""), name


@pytest.mark.parametrize(("theirs", "ours"), PAIRS)
def test_properties_are_the_same_and_none_of_them_reads_the_store(theirs: type, ours: type):
    def properties(kind: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(kind, lambda value: isinstance(value, property)) if name[0] != "_"}

    assert properties(theirs) == properties(ours) <= {"id", "owner", "model"}


@pytest.mark.parametrize("kind", [AsyncChatbot, Chatbot])
def test_every_option_stands_in_the_signature_and_the_docstring(kind: type):
    for function, option in ((kind, "max_cost"), (kind, "temperature"), (kind.say, "model"), (kind.retry, "seed")):  # type: ignore[attr-defined]
        assert option in inspect.signature(function).parameters
        doc = (function.__init__ if inspect.isclass(function) else function).__doc__
        assert f"\n    {option}: " in (doc or "")
