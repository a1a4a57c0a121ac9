"""Every step at every level, as a provider sees it; and the order of a chain, there and back.

Each row has its control: the same request to a model that the step does not stand at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

from plexus.transformers.steps.forcereasoning import PROMPT
from tests.faults.server import FaultServer, Peer, fault_server
from tests.gateway import wire
from tests.gateway.harness import CHAT, MESSAGES, SAY, Gateway, Json, gateway

UPSTREAMS = {"chat": "openai-chat", "messages": "anthropic-messages"}
EPHEMERAL = {"type": "ephemeral"}
CACHED: Json = {
    "max_tokens": 9,
    "system": [{"type": "text", "text": "be brief", "cache_control": EPHEMERAL}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": EPHEMERAL}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "x", "cache_control": EPHEMERAL}],
                }
            ],
        },
    ],
    "tools": [{"name": "look", "input_schema": {"type": "object"}, "cache_control": EPHEMERAL}],
}


DEVELOPER: list[Json] = [{"role": "developer", "content": "be brief"}, *SAY]
TEXT = [{"type": "text", "text": SAY[0]["content"]}]
LOOK: Json = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
SCHEMED: Json = {
    "type": "function",
    "function": {"name": "look", "parameters": {"$schema": "x", "type": "object"}},
}
OVERRIDE: Json = {
    "model": "m",
    "rewriteTo": "m-fast",
    "conditions": [
        {"field": "reasoning.enabled", "value": False},
        {"field": "reasoning_effort", "value": "low"},
    ],
}
CALLED: Json = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    ],
}
RESULT: Json = {"role": "tool", "tool_call_id": "c", "content": "r"}


class Row(Struct, frozen=True, kw_only=True):
    """``asks`` for a target with ``step``: the provider gets ``sees``, without it ``control``.

    Both are members of the body, None for those that must not be there; ``markers`` counts the
    cache markers anywhere in it.  ``more`` are further settings of the provider.
    """

    step: Any
    asks: Json
    sees: Json
    control: Json
    path: str = CHAT
    upstream: str = "chat"
    more: Json = {}


ROWS = {
    "maxtoken": Row(
        step=["maxtoken", {"max_tokens": 50}],
        asks={"max_tokens": 100},
        # What is written anew has the name that OpenAI wants; a profile may say otherwise.
        sees={"max_completion_tokens": 50, "max_tokens": None},
        control={"max_completion_tokens": None, "max_tokens": 100},
    ),
    "maxtoken: lower stays": Row(
        step=["maxtoken", {"max_tokens": 150}],
        asks={"max_completion_tokens": 100},
        sees={"max_completion_tokens": 100},
        control={"max_completion_tokens": 100},
    ),
    "maxtoken: messages to messages": Row(
        step=["maxtoken", {"max_tokens": 50}],
        asks={"max_tokens": 100},
        sees={"max_tokens": 50},
        control={"max_tokens": 100},
        path=MESSAGES,
        upstream="messages",
    ),
    "maxtoken: chat to messages": Row(
        step=["maxtoken", {"max_tokens": 50}],
        asks={"max_completion_tokens": 100},
        sees={"max_tokens": 50},
        control={"max_tokens": 100},
        upstream="messages",
    ),
    "maxcompletiontokens": Row(
        step="maxcompletiontokens",
        asks={"max_tokens": 100},
        sees={"max_completion_tokens": 100, "max_tokens": None},
        control={"max_completion_tokens": None, "max_tokens": 100},
    ),
    "maxcompletiontokens: the newer one stays": Row(
        step="maxcompletiontokens",
        asks={"max_tokens": 100, "max_completion_tokens": 90},
        sees={"max_completion_tokens": 90, "max_tokens": None},
        control={"max_completion_tokens": 90, "max_tokens": 100},
    ),
    "maxcompletiontokens: not in messages": Row(
        step="maxcompletiontokens",
        asks={"max_tokens": 100},
        sees={"max_completion_tokens": None, "max_tokens": 100},
        control={"max_completion_tokens": None, "max_tokens": 100},
        path=MESSAGES,
        upstream="messages",
    ),
    "sampling": Row(
        step=["sampling", {"max_tokens": 60, "temperature": 0.25, "top_p": 0.5}],
        asks={"max_tokens": 100, "temperature": 1.5, "seed": 3},
        sees={"max_completion_tokens": 60, "temperature": 0.25, "top_p": 0.5, "seed": 3},
        control={"max_tokens": 100, "temperature": 1.5, "top_p": None, "seed": 3},
    ),
    "sampling: messages to messages": Row(
        step=["sampling", {"temperature": 0.25, "top_k": 7}],
        asks={"max_tokens": 100, "temperature": 1, "top_k": 2},
        sees={"max_tokens": 100, "temperature": 0.25, "top_k": 7},
        control={"max_tokens": 100, "temperature": 1, "top_k": 2},
        path=MESSAGES,
        upstream="messages",
    ),
    "customparams": Row(
        step=["customparams", {"seed": 7, "nest": {"a": 1, "b": 1}}],
        asks={"nest": {"b": 2}},
        sees={"seed": 7, "nest": {"a": 1, "b": 2}},
        control={"seed": None, "nest": {"b": 2}},
    ),
    "customparams: the client wins": Row(
        step=["customparams", {"seed": 7}],
        asks={"seed": 1},
        sees={"seed": 1},
        control={"seed": 1},
    ),
    "customparams: messages to chat": Row(
        step=["customparams", {"seed": 7}],
        asks={"max_tokens": 9},
        sees={"seed": 7},
        control={"seed": None},
        path=MESSAGES,
    ),
    "cleancache": Row(
        step="cleancache",
        asks=CACHED,
        sees={"markers": 0},
        control={"markers": 4},
        path=MESSAGES,
        upstream="messages",
    ),
    "streamoptions": Row(
        step="streamoptions",
        asks={"stream": True, "stream_options": {"include_usage": False}},
        sees={"stream_options": {"include_usage": True, "include_obfuscation": False}},
        control={"stream_options": {"include_usage": False, "include_obfuscation": False}},
        more={
            "extra_body": {"stream_options": {"include_usage": False, "include_obfuscation": False}}
        },
    ),
    "streamoptions: messages to chat": Row(
        step="streamoptions",
        asks={"max_tokens": 9, "stream": True},
        sees={"stream_options": {"include_usage": True}},
        control={"stream_options": {"include_usage": False}},
        path=MESSAGES,
        more={"extra_body": {"stream_options": {"include_usage": False}}},
    ),
    "reasoning": Row(
        step="reasoning",
        asks={"reasoning_effort": "high"},
        sees={
            "thinking": {"type": "enabled", "budget_tokens": 24576},
            "enable_thinking": True,
            "reasoning_effort": None,
        },
        control={"thinking": None, "enable_thinking": None, "reasoning_effort": "high"},
    ),
    "reasoning: off": Row(
        step=["reasoning", {"enable": False}],
        asks={"reasoning_effort": "high"},
        sees={
            "thinking": {"type": "disabled"},
            "enable_thinking": False,
            "reasoning_effort": None,
        },
        control={"thinking": None, "enable_thinking": None, "reasoning_effort": "high"},
    ),
    "reasoning: silence": Row(
        step="reasoning",
        asks={},
        sees={"thinking": None, "enable_thinking": None},
        control={"thinking": None, "enable_thinking": None},
    ),
    "reasoning: messages to chat": Row(
        step="reasoning",
        asks={"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 3000}},
        sees={"thinking": {"type": "enabled", "budget_tokens": 3000}, "enable_thinking": True},
        control={"thinking": None, "enable_thinking": None},
        path=MESSAGES,
    ),
    "suppressdeveloperrole": Row(
        step="suppressdeveloperrole",
        asks={"messages": DEVELOPER},
        sees={"messages": [{**DEVELOPER[0], "role": "system"}, DEVELOPER[1]]},
        control={"messages": DEVELOPER},
    ),
    "tooluse": Row(
        step="tooluse",
        asks={"tools": [LOOK]},
        sees={"tool_choice": "required"},
        control={"tool_choice": None},
    ),
    "tooluse: chat to messages": Row(
        step="tooluse",
        asks={"tools": [LOOK]},
        sees={"tool_choice": {"type": "any"}},
        control={"tool_choice": None},
        upstream="messages",
    ),
    "tooluse: no tools": Row(
        step="tooluse",
        asks={"seed": 1},
        sees={"tool_choice": None, "tools": None, "messages": SAY},
        control={"tool_choice": None, "tools": None, "messages": SAY},
    ),
    "forcereasoning": Row(
        step="forcereasoning",
        asks={"seed": 1},
        sees={"messages": [{"role": "user", "content": [*TEXT, {"type": "text", "text": PROMPT}]}]},
        control={"messages": SAY},
    ),
    "forcereasoning: messages to messages": Row(
        step="forcereasoning",
        asks={"max_tokens": 9},
        sees={"messages": [{"role": "user", "content": [*TEXT, {"type": "text", "text": PROMPT}]}]},
        control={"messages": SAY},
        path=MESSAGES,
        upstream="messages",
    ),
    "extrathinktag: requests are left alone": Row(
        step="extrathinktag",
        asks={"seed": 1},
        sees={"seed": 1, "messages": SAY},
        control={"seed": 1, "messages": SAY},
    ),
    "enhancetool: requests are left alone": Row(
        step="enhancetool",
        asks={"seed": 1},
        sees={"seed": 1, "messages": SAY},
        control={"seed": 1, "messages": SAY},
    ),
    "groq": Row(
        step="groq",
        asks={"tools": [SCHEMED]},
        sees={"tools": [LOOK]},
        control={"tools": [SCHEMED]},
    ),
    "cerebras": Row(
        step="cerebras",
        asks={"reasoning": {"effort": "xhigh"}},
        sees={"reasoning": None, "reasoning_effort": "high"},
        control={"reasoning": {"effort": "xhigh"}, "reasoning_effort": None},
    ),
    "deepseek": Row(
        step="deepseek",
        asks={"messages": [*SAY, CALLED, RESULT]},
        sees={"messages": [*SAY, {**CALLED, "reasoning_content": ""}, RESULT]},
        control={"messages": [*SAY, CALLED, RESULT]},
    ),
    "openrouter": Row(
        step=["openrouter", {"provider": {"only": ["x/fp8"]}, "models": ["b"]}],
        asks={"provider": {"only": ["y"], "order": ["z"]}},
        sees={"provider": {"only": ["x/fp8"], "order": ["z"]}, "models": ["b"]},
        control={"provider": {"only": ["y"], "order": ["z"]}, "models": None},
    ),
    "openrouter: messages to chat": Row(
        step=["openrouter", {"provider": {"only": ["x/fp8"]}}],
        asks={"max_tokens": 9},
        sees={"provider": {"only": ["x/fp8"]}, "max_tokens": 9},
        control={"provider": None},
        path=MESSAGES,
    ),
    "vercel": Row(
        step=["vercel", {"providerOptions": {"gateway": {"order": ["a"]}}}],
        asks={"messages": [{"role": "user", "content": [{**TEXT[0], "cache_control": EPHEMERAL}]}]},
        sees={"markers": 0, "providerOptions": {"gateway": {"order": ["a"]}}},
        control={"markers": 1, "providerOptions": None},
    ),
}
LEVELS = ("provider", "model", "settings")
"""``transformer.use``, ``transformer.<model>.use`` and the model's own ``transformer``."""


