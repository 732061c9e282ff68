"""``anaphora list``, ``show``, ``search`` and so on: past conversations from the command line, without a model."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from anaphora.chat.transcript_verbs import Form
from anaphora.cli.choose import chosen
from anaphora.cli.exit import FAILED, OK, report
from anaphora.cli.open import index_all, store_of
from anaphora.cli.options import own_servers
from anaphora.cli.past import past_conversations
from anaphora.cli.terminal.history import forget_line
from anaphora.cli.terminal.listing import conversation_lines, fact_lines, hit_lines, one_line
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.overwrite import agreed, may_write
from anaphora.cli.terminal.progress import Bar
from anaphora.cli.terminal.render import show_whole
from anaphora.cli.terminal.sanitize import sanitized
from anaphora.cli.verbs.models import models
from anaphora.cli.verbs.serve import serve
from anaphora.cli.verbs.store import store
from anaphora.cli.verbs.tokens import owner, token
from anaphora.cli.verbs.tools import tools
from anaphora.cli.verbs.usage import usage
from anaphora.errors import ConfigError, NotFound, TranscriptFileError
from anaphora.settings import load_settings
from anaphora.sync.chatbot import Chatbot
from anaphora.sync.conversation import Conversation
from anaphora.transfer.files import replacing
from anaphora.values.codec import usage_to_json
from anaphora.values.transcript import ConversationInfo

Verb = Callable[[Chatbot, argparse.Namespace], int]


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; gives the exit code. Raises AnaphoraError."""
    if arguments.verb == "serve":
        return serve(arguments)
    settings = load_settings(flags={"store": arguments.store})
    if arguments.verb == "token":
        return token(store_of(settings), arguments)
    is_file = arguments.store is not None and "://" not in arguments.store
    if arguments.verb != "import" and is_file and not Path(arguments.store).expanduser().exists():
        raise ConfigError(f"there is no file {arguments.store}.")
    if arguments.verb == "models":
        return models(load_settings(flags={"base_url": arguments.base_url}), arguments)
    if arguments.verb == "store":
        return store(store_of(settings), arguments)
    if arguments.verb == "owner":
        return owner(store_of(settings), arguments)
    if arguments.verb == "tools":
        return tools(load_settings(flags={"tools": arguments.tools, "mcp": arguments.mcp or own_servers()}), arguments)
    with past_conversations(store_of(settings)) as bot:
        if arguments.verb == "search":
            index_all(bot)
        return _VERBS[arguments.verb](bot, arguments)


def _list(bot: Chatbot, arguments: argparse.Namespace) -> int:
    infos = bot.conversations()
    if arguments.json:
        print(json.dumps([{**asdict(info), "usage": usage_to_json(info.usage)} for info in infos[: arguments.limit]]))
        return OK
    for line in conversation_lines(infos[: arguments.limit]):
        print(line)
    if len(infos) > arguments.limit:
        notice(f"{len(infos) - arguments.limit} more; --limit N shows more of them.")
    if not infos:
        notice("There are no conversations yet.")
    return OK


def _show(bot: Chatbot, arguments: argparse.Namespace) -> int:
    conversation = bot.conversation(chosen(_some(bot), "1" if arguments.which is None else arguments.which))
    if arguments.json:
        _write_out(conversation.export("json"))
    else:
        show_whole(conversation.export("markdown"))
    return OK


def _search(bot: Chatbot, arguments: argparse.Namespace) -> int:
    # The shell has taken away quotes that may have been meant, or may have been there for the shell alone.
    in_a_row = (f'"{word}"' if " " in word.strip() and '"' not in word else word for word in arguments.words)
    hits = bot.search(" ".join(in_a_row), limit=arguments.limit) or bot.search(" ".join(arguments.words), limit=arguments.limit)
    if arguments.json:
        found = [
            {
                "conversation": hit.conversation,
                "title": hit.title,
                "message": hit.entry.id,
                "role": hit.entry.role,
                "created": hit.entry.created,
                "excerpt": hit.excerpt,
                "marks": hit.marks,
            }
            for hit in hits
        ]
        print(json.dumps(found))
        return OK
    for line in hit_lines(hits, styled=sys.stdout.isatty()):
        print(line)
    if hits:
        notice("anaphora --resume ID goes on with a conversation.")
        return OK
    notice("Nothing was found: no message has all these words.")
    return FAILED


