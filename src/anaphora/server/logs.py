"""The server's log: one line for each event, as text or JSON, without words of messages and without keys."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

_PLAIN = frozenset(vars(logging.makeLogRecord({})))


class Line(logging.Formatter):
    """A record as one line. With ``as_json`` it is a JSON object."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Gives the line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        more = {name: value for name, value in vars(record).items() if name not in _PLAIN and name not in {"message", "asctime"}}
        event = {"time": stamp, "level": record.levelname.lower(), "event": record.getMessage(), **more}
        if record.exc_info and record.exc_info[0] is not None:
            # A traceback can hold words of messages; the place is enough to find the fault.
            event["fault"] = _place(record)
        if self._as_json:
            return json.dumps(event, default=str)
        about = " ".join(f"{name}={value}" for name, value in event.items() if name not in {"time", "level", "event"})
        return f"{stamp} {event['level']} {event['event']} {about}".rstrip()


def _place(record: logging.LogRecord) -> str:
    kind, _, trace = record.exc_info or (None, None, None)
    last: Any = trace
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = f" in {last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last is not None else ""
    return f"{kind.__name__ if kind else ''}{where}"


def log_to_stderr(form: str) -> None:
    """Writes the server's log to standard error; ``form`` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line(as_json=form == "json"))
    logger = logging.getLogger("anaphora.server")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
