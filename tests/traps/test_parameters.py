"""reference/traps.md, A: parameters (T01 to T20).  Each test is named after its row."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import brotli
import pytest

from plexus.unified.errors import PlexusError
from tests.faults.server import FaultServer, Peer
from tests.gateway import conftest as gateways
from tests.gateway import wire
from tests.gateway.conftest import Serve, two
from tests.traps.compiled import (
    CHAT,
    CLIENTS,
    CONVERSE,
    GEMINI,
    MESSAGES,
    PAIRS,
    PNG,
    REBUILT,
    RESPONSES,
    SCHEMA,
    Json,
    answered,
    ask,
    attempt,
    chat_answer,
    converse_answer,
    gemini_answer,
    lost,
    message_answer,
    response_answer,
    sent,
    text_item,
    tools,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROOM = {"sampling": "full"}
"""A Claude model that takes sampling parameters."""


def sampled(client: str, temperature: float, top_p: float | None = None) -> Json:
    """A request with sampling parameters."""
    given: Json = {"temperature": temperature}
    if top_p is not None:
        given["topP" if client == GEMINI else "top_p"] = top_p
    return ask(client, generationConfig=given) if client == GEMINI else ask(client, **given)


def place(body: Json, to: str) -> Json:
    """The object of a provider's body that holds its parameters."""
    inner = {GEMINI: "generationConfig", CONVERSE: "inferenceConfig"}.get(to)
    found: Json = body if inner is None else body.get(inner, {})
    return found


@pytest.mark.parametrize(("client", "to"), PAIRS)
def test_T01_zero_is_not_absent(client: str, to: str) -> None:
    caps = ROOM if to in (MESSAGES, CONVERSE) else None
    made = attempt(client, to, sampled(client, 0, 0), caps=caps)
    found = place(sent(made), to)
    top_p = "topP" if to in (GEMINI, CONVERSE) else "top_p"
    assert (found["temperature"], found[top_p]) == (0, 0)
    assert lost(made) == []
    silent = place(sent(attempt(client, to, ask(client), caps=caps)), to)
    assert not {"temperature", "topP", "top_p"} & silent.keys()
    # An empty list of tools is legal, and asks for none.
    assert not {"tools", "toolConfig"} & sent(attempt(client, to, ask(client, tools=[]))).keys()


