"""The flags of a question or a chat, and how wrong ones are told."""

from __future__ import annotations

import argparse

from anaphora import __version__
from anaphora.cli.verbs.arguments import VERBS, Parser

# See anaphora/__init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
    result = Parser(
        prog="anaphora",
        description="A chatbot that actually remembers. Without a question it opens a chat.",
        epilog=_EXAMPLES.replace("{verbs}", ", ".join(VERBS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_question(result.add_argument)
    _add_model(result.add_argument)
    _add_memory(result.add_argument)
    _add_output(result.add_argument)
    return result


def _add_question(add: Callable[..., object]) -> None:
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


def _add_model(add: Callable[..., object]) -> None:
    add("--temperature", type=float, metavar="N", help="0 is the most predictable; sent only if given")
    add("--max-tokens", type=int, metavar="N", help="the longest answer, in tokens")
    add("--seed", type=int, metavar="N", help="the same seed repeats an answer, where the provider can")
    add("--base-url", metavar="URL", help="the address of an OpenAI-compatible server")
    add("--key-env", metavar="NAME", help="the variable that holds the key of that server (default: ANAPHORA_API_KEY)")
    add("--timeout", type=float, metavar="SECONDS", help="give up after so many seconds of silence (default 120, then 60)")
    add("--context-window", type=int, metavar="N", help="how many tokens the model can take, if the provider does not say")


def _add_memory(add: Callable[..., object]) -> None:
    add("-c", "--continue", dest="continued", action="store_true", help="go on with the newest conversation")
    add("-r", "--resume", metavar="ID", help="go on with this conversation: its number in anaphora list, id or title")
    add("--store", metavar="FILE", help="where conversations are kept, instead of your data folder")
    add("--no-store", action="store_true", help="keep nothing of this conversation")
    add(
        "--recall",
        action=argparse.BooleanOptionalAction,
        help="quote what was said earlier where it matters (in a chat: yes; a question with -c: of its conversation alone)",
    )
    add("--learn", action=argparse.BooleanOptionalAction, help="remember facts from what you say (default: no)")
    add(
        "--budget",
        dest="max_cost",
        type=float,
        metavar="DOLLARS",
        help="what the conversation may cost; no call that may pass it",
    )


def _add_output(add: Callable[..., object]) -> None:
    add("--tools", metavar="NAMES", help="what the model may call: now,calculate,search_past,files:FOLDER; see anaphora tools")
    add("--mcp", metavar="FILE", help="MCP servers whose tools it may call too")
    add("--schema", metavar="SCHEMA", help='answer as JSON: a file with a JSON schema, or "name, age int, tags list"')
    add("--no-stream", dest="stream", action="store_const", const=False, help="show the answer only when it is whole")
    add("--json", action="store_true", help="print the answer as one JSON object")
    add("-q", "--quiet", action="store_true", help="print nothing but the answer")
    add("--version", action="version", version=f"anaphora {__version__}")