def at(level: str, *steps: Any) -> Json:
    """Keys of a provider with the models ``m``, which the steps stand at, and ``other``."""
    use = {"use": list(steps)}
    match level:
        case "provider":
            return {"models": ["m", "other"], "transformer": use}
        case "model":
            return {"models": ["m", "other"], "transformer": {"m": use}}
        case _:
            return {"models": {"m": {"transformer": use}, "other": {}}}


def marks(letters: str, mark: str = "Mark") -> list[Any]:
    return [[f"tests.gateway.marks:{mark}", {"letter": letter}] for letter in letters]


CHAINS: dict[str, Json] = {
    "chain": {
        "models": {"m": {"transformer": {"use": marks("ef")}}, "other": {}},
        "transformer": {"use": marks("ab"), "m": {"use": marks("cd")}},
    },
    "turned": {
        "models": {"m": {"transformer": {"use": marks("ba")}}, "other": {}},
        "transformer": {"use": marks("fe"), "m": {"use": marks("dc")}},
    },
    "wires": {
        "models": {"m": {"transformer": {"use": marks("ef", "WireMark")}}, "other": {}},
        "transformer": {"use": marks("ab", "WireMark"), "m": {"use": marks("cd", "WireMark")}},
    },
    "limits": {
        "models": ["m", "other"],
        "transformer": {
            "use": [["maxtoken", {"max_tokens": 80}], ["sampling", {"temperature": 0.5}]],
            "m": {"use": [["maxtoken", {"max_tokens": 50}], ["sampling", {"temperature": 1}]]},
        },
    },
    "override": {
        "models": ["m", "m-fast", "other"],
        "transformer": {"use": [["modeloverride", {"rules": [OVERRIDE]}]]},
    },
    "params": {
        "models": ["m", "other"],
        "extra_body": {"seed": 1},
        "transformer": {
            "use": [["customparams", {"seed": 2, "k": {"p": 2, "o": 2}}]],
            "m": {"use": [["customparams", {"seed": 3, "k": {"p": 3, "m": 3}}]]},
        },
    },
}


