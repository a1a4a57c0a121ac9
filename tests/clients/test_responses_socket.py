"""openai-python's WebSocket mode at a gateway whose providers speak other dialects.

The second turn sends only what is new; the connection remembers the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.clients import reached
from tests.clients.conftest import ALIASES
from tests.clients.processes import Gateway, Upstream
from tests.clients.scenarios import (
    CLIENT_KEY,
    FINAL_TEXT,
    REDACTED,
    SAYING,
    SIGNATURE,
    THOUGHT,
    TIME_ID,
    TIME_RESULT,
    WEATHER_ID,
    WEATHER_RESULT,
    pieces,
)
from tests.clients.sdk import SYSTEM
from tests.clients.test_responses import PROVIDERS, TOOLSET, arrived, check, results

pytestmark = pytest.mark.filterwarnings(
    # The SDK opens its connection in a way that the library calls old.
    r"ignore:connect\(\) must be used as a context manager:DeprecationWarning"
)

ENDS = ("response.completed", "response.failed", "response.incomplete", "error")


@pytest.fixture
def client(gateways: Callable[[str], Gateway]) -> Iterator[openai.OpenAI]:
    base = f"http://127.0.0.1:{gateways('echo').port}/v1"
    with openai.OpenAI(base_url=base, api_key=CLIENT_KEY, max_retries=0, timeout=20) as found:
        yield found


def turn(connection: Any, provider: str, items: Any, **options: Any) -> list[Any]:
    """The events of one response."""
    connection.response.create(
        model=ALIASES[provider], instructions=SYSTEM, input=items, store=False, **options
    )
    seen = [connection.recv()]
    while seen[-1].type not in ENDS:
        seen.append(connection.recv())
    return seen


@PROVIDERS
def test_text(client: openai.OpenAI, tag: str, provider: str) -> None:
    with client.responses.connect() as connection:
        seen = turn(connection, provider, f"[[text:{tag}]] Say it")
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    deltas = [event.delta for event in seen if event.type == "response.output_text.delta"]
    assert deltas == pieces(SAYING)
    check(seen[-1].response, provider)


@PROVIDERS
def test_async_text(gateways: Callable[[str], Gateway], tag: str, provider: str) -> None:
    base = f"http://127.0.0.1:{gateways('echo').port}/v1"

    async def run() -> list[str]:
        async with (
            openai.AsyncOpenAI(base_url=base, api_key=CLIENT_KEY, max_retries=0) as own,
            own.responses.connect() as connection,
        ):
            await connection.response.create(
                model=ALIASES[provider], input=f"[[text:{tag}]] Say it"
            )
            said: list[str] = []
            async for event in connection:
                if event.type == "response.output_text.delta":
                    said.append(event.delta)
                if event.type in ENDS:
                    break
            return said

    assert asyncio.run(run()) == pieces(SAYING)


@PROVIDERS
def test_parallel_tools_in_two_turns(
    client: openai.OpenAI, upstream: Upstream, tag: str, provider: str
) -> None:
    with client.responses.connect() as connection:
        prompt = f"[[parallel:{tag}]] Both?"
        warm = turn(connection, provider, prompt, tools=TOOLSET, generate=False)[-1].response
        first = turn(connection, provider, [], tools=TOOLSET, previous_response_id=warm.id)
        found = first[-1].response
        options = {"tools": TOOLSET, "previous_response_id": found.id}
        second = turn(connection, provider, results(found), **options)[-1].response
    assert second.output_text == FINAL_TEXT
    _, after = arrived(upstream, tag, provider, True)
    assert reached.results(after) == [
        (WEATHER_ID, WEATHER_RESULT, False),
        (TIME_ID, TIME_RESULT, False),
    ]


@PROVIDERS
def test_thinking_survives_two_turns(
    client: openai.OpenAI, upstream: Upstream, tag: str, provider: str
) -> None:
    """Also of a client that never asked for the encrypted form."""
    asked: dict[str, Any] = {"tools": TOOLSET, "reasoning": {"effort": "high"}}
    with client.responses.connect() as connection:
        first = turn(connection, provider, f"[[thinking:{tag}]] Think", **asked)[-1].response
        told = turn(connection, provider, results(first), previous_response_id=first.id, **asked)
    assert told[-1].response.output_text == FINAL_TEXT
    _, after = arrived(upstream, tag, provider, True)
    if provider == "anthropic-messages":
        whole = [("thinking", THOUGHT), ("signature", SIGNATURE), ("redacted", REDACTED)]
        assert reached.thoughts(after) == whole
    else:
        assert reached.thoughts(after) == [("reasoning_content", THOUGHT)]


@PROVIDERS
def test_errors_are_events(client: openai.OpenAI, tag: str, provider: str) -> None:
    with client.responses.connect() as connection:
        (unknown,) = turn(connection, provider, "hi", previous_response_id="resp_0")
        assert unknown.error.code == "previous_response_not_found"
        assert (unknown.type, unknown.status) == ("error", 400)
        assert turn(connection, provider, f"[[text:{tag}]] x")[-1].type == "response.completed"


def test_a_wrong_key(gateways: Callable[[str], Gateway]) -> None:
    base = f"http://127.0.0.1:{gateways('echo').port}/v1"
    with (
        openai.OpenAI(base_url=base, api_key="sk-wrong", max_retries=0) as own,
        pytest.raises(Exception, match="401"),
        own.responses.connect(),
    ):
        pass
