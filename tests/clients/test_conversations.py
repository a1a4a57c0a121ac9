"""Whole conversations: what the SDK's object shows, and what reached the upstream.

Every case runs straight at the upstream first (``direct``), so that a failure behind the gateway is
the gateway's.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients import gemini_provider, reached
from tests.clients.conftest import ALLOWED, ANSWERS, MODELS, PATHS, SDKS, Route
from tests.clients.processes import Upstream
from tests.clients.scenarios import (
    FINAL_TEXT,
    IMAGE_URL,
    INSTANCE,
    PNG,
    REDACTED,
    SAYING,
    SCHEMA,
    SIGNATURE,
    THOUGHT,
    TIME_ID,
    TIME_RESULT,
    WEATHER_CALL,
    WEATHER_ID,
    WEATHER_RESULT,
    Usage,
    pieces,
)
from tests.clients.sdk import SYSTEM, TOOLS, Ask, Mode, Outcome, Result, Sdk, Turn

WHOLE: tuple[Mode, ...] = ("json", "helper")
FINISH = {
    "openai-chat": {"stop": "stop", "tools": "tool_calls", "length": "length"},
    "openai-responses": {
        "stop": "completed",
        "tools": "completed",
        "length": "max_output_tokens",
    },
    "anthropic-messages": {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens"},
    "gemini": {"stop": "STOP", "tools": "STOP", "length": "MAX_TOKENS"},
}
PROOFS = ("encrypted", "signature", "redacted", "thoughtSignature")
PROVEN: dict[str, list[tuple[str, str]]] = {
    "openai-chat": [],
    "openai-responses": [("encrypted", REDACTED)],
    "anthropic-messages": [("signature", SIGNATURE), ("redacted", REDACTED)],
    "gemini": [("thoughtSignature", gemini_provider.SIGNATURE)],
}
"""What a second turn has to give back of the first one's thinking, beside its text."""
FLAGGED = ("anthropic-messages", "gemini")
"""The dialects in which a tool's result can be an error."""
SDKS_WITH_A_LOOP = [
    name for name in SDKS if name[:13] != "openai-python" and "responses" not in name
]
WEATHER = {"id": WEATHER_ID, "name": "get_weather", "arguments": WEATHER_CALL.arguments}
TIME = {"id": TIME_ID, "name": "get_time", "arguments": {}}
SAID = {"get_weather": Result(WEATHER_RESULT)}


def talk(sdk: Sdk, ask: Ask) -> Outcome:
    outcome = sdk.run(ask)
    assert outcome.failed is None, outcome.failed
    return outcome


def arrived(upstream: Upstream, tag: str, route: Route, ask: Ask) -> list[dict[str, Any]]:
    path, model = PATHS[route.upstream], MODELS[route.upstream]
    return reached.requests(upstream.take(tag), path, model, ask.mode != "json")


def check_turn(turn: Turn, sdk: Sdk, route: Route, ask: Ask, finish: str) -> None:
    """What holds of every answer."""
    assert turn.finish == FINISH[sdk.dialect][finish]
    assert turn.model == ANSWERS[route.upstream]
    assert turn.usage == {
        "input": Usage().input,
        "cached": Usage().cached,
        "output": Usage().output,
    }
    # The helpers that fold or parse leave the id out.
    if ask.mode == "json" and not ask.schema:
        assert turn.request_id
        assert (turn.request_id == "up-request-7") is not route.gateway


@pytest.mark.parametrize("mode", WHOLE)
def test_text(sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode) -> None:
    ask = route.asking(f"[[text:{tag}]] Say it – 说", mode=mode)
    [turn] = talk(sdk, ask).turns

    check_turn(turn, sdk, route, ask, "stop")
    assert turn.text == SAYING
    assert turn.pieces == (len(pieces(SAYING)) if mode == "helper" else 0)
    [body] = arrived(upstream, tag, route, ask)
    assert reached.system(body) == SYSTEM
    assert ask.prompt in reached.said(body)


def test_text_event_by_event(sdk: Sdk, route: Route, upstream: Upstream, tag: str) -> None:
    ask = route.asking(f"[[text:{tag}]] Say it", mode="iterate")
    [turn] = talk(sdk, ask).turns

    assert (turn.text, turn.finish) == (SAYING, FINISH[sdk.dialect]["stop"])
    assert turn.model == ANSWERS[route.upstream]
    assert turn.pieces == len(pieces(SAYING))
    if sdk.dialect == "openai-chat":
        assert turn.usage is None, "the client did not ask for usage"
    arrived(upstream, tag, route, ask)


@pytest.mark.parametrize("mode", ["json", "iterate"])
def test_length(sdk: Sdk, route: Route, tag: str, mode: Mode) -> None:
    ask = route.asking(f"[[length:{tag}]] Say too much", mode=mode)
    [turn] = talk(sdk, ask).turns

    assert (turn.text, turn.finish) == ("Half of ", FINISH[sdk.dialect]["length"])


@pytest.mark.parametrize("mode", WHOLE)
def test_two_turns_with_a_tool(
    sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode
) -> None:
    ask = route.asking(f"[[weather:{tag}]] Weather?", mode=mode, tools=True, results=SAID)
    first, second = talk(sdk, ask).turns

    check_turn(first, sdk, route, ask, "tools")
    assert (first.text, first.calls) == ("Let me look.", [WEATHER])
    check_turn(second, sdk, route, ask, "stop")
    assert (second.text, second.calls) == (FINAL_TEXT, [])
    before, after = arrived(upstream, tag, route, ask)
    for body in (before, after):
        assert reached.system(body) == SYSTEM
        assert reached.tools(body) == [(t["name"], t["description"], t["schema"]) for t in TOOLS]
    assert reached.calls(after) == [tuple(WEATHER.values())]
    assert reached.results(after) == [(WEATHER_ID, WEATHER_RESULT, False)]
    assert "Let me look." in reached.said(after)