def test_T01_zero_is_not_absent_in_what_only_two_dialects_have() -> None:
    zeros = {"seed": 0, "presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0}
    body = ask(CHAT, logprobs=True, logit_bias={}, **zeros)
    found = sent(attempt(CHAT, GEMINI, body))["generationConfig"]
    names = ("seed", "presencePenalty", "frequencyPenalty", "logprobs")
    assert {name: found[name] for name in names} == dict.fromkeys(names, 0)
    back = sent(attempt(GEMINI, CHAT, ask(GEMINI, generationConfig=found)))
    assert {name: back[name] for name in zeros} == zeros


@pytest.mark.parametrize("client", [CHAT, RESPONSES, GEMINI])
def test_T02_sampling_goes_only_where_it_is_taken(client: str) -> None:
    body = sampled(client, 0.5)
    refused = attempt(client, MESSAGES, body, caps={"sampling": "none"})
    assert "temperature" not in sent(refused)
    assert lost(refused) == ["temperature"]
    # Where it is taken, the version is one that has it.
    taken = attempt(client, MESSAGES, body, caps=ROOM)
    assert sent(taken)["temperature"] == 0.5
    assert dict(taken.wire.headers)["anthropic-version"] == "2023-06-01"
    # Of a model that nobody knows the newest family is assumed, which refuses.
    assert "temperature" not in sent(attempt(client, MESSAGES, body))


def test_T02_sampling_goes_only_where_it_is_taken_beside_reasoning() -> None:
    thinking = attempt(
        CHAT, MESSAGES, {**sampled(CHAT, 0.5), "reasoning_effort": "high"}, caps=ROOM
    )
    assert "temperature" not in sent(thinking)
    assert "temperature" in lost(thinking)
    quiet = sampled(MESSAGES, 0.5)
    loud = {**quiet, "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
    openai: Json = {"model": "gpt-5.1", "profile": "openai"}
    made = attempt(MESSAGES, CHAT, loud, **openai)
    assert "temperature" not in sent(made)
    assert lost(made) == ["temperature"]
    assert sent(attempt(MESSAGES, CHAT, quiet, **openai))["temperature"] == 0.5


CUTS: dict[str, Json] = {
    CHAT: chat_answer({"content": "so"}, "length"),
    RESPONSES: response_answer(
        text_item(), status="incomplete", incomplete_details={"reason": "max_output_tokens"}
    ),
    MESSAGES: message_answer({"type": "text", "text": "so"}, stop="max_tokens"),
    GEMINI: gemini_answer({"text": "so"}, finish="MAX_TOKENS"),
    CONVERSE: converse_answer({"text": "so"}, stop="max_tokens"),
}


def cut(client: str, body: Json) -> bool:
    """Whether an answer says that it ended at the limit."""
    match client:
        case "openai-responses":
            why: Json = body["incomplete_details"] or {}
            return (body["status"], why.get("reason")) == ("incomplete", "max_output_tokens")
        case "gemini":
            return bool(body["candidates"][0]["finishReason"] == "MAX_TOKENS")
        case "anthropic-messages":
            return bool(body["stop_reason"] == "max_tokens")
        case _:
            return bool(body["choices"][0]["finish_reason"] == "length")


@pytest.mark.parametrize(("client", "to"), PAIRS)
def test_T03_the_default_limit_is_large_and_a_cut_is_said(client: str, to: str) -> None:
    assert cut(client, answered(attempt(client, to, ask(client)), CUTS[to]))
    if to != MESSAGES or client == MESSAGES:
        return
    streamed = ask(client, stream=True)
    assert sent(attempt(client, to, streamed))["max_tokens"] == 32_000
    assert sent(attempt(client, to, ask(client)))["max_tokens"] == 16_000
    small = attempt(client, to, streamed, settings={"max_output_tokens": 8192})
    assert sent(small)["max_tokens"] == 8192


@pytest.mark.parametrize("to", [CHAT, RESPONSES, MESSAGES, GEMINI, CONVERSE])
def test_T04_a_limit_of_zero_only_warms_a_cache(to: str) -> None:
    """Anthropic's clients say so; where it cannot be done they are told, and nobody is sent 0."""
    body = ask(MESSAGES, max_tokens=0)
    if to == MESSAGES:
        assert sent(attempt(MESSAGES, to, body))["max_tokens"] == 0
        assert sent(attempt(MESSAGES, to, body, **REBUILT))["max_tokens"] == 0
    elif to == RESPONSES:
        found = sent(attempt(MESSAGES, to, body))
        assert found["prompt_cache_options"] == {"prewarm": True}
        assert "max_output_tokens" not in found
    else:
        with pytest.raises(PlexusError) as refused:
            attempt(MESSAGES, to, body)
        assert refused.value.error.param == "max_tokens"
    # A client that says nothing asks for no such thing.
    client = RESPONSES if to == CHAT else CHAT
    silent = sent(attempt(client, to, ask(client)))
    assert {"prompt_cache_options", "inferenceConfig", "generationConfig"} & silent.keys() == set()
    assert silent.get("max_tokens") != 0


LIMITS = [
    ({"profile": "openai"}, "gpt-5.4", "max_completion_tokens"),
    ({"profile": "azure"}, "gpt-5.4", "max_completion_tokens"),
    ({"profile": "azure"}, "mistral-large-3", "max_tokens"),
    ({"profile": "mistral"}, "mistral-large-3", "max_tokens"),
    ({"profile": "vllm"}, "gpt-5.4", "max_tokens"),
    ({"caps": {"max_tokens_field": "max_tokens"}, "profile": "openai"}, "o5", "max_tokens"),
]


@pytest.mark.parametrize(("vendor", "model", "field"), LIMITS)
@pytest.mark.parametrize("client", [RESPONSES, MESSAGES, GEMINI])
def test_T05_the_vendor_names_the_limit(client: str, vendor: Json, model: str, field: str) -> None:
    given: Json = {
        RESPONSES: {"max_output_tokens": 9000},
        GEMINI: {"generationConfig": {"maxOutputTokens": 9000}},
    }.get(client, {})
    found = sent(attempt(client, CHAT, ask(client, **given), model=model, **vendor))
    names = {"max_tokens", "max_completion_tokens"}
    assert {name: found[name] for name in names & found.keys()} == {field: 9000}


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_T05_one_rename_when_it_guessed_wrong(
    serve: Serve, first: FaultServer, second: FaultServer, field: str
) -> None:
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[field]

    async def script(peer: Peer) -> None:
        if field in json.loads(peer.request.body):
            await peer.answer(200, wire.chat())
            return
        said = f"Unsupported parameter: '{other}' is not supported with this model. "
        await peer.answer(400, wire.chat_error(said + f"Use '{field}' instead."))

    first.script = script
    wrong = {"m": {"capabilities": {"max_tokens_field": other}}}
    served = serve(two(gateways.provider(first, models=wrong), gateways.provider(second)))
    for _ in range(3):
        assert served.ask("/v1/messages", model="one").status == 200
    bodies = [json.loads(request.body) for request in first.requests]
    assert [other in body for body in bodies] == [True, False, False, False]
    assert all(body[field] == 100 for body in bodies[1:])


BUDGETS = [
    # provider, model, capabilities; the limit asked for, and the budget it leaves (None: off)
    (MESSAGES, None, {"thinking": "budget"}, 40_000, 24_576),
    (MESSAGES, None, {"thinking": "budget"}, 4096, 3276),
    (MESSAGES, None, {"thinking": "budget"}, 1000, None),
    (CONVERSE, None, {"thinking": "budget"}, 4096, 3276),
    (CONVERSE, None, {"thinking": "budget"}, 1000, None),
    (GEMINI, "gemini-2.5-pro", None, 40_000, 24_576),
    (GEMINI, "gemini-2.5-pro", None, 4096, 3276),
    (GEMINI, "gemini-2.5-flash-lite", None, 600, None),
]


@pytest.mark.parametrize(("to", "model", "caps", "limit", "budget"), BUDGETS)
@pytest.mark.parametrize("client", [CHAT, RESPONSES])
def test_T06_a_budget_stays_below_the_limit(
    client: str, to: str, model: str | None, caps: Json | None, limit: int, budget: int | None
) -> None:
    given = {"reasoning_effort": "high", "max_completion_tokens": limit}
    if client == RESPONSES:
        given = {"reasoning": {"effort": "high"}, "max_output_tokens": limit}  # type: ignore[dict-item]
    body = sent(attempt(client, to, ask(client, **given), model=model, caps=caps))
    limits = {MESSAGES: "max_tokens", GEMINI: "maxOutputTokens", CONVERSE: "maxTokens"}
    assert place(body, to)[limits[to]] == limit
    if to == GEMINI:
        assert body["generationConfig"]["thinkingConfig"]["thinkingBudget"] == (budget or 0)
        return
    where = body["additionalModelRequestFields"] if to == CONVERSE else body
    off = {"type": "disabled"}
    on = {"type": "enabled", "budget_tokens": budget}
    assert where["thinking"] == (off if budget is None else on)


@pytest.mark.parametrize("to", [CHAT, RESPONSES, MESSAGES, GEMINI, CONVERSE])
@pytest.mark.parametrize("kind", ["adaptive", "a_kind_of_next_year"])
def test_T07_every_kind_of_thinking_but_off_is_on(kind: str, to: str) -> None:
    def asked(kind: str) -> Json:
        more: Json = REBUILT if to == MESSAGES else {}
        if to == CONVERSE:
            more = {"caps": {"thinking": "adaptive"}}
        return sent(attempt(MESSAGES, to, ask(MESSAGES, thinking={"type": kind}), **more))

    on, off = asked(kind), asked("disabled")
    match to:
        case "openai-chat":
            assert (on["reasoning_effort"], off["reasoning_effort"]) == ("medium", "none")
        case "openai-responses":
            assert on["reasoning"]["effort"] == "medium"
            assert off["reasoning"]["effort"] == "none"
        case "anthropic-messages":
            assert (on["thinking"]["type"], off["thinking"]["type"]) == (kind, "disabled")
        case "gemini":
            assert on["generationConfig"]["thinkingConfig"] == {"includeThoughts": True}
            assert off["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "LOW"}
        case _:
            kinds = [body["additionalModelRequestFields"]["thinking"]["type"] for body in (on, off)]
            assert kinds == [kind, "disabled"]


BUDGET = {"type": "enabled", "budget_tokens": 8000}
ADAPTIVE, OFF = {"type": "adaptive"}, {"type": "disabled"}
CONVERTED = [
    # what the model takes; what the client says; what is sent: thinking, effort
    ({"thinking": "adaptive"}, BUDGET, ADAPTIVE, "medium"),
    ({"thinking": "adaptive"}, OFF, OFF, None),
    ({"thinking": "budget"}, ADAPTIVE, {"type": "enabled", "budget_tokens": 7200}, None),
    ({"thinking": "budget"}, BUDGET, {"type": "enabled", "budget_tokens": 7200}, None),
    ({"thinking": "adaptive", "thinking_off": "refused"}, OFF, None, "low"),
    (
        {"thinking": "adaptive", "thinking_off": "between_tools"},
        OFF,
        {"type": "between_tools"},
        None,
    ),
    ({"thinking": "none"}, BUDGET, None, None),
    ({"thinking": "none"}, OFF, None, None),
]


@pytest.mark.parametrize(("caps", "said", "thinking", "effort"), CONVERTED)
@pytest.mark.parametrize("to", [MESSAGES, CONVERSE])
def test_T08_thinking_is_converted_for_the_model(
    to: str, caps: Json, said: Json, thinking: Json | None, effort: str | None
) -> None:
    """A client whose alias leads to another model has not to know what that one takes."""
    more = REBUILT if to == MESSAGES else {}
    body = sent(attempt(MESSAGES, to, ask(MESSAGES, thinking=said), caps=caps, **more))
    where = body.get("additionalModelRequestFields", {}) if to == CONVERSE else body
    assert where.get("thinking") == thinking
    assert where.get("output_config", {}).get("effort") == effort


NEAREST = [
    ("none", CHAT, {"model": "gpt-6-astra", "profile": "openai"}, "low"),
    ("xhigh", CHAT, {"model": "openai/gpt-oss-120b", "profile": "groq"}, "high"),
    ("minimal", CHAT, {"model": "grok-4.5", "profile": "xai"}, "low"),
    ("minimal", GEMINI, {"model": "gemini-3.8-flash"}, "LOW"),
    ("max", GEMINI, {"model": "gemini-3.8-flash"}, "HIGH"),
    ("minimal", RESPONSES, {"caps": {"efforts": ["low", "high"]}}, "low"),
    ("xhigh", MESSAGES, {"caps": {"efforts": ["low", "medium", "high"]}}, "high"),
    ("max", CONVERSE, {"model": "us.amazon.nova-2-lite-v1:0"}, "high"),
]


@pytest.mark.parametrize(("effort", "to", "more", "level"), NEAREST)
def test_T09_an_effort_is_one_the_model_has(effort: str, to: str, more: Json, level: str) -> None:
    client = RESPONSES if to == CHAT else CHAT
    said: Json = {"reasoning_effort": effort}
    if client == RESPONSES:
        said = {"reasoning": {"effort": effort}}
    made = attempt(client, to, ask(client, **said), **more)
    body = sent(made)
    found: dict[str, Any] = {
        CHAT: lambda: body["reasoning_effort"],
        RESPONSES: lambda: body["reasoning"]["effort"],
        MESSAGES: lambda: body["output_config"]["effort"],
        GEMINI: lambda: body["generationConfig"]["thinkingConfig"]["thinkingLevel"],
        CONVERSE: lambda: body["additionalModelRequestFields"]["reasoningConfig"][
            "maxReasoningEffort"
        ],
    }
    assert found[to]() == level
    assert set(lost(made)) & {"reasoning.effort", "reasoning.off"}


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES, GEMINI])
def test_T10_tools_and_reasoning_do_not_meet_in_chat(client: str) -> None:
    """A provider that only has chat: no reasoning beside function tools, said or unsaid."""
    think: Json = {
        RESPONSES: {"reasoning": {"effort": "high"}},
        MESSAGES: {"thinking": {"type": "adaptive"}},
        GEMINI: {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}},
    }[client]
    armed = ask(client, tools=tools(client))
    asked = {"gpt-5.4": {**armed, **think}, "gpt-5.6": armed, "gpt-6-luna": {**armed, **think}}
    for model, body in asked.items():
        made = attempt(client, CHAT, body, model=model, profile="openai")
        assert sent(made)["reasoning_effort"] == "none"
        assert "reasoning.tools" in lost(made)
    # Off by itself, or no tools: nothing has to be said.
    assert "reasoning_effort" not in sent(
        attempt(client, CHAT, armed, model="gpt-5.4", profile="openai")
    )
    alone = sent(attempt(client, CHAT, ask(client, **think), model="gpt-5.6", profile="openai"))
    assert alone["reasoning_effort"] in ("medium", "high")


