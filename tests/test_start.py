"""A quick start: a plain question loads the modules that it needs and no others."""

import json
import subprocess
import sys

from tests.doubles.loopback import Loopback, stream

PROGRAM = """
import dataclasses, json, sys
from anaphora import Chatbot
print(Chatbot("openai:m", base_url=sys.argv[1], api_key="k", context_window=8_000).say("Capital of France?"))
modules = [name for name in sys.modules if name.startswith("anaphora")]
classes = [value for name in modules for value in vars(sys.modules[name]).values() if isinstance(value, type)]
made = sum(dataclasses.is_dataclass(value) and value.__module__.startswith("anaphora") for value in set(classes))
print(json.dumps([sorted(modules), made]))
"""
# All that a plain question may load, by folder.
ALLOWED = {
    "chat": (
        "chatbot conversation image_source open_conversation option_values options reply resolve resumed signatures"
        " stored_settings transcript_verbs verbs"
    ),
    "context": "asides budget cache plan policy repair verbatim window",
    "memory": "background branch_reader facts last_call shown state view",
    "providers": "base contract model registry retry",
    "providers.http": "body connection_errors service transport",
    "providers.models": "card catalog openai_tokens vendors",
    "providers.wires": "base failures json_lines openai openai_decoder pictures secrets sse text_frame think_tags tool_form",
    "schema": "strict",
    "search": "vectors",
    "stores": "base complete inmemory records registry run_records",
    "stores.sql": "database leases ledger lines memories pieces rows runs store term_hash transcripts worker",
    "stores.sqlite": "connection file_identity fulltext migrate store",
    "sync": "chatbot conversation facts parity portal reply verbs",
    "tools": "base toolbox",
    "turn": "ask_model bot events incoming loop prepare record request timing turn unanswered",
    "values": (
        "address answer call_ids codec draft events growth images memory message options report scope tokens transcript usage"
    ),
}
# Making a dataclass takes 0.8 ms.
MAX_DATACLASSES = 140


def test_a_plain_question_loads_only_what_it_needs(loopback: Loopback):
    loopback.answer(stream("Paris."))
    done = subprocess.run([sys.executable, "-c", PROGRAM, loopback.url], capture_output=True, text=True, check=True)
    answer, told = done.stdout.splitlines()
    modules, dataclasses = json.loads(told)
    assert answer == "Paris."
    allowed = {f"anaphora.{folder}.{name}" for folder, names in ALLOWED.items() for name in names.split()}
    allowed |= {"anaphora", *(f"anaphora.{folder}" for folder in ALLOWED)}
    allowed |= {f"anaphora.{name}" for name in ("billing", "concurrency", "errors", "files")}
    assert set(modules) <= allowed
    assert dataclasses <= MAX_DATACLASSES