@pytest.mark.parametrize("mode", WHOLE)
def test_parallel_tools(sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode) -> None:
    can_fail = sdk.dialect in FLAGGED
    results = {**SAID, "get_time": Result(TIME_RESULT, is_error=can_fail)}
    ask = route.asking(f"[[parallel:{tag}]] Both?", mode=mode, tools=True, results=results)
    first, second = talk(sdk, ask).turns

    check_turn(first, sdk, route, ask, "tools")
    assert first.calls == [WEATHER, TIME]
    assert second.text == FINAL_TEXT
    _, after = arrived(upstream, tag, route, ask)
    assert reached.calls(after) == [tuple(WEATHER.values()), tuple(TIME.values())]
    assert reached.results(after) == [
        (WEATHER_ID, WEATHER_RESULT, False),
        (TIME_ID, TIME_RESULT, can_fail),
    ]


@pytest.mark.parametrize("mode", WHOLE)
def test_images(sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode) -> None:
    ask = route.asking(f"[[image:{tag}]] What is this?", mode=mode, image=True)
    [turn] = talk(sdk, ask).turns

    check_turn(turn, sdk, route, ask, "stop")
    assert turn.text == "a red dot"
    [body] = arrived(upstream, tag, route, ask)
    assert reached.images(body) == [PNG, IMAGE_URL]


@pytest.mark.parametrize("mode", WHOLE)
def test_picture_from_a_tool(
    sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode
) -> None:
    """A tool's picture has no place in chat, and arrives there too."""
    can_show = sdk.dialect != "openai-chat"
    results = {"get_weather": Result(WEATHER_RESULT, picture=can_show)}
    ask = route.asking(f"[[weather:{tag}]] Weather?", mode=mode, tools=True, results=results)
    _, second = talk(sdk, ask).turns

    assert second.text == FINAL_TEXT
    _, after = arrived(upstream, tag, route, ask)
    assert reached.images(after) == ([PNG] if can_show else [])
    [(call, text, failed)] = reached.results(after)
    assert (call, failed) == (WEATHER_ID, False)
    assert WEATHER_RESULT in text


@pytest.mark.parametrize("mode", WHOLE)
def test_structured_output(
    sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode
) -> None:
    ask = route.asking(f"[[schema:{tag}]] As JSON", mode=mode, schema=True)
    [turn] = talk(sdk, ask).turns

    check_turn(turn, sdk, route, ask, "stop")
    assert turn.parsed == INSTANCE
    [body] = arrived(upstream, tag, route, ask)
    schema = reached.schema(body)
    assert {name: value["type"].lower() for name, value in schema["properties"].items()} == {
        "city": "string",
        "degrees": "integer",
    }
    assert schema["required"] == SCHEMA["required"]
    if sdk.name != "google-genai-python":  # which takes it out
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize("mode", WHOLE)
def test_thinking_survives_two_turns(
    sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode
) -> None:
    """The upstream refuses a signature, or thinking, that is not the one it gave."""
    ask = route.asking(
        f"[[thinking:{tag}]] Think", mode=mode, tools=True, thinking=True, results=SAID
    )
    first, second = talk(sdk, ask).turns

    check_turn(first, sdk, route, ask, "tools")
    assert first.calls == [WEATHER]
    # openai-node's helper keeps only the last fragment of a member it does not know.
    forgetful = sdk.name == "openai-node" and mode == "helper"
    assert first.thinking == (pieces(THOUGHT)[-1] if forgetful else THOUGHT)
    assert second.text == FINAL_TEXT
    before, after = arrived(upstream, tag, route, ask)
    assert reached.effort(before) == reached.effort(after) == "high"
    if route.upstream == "anthropic-messages" and sdk.dialect in ("openai-chat", route.upstream):
        assert first.redacted == [REDACTED]
    if not forgetful:
        told = reached.thoughts(after)
        assert [pair for pair in told if pair[0] in PROOFS] == PROVEN[route.upstream]
        readable = "".join(text for kind, text in told if kind not in PROOFS)
        if route.upstream in ("openai-chat", "anthropic-messages") or route.kind == "native":
            assert readable == THOUGHT


@pytest.mark.parametrize("route", ["openai-chat"], indirect=True)
def test_model_lists(sdk: Sdk, route: Route) -> None:
    """What the key may use, in the shape of the SDK that asks."""
    assert sdk.models(route.asking("")) == [*ALLOWED, route.model]


@pytest.mark.parametrize("mode", ["loop", "loop-stream"])
@pytest.mark.parametrize("sdk", SDKS_WITH_A_LOOP, indirect=True)
def test_the_helpers_that_call_tools(
    sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode
) -> None:
    """Anthropic's start a conversation stored by the server, and go on without when told so."""
    results = {**SAID, "get_time": Result(TIME_RESULT)}
    ask = route.asking(
        f"[[thinking:{tag}]] Think", mode=mode, tools=True, thinking=True, results=results
    )
    [turn] = talk(sdk, ask).turns

    assert (turn.text, turn.finish) == (FINAL_TEXT, FINISH[sdk.dialect]["stop"])
    path, model = PATHS[route.upstream], MODELS[route.upstream]
    _, after = reached.requests(upstream.take(tag), path, model, mode == "loop-stream")
    assert reached.calls(after) == [tuple(WEATHER.values())]
    [(call, text, failed)] = reached.results(after)
    assert (call or WEATHER_ID, failed) == (WEATHER_ID, False)
    # google-genai for Python leaves the id out, and wraps it in an object of its own.
    assert text in (WEATHER_RESULT, json.dumps({"result": WEATHER_RESULT}, separators=(",", ":")))