@pytest.mark.parametrize("client", [CHAT, MESSAGES, GEMINI])
def test_T10_tools_and_reasoning_meet_in_responses(client: str) -> None:
    """A provider that has both; how each client gets there is in tests/gateway/test_conditions."""
    both = {CHAT: "http://127.0.0.1:9/v1", RESPONSES: "http://127.0.0.1:9/v1"}
    maker = {"api_base_url": both, "profile": "openai", "models": {"gpt-5.6": {}}}
    made = attempt(client, maker, ask(client, tools=tools(client)))
    assert made.wire.path == "/responses"
    assert "reasoning.tools" not in lost(made)
    assert sent(made)["tools"][0]["name"] == "f"


ALONE: dict[str, Json] = {
    CHAT: {"tool_choice": "required", "parallel_tool_calls": False},
    RESPONSES: {"tool_choice": "required", "parallel_tool_calls": False},
    MESSAGES: {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
    GEMINI: {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
}


@pytest.mark.parametrize(("client", "to"), PAIRS)
def test_T11_a_choice_without_tools_is_dropped(client: str, to: str) -> None:
    made = attempt(client, to, ask(client, **ALONE[client]))
    names = {"tool_choice", "parallel_tool_calls", "toolConfig", "tools"}
    assert not names & sent(made).keys()
    with_tools = sent(attempt(client, to, ask(client, tools=tools(client), **ALONE[client])))
    assert {"tool_choice", "toolConfig"} & with_tools.keys()


FORCED: dict[str, Json] = {
    CHAT: {"tool_choice": "required", "reasoning_effort": "high"},
    RESPONSES: {"tool_choice": "required", "reasoning": {"effort": "high"}},
    MESSAGES: {"tool_choice": {"type": "any"}, "thinking": BUDGET},
    GEMINI: {
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {"thinkingConfig": {"thinkingBudget": 8000}},
    },
}


@pytest.mark.parametrize("to", [MESSAGES, CONVERSE])
@pytest.mark.parametrize("client", CLIENTS)
def test_T12_forcing_and_thinking_do_not_meet(client: str, to: str) -> None:
    def asked(**caps: Any) -> tuple[Json, Json, Any]:
        more = REBUILT if client == to else {}
        body = ask(client, tools=tools(client), **FORCED[client])
        found = sent(attempt(client, to, body, caps=caps, **more))
        if to == MESSAGES:
            return found, found, found["tool_choice"]["type"]
        (choice,) = found["toolConfig"]["toolChoice"]
        return found, found["additionalModelRequestFields"], choice

    # A budget excludes forcing; adaptive thinking does not.
    _, more, choice = asked(thinking="budget")
    assert (choice, more["thinking"]) == ("any", OFF)
    _, more, choice = asked(thinking="adaptive")
    assert (choice, more["thinking"]["type"]) == ("any", "adaptive")
    # A model that refuses forcing is told in the last user message; the system text stays.
    body, _, choice = asked(forced_tool_choice=False, thinking="adaptive")
    assert choice == "auto"
    assert body["messages"][-1]["role"] == "user"
    assert body["messages"][-1]["content"][-1]["text"] == "Answer by calling one of the tools."
    assert "system" not in body


@pytest.mark.parametrize("to", [MESSAGES, CONVERSE])
def test_T12_structured_output_is_native_where_nothing_can_be_forced(to: str) -> None:
    form = {"name": "city", "schema": SCHEMA}
    body = ask(CHAT, response_format={"type": "json_schema", "json_schema": form})
    found = sent(attempt(CHAT, to, body, caps={"forced_tool_choice": False}))
    assert not {"tools", "toolConfig", "tool_choice"} & found.keys()
    inner = (
        found["output_config"]["format"] if to == MESSAGES else found["outputConfig"]["textFormat"]
    )
    assert inner["type"] == "json_schema"


SYSTEMS: list[Json] = [
    {"role": "developer", "content": "one"},
    {"role": "system", "content": "two"},
    {"role": "user", "content": "hi"},
]
ROLES = [
    ("openai", ["developer", "system", "user"]),
    ("mistral", ["system", "system", "user"]),
    ("groq", ["system", "system", "user"]),
    ("vllm", ["system", "user"]),
    ("compatible", ["system", "user"]),
]


@pytest.mark.parametrize(("profile", "roles"), ROLES)
@pytest.mark.parametrize("client", [CHAT, RESPONSES])
def test_T13_the_roles_are_those_a_vendor_has(client: str, profile: str, roles: list[str]) -> None:
    body = ask(client, **{"messages" if client == CHAT else "input": SYSTEMS})
    more = REBUILT if client == CHAT else {}
    messages = sent(attempt(client, CHAT, body, profile=profile, **more))["messages"]
    assert [message["role"] for message in messages] == roles
    said = "\n\n".join(message["content"] for message in messages)
    assert said == "one\n\ntwo\n\nhi"


TURNS: list[tuple[str, str]] = [
    ("system", "lead"),
    ("user", "u1"),
    ("assistant", "a1"),
    ("user", "u2"),
    ("system", "mid"),
    ("assistant", "a2"),
    ("user", "u3"),
]


def conversation(client: str) -> Json:
    """``TURNS``, as a client of chat, Responses or Messages writes them."""
    turns = [{"role": role, "content": text} for role, text in TURNS]
    if client == MESSAGES:
        return ask(client, system="lead", messages=turns[1:])
    return ask(client, **{"messages" if client == CHAT else "input": turns})


def order(body: Json) -> list[str]:
    """What stands after the system text, in order: the texts."""
    found: list[str] = []
    for message in body.get("messages") or body.get("contents") or body["input"]:
        content = message.get("content") or message.get("parts")
        found += [content] if isinstance(content, str) else [part["text"] for part in content]
    return [text.removeprefix("<system>").removesuffix("</system>") for text in found]


@pytest.mark.parametrize("to", [CHAT, RESPONSES, MESSAGES, GEMINI, CONVERSE])
@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
def test_T14_system_text_stays_in_its_place(client: str, to: str) -> None:
    body = sent(attempt(client, to, conversation(client), **(REBUILT if client == to else {})))
    texts = order(body)
    if to == CHAT:
        assert body["messages"][0] == {"role": "system", "content": "lead"}
        texts.remove("lead")
    elif to == RESPONSES:
        assert body.get("instructions", "lead") == "lead"
        texts = [text for text in texts if text != "lead"]
    else:
        system = body.get("system") or body["systemInstruction"]["parts"]
        assert (system if isinstance(system, str) else system[0]["text"]) == "lead"
    assert texts == ["u1", "a1", "u2", "mid", "a2", "u3"]


UNUSUAL: dict[str, bytes] = {
    CHAT: b'{"messages":[{"role":"user","content":"hi","next":[1.0,1e2]}], "temperature":1.00,\n'
    b'"a_field_of_next_year":{"b":1E2,"a":1.50},"model":"a" ,"\\u0061b":"\\u00e9"}',
    RESPONSES: b'{"model":"a","input":[{"type":"item_of_next_year","x":1.0}],"reasoning":'
    b'{"effort":"low","new":1.0}, "another":12345678901234567890}',
    MESSAGES: b'{"max_tokens":10 ,"model":"a", "messages":[{"role":"user","content":[{"type":'
    b'"block_of_next_year","z":1,"a":2.0}]}],"thinking":{"type":"deep","k":1.0}}',
    GEMINI: b'{"contents":[{"parts":[{"text":"hi","newField":1.0}]}], "generation_config":'
    b'{"new_thing":2e0},"\\u0061ny":[]}',
}


@pytest.mark.parametrize("dialect", CLIENTS)
def test_T15_the_client_s_bytes_stay_its_own(dialect: str) -> None:
    raw = UNUSUAL[dialect]
    made = attempt(dialect, dialect, raw)
    assert made.wire.body == raw.replace(b'"model":"a"', b'"model":"m-1"')


@pytest.mark.parametrize("dialect", CLIENTS)
def test_T15_a_step_keeps_the_fields_nobody_knows(dialect: str) -> None:
    """Rebuilt through the canonical form, what is new is still there."""
    given = json.loads(UNUSUAL[dialect])
    found = sent(attempt(dialect, dialect, UNUSUAL[dialect], **REBUILT))
    if dialect == GEMINI:
        assert found["contents"][0]["parts"] == given["contents"][0]["parts"]
        assert found["any"] == []
        assert found["generationConfig"] == {"new_thing": 2.0}
    elif dialect == RESPONSES:
        assert found["input"] == given["input"]
        assert (found["reasoning"], found["another"]) == (given["reasoning"], given["another"])
    elif dialect == MESSAGES:
        assert found["messages"] == given["messages"]
        assert found["thinking"] == given["thinking"]
    else:
        assert found["messages"] == given["messages"]
        assert found["a_field_of_next_year"] == given["a_field_of_next_year"]
        assert found["ab"] == "é"


SNAKE: Json = {
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "hi"},
                {"inline_data": {"mime_type": "image/png", "data": PNG}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {
                    "function_call": {"name": "f", "args": {"snake_key": 1}},
                    "thought_signature": "c2ln",
                }
            ],
        },
        {
            "role": "user",
            "parts": [{"function_response": {"name": "f", "response": {"snake_key": 2}}}],
        },
    ],
    "system_instruction": {"parts": [{"text": "sys"}]},
    "generation_config": {
        "max_output_tokens": 77,
        "stop_sequences": ["x"],
        "response_mime_type": "application/json",
        "thinking_config": {"thinking_level": "LOW"},
    },
    "tools": [
        {
            "function_declarations": [
                {
                    "name": "f",
                    "parameters_json_schema": {
                        "type": "object",
                        "properties": {"snake_key": {"type": "integer"}},
                    },
                }
            ]
        }
    ],
    "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
}