def _memories(bot: Chatbot, arguments: argparse.Namespace) -> int:
    if arguments.add is not None:
        bot.facts.add(arguments.add)
    if arguments.forget is not None:
        held = bot.facts.list()
        if arguments.forget > len(held):
            raise NotFound(f"there is no memory {arguments.forget}: there are {len(held)}.")
        bot.facts.delete(held[arguments.forget - 1])
        forget_line(held[arguments.forget - 1].text)
    facts = bot.facts.history() if arguments.all else bot.facts.list()
    if arguments.json:
        print(json.dumps([asdict(fact) for fact in facts]))
        return OK
    for line in fact_lines(facts):
        print(line)
    if not facts:
        notice("Nothing is remembered yet. anaphora memories --add TEXT keeps something.")
    return OK


def _rename(bot: Chatbot, arguments: argparse.Namespace) -> int:
    info = chosen(_some(bot), arguments.which)
    title = " ".join(arguments.title).strip()
    if not title:
        raise ConfigError("the title is empty.")
    bot.conversation(info).rename(title)
    notice(f"“{info.title}” is now “{bot.conversation(info).info().title}”.")
    return OK


def _delete(bot: Chatbot, arguments: argparse.Namespace) -> int:
    infos = bot.conversations()
    doomed = {info.id: info for info in (chosen(infos, which) for which in arguments.which)}
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise ConfigError("deleting asks first, and nobody is there to answer: say --yes.")
        for info in doomed.values():
            notice(f"“{info.title}”, {info.messages} messages, {info.id}")
        if not agreed("Delete for good? [y/N] "):
            notice("Nothing was deleted.")
            return FAILED
    for info in doomed.values():
        bot.conversation(info).delete()
        notice(f"“{info.title}” is deleted.")
    return OK


def exported_text(conversation: Conversation, form: Form) -> str:
    """Gives a conversation as the text of a file."""
    exported = conversation.export(form)
    return exported if isinstance(exported, str) else json.dumps(exported, ensure_ascii=False, indent=2) + "\n"


def _export(bot: Chatbot, arguments: argparse.Namespace) -> int:
    if arguments.all:
        if not arguments.output or arguments.which:
            raise ConfigError("--all writes every conversation into one file: name it with -o FILE, and no conversation.")
        if (arguments.form or form_of(arguments.output)) != "json":
            raise ConfigError("all conversations together are written as JSON only; name one for another form.")
        if not may_write(arguments.output, force=arguments.force):
            return _not_written()
        notice(f"{bot.export_to(arguments.output)} conversations are written to {arguments.output}.")
        return OK
    conversation = bot.conversation(chosen(_some(bot), "1" if arguments.which is None else arguments.which))
    text = exported_text(conversation, arguments.form or form_of(arguments.output or ""))
    if arguments.output in {None, "-"}:
        _write_out(text)
        return OK
    if not may_write(arguments.output, force=arguments.force):
        return _not_written()
    with replacing(arguments.output) as file:
        file.write(text)
    notice(f"“{conversation.info().title}” is written to {arguments.output}.")
    return OK


def _not_written() -> int:
    notice("Nothing was written.")
    return FAILED


def form_of(path: str) -> Form:
    """Gives the form that a file's ending asks for."""
    return "markdown" if Path(path).suffix.lower() in {".md", ".markdown"} else "json"


def _import(bot: Chatbot, arguments: argparse.Namespace) -> int:
    damaged = 0
    for path in arguments.files:
        try:
            with Bar() as bar:
                done = bot.import_from("/dev/stdin" if path == "-" else path, bar.show)
        except TranscriptFileError as error:
            report(error)
            damaged += 1
            continue
        new = f"{done.messages} new messages in {done.changed} of" if done.messages else "nothing new in"
        notice(f"{path}: {new} {done.read} conversations.")
        for one in done.damaged:
            print(f"anaphora: skipped {one_line(str(one))}.", file=sys.stderr)
        damaged += len(done.damaged)
    return FAILED if damaged else OK


def _write_out(text: str) -> None:
    """Whole and as it is; on a terminal without what that would obey."""
    if sys.stdout.isatty():
        print(sanitized(text), end="")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def _some(bot: Chatbot) -> Sequence[ConversationInfo]:
    infos = bot.conversations()
    if not infos:
        raise NotFound("there are no conversations yet.")
    return infos


_VERBS: dict[str, Verb] = {
    "list": _list,
    "show": _show,
    "search": _search,
    "memories": _memories,
    "usage": usage,
    "rename": _rename,
    "delete": _delete,
    "export": _export,
    "import": _import,
}
