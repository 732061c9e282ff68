"""Programs as the usual tutorials write them run against the server with nothing changed but the address."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import openai
import pytest
from tests.doubles.server import Served, scripted_server, texts

from anaphora.stores.token_records import Limits, Token, token_hash


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with scripted_server(echo=True, aliases={"gpt-4o-mini": "scripted:"}) as one:
        one.do(lambda: one.services.store.add_token(Token(token_hash("ana_ada"), "ada", "ada", Limits(), remembers=True)))
        yield one


def titles(served: Served) -> list[str]:
    return [one["title"] for one in served.http("ana_ada").get("/v1/conversations").json()["data"]]


def test_a_program_with_raw_requests_that_waits_for_done(served: Served):
    url, headers = f"{served.url}/v1/chat/completions", {"Authorization": "Bearer ana_ada"}
    messages = [{"role": "system", "content": "You are a helpful assistant."}]

    def ask(question: str) -> str:
        messages.append({"role": "user", "content": question})
        body = {"model": "gpt-4o-mini", "messages": messages, "stream": True}
        answer = ""
        with httpx2.stream("POST", url, json=body, headers=headers) as response:
            for line in response.iter_lines():
                if not line or not line.startswith("data: "):
                    continue
                data = line[len("data: ") :]
                if data == "[DONE]":
                    break
                answer += json.loads(data)["choices"][0]["delta"].get("content") or ""
        messages.append({"role": "assistant", "content": answer})
        return answer

    assert ask("What is the capital of France?") == "You said: What is the capital of France?"
    assert ask("And its population?") == "You said: And its population?"
    assert titles(served).count("What is the capital of France?") == 1


class ChatSession:
    """The class of a tutorial."""

    def __init__(self, client: openai.AsyncOpenAI, system: str) -> None:
        self.client = client
        self.messages: list[Any] = [{"role": "system", "content": system}]

    async def send(self, text: str) -> str:
        self.messages.append({"role": "user", "content": text})
        response = await self.client.chat.completions.create(model="gpt-4o-mini", messages=self.messages, temperature=0.7)
        reply = response.choices[0].message.content or ""
        self.messages.append({"role": "assistant", "content": reply})
        return reply


def test_a_class_over_the_asynchronous_client(served: Served):
    async def main() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="ana_ada") as client:
            session = ChatSession(client, "Be kind.")
            return [await session.send(text) for text in ("My name is Ada.", "What is my name?")]

    assert anyio.run(main) == ["You said: My name is Ada.", "You said: What is my name?"]
    assert titles(served).count("My name is Ada.") == 1


def run_turn(client: Any, history: list[Any], text: str) -> list[Any]:
    """The function of a tutorial: history in, history out."""
    history = [*history, {"role": "user", "content": text}]
    reply = client.chat.completions.create(model="gpt-4o-mini", messages=history).choices[0].message
    return [*history, {"role": reply.role, "content": reply.content}]


def test_a_function_with_a_history_and_a_loop(served: Served):
    client = served.client("ana_ada")
    history: list[Any] = []
    for text in ("one apple", "two apples", "three apples"):
        history = run_turn(client, history, text)
    assert [one["content"] for one in history][1::2] == ["You said: one apple", "You said: two apples", "You said: three apples"]
    (found,) = served.http("ana_ada").get("/v1/conversations", params={"q": "apples three"}).json()["data"]
    assert found["messages"] == 6


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_shows_a_stream_as_it_comes(served: Served):
    body = json.dumps({"input": "hi", "stream": True})
    command = ["curl", "-sN", f"{served.url}/v1/responses", "-H", "content-type: application/json"]
    done = subprocess.run(
        [*command, "-H", "authorization: Bearer ana_ada", "-d", body], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("event: response.output_text.delta") == 3


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_client_for_node_reads_answers_and_streams(served: Served, tmp_path: Path):
    subprocess.run(["npm", "install", "--silent", "--prefix", str(tmp_path), "openai@6"], check=True, capture_output=True)
    program = tmp_path / "chat.mjs"
    program.write_text(
        """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "ana_ada" });
const one = await client.responses.create({ model: "gpt-4o-mini", input: "hello from node" });
let text = "";
for await (const event of await client.responses.create({ input: "and on", previous_response_id: one.id, stream: true }))
  if (event.type === "response.output_text.delta") text += event.delta;
const chat = await client.chat.completions.create({ model: "gpt-4o-mini", messages: [{ role: "user", content: "chat" }] });
const items = await client.conversations.items.list(one.conversation.id);
console.log(JSON.stringify([one.output_text, text, chat.choices[0].message.content, items.data.length]));
""",
        encoding="utf-8",
    )
    done = subprocess.run(["node", str(program), f"{served.url}/v1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["You said: hello from node", "You said: and on", "You said: chat", 4]


@pytest.mark.slow
def test_a_session_of_the_agents_sdk_is_kept(served: Served):
    agents: Any = pytest.importorskip("agents", reason="openai-agents is not installed")

    async def main() -> tuple[str, int]:
        client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="ana_ada")
        agents.set_tracing_disabled(True)
        model = agents.OpenAIResponsesModel(model="gpt-4o-mini", openai_client=client)
        session = agents.OpenAIConversationsSession(openai_client=client)
        agent = agents.Agent(name="helper", instructions="Help.", model=model)
        await agents.Runner.run(agent, "I live in Kyoto.", session=session)
        result = await agents.Runner.run(agent, "Where do I live?", session=session)
        return str(result.final_output), len(await session.get_items())

    said, count = anyio.run(main)
    assert said == "You said: Where do I live?"
    assert count == 4


def test_the_words_of_a_stream_can_be_joined(served: Served):
    assert texts(list(served.client("ana_ada").responses.create(input="x", stream=True))) == "You said: x"