def camel(value: Any) -> Any:
    """The same with Google's names; a client's own keys (``snake_key``) stay."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for name, inner in value.items():
        head, *rest = name.split("_")
        out[name if name == "snake_key" else head + "".join(map(str.title, rest))] = camel(inner)
    return out


@pytest.mark.parametrize("to", [CHAT, RESPONSES, MESSAGES, GEMINI, CONVERSE])
def test_T16_both_spellings_of_gemini_mean_the_same(to: str) -> None:
    more = REBUILT if to == GEMINI else {}
    found = sent(attempt(GEMINI, to, SNAKE, **more))
    assert found == sent(attempt(GEMINI, to, camel(SNAKE), **more))
    assert "77" in json.dumps(found)
    assert "snake_key" in json.dumps(found)
    if to == GEMINI:
        assert found == camel(SNAKE)


def test_T16_what_we_write_is_camel_case() -> None:
    """Google's SDK loses the other spelling in silence."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"content": "so", "tool_calls": [call], "reasoning_content": "why"}
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    found = answered(
        attempt(GEMINI, CHAT, ask(GEMINI, tools=tools(GEMINI))),
        chat_answer(message, "tool_calls", usage=usage),
    )
    assert "_" not in "".join(keys(found))
    made = attempt(CHAT, GEMINI, ask(CHAT, tools=tools(CHAT), reasoning_effort="low", top_p=0.5))
    assert "_" not in "".join(keys(sent(made)))
    # A provider (a proxy of Google's) may answer in the other one.
    snake = {
        "candidates": [{"content": {"parts": [{"text": "so"}]}, "finish_reason": "MAX_TOKENS"}],
        "usage_metadata": {"prompt_token_count": 3, "candidates_token_count": 2},
    }
    answer = answered(attempt(CHAT, GEMINI, ask(CHAT)), snake)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["prompt_tokens"] == 3