def config(port: int) -> Json:
    """A provider for each row at each level, one for each chain; all at one address."""
    providers: Json = {}

    def add(name: str, upstream: str, keys: Json) -> None:
        base = {"type": UPSTREAMS[upstream], "api_base_url": f"http://127.0.0.1:{port}/v1"}
        providers[name] = {**base, **keys}

    for number, row in enumerate(ROWS.values()):
        for level in LEVELS:
            add(f"{level}{number}", row.upstream, {**at(level, row.step), **row.more})
            add(f"bare-{level}{number}", row.upstream, {**at(level), **row.more})
    for name, keys in CHAINS.items():
        for upstream in UPSTREAMS:
            add(f"{name}-{upstream}", upstream, keys)
    return {
        "direct": True,
        "providers": providers,
        "aliases": {"any": {"targets": ["chain-chat/m"]}},
    }


async def answer(peer: Peer) -> None:
    chat = peer.request.path.endswith("/chat/completions")
    if json.loads(peer.request.body).get("stream"):
        await peer.stream(*(wire.chat_stream("hi") if chat else wire.message_stream("hi")))
    else:
        await peer.answer(200, wire.chat("hi") if chat else wire.message("hi"))


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultServer]:
    with fault_server(answer) as server:
        yield server


@pytest.fixture(scope="module")
def served(upstream: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(config(upstream.port), tmp_path_factory.mktemp("steps")) as found:
        yield found


def sent(served: Gateway, upstream: FaultServer, path: str, body: Json) -> Json:
    """What the provider got for ``body``."""
    reply = served.ask(path, {"messages": SAY, **body})
    assert reply.status == 200, reply.body
    found: Json = json.loads(upstream.requests[-1].body)
    found["markers"] = upstream.requests[-1].body.count(b'"cache_control"')
    return found


def members(body: Json, like: Json) -> Json:
    return {name: body.get(name) for name in like}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ROWS)
