"""The lines typed in earlier chats, for the arrow keys, in a file that only this user can read."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_state_path
from prompt_toolkit.history import FileHistory

from anaphora.files import make_private_folder


def history_path() -> Path | None:
    """A file only this user can read; None where none can be written."""
    try:
        folder = user_state_path("anaphora")
        make_private_folder(folder)
        path = folder / "history"
        path.touch(mode=0o600)
    except OSError:
        return None
    return path


def forget_line(text: str) -> None:
    """Take a line that was typed in a chat out of the history file."""
    path = history_path()
    if path is not None:
        TypedLines(path).forget(text)


class TypedLines(FileHistory):
    """prompt_toolkit's history file, newest lines last."""

    def forget(self, text: str) -> None:
        """Take out every line that says this, also as what a command took (``/edit TEXT``)."""
        wanted = " ".join(text.split())

        def says_it(line: str) -> bool:
            said = " ".join(line.split())
            return said == wanted or (said.startswith("/") and said.endswith(wanted))

        # Newest first, as prompt_toolkit gives and holds them.
        kept = [line for line in self.load_history_strings() if not says_it(line)]
        self._loaded_strings = [line for line in self._loaded_strings if not says_it(line)]
        Path(os.fsdecode(self.filename)).write_text("", encoding="utf-8")
        for line in reversed(kept):
            self.store_string(line)
