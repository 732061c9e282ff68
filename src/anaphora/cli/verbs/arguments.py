"""The words that may stand first on the command line instead of a question, and their flags."""

from __future__ import annotations

import argparse

# See anaphora/__init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Tells a wrong flag without obeying what it holds."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with the message."""
        from anaphora.cli.terminal.sanitize import sanitized

        super().error(sanitized(message))


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_count.__name__ = "number from 1"
_WHICH = "its number in anaphora list, its id, or part of its title"


def _list(add: Callable[..., object]) -> None:
    add("--limit", type=_count, default=20, metavar="N", help="how many, newest first (default 20)")
    add("--json", action="store_true", help="for programs")


def _show(add: Callable[..., object]) -> None:
    add("which", nargs="?", metavar="CONVERSATION", help=f"{_WHICH}; the newest if none is named")
    add("--json", action="store_true", help="everything there is of it, every branch")


def _search(add: Callable[..., object]) -> None:
    add("words", nargs="+", metavar="WORD", help='all of which a message must have; "in quotes" they must stand in a row')
    add("--limit", type=_count, default=20, metavar="N", help="how many, newest first (default 20)")
    add("--json", action="store_true", help="for programs")


def _rename(add: Callable[..., object]) -> None:
    add("which", metavar="CONVERSATION", help=_WHICH)
    add("title", nargs="+", metavar="TITLE", help="what to call it")


def _delete(add: Callable[..., object]) -> None:
    add("which", nargs="+", metavar="CONVERSATION", help=_WHICH)
    add("-y", "--yes", action="store_true", help="do not ask")


def _export(add: Callable[..., object]) -> None:
    add("which", nargs="?", metavar="CONVERSATION", help=f"{_WHICH}; the newest if none is named")
    add("-o", "--output", metavar="FILE", help="where to, instead of standard output (-); .md means Markdown")
    add(
        "--format",
        dest="form",
        choices=("json", "plain", "markdown"),
        help="json: everything, for import; plain: the list of role and content; markdown: for reading",
    )
    add("--all", action="store_true", help="all conversations, into one file for import")
    add("--force", action="store_true", help="write over a file that exists, without asking")


def _import(add: Callable[..., object]) -> None:
    add(
        "files",
        nargs="+",
        metavar="FILE",
        help="an export of anaphora, ChatGPT or Claude, as JSON, ZIP or folder, or a list of role and content; - for a pipe",
    )


def _memories(add: Callable[..., object]) -> None:
    add("--add", metavar="TEXT", help="remember something")
    add("--forget", type=_count, metavar="N", help="forget the one with this number")
    add("--all", action="store_true", help="also what held once")
    add("--json", action="store_true", help="for programs")


def _usage(add: Callable[..., object]) -> None:
    add("--days", type=_count, default=30, metavar="N", help="so many days back (default 30)")
    add("--json", action="store_true", help="for programs")


def _models(add: Callable[..., object]) -> None:
    add(
        "words",
        nargs="*",
        metavar="WORD",
        help="only models with these in their names; local: what is on this disk; rm NAME: free it",
    )
    add("--ask", metavar="PROVIDER", help="ask a provider which models it has, instead of the catalog")
    add("--base-url", metavar="URL", help="the address of the server that is asked")
    add("--json", action="store_true", help="for programs")


def _tools(add: Callable[..., object]) -> None:
    add("name", nargs="?", metavar="NAME", help="call this one, as a model would")
    add("arguments", nargs="?", metavar="JSON", help='its arguments, for example \'{"expression": "2+3"}\'')
    add("--tools", metavar="NAMES", help="others than the settings name, for example files:~/notes")
    add("--mcp", metavar="FILE", help="MCP servers, in the usual shape (mcpServers)")
    add("-y", "--yes", action="store_true", help="also one that acts in the world")
    add("--json", action="store_true", help="for programs")


