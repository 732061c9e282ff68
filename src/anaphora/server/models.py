"""The models that clients may name: those that are allowed, and other names for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from anaphora.errors import ConfigError, UnknownModel
from anaphora.providers.model import Model
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.registry import parse_models
from anaphora.server.error_bodies import ApiError

# So many answers may wait for a model that does one thing at a time.
MOST_WAITING = 8
_RETRY_SECONDS = 5.0
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as it is served: the name that the client gave, and the models that answer, in their order."""

    name: str
    models: tuple[Model, ...]

    @property
    def dialects(self) -> tuple[str, ...]:
        """The dialects of the services."""
        names = [model.provider.name for model in self.models]
        return tuple(VENDORS[name].dialect if name in VENDORS else "openai" for name in names)


class Places:
    """The places at a model that does one thing at a time: one that answers, and a short queue."""

    def __init__(self) -> None:
        # Not a lock: the place is given back by another task than the one that took it.
        self._place = anyio.Semaphore(1)
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """The number of answers that wait."""
        return self._waiting

    async def take(self) -> None:
        """Waits for the place. Raises ApiError if too many wait already."""
        if self._waiting >= MOST_WAITING:
            told = f"this model gives one answer at a time, and {self._waiting} wait for it already: try again in a moment."
            raise ApiError(told, status=503, code="server_busy", seconds=_RETRY_SECONDS)
        self._waiting += 1
        try:
            await self._place.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Gives the place back."""
        self._place.release()


@dataclass(frozen=True, slots=True)
class ModelTable:
    """The models of a server.

    ``allowed`` are names like ``provider:model``, or ``provider:*`` for all of a service; the first is the default. ``aliases``
    are names that clients may use instead. ``make`` opens models by name.
    """

    allowed: tuple[str, ...]
    aliases: Mapping[str, str]
    make: Callable[[str], tuple[Model, ...]]
    _opened: dict[str, tuple[Model, ...]] = field(default_factory=dict)

    @property
    def default(self) -> str:
        """The model of requests that name none."""
        return self.allowed[0]

    def find(self, name: str) -> ServedModel:
        """Gives the model of a name. Raises ApiError for one that is not allowed."""
        meant = self.aliases.get(name, name) or self.default
        if not self._is_allowed(meant):
            fitting = [one for one in self.allowed if one.partition(":")[2] == meant]
            if len(fitting) != 1:
                known = [*self.aliases, *self.allowed][:_SHOWN]
                told = f"there is no model {name!r} here. There are: {', '.join(known)}."
                raise ApiError(told, status=404, code="model_not_found", param="model")
            meant = fitting[0]
        if meant not in self._opened:
            try:
                self._opened[meant] = self.make(meant)
            except UnknownModel as error:
                raise ApiError(str(error), status=404, code="model_not_found", param="model") from error
        return ServedModel(name or meant, self._opened[meant])

    def opened(self) -> Sequence[Model]:
        """Gives the models that are open."""
        return [model for models in self._opened.values() for model in models]

    def _is_allowed(self, name: str) -> bool:
        provider, _, model = name.partition(":")
        return name in self.allowed or name in self.aliases.values() or (bool(model) and f"{provider}:*" in self.allowed)

    def names(self) -> list[str]:
        """Gives the names that clients may use; of services that are allowed as a whole, the models of the catalog."""
        from anaphora.providers.models.catalog import known_models

        found: list[str] = [*self.aliases]
        for name in self.allowed:
            is_whole = name.endswith(":*")
            found += [one for one, _ in known_models() if one.startswith(name[:-1])] if is_whole else [name]
        return list(dict.fromkeys(found))

    async def card(self, name: str) -> dict[str, Any]:
        """Gives the facts about a model, as far as they are known without asking its service."""
        from anaphora.providers.models.catalog import known_card

        meant = self.aliases.get(name, name)
        try:
            ref = parse_models(meant)[0]
        except ConfigError:
            return {"owned_by": meant.partition(":")[0], "context_window": None}
        opened = self._opened.get(meant)
        window = known_card(ref.provider, ref.model, {}).context_window
        if opened is not None and window is None:
            window = (await opened[0].prepare()).context_window
        return {"owned_by": ref.provider, "context_window": window}