def keys(value: Any) -> list[str]:
    """The names of all members."""
    if isinstance(value, list):
        return [name for item in value for name in keys(item)]
    if not isinstance(value, dict):
        return []
    return [name for own, inner in value.items() for name in (own, *keys(inner))]


async def good(peer: Peer) -> None:
    await peer.answer(200, wire.chat())


CODED = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=4),
    "zstd": zstd.compress,
}
BOMB = b" " * 70_000_000 + b"{}"


PATHS = {"/v1/chat/completions": CHAT, "/v1/messages": MESSAGES, "/v1/responses": RESPONSES}


@pytest.mark.parametrize("path", PATHS)
def test_T17_a_compressed_body_is_unpacked_first(
    serve: Serve, first: FaultServer, second: FaultServer, path: str
) -> None:
    first.script = good
    served = serve(two(gateways.provider(first), gateways.provider(second)))
    body = json.dumps({**ask(PATHS[path]), "model": "one"}).encode()
    for coding, code in CODED.items():
        headers = {"content-encoding": coding, "content-type": "application/json"}
        answer = served.ask(path, code(body), headers=headers)
        assert answer.status == 200, answer.body
        request = first.requests[-1]
        assert "content-encoding" not in request.headers
        assert json.loads(request.body)["model"] == "m"
        assert served.ask(path, code(BOMB), headers=headers).status == 413
    # Not what it says it is, or a coding nobody knows: the client's mistake, never a 500.
    for coding in (*CODED, "lzma"):
        refused = served.ask(path, b"\x28\xb5\x2f\xfd\x04", headers={"content-encoding": coding})
        assert refused.status in (400, 415), (coding, refused.status)
        assert refused.error["message"]


