"""A finished answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from anaphora.errors import ProviderError
from anaphora.values.message import Finish, Image, Message, Status, Usage
from anaphora.values.report import Report

if TYPE_CHECKING:
    # A default makes a plain ``Answer`` the answer of a question without an output type.
    from typing_extensions import TypeVar

    T = TypeVar("T", default=None)
else:
    from typing import TypeVar

    T = TypeVar("T")

_SHOWN = 60


@dataclass(frozen=True, slots=True, repr=False)
class Answer(Generic[T]):
    """An answer as it was stored, with everything that is known of how it came.

    ``value`` is the answer as the type that was asked for (``output_type``), else None. ``usage`` counts the tokens of all
    calls of this turn; None if no provider reported any. ``seconds`` is the whole turn, ``first_seconds`` the time until the
    first word. ``context`` reports what the model saw. ``steps`` are the messages before the answer, if tools were called:
    the model's calls and their results. ``retried`` holds the errors after which the model was asked again, ``warnings``
    sentences for the user. ``cache_loss`` says why the provider read much less from its cache than before, if it did.
    ``raw_finish`` is the provider's own word for ``finish``, ``response_id`` its name for this answer, ``details`` what only
    this vendor reports.
    """

    message: Message
    status: Status
    usage: Usage | None = None
    finish: Finish | None = None
    model: str = ""
    seconds: float = 0.0
    first_seconds: float | None = None
    context: Report | None = None
    retried: tuple[ProviderError, ...] = ()
    warnings: tuple[str, ...] = ()
    cache_loss: str = ""
    steps: tuple[Message, ...] = ()
    value: T = None  # type: ignore[assignment]
    details: Mapping[str, Any] = field(default_factory=dict)
    response_id: str = ""
    raw_finish: str = ""

    @property
    def text(self) -> str:
        """The words of the answer."""
        return self.message.text

    @property
    def thinking(self) -> str:
        """The model's thinking before the answer, where the provider shows it."""
        return self.message.thinking

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures of the answer."""
        return tuple(part for part in self.message.parts if isinstance(part, Image))

    def to_dict(self) -> dict[str, Any]:
        """Gives the answer as JSON values: role, content, status, model, finish reason, usage, value and warnings."""
        return {
            **self.message.to_dict(),
            "status": self.status,
            "model": self.model,
            "finish": self.finish,
            "usage": None if self.usage is None else self.usage.to_dict(),
            "value": self.value,
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        line = " ".join(self.text.split())
        line = line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
        return f"Answer({line!r}, status={self.status!r}, model={self.model!r})"

    def _repr_markdown_(self) -> str:
        """Notebooks show the answer as Markdown."""
        return self.text
