"""Gives the synchronous methods the docstrings and signatures of the asynchronous ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def same_as(original: Callable[..., Any]) -> Callable[[Function], Function]:
    """Takes the docstring and the parameters of the asynchronous method that a method stands for."""

    def decorated(method: Function) -> Function:
        doc = original.__doc__
        method.__doc__ = doc.replace("Async", "") if doc else doc
        theirs, ours = inspect.signature(original), inspect.signature(method)
        method.__signature__ = theirs.replace(return_annotation=ours.return_annotation)  # type: ignore[attr-defined]
        return method

    return decorated
