"""What steps make of answers, as a client sees it: JSON and streams, both dialects, each level.

The provider speaks chat; each row has its control, a model that the step does not stand at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

from tests.faults.server import FaultServer, Peer, fault_server
from tests.gateway import wire
from tests.gateway.harness import CHAT, MESSAGES, SAY, Gateway, Json, gateway

TAGGED = "<think>why</think>\n\nso"
FORCED = "Well. <reasoning_content>why</reasoning_content>so"
EXIT = "ExitTool"


class Said(Struct, frozen=True, kw_only=True):
    """What a client understood of an answer."""

    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    """Names and arguments."""
    finish: str = "stop"


class Row(Struct, frozen=True, kw_only=True):
    """With ``use`` a client understands ``shown``, without it ``control``."""

    use: list[Any]
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    shown: Said
    control: Said


def called(name: str, arguments: str) -> Said:
    return Said(calls=((name, arguments),), finish="tool_calls")


ROWS = {
    "extrathinktag": Row(
        use=["extrathinktag"],
        text=TAGGED,
        shown=Said(thinking="why", text="so"),
        control=Said(text=TAGGED),
    ),
    "forcereasoning": Row(
        use=["forcereasoning"],
        text=FORCED,
        shown=Said(text="Well.so", thinking="why"),
        control=Said(text=FORCED),
    ),
    "tooluse": Row(
        use=["tooluse"],
        calls=((EXIT, '{"response": "do\\nne"}'),),
        shown=Said(text="do\nne"),
        control=called(EXIT, '{"response": "do\\nne"}'),
    ),
    "tooluse: another call": Row(
        use=["tooluse"],
        calls=(("look", '{"a": 1}'),),
        shown=called("look", '{"a": 1}'),
        control=called("look", '{"a": 1}'),
    ),
    "enhancetool": Row(
        use=["enhancetool"],
        calls=(("look", "{'a': 'b',}"),),
        shown=called("look", '{"a": "b"}'),
        control=called("look", "{'a': 'b',}"),
    ),
    # Back in mirrored order: the last in the list is the first to see the answer.
    "tooluse, then enhancetool": Row(
        use=["tooluse", "enhancetool"],
        calls=((EXIT, "{'response': 'done'}"),),
        shown=Said(text="done"),
        control=called(EXIT, "{'response': 'done'}"),
    ),
    "enhancetool, then tooluse": Row(
        use=["enhancetool", "tooluse"],
        calls=((EXIT, "{'response': 'done'}"),),
        shown=Said(text="{'response': 'done'}"),
        control=called(EXIT, "{'response': 'done'}"),
    ),
    "extrathinktag, then tooluse": Row(
        use=["extrathinktag", "tooluse"],
        text="<think>first</think>",
        calls=((EXIT, '{"response": "done"}'),),
        shown=Said(thinking="first", text="done"),
        control=Said(
            text="<think>first</think>",
            calls=((EXIT, '{"response": "done"}'),),
            finish="tool_calls",
        ),
    ),
}
NAMES = list(ROWS)
LEVELS = ("provider", "model")


def config(port: int) -> Json:
    """A provider for each row at each level, the control as its model ``other``."""
    providers: Json = {}
    for number, row in enumerate(ROWS.values()):
        base = {"type": "openai-chat", "api_base_url": f"http://127.0.0.1:{port}/{number}/v1"}
        for level in LEVELS:
            use = {"use": row.use}
            steps = {"m": use} if level == "model" else use
            models = {"models": ["m", "other"], "transformer": steps}
            providers[f"{level}{number}"] = {**base, **models}
        providers[f"bare{number}"] = {**base, "models": ["other"]}
    aliases = {"any": {"targets": ["bare0/other"]}}
    return {"direct": True, "providers": providers, "aliases": aliases}


async def answer(peer: Peer) -> None:
    row = ROWS[NAMES[int(peer.request.path.split("/")[1])]]
    if json.loads(peer.request.body).get("stream"):
        await peer.stream(*stream(row))
    else:
        await peer.answer(200, whole(row))


def entry(index: int, name: str, arguments: str) -> Json:
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": f"call_{index}", "type": "function", "function": function}


def whole(row: Row) -> bytes:
    calls = [entry(index, *call) for index, call in enumerate(row.calls)]
    message = {"role": "assistant", "content": row.text or None}
    if calls:
        message["tool_calls"] = calls
    finish = "tool_calls" if calls else "stop"
    return wire.chat(choices=[{"index": 0, "message": message, "finish_reason": finish}])


def stream(row: Row) -> list[bytes]:
    """A character a chunk."""
    chunks = [wire.chat_chunk({"role": "assistant", "content": ""})]
    chunks += [wire.chat_chunk({"content": char}) for char in row.text]
    for index, (name, arguments) in enumerate(row.calls):
        chunks.append(wire.chat_chunk({"tool_calls": [entry(index, name, "")]}))
        for char in arguments:
            more = {"index": index, "function": {"arguments": char}}
            chunks.append(wire.chat_chunk({"tool_calls": [more]}))
    return [*chunks, wire.chat_chunk({}, "tool_calls" if row.calls else "stop"), wire.DONE]


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultServer]:
    with fault_server(answer) as server:
        yield server


@pytest.fixture(scope="module")
def served(upstream: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(config(upstream.port), tmp_path_factory.mktemp("answers")) as found:
        yield found


def understood(served: Gateway, path: str, model: str, streamed: bool) -> Said:
    """What a client of the path's dialect makes of the answer."""
    tools: list[Json] = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    if path == MESSAGES:
        tools = [{"name": "look", "input_schema": {"type": "object"}}]
    body = {"model": model, "messages": SAY, "tools": tools, "max_tokens": 99, "stream": streamed}
    reply = served.ask(path, body)
    assert reply.status == 200, reply.body
    if not streamed:
        found = json.loads(reply.body)
        return of_chat(found["choices"][0]) if path == CHAT else of_message(found)
    lines = [line[6:] for line in reply.body.decode().splitlines() if line.startswith("data: ")]
    events = [json.loads(line) for line in lines if line != "[DONE]"]
    return of_chunks(events) if path == CHAT else of_events(events)