ATTRIBUTION = "x-anthropic-billing-header: cc_version=2.1; cc_entrypoint=cli; cch={};"


def claude_code(change: int) -> Json:
    lines = [ATTRIBUTION.format(change), "You are Claude Code."]
    return ask(MESSAGES, system=[{"type": "text", "text": line} for line in lines])


@pytest.mark.parametrize(
    ("to", "more"),
    [
        (CHAT, {}),
        (RESPONSES, {}),
        (GEMINI, {}),
        (CONVERSE, {}),
        (MESSAGES, {"profile": "deepseek", **REBUILT}),
        (MESSAGES, {"profile": "deepseek"}),
    ],
)
def test_T18_the_attribution_goes_to_anthropic_alone(to: str, more: Json) -> None:
    one, other = (attempt(MESSAGES, to, claude_code(n), **more).wire.body for n in (1, 2))
    assert one == other
    assert b"billing-header" not in one and b"You are Claude Code." in one
    for own in ({}, REBUILT, {"profile": "anthropic"}):
        system = sent(attempt(MESSAGES, MESSAGES, claude_code(3), **own))["system"]
        assert [part["text"] for part in system] == [
            ATTRIBUTION.format(3),
            "You are Claude Code.",
        ]


def test_T18_nothing_else_of_the_bytes_changes() -> None:
    """At a foreign endpoint of Anthropic's dialect; what is malformed stays as it is."""
    block = b'{"type":"text","text":"%b"}' % ATTRIBUTION.format(1).encode()
    kept = b'{"text":"You\\u0020are", "type":"text","n":1.0}'
    given = b'{"model":"m-1" ,"system":[%b,%b], "max_tokens":9,"messages":[]}'
    made = attempt(MESSAGES, MESSAGES, given % (block, kept), profile="deepseek")
    assert made.wire.body == (given % (block, kept)).replace(block + b",", b"")
    for odd in (b'"system":"%b"' % ATTRIBUTION.encode(), b'"system":[1,%b]' % block):
        raw = b'{"model":"m-1",%b,"messages":[]}' % odd
        assert attempt(MESSAGES, MESSAGES, raw, profile="deepseek").wire.body == raw


