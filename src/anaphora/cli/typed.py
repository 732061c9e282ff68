"""What was typed in earlier chats, for the arrow keys: a file that only this user can read, from which lines can be taken."""

from __future__ import annotations

import os
from pathlib import Path

from prompt_toolkit.history import FileHistory


class TypedLines(FileHistory):
    """prompt_toolkit's history file, newest lines last."""

    def forget(self, text: str) -> None:
        """Take out every line that says this, also as what a command took (``/edit TEXT``)."""
        wanted = text.strip()

        def says_it(line: str) -> bool:
            return line.strip() == wanted or (line.startswith("/") and line.strip().endswith(wanted))

        # Newest first, as prompt_toolkit gives and holds them.
        kept = [line for line in self.load_history_strings() if not says_it(line)]
        self._loaded_strings = [line for line in self._loaded_strings if not says_it(line)]
        Path(os.fsdecode(self.filename)).write_text("", encoding="utf-8")
        for line in reversed(kept):
            self.store_string(line)