def of_chat(choice: Json) -> Said:
    message = choice["message"]
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return Said(
        text=message.get("content") or "",
        thinking=message.get("reasoning_content") or "",
        calls=tuple((call["name"], call["arguments"]) for call in calls),
        finish=choice["finish_reason"],
    )


def of_chunks(chunks: list[Json]) -> Said:
    """Fragments put together as SDKs do."""
    message: Json = {"content": "", "reasoning_content": "", "tool_calls": {}}
    finish = ""
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        assert choice["index"] == 0
        for name in ("content", "reasoning_content"):
            message[name] += choice["delta"].get(name) or ""
        for call in choice["delta"].get("tool_calls", ()):
            made = message["tool_calls"].setdefault(call["index"], {"name": "", "arguments": ""})
            for name in made:
                made[name] += call["function"].get(name) or ""
        finish = choice["finish_reason"] or finish
    calls = [{"function": call} for call in message["tool_calls"].values()]
    return of_chat({"message": {**message, "tool_calls": calls}, "finish_reason": finish})


FINISHES = {"end_turn": "stop", "tool_use": "tool_calls"}


def of_message(message: Json) -> Said:
    blocks = message["content"]
    return Said(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        thinking="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        calls=tuple((b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"),
        finish=FINISHES.get(message["stop_reason"], "error"),
    )


def of_events(events: list[Json]) -> Said:
    """Blocks put together as SDKs do."""
    blocks: list[Json] = []
    stop = ""
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            for name in ("text", "thinking"):
                block[name] = block.get(name, "") + delta.get(name, "")
            block["json"] += delta.get("partial_json", "")
        elif event["type"] == "message_delta":
            stop = event["delta"]["stop_reason"]
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = _object(block["json"] or "{}")
    return of_message({"content": blocks, "stop_reason": stop})


def for_client(said: Said, path: str) -> Said:
    """Messages clients get arguments as objects."""
    if path == CHAT:
        return said
    calls = tuple((name, _object(arguments)) for name, arguments in said.calls)
    return Said(text=said.text, thinking=said.thinking, calls=calls, finish=said.finish)


def _object(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return None


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NAMES)
def test_a_step_changes_the_answer(
    served: Gateway, name: str, level: str, path: str, stream: bool
) -> None:
    row, number = ROWS[name], NAMES.index(name)
    shown = understood(served, path, f"{level}{number}/m", stream)
    assert shown == for_client(row.shown, path)
    # The controls: a provider without the step, and another model than the one it stands at.
    controls = [f"bare{number}/other", *([f"model{number}/other"] if level == "model" else [])]
    for control in controls:
        found = understood(served, path, control, stream)
        expected = for_client(row.control, path)
        if all(arguments is not None for _, arguments in expected.calls):
            assert found == expected
        else:
            # No object: a client of messages gets it wrapped, or the stream ends in an error.
            assert [call[0] for call in found.calls] == [call[0] for call in expected.calls]
            assert found.calls != shown.calls
