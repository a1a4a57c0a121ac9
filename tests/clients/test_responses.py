"""openai-python's Responses API at a gateway whose providers speak other dialects.

The second turn sends back the very items of the first, as the SDK's documentation shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.clients import reached
from tests.clients.conftest import ALIASES, ANSWERS, MODELS, PATHS
from tests.clients.processes import Gateway, Upstream
from tests.clients.scenarios import (
    CLIENT_KEY,
    ERROR_WORDS,
    FINAL_TEXT,
    FRAGMENTS,
    IMAGE_URL,
    INSTANCE,
    PNG,
    REDACTED,
    SAYING,
    SCHEMA,
    SIGNATURE,
    THOUGHT,
    TIME_CALL,
    TIME_ID,
    TIME_RESULT,
    WEATHER_CALL,
    WEATHER_ID,
    WEATHER_RESULT,
    Usage,
    pieces,
)
from tests.clients.sdk import SYSTEM, TOOLS
from tests.clients.sdk_openai import Weather

PROVIDERS = pytest.mark.parametrize("provider", ["openai-chat", "anthropic-messages"])
MODES = pytest.mark.parametrize("stream", [False, True], ids=["json", "helper"])
TOOLSET = [
    {
        "type": "function",
        "name": tool["name"],
        "description": tool["description"],
        "parameters": tool["schema"],
        "strict": False,
    }
    for tool in TOOLS
]
RESULTS = {"get_weather": WEATHER_RESULT, "get_time": TIME_RESULT}


@pytest.fixture
def client(gateways: Callable[[str], Gateway]) -> Iterator[openai.OpenAI]:
    base = f"http://127.0.0.1:{gateways('echo').port}/v1"
    with openai.OpenAI(base_url=base, api_key=CLIENT_KEY, max_retries=0, timeout=20) as found:
        yield found


def answer(client: openai.OpenAI, provider: str, stream: bool, items: Any, **options: Any) -> Any:
    """One response, whole or through the helper that folds its events."""
    asked = {"model": ALIASES[provider], "instructions": SYSTEM, "input": items, **options}
    if not stream:
        return client.responses.create(**asked)
    with client.responses.stream(**asked) as events:
        said = [event.delta for event in events if event.type == "response.output_text.delta"]
        found = events.get_final_response()
    assert "".join(said) == found.output_text
    return found


def check(found: Any, provider: str) -> None:
    assert (found.status, found.model) == ("completed", ANSWERS[provider])
    assert found.usage.input_tokens == Usage().input
    assert found.usage.input_tokens_details.cached_tokens == Usage().cached
    assert found.usage.output_tokens == Usage().output


def arrived(upstream: Upstream, tag: str, provider: str, stream: bool) -> list[dict[str, Any]]:
    path, model = PATHS[provider], MODELS[provider]
    return reached.requests(upstream.take(tag), path, model, stream)


def results(found: Any) -> list[Any]:
    """The answers to the calls of a turn."""
    return [
        {
            "type": "function_call_output",
            "call_id": item.call_id,
            "output": RESULTS[item.name],
        }
        for item in found.output
        if item.type == "function_call"
    ]


@PROVIDERS
@MODES
def test_text(
    client: openai.OpenAI, upstream: Upstream, tag: str, provider: str, stream: bool
) -> None:
    found = answer(client, provider, stream, f"[[text:{tag}]] Say it – 说")
    check(found, provider)
    assert found.output_text == SAYING
    [body] = arrived(upstream, tag, provider, stream)
    assert reached.system(body) == SYSTEM


@PROVIDERS
def test_text_event_by_event(client: openai.OpenAI, tag: str, provider: str) -> None:
    asked = {"model": ALIASES[provider], "input": f"[[text:{tag}]] Say it"}
    with client.responses.create(stream=True, **asked) as events:  # type: ignore[call-overload]
        seen = list(events)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    deltas = [event.delta for event in seen if event.type == "response.output_text.delta"]
    assert deltas == pieces(SAYING)
    assert seen[-1].type == "response.completed"
    assert seen[-1].response.output_text == SAYING


@PROVIDERS
def test_length(client: openai.OpenAI, tag: str, provider: str) -> None:
    found = answer(client, provider, False, f"[[length:{tag}]] Say too much")
    assert (found.status, found.output_text) == ("incomplete", "Half of ")
    assert found.incomplete_details.reason == "max_output_tokens"


@PROVIDERS
@MODES
def test_parallel_tools_in_two_turns(
    client: openai.OpenAI, upstream: Upstream, tag: str, provider: str, stream: bool
) -> None:
    items: list[Any] = [{"role": "user", "content": f"[[parallel:{tag}]] Both?"}]
    first = answer(client, provider, stream, items, tools=TOOLSET)
    check(first, provider)
    calls = [(item.call_id, item.name) for item in first.output if item.type == "function_call"]
    assert calls == [(WEATHER_ID, "get_weather"), (TIME_ID, "get_time")]
    items += [*first.output, *results(first)]
    second = answer(client, provider, stream, items, tools=TOOLSET)
    assert second.output_text == FINAL_TEXT
    before, after = arrived(upstream, tag, provider, stream)
    assert reached.tools(before) == [(t["name"], t["description"], t["schema"]) for t in TOOLS]
    assert reached.calls(after) == [
        (WEATHER_ID, "get_weather", WEATHER_CALL.arguments),
        (TIME_ID, "get_time", TIME_CALL.arguments),
    ]
    assert reached.results(after) == [
        (WEATHER_ID, WEATHER_RESULT, False),
        (TIME_ID, TIME_RESULT, False),
    ]


@PROVIDERS
@MODES
def test_thinking_survives_two_turns(
    client: openai.OpenAI, upstream: Upstream, tag: str, provider: str, stream: bool
) -> None:
    """The upstream refuses a signature, or thinking, that is not the one it gave."""
    options: dict[str, Any] = {
        "tools": TOOLSET,
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    items: list[Any] = [{"role": "user", "content": f"[[thinking:{tag}]] Think"}]
    first = answer(client, provider, stream, items, **options)
    thought = [item for item in first.output if item.type == "reasoning"]
    assert thought[0].summary[0].text == THOUGHT
    items += [*first.output, *results(first)]
    assert answer(client, provider, stream, items, **options).output_text == FINAL_TEXT
    before, after = arrived(upstream, tag, provider, stream)
    assert reached.effort(before) == reached.effort(after) == "high"
    if provider == "anthropic-messages":
        whole = [("thinking", THOUGHT), ("signature", SIGNATURE), ("redacted", REDACTED)]
        assert reached.thoughts(after) == whole
    else:
        assert reached.thoughts(after) == [("reasoning_content", THOUGHT)]


@PROVIDERS
def test_images(client: openai.OpenAI, upstream: Upstream, tag: str, provider: str) -> None:
    urls = (f"data:image/png;base64,{PNG}", IMAGE_URL)
    images = [{"type": "input_image", "image_url": url, "detail": "auto"} for url in urls]
    text = {"type": "input_text", "text": f"[[image:{tag}]] What is this?"}
    found = answer(client, provider, False, [{"role": "user", "content": [text, *images]}])
    assert found.output_text == "a red dot"
    [body] = arrived(upstream, tag, provider, False)
    assert reached.images(body) == [PNG, IMAGE_URL]


@PROVIDERS
def test_structured_output(
    client: openai.OpenAI, upstream: Upstream, tag: str, provider: str
) -> None:
    found = client.responses.parse(
        model=ALIASES[provider], input=f"[[schema:{tag}]] As JSON", text_format=Weather
    )
    assert found.output_parsed is not None
    assert found.output_parsed.model_dump() == INSTANCE
    [body] = arrived(upstream, tag, provider, False)
    assert reached.schema(body)["required"] == SCHEMA["required"]


@PROVIDERS
def test_state_is_refused_by_name(client: openai.OpenAI, provider: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        answer(client, provider, False, "hi", previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"


@PROVIDERS
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.InternalServerError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_error_answers(
    client: openai.OpenAI, tag: str, provider: str, status: int, kind: type[openai.APIStatusError]
) -> None:
    with pytest.raises(kind) as caught:
        answer(client, provider, False, f"[[fail-{status}:{tag}]]")
    if status == 401:
        assert caught.value.status_code == 502
    else:
        assert ERROR_WORDS in caught.value.message


@PROVIDERS
@pytest.mark.parametrize("ending", ["error_data", "error_event", "cut", "silent_end"])
def test_every_death_is_told(client: openai.OpenAI, tag: str, provider: str, ending: str) -> None:
    """Two fragments, then the upstream dies: the last event is a failed response that says why."""
    asked = {"model": ALIASES[provider], "input": f"[[end-{ending}:{tag}]]"}
    with client.responses.create(stream=True, **asked) as events:  # type: ignore[call-overload]
        seen = list(events)
    said = [event.delta for event in seen if event.type == "response.output_text.delta"]
    assert said == list(FRAGMENTS)
    assert seen[-1].type == "response.failed"
    failed = seen[-1].response
    assert (failed.status, failed.id) == ("failed", seen[0].response.id)
    assert failed.error.message
    if ending.startswith("error"):
        assert ERROR_WORDS in failed.error.message