def test_a_step_at_a_level(served: Gateway, upstream: FaultServer, name: str, level: str) -> None:
    row, number = ROWS[name], list(ROWS).index(name)

    def seen(model: str) -> Json:
        return sent(served, upstream, row.path, {**row.asks, "model": model})

    assert members(seen(f"{level}{number}/m"), row.sees) == row.sees
    # The controls: no step; and a model step is no other model's.
    assert members(seen(f"bare-{level}{number}/m"), row.control) == row.control
    other = row.sees if level == "provider" else row.control
    assert members(seen(f"{level}{number}/other"), other) == other


def shown_model(reply: bytes) -> str:
    """The model in an answer of either kind and dialect."""
    if reply.startswith(b"{"):
        return str(json.loads(reply)["model"])
    first = next(line for line in reply.decode().splitlines() if line.startswith("data: {"))
    data = json.loads(first[6:])
    return str(data.get("message", data)["model"])


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("provider", UPSTREAMS)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_the_answer_goes_back_in_mirrored_order(
    served: Gateway, upstream: FaultServer, path: str, provider: str, stream: bool
) -> None:
    """Provider, model, model's own; back the same way, last first (the parents' order differs)."""

    def through(name: str, model: str) -> tuple[str, str]:
        body = {"messages": SAY, "max_tokens": 9, "stream": stream}
        reply = served.ask(path, {**body, "model": f"{name}-{provider}/{model}"})
        got = json.loads(upstream.requests[-1].body)
        who = got.get("user") or got.get("safety_identifier") or got["metadata"]["user_id"]
        return who, shown_model(reply.body).removeprefix("m-2026")

    assert through("chain", "m") == ("abcdef", "fedcba")
    # The controls: the other way round in the config, and a model with the provider's steps only.
    assert through("turned", "m") == ("fedcba", "abcdef")
    assert through("chain", "other") == ("ab", "ba")


