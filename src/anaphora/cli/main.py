"""The command line: flags, what is asked, exit codes.

Everything else is loaded only when it is needed, so ``--help`` is instant.
"""

from __future__ import annotations

import argparse
import io
import os
import sys

from anaphora import __version__
from anaphora.cli.exit import FAILED, INTERRUPTED, OK, USAGE, report
from anaphora.cli.verbs.arguments import VERBS, verb_arguments

# See anaphora/__init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_EXAMPLES = """\
examples:
  anaphora                                        chat; it remembers what was said
  anaphora "What's the capital of France?"        ask once
  cat notes.txt | anaphora "Summarise this"       ask about a file
  anaphora -m ollama:llama3 "Why is the sky blue?"
  anaphora -m gpt-oss --base-url http://127.0.0.1:8080/v1
  anaphora -p tutor                               chat with a persona
  anaphora -c                                     go on with the newest conversation
  anaphora -m groq:openai/gpt-oss-120b,local      the second answers where the first fails
  anaphora search kyoto budget                    find what was said; anaphora --resume ID goes on with it
  anaphora -f report.pdf "What does it cost?"     ask about a document
  anaphora --tools calculate,now "How many days until June?"
  anaphora --schema "name, age int" "Anna is 34"  the answer as JSON
  anaphora --json "Name three rivers"             for programs

models are written provider:model, for example openai:gpt-5.4-mini, anthropic:claude-haiku-5-5, gemini:…, groq:…,
together:…, openrouter:…, mistral:…, deepseek:…, xai:…, cerebras:…, ollama:llama3, openai-compatible:NAME with
--base-url, local (a small model inside this program), local:/path/model.gguf. Without -m: the settings file, else a
provider whose key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY, …), else a running Ollama, else local.

past conversations, with the word alone and first: {verbs}.
anaphora list --help says more; a question that begins with such a word is put in quotes.

in the chat: /help lists the commands, Ctrl-C stops an answer and keeps it, Ctrl-D leaves.
exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """All flags."""
    result = argparse.ArgumentParser(
        prog="anaphora",
        description="A chatbot that actually remembers. Without a question it opens a chat.",
        epilog=_EXAMPLES.replace("{verbs}", ", ".join(VERBS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("question", nargs="*", help="what to ask; text from a pipe is added to it")
    add("-m", "--model", metavar="MODEL", help="who answers, as provider:model")
    add(
        "-f",
        "--file",
        dest="files",
        action="append",
        default=[],
        metavar="FILE",
        help="a picture or a document (text, Markdown, PDF, HTML, Word) to ask about; repeat it",
    )
    add("-n", dest="candidates", type=int, default=1, metavar="N", help="so many answers, to choose from")
    add("-s", "--system", metavar="TEXT", help="the system prompt")
    add("-p", "--persona", metavar="NAME", help="a named system prompt, for example tutor")
    add("--temperature", type=float, metavar="N", help="0 is the most predictable; sent only if given")
    add("--max-tokens", type=int, metavar="N", help="the longest answer, in tokens")
    add("--seed", type=int, metavar="N", help="the same seed repeats an answer, where the provider can")
    add("--base-url", metavar="URL", help="the address of an OpenAI-compatible server")
    add("--context-window", type=int, metavar="N", help="how many tokens the model can take, if the provider does not say")
    add("-c", "--continue", dest="continued", action="store_true", help="go on with the newest conversation")
    add("-r", "--resume", metavar="ID", help="go on with this conversation: its number in anaphora list, id or title")
    add("--store", metavar="FILE", help="where conversations are kept, instead of your data folder")
    add("--no-store", action="store_true", help="keep nothing of this conversation")
    add("--recall", action=argparse.BooleanOptionalAction, help="quote what was said earlier where it matters (in a chat: yes)")
    add("--learn", action=argparse.BooleanOptionalAction, help="remember facts from what you say (default: no)")
    add(
        "--budget",
        dest="max_cost",
        type=float,
        metavar="DOLLARS",
        help="what the conversation may cost; no call that may pass it",
    )
    add("--tools", metavar="NAMES", help="what the model may call: now,calculate,search_past,files:FOLDER; see anaphora tools")
    add("--mcp", metavar="FILE", help="MCP servers whose tools it may call too")
    add("--schema", metavar="SCHEMA", help='answer as JSON: a file with a JSON schema, or "name, age int, tags list"')
    add("--no-stream", dest="stream", action="store_const", const=False, help="show the answer only when it is whole")
    add("--json", action="store_true", help="print the answer as one JSON object")
    add("-q", "--quiet", action="store_true", help="print nothing but the answer")
    add("--version", action="version", version=f"anaphora {__version__}")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; gives the exit code."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- pathlib would take its time too
    for stream in (sys.stdout, sys.stderr):
        # What this terminal cannot show becomes a question mark, never an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    argv = sys.argv[1:] if argv is None else argv
    past = verb_arguments(argv)
    arguments = past or parser().parse_args(argv)
    from anaphora.errors import AnaphoraError

    if sys.stdout is None:
        print("anaphora: standard output is closed: there is nowhere to write the answer.", file=sys.stderr)
        return FAILED

    try:
        if past is not None:
            from anaphora.cli.verbs.conversations import run

            return run(past)
        return _run(arguments)
    except AnaphoraError as error:
        return report(error)
    except KeyboardInterrupt:
        import signal

        # Further ones must not disturb the tidying up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _leave_quietly(OK)
    except OSError as error:
        print(f"anaphora: the output cannot be written: {error.strerror or error}.", file=sys.stderr)
        _leave_quietly(FAILED)


def _run(arguments: argparse.Namespace) -> int:
    from anaphora.cli.ask_once import Question, ask_once, piped_text

    if arguments.json and not arguments.question and sys.stdin is not None and sys.stdin.isatty():
        print("anaphora: --json needs a question.", file=sys.stderr)
        return USAGE
    from anaphora.cli.attachments import attached, chosen_shape

    piped = piped_text(sys.stdin)
    images, documents = attached(arguments.files)
    question = _with_piped(" ".join(arguments.question), piped)
    shape = chosen_shape(arguments.schema) if arguments.schema is not None else None
    has_person = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    wants_chat = not arguments.question and piped is None and (not arguments.files or has_person)
    if wants_chat and shape is not None:
        print("anaphora: --schema needs a question.", file=sys.stderr)
        return USAGE
    if wants_chat and not has_person:
        print("anaphora: a chat needs a terminal. Give a question, or run it in a terminal.", file=sys.stderr)
        return USAGE
    from anaphora.cli.open import open_bot

    if not wants_chat:
        from anaphora.values.message import checked_text

        checked_text(question or "?" * bool(images or documents))
    session = open_bot(arguments, chat=wants_chat)
    if wants_chat:
        from anaphora.cli.chat.repl import chat

        return chat(session, arguments.files)
    what = "document" if documents else "picture"
    question = question or f"What is in {f'these {what}s' if len(arguments.files) > 1 else f'this {what}'}?"
    return ask_once(session, Question(question, images, arguments.candidates, documents, shape), as_json=arguments.json)


def _with_piped(question: str, piped: str | None) -> str:
    """The question and what was piped. Beside a question that is marked as a document: the user did not say it themselves."""
    if piped is None or not question:
        return question or piped or ""
    # Nothing in it may end it.
    return f"{question}\n\n<document>\n{piped.replace('</document', '&lt;/document')}\n</document>"


def _leave_quietly(code: int) -> NoReturn:
    """Whoever read our output has had enough, or cannot take it. Not even Python's own clean-up may write any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
