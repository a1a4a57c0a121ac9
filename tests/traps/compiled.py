"""What the tests of the traps share: translations as the compiler makes them from a config."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plexus.gateway.errors import DIALECTS
from plexus.gateway.loader import load
from plexus.gateway.resource import AliasResource
from plexus.routing.target import Target
from plexus.streaming.document import JsonBody
from plexus.transformers.base import ClientCall
from plexus.transformers.translation import Prepared, StreamTranslation
from plexus.unified.request import Source
from tests.gateway.clouds import CLAUDE, frame
from tests.gateway.harness import compiled

Json = dict[str, Any]

CHAT, RESPONSES, MESSAGES, GEMINI = (
    "openai-chat",
    "openai-responses",
    "anthropic-messages",
    "gemini",
)
CONVERSE = "bedrock-converse"
CLIENTS = (CHAT, RESPONSES, MESSAGES, GEMINI)
PROVIDERS = (*CLIENTS, CONVERSE)
PAIRS = tuple((client, to) for client in CLIENTS for to in PROVIDERS if client != to)
"""What is translated; a pair of the same dialect is passed through."""

REBUILT: Json = {"transformer": {"use": ["sampling"]}}
"""Provider settings with a step, which ends pass-through and (without options) changes nothing."""

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)


def provider(dialect: str, model: str = "m-1", settings: Json | None = None, **more: Any) -> Json:
    """A provider in a config; ``settings`` are the model's."""
    return {
        "type": dialect,
        "api_base_url": "http://127.0.0.1:9/v1",
        "models": {model: settings or {}},
        **more,
    }


@cache
def _target(config: str) -> Target:
    with TemporaryDirectory() as folder:
        generation = load(compiled(json.loads(config), Path(folder)))
        resource = generation.resource(generation.table.models["a"])
    assert issubclass(resource, AliasResource)
    return resource.targets[0].target


def target(found: Json) -> Target:
    """The compiled target of a provider with one model."""
    (model,) = found["models"]
    config = {"providers": {"p": found}, "aliases": {"a": {"targets": [f"p/{model}"]}}}
    return _target(json.dumps(config))


def client_call(
    client: str, body: Json | bytes, headers: Mapping[str, str] | None = None, **source: Any
) -> ClientCall:
    """A call as the gateway makes it; Gemini's stream is named by the path, here by ``stream``."""
    stream = isinstance(body, dict) and bool(body.get("stream"))
    if isinstance(body, dict) and client == GEMINI:
        body = {name: value for name, value in body.items() if name != "stream"}
    raw = json.dumps(body, ensure_ascii=False).encode() if isinstance(body, dict) else body
    where = {"request_id": "req_1", "received": 1, "headers": dict(headers or {}), **source}
    return ClientCall(
        model="a",
        stream=stream,
        body=JsonBody.parse(raw),
        source=Source(dialect=client, **where),
    )


def attempt(
    client: str,
    to: str | Json,
    body: Json | bytes,
    headers: Mapping[str, str] | None = None,
    *,
    model: str | None = None,
    caps: Json | None = None,
    settings: Json | None = None,
    **more: Any,
) -> Prepared:
    """One attempt by the compiled translation.

    ``caps`` are the model's capabilities, ``settings`` its other ones, ``more`` the provider's.
    """
    if isinstance(to, str):
        named = model or (CLAUDE if to == CONVERSE else "m-1")
        own = {"capabilities": caps} if caps else {}
        to = provider(to, named, {**(settings or {}), **own}, **more)
    call = client_call(client, body, headers)
    translation = target(to).translation(DIALECTS[client], call)
    assert translation is not None
    return translation.prepare(call)


def sent(made: Prepared) -> Json:
    """The provider's body, decoded."""
    body: Json = json.loads(made.wire.body)
    return body


def lost(made: Prepared) -> list[str]:
    """The fields of which something is reported as changed or left out."""
    return [warning.loss.field for warning in made.wire.warnings]


def answered(made: Prepared, body: Json) -> Json:
    """What the client reads of a provider's JSON answer."""
    found: Json = json.loads(made.answer(json.dumps(body).encode(), "application/json").body)
    return found


def relayed(made: Prepared, raw: bytes) -> bytes:
    """The client's bytes for a provider's stream, the same whole and byte by byte."""
    whole = _fed(made.stream(), [raw])
    assert _fed(made.stream(), [raw[n : n + 1] for n in range(len(raw))]) == whole
    return whole


def _fed(stream: StreamTranslation, pieces: Sequence[bytes]) -> bytes:
    return b"".join([*map(stream.feed, pieces), stream.close()])


def events(data: bytes) -> list[Json]:
    """The JSON of an event stream, in order."""
    lines = [line for line in data.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


def stream(made: Prepared, raw: bytes) -> list[Json]:
    """The events a client reads."""
    return events(relayed(made, raw))


# -- requests, in each client dialect -------------------------------------------------------------


def ask(client: str, text: str = "hi", **fields: Any) -> Json:
    """A user's text; ``fields`` as the dialect has them."""
    body: Json
    match client:
        case "openai-responses":
            body = {"model": "a", "input": [{"role": "user", "content": text}]}
        case "gemini":
            body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        case "anthropic-messages":
            messages = [{"role": "user", "content": text}]
            body = {"model": "a", "messages": messages, "max_tokens": 9000}
        case _:
            body = {"model": "a", "messages": [{"role": "user", "content": text}]}
    return {**body, **fields}


SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}}