@pytest.mark.parametrize("provider", UPSTREAMS)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_wire_steps_keep_the_order_of_the_config(
    served: Gateway, upstream: FaultServer, path: str, provider: str
) -> None:
    for model, expected in (("m", "abcdef"), ("other", "ab")):
        body = {"model": f"wires-{provider}/{model}", "max_tokens": 9}
        assert sent(served, upstream, path, body)["marks"] == expected


def test_steps_at_both_levels_meet(served: Gateway, upstream: FaultServer) -> None:
    """The lower limit counts, the later fixed value, and the earlier added one."""

    def seen(model: str, *names: str) -> list[Any]:
        body = {"model": model, "max_tokens": 100, "temperature": 2}
        found = sent(served, upstream, CHAT, body)
        return [found[name] for name in names]

    assert seen("limits-chat/m", "max_completion_tokens", "temperature") == [50, 1]
    assert seen("limits-chat/other", "max_completion_tokens", "temperature") == [80, 0.5]
    assert seen("params-chat/m", "seed", "k") == [1, {"p": 2, "o": 2, "m": 3}]
    assert seen("params-chat/other", "seed", "k") == [1, {"p": 2, "o": 2}]


def test_a_condition_asks_another_model(served: Gateway, upstream: FaultServer) -> None:
    """Passed through and translated, to a dialect with the model in its body."""

    def asked(model: str, path: str = CHAT, **fields: Any) -> Any:
        body = {"model": f"override-{model}", "max_tokens": 9, **fields}
        return sent(served, upstream, path, body)["model"]

    assert asked("chat/m", reasoning={"enabled": False}) == "m-fast"
    assert asked("chat/m", MESSAGES, output_config={"effort": "low"}) == "m-fast"
    # The controls: no condition holds, and a rule is for its own model.
    assert asked("chat/m", reasoning={"enabled": True}) == "m"
    assert asked("chat/m", MESSAGES, output_config={"effort": "high"}) == "m"
    assert asked("chat/other", reasoning={"enabled": False}) == "other"
    assert asked("messages/m", reasoning={"enabled": False}) == "m"
