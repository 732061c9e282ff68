"""The limits that keep the code readable, and the names that users rely on."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import anaphora

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path for folder in ("src", "tests", "bench", "examples", "scripts", ".ci") for path in (ROOT / folder).rglob("*.py")
)
BANNED = {"utils", "helpers", "common", "core", "manager", "misc"}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_stay_small(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    for function in functions(path):
        where = f"{path}:{function.lineno} {function.name}"
        assert (function.end_lineno or 0) - function.lineno < 50, where
        if path.is_relative_to(ROOT / "src"):
            arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            assert len([one for one in arguments if one.arg not in {"self", "cls"}]) <= 6, where


def test_no_file_has_a_name_that_says_nothing():
    for path in FILES:
        assert not BANNED & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}, path


def test_every_module_says_what_it_is_for():
    for path in FILES:
        if path.is_relative_to(ROOT / "src"):
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


EXPORTED = """
AnaphoraError Answer AsyncChatbot AsyncConversation AsyncReply AuthenticationFailed Caller Chatbot
ChatbotOptions ConfigError ContextTooLong Conversation ConversationBusy ConversationInfo CostLimitReached Deadlines
DocumentError Entry Event Fact Facts Finished FitContext FullHistory
Guard GuardFailed Image InMemoryStore InvalidAnswer InvalidMessage LastMessages LastTokens
LastTurns Message NotFound Persona Planned ProviderError RateLimited Recall
Refusal Refused Reply Retries Retrying SQLiteStore ScriptedProvider StoreError
Summary Text TextDelta ThinkingDelta Timing Tool ToolEnded ToolFailed
ToolStarted TurnOptions Usage Warned __version__ guard tool
"""


def test_the_exported_names_are_these_and_all_are_there():
    assert sorted(anaphora.__all__) == sorted(EXPORTED.split())
    assert all(getattr(anaphora, name) for name in anaphora.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Chatbott'"):
        _ = anaphora.Chatbott


@pytest.mark.parametrize("statement", ["import anaphora", "from anaphora import Chatbot; Chatbot('openai:x')"])
def test_importing_loads_no_http_client_and_no_terminal_library(statement: str):
    code = f"import os, sys; os.environ['OPENAI_API_KEY'] = 'k'; {statement}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"httpx2", "rich", "prompt_toolkit", "xllamacpp"} & set(loaded)