def tools(client: str, *names: str, schema: Json | None = None) -> list[Json]:
    """Function tools."""
    made = names or ("f",)
    schema = SCHEMA if schema is None else schema
    match client:
        case "openai-responses":
            return [{"type": "function", "name": n, "parameters": schema} for n in made]
        case "gemini":
            given = [{"name": n, "parametersJsonSchema": schema} for n in made]
            return [{"functionDeclarations": given}]
        case "anthropic-messages":
            return [{"name": n, "input_schema": schema} for n in made]
        case _:
            return [
                {"type": "function", "function": {"name": n, "parameters": schema}} for n in made
            ]


# -- providers' answers and streams ----------------------------------------------------------------


def sse(*found: Json, named: bool = False, done: bool = False) -> bytes:
    """A stream of these events; ``named`` ones have an event line with their type."""
    out = b""
    for event in found:
        if named:
            out += b"event: %b\n" % event["type"].encode()
        out += b"data: %b\n\n" % json.dumps(event, ensure_ascii=False).encode()
    return out + (b"data: [DONE]\n\n" if done else b"")


def delta(finish: str | None = None, choice: int = 0, **members: Any) -> Json:
    """One chunk of a chat provider's stream."""
    inner = {"index": choice, "delta": members, "finish_reason": finish}
    return {"id": "c_1", "object": "chat.completion.chunk", "model": "m", "choices": [inner]}


def piece(index: int | None, arguments: str = "", **members: Any) -> Json:
    """An entry of ``delta.tool_calls``; ``id`` and ``name`` where it opens a call."""
    name = members.pop("name", None)
    function = {"arguments": arguments} | ({} if name is None else {"name": name})
    found: Json = {"type": "function", "function": function, **members}
    return found if index is None else {"index": index, **found}


def chat_sse(*chunks: Json, done: bool = True) -> bytes:
    return sse(*chunks, done=done)


def chat_answer(message: Json, finish: str = "stop", **fields: Any) -> Json:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    return {"id": "c_1", "object": "chat.completion", "model": "m", "choices": [choice], **fields}


def message_answer(*content: Json, stop: str = "end_turn", **fields: Any) -> Json:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    usage = {"input_tokens": 3, "output_tokens": 2}
    end = {"stop_reason": stop, "stop_sequence": None}
    return {**head, "content": list(content), **end, "usage": usage, **fields}


def message_sse(*found: Json, stop: str | None = "end_turn", usage: Json | None = None) -> bytes:
    """A Messages stream around these events; without ``stop`` it is cut."""
    start = message_answer()
    start["stop_reason"] = None
    end: list[Json] = []
    if stop is not None:
        given = {"stop_reason": stop, "stop_sequence": None}
        end.append(
            {"type": "message_delta", "delta": given, "usage": usage or {"output_tokens": 2}}
        )
        end.append({"type": "message_stop"})
    return sse({"type": "message_start", "message": start}, *found, *end, named=True)


def block(index: int, part: Json, *deltas: Json) -> list[Json]:
    """The events of one content block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": part},
        *({"type": "content_block_delta", "index": index, "delta": given} for given in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def gemini_answer(*parts: Json, finish: str | None = "STOP", **fields: Any) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    head = {"modelVersion": "m", "responseId": "r_1"}
    return {"candidates": [candidate], "usageMetadata": usage, **head, **fields}


def response_answer(*output: Json, **fields: Any) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "m",
        "output": list(output),
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        **fields,
    }


def text_item(text: str = "so", **fields: Any) -> Json:
    part = {"type": "output_text", "text": text, "annotations": []}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    return {**head, "content": [part], **fields}


def call_item(call_id: str = "call_1", name: str = "f", arguments: str = "{}") -> Json:
    head = {"id": f"fc_{call_id}", "type": "function_call", "status": "completed"}
    return {**head, "call_id": call_id, "name": name, "arguments": arguments}


def reasoning_item(text: str = "why", proof: str | None = "cHJvb2Y=", id: str = "rs_1") -> Json:
    found: Json = {
        "id": id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}],
    }
    return found if proof is None else {**found, "encrypted_content": proof}


def response_sse(*found: Json, end: Json | None = None) -> bytes:
    """A Responses stream: created, these events, and the terminal one."""
    begin = response_answer(status="in_progress", usage=None)
    all_ = [{"type": "response.created", "response": begin}, *found]
    if end is not None:
        all_.append({"type": f"response.{end['status']}", "response": end})
    return sse(*({**event, "sequence_number": n} for n, event in enumerate(all_)), named=True)


def converse_answer(*content: Json, stop: str = "end_turn", **fields: Any) -> Json:
    usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
    message = {"role": "assistant", "content": list(content)}
    return {"output": {"message": message}, "stopReason": stop, "usage": usage, **fields}


def converse_stream(*found: tuple[str, Json], stop: str = "end_turn", **usage: int) -> bytes:
    """A Converse stream around these events."""
    counts = usage or {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
    pieces = [
        ("messageStart", {"role": "assistant"}),
        *found,
        ("messageStop", {"stopReason": stop}),
        ("metadata", {"usage": counts, "metrics": {"latencyMs": 1}}),
    ]
    return b"".join(frame(name, payload) for name, payload in pieces)