_DIGEST = """
import hashlib
from tests.traps.compiled import *
from tests.traps.test_parameters import rich
made = hashlib.sha256()
for client in CLIENTS:
    for to in PROVIDERS:
        more = REBUILT if client == to else {}
        made.update(attempt(client, to, rich(client), **more).wire.body)
print(made.hexdigest())
"""


def rich(client: str) -> Json:
    """A request with all that could come out in another order."""
    named = tools(client, "b", "a", "a name.that-is_rewritten", "z")
    more: Json = {
        CHAT: {
            "stop": ["z", "a"],
            "metadata": {"z": "1", "a": "2"},
            "logit_bias": {"9": 1, "1": 2},
        },
        RESPONSES: {"metadata": {"z": "1", "a": "2"}, "reasoning": {"effort": "low"}},
        MESSAGES: {"stop_sequences": ["z", "a"], "thinking": {"type": "adaptive"}},
        GEMINI: {"generationConfig": {"stopSequences": ["z", "a"], "seed": 1}},
    }[client]
    return ask(client, tools=named, **more)


def test_T19_equal_requests_give_equal_bytes() -> None:
    """Whatever the process's hashes and the request's id and time are."""
    root = Path(__file__).parents[2]
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        run = subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(run.stdout)
    assert len(found) == 1
    assert len(found.pop().strip()) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize("to", [CHAT, RESPONSES])