def _amount(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError
    return number


def _seconds(text: str) -> float:
    return _amount(text)


def _rate(text: str) -> int:
    return _count(text.removesuffix("/min"))


_amount.__name__, _seconds.__name__ = "number of dollars", "number of seconds"
_rate.__name__ = "number of requests a minute, like 60/min"


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 16:
        raise ValueError
    return number


_port.__name__ = "port"


def _serve(add: Callable[..., object]) -> None:
    add("--host", default="127.0.0.1", metavar="HOST", help="the address to listen on (default 127.0.0.1: this machine alone)")
    add("--port", type=_port, default=8765, metavar="PORT", help="the port (default 8765; 0 takes a free one)")
    add("-m", "--model", metavar="MODEL", help="the model that answers where a client names none")
    add("--base-url", metavar="URL", help="the address of its service")
    add("-p", "--persona", metavar="NAME", help="the persona that answers")
    add("--workers", type=_count, default=1, metavar="N", help="so many processes; more than one needs Postgres")
    add("--grace", type=_seconds, default=20.0, metavar="SECONDS", help="time for running answers at the end (default 20)")
    add("--log-format", choices=("text", "json"), default="text", help="the form of the log")
    add("--fd", type=int, help=argparse.SUPPRESS)


def _token(add: Callable[..., object]) -> None:
    add("what", choices=("add", "list", "remove"), help="add a token, list them all, or remove one")
    add("name", nargs="?", metavar="NAME", help="whom it is for")
    add("--owner", metavar="OWNER", help="whose conversations it reaches (default: NAME; me: those of the terminal)")
    add("--rate", type=_rate, metavar="N/min", help="so many requests a minute at most")
    add("--concurrent", type=_count, metavar="N", help="so many answers at once at most")
    add("--daily-tokens", type=_count, metavar="N", help="so many tokens of models a day at most, in UTC")
    add("--daily-cost", type=_amount, metavar="DOLLARS", help="so many dollars a day at most, in UTC")
    add("--expires", type=_count, metavar="DAYS", help="so many days it is valid")
    add("--remember", action="store_true", help="recognise lists that plain clients send again, so that they are remembered")
    add("--json", action="store_true", help="for programs")


def _owner(add: Callable[..., object]) -> None:
    add("what", choices=("export", "delete"), help="write everything of one owner to a file, or remove it for good")
    add("name", metavar="NAME", help="the owner")
    add("-o", "--output", metavar="FILE", help="where to")
    add("-y", "--yes", action="store_true", help="do not ask")


def _store(add: Callable[..., object]) -> None:
    add(
        "what",
        choices=("check", "copy", "backup"),
        help="check: list the rows that cannot be read; copy SOURCE TARGET: all of one store into another; backup FILE",
    )
    add("places", nargs="*", metavar="STORE", help="files, or URLs like postgresql://HOST/NAME")
    add(
        "--quarantine",
        action="store_true",
        help="move them aside, so that all others can be used; nothing is deleted",
    )
    add("--json", action="store_true", help="for programs")


VERBS: dict[str, tuple[str, Callable[[Callable[..., object]], None]]] = {
    "list": ("list the conversations, newest first", _list),
    "show": ("print a conversation", _show),
    "search": ("find what was said", _search),
    "memories": ("show what is remembered of you, and where it comes from", _memories),
    "usage": ("show what models were asked, and what it cost", _usage),
    "models": ("list the models that are known, with their prices", _models),
    "tools": ("list the tools that models may call, or try one", _tools),
    "rename": ("give a conversation another title", _rename),
    "delete": ("delete conversations for good", _delete),
    "export": ("write conversations as JSON or Markdown", _export),
    "import": ("take in what other programs, or this one, exported", _import),
    "serve": ("answer OpenAI clients, with memory", _serve),
    "token": ("say who may use the server", _token),
    "owner": ("export or remove everything of one owner", _owner),
    "store": ("check, copy or back up the database", _store),
}


def takes(verb: str, words: Sequence[str]) -> bool:
    """True if the words after a command's name are what it takes."""
    parser = _Silent(add_help=False)
    VERBS[verb][1](parser.add_argument)
    try:
        parser.parse_args(list(words))
    except ValueError:
        return False
    return True


class _Silent(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def verb_arguments(argv: Sequence[str]) -> argparse.Namespace | None:
    """The arguments, if the first word is one of these; --store FILE may stand before it."""
    place = 0
    while place < len(argv) and argv[place].startswith("--store"):
        place += 1 if "=" in argv[place] else 2
    if place >= len(argv) or argv[place] not in VERBS:
        return None
    verb = argv[place]
    about, flags = VERBS[verb]
    parser = Parser(
        prog=f"anaphora {verb}",
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=f'To ask a question that begins with this word, put it in quotes: anaphora "{verb} …".',
    )
    flags(parser.add_argument)
    parser.add_argument("--store", metavar="FILE", help="where conversations are kept, instead of your data folder")
    return parser.parse_args([*argv[:place], *argv[place + 1 :]], argparse.Namespace(verb=verb, argv=tuple(argv)))
