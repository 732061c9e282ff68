"""What was typed in earlier chats, for the arrow keys: a file that only this user can read, from which lines can be taken."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory


class TypedLines(FileHistory):
    """prompt_toolkit's history file, newest lines last."""

    def forget(self, text: str) -> None:
        """Take out every line that has this text."""
        wanted = text.strip()
        # Newest first, as prompt_toolkit gives and holds them.
        kept = [line for line in self.load_history_strings() if wanted not in line]
        self._loaded_strings = [line for line in self._loaded_strings if wanted not in line]
        Path(os.fsdecode(self.filename)).write_text("", encoding="utf-8")
        self._store_all(reversed(kept))

    def _store_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.store_string(line)
