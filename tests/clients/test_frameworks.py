"""Agents of other people's frameworks: each calls a tool by itself and ends with an answer.

The Python ones live in environments of their own, which ``make clients`` installs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.clients import reached
from tests.clients.conftest import ALIASES, DIALECTS, MODELS, PATHS
from tests.clients.processes import ROOT, Driver, Frameworks, Gateway, Upstream
from tests.clients.scenarios import (
    CLIENT_KEY,
    FINAL_TEXT,
    INSTANCE,
    WEATHER_CALL,
    WEATHER_ID,
    WEATHER_RESULT,
)

CLIENTS = {
    "langchain-openai": "clients",
    "langchain-openai-responses": "clients",
    "langchain-anthropic": "clients",
    "langchain-google-genai": "clients",
    "pydantic-ai-openai-chat": "clients",
    "pydantic-ai-openai-responses": "clients",
    "pydantic-ai-anthropic": "clients",
    "pydantic-ai-google": "clients",
    "llm": "clients",
    "llama-index": "clients-openai2",
    "vercel-openai": "node",
    "vercel-openai-chat": "node",
    "vercel-openai-compatible": "node",
    "vercel-anthropic": "node",
    "vercel-google": "node",
}
"""Where each runs."""
WITHOUT_IDS = ("vercel-google", "langchain-google-genai", "pydantic-ai-google")
"""They leave out what Gemini does not need, and the call and its result are paired by name."""
MODES = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
PROVIDERS = pytest.mark.parametrize("provider", DIALECTS)


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Driver]]:
    """The driver in an environment; each starts once."""
    started: dict[str, Frameworks] = {}

    def driver(name: str) -> Driver:
        if name not in started:
            stamp = ROOT / ".venv" / f".{name}"
            if not stamp.is_file():
                pytest.skip(f"*** SKIPPED: .venv/{name} is missing; `make clients` installs it ***")
            started[name] = Frameworks(tmp_path_factory.mktemp(name), stamp.with_name(name))
        return started[name]

    yield driver
    for process in started.values():
        process.stop()


@pytest.fixture
def ask(
    request: pytest.FixtureRequest,
    drivers: Callable[[str], Driver],
    gateways: Callable[[str], Gateway],
) -> Callable[..., dict[str, Any]]:
    """What a client made of a prompt, and how it called the tool."""

    def asked(client: str, provider: str, prompt: str, stream: bool) -> dict[str, Any]:
        where = CLIENTS.get(client, "clients-openai2")
        node = where == "node"
        driver: Driver = request.getfixturevalue("node") if node else drivers(where)
        return driver.call(
            {
                "client": client,
                "base": f"http://127.0.0.1:{gateways('echo').port}",
                "key": CLIENT_KEY,
                "model": ALIASES[provider],
                "prompt": prompt,
                "stream": stream,
                "result": WEATHER_RESULT,
            }
        )

    return asked


@MODES
@PROVIDERS
@pytest.mark.parametrize("client", CLIENTS)
def test_an_agent_with_a_tool(
    client: str,
    provider: str,
    stream: bool,
    ask: Callable[..., dict[str, Any]],
    upstream: Upstream,
    tag: str,
) -> None:
    answer = ask(client, provider, f"[[weather:{tag}]] Weather?", stream)

    assert answer["text"].endswith(FINAL_TEXT)
    assert answer["called"] == [WEATHER_CALL.arguments]
    path, model = PATHS[provider], MODELS[provider]
    before, after = reached.requests(upstream.take(tag), path, model, stream)
    [(name, described, schema)] = reached.tools(before)
    assert name == "get_weather"
    assert described.endswith("The weather of a city.")
    assert schema["properties"].keys() == {"city", "unit"}
    [(called, name, arguments)] = reached.calls(after)
    assert (name, arguments) == ("get_weather", WEATHER_CALL.arguments)
    assert called == WEATHER_ID or client in WITHOUT_IDS
    [(call, text, failed)] = reached.results(after)
    assert (call, failed) == (called, False)
    assert WEATHER_RESULT in text
    assert "Let me look." in reached.said(after)


@PROVIDERS
def test_instructor_sends_its_objection_back(
    provider: str, ask: Callable[..., dict[str, Any]], upstream: Upstream, tag: str
) -> None:
    """The first answer breaks the schema; what pydantic says of it is the tool's result."""
    answer = ask("instructor", provider, f"[[forced:{tag}]] Weather?", False)

    assert json.loads(answer["text"]) == INSTANCE
    records = upstream.take(tag)
    before, after = reached.requests(records, PATHS[provider], MODELS[provider], False)
    assert [name for name, _, _ in reached.tools(before)] == ["Weather"]
    [(_, objection, _)] = reached.results(after)
    assert "degrees" in objection


@PROVIDERS
def test_instructor_streams_an_object(
    provider: str, ask: Callable[..., dict[str, Any]], upstream: Upstream, tag: str
) -> None:
    answer = ask("instructor", provider, f"[[extract:{tag}]] Weather?", True)

    assert json.loads(answer["text"]) == INSTANCE
    [_] = reached.requests(upstream.take(tag), PATHS[provider], MODELS[provider], True)