def test_T19_the_cache_key_is_the_conversation_s(to: str) -> None:
    def key(session: str | None) -> Any:
        headers = {} if session is None else {"x-claude-code-session-id": session}
        caps = {"cache_breakpoints": True} if to == CHAT else None
        return sent(attempt(MESSAGES, to, ask(MESSAGES), headers, caps=caps)).get(
            "prompt_cache_key"
        )

    assert key("s-1") == key("s-1") != key("s-2")
    assert key(None) is None


@pytest.mark.parametrize("client", [CHAT, MESSAGES, GEMINI])
def test_T20_silence_about_strict_is_no(client: str) -> None:
    """Responses takes silence for "try it"; elsewhere it means no, and stays silence."""
    (tool,) = sent(attempt(client, RESPONSES, ask(client, tools=tools(client))))["tools"]
    assert tool["strict"] is False
    if client == GEMINI:
        return
    wanted = tools(client)
    holder = wanted[0]["function"] if client == CHAT else wanted[0]
    # What Anthropic calls strict asks less of a schema than OpenAI does (trap T72).
    strictest = {**SCHEMA, "required": ["city"], "additionalProperties": False}
    holder["parameters" if client == CHAT else "input_schema"] = strictest
    for value in (True, False):
        holder["strict"] = value
        (tool,) = sent(attempt(client, RESPONSES, ask(client, tools=wanted)))["tools"]
        assert tool["strict"] is value


def test_T20_a_form_is_strict_only_when_its_schema_can_be() -> None:
    fits = {**SCHEMA, "required": ["city"], "additionalProperties": False}
    loose = {**fits, "properties": {"city": {"type": "array"}}}
    for schema, strict in ((fits, True), (loose, False), (SCHEMA, False)):
        form = {"format": {"type": "json_schema", "schema": schema}}
        body = ask(MESSAGES, output_config=form)
        assert sent(attempt(MESSAGES, RESPONSES, body))["text"]["format"]["strict"] is strict
        inner = sent(attempt(MESSAGES, CHAT, body))["response_format"]["json_schema"]
        assert inner["strict"] is strict
    (tool,) = sent(attempt(RESPONSES, CHAT, ask(RESPONSES, tools=tools(RESPONSES))))["tools"]
    assert "strict" not in tool["function"]
