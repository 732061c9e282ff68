"""Exit codes, and how an error is told on the terminal."""

from __future__ import annotations

import sys

# See anaphora/__init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from anaphora.errors import AnaphoraError


OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def report(error: AnaphoraError) -> int:
    """Say what went wrong on standard error; gives the exit code."""
    from anaphora.cli.terminal.notice import wrapped
    from anaphora.errors import ConfigError, DocumentError, InvalidAnswer, InvalidMessage

    print(wrapped(f"anaphora: {error}"), file=sys.stderr)
    if isinstance(error, InvalidAnswer):
        print(wrapped(f"It was: {error.text or '(nothing)'}"), file=sys.stderr)
    return USAGE if isinstance(error, (ConfigError, InvalidMessage, DocumentError)) else FAILED
