"""Every client and provider dialect in one vocabulary, for traps that touch several of them.

A conversation is a list of turns, a turn a role and its pieces; ``asking`` writes it as a client of
a dialect does, ``asked`` reads it in the request that a provider gets.  ``answer`` and ``stream``
are what a provider says, ``whole`` and ``events`` what a client's SDK makes of the gateway's bytes:
``events`` splits and reads them as strictly as the pickiest official SDK does (streaming.md §1).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from plexus.streaming.document import JsonBody
from plexus.streaming.eventstream import EventStreamEncoder
from plexus.streaming.framing import Frame
from plexus.transformers import (
    anthropic_messages,
    bedrock_converse,
    gemini,
    openai_chat,
    openai_responses,
)
from plexus.transformers.base import ClientCall, Dialect, ProviderDialect
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.translation import Passthrough, Prepared, Translate
from plexus.unified.request import Source

Json = dict[str, Any]

CHAT, RESPONSES, MESSAGES = openai_chat.NAME, openai_responses.NAME, anthropic_messages.NAME
GEMINI, CONVERSE = gemini.NAME, bedrock_converse.NAME
CLIENTS: dict[str, Dialect] = {
    CHAT: openai_chat,
    RESPONSES: openai_responses,
    MESSAGES: anthropic_messages,
    GEMINI: gemini,
}
PROVIDERS: dict[str, ProviderDialect] = {**CLIENTS, CONVERSE: bedrock_converse}
PAIRS = [(client, provider) for client in CLIENTS for provider in PROVIDERS]
CROSS = [(client, provider) for client, provider in PAIRS if client != provider]
FAMILIES = {
    CHAT: "openai",
    RESPONSES: "openai",
    MESSAGES: "anthropic",
    GEMINI: "gemini",
    CONVERSE: "bedrock",
}
PATHS = {
    CHAT: "/v1/chat/completions",
    RESPONSES: "/v1/responses",
    MESSAGES: "/v1/messages",
    GEMINI: "/v1beta/models/m:generateContent",
}
STREAM_PATHS = {**PATHS, GEMINI: "/v1beta/models/m:streamGenerateContent?alt=sse"}


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Thought:
    text: str
    proof: str = ""


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True)
class Result:
    id: str
    name: str
    text: str


Piece = Text | Thought | Call | Result
Turn = tuple[str, list[Piece]]
"""A role (``user``, ``assistant``, ``tool``) and its pieces."""

HI: Turn = ("user", [Text("hi")])


# --- one attempt ----------------------------------------------------------------------------------


def target(provider: str, family: str | None = None, model: str = "m", **known: Any) -> TargetModel:
    return TargetModel(
        provider="p",
        model=model,
        family=family or FAMILIES[provider],
        capabilities=Capabilities(**known),
    )


def attempt(
    client: str, provider: str, body: Json, stream: bool = False, to: TargetModel | None = None
) -> Prepared:
    """One attempt, as the build chooses it: dialects that match are passed through."""
    to = to or target(provider)
    call = client_call(client, body, stream)
    if client == provider:
        return Passthrough(CLIENTS[client], to).prepare(call)
    return Translate(CLIENTS[client], PROVIDERS[provider], to).prepare(call)


def translated(
    client: str, provider: str, body: Json, stream: bool = False, to: TargetModel | None = None
) -> Prepared:
    """One attempt through the canonical form, also between the same dialects."""
    call = client_call(client, body, stream)
    to = to or target(provider)
    return Translate(CLIENTS[client], PROVIDERS[provider], to).prepare(call)


def client_call(client: str, body: Json, stream: bool) -> ClientCall:
    said = body if client == GEMINI else {"model": "m", **body, "stream": stream}
    source = Source(dialect=client, request_id="req_1", received=1760000000)
    raw = JsonBody.parse(json.dumps(said).encode())
    return ClientCall(model="m", stream=stream, body=raw, source=source)


def shown(client: str, provider: str, said: bytes, body: Json | None = None) -> Read:
    """What a client reads of a provider's stream; any split of it gives the same."""
    prepared = attempt(client, provider, body or asking(client, HI), stream=True)
    return events(client, relayed(prepared, said))


def relayed(prepared: Prepared, said: bytes) -> bytes:
    """A provider's stream on its way through, whole and byte by byte."""
    pieces = []
    for size in (len(said), 1):
        stream = prepared.stream()
        parts = [stream.feed(said[at : at + size]) for at in range(0, len(said), size or 1)]
        pieces.append(b"".join([*parts, stream.close()]))
    assert pieces[0] == pieces[1]
    return pieces[0]


def told(client: str, provider: str, said: bytes, body: Json | None = None) -> Read:
    """What a client reads of a provider's JSON answer."""
    prepared = attempt(client, provider, body or asking(client, HI))
    return whole(client, prepared.answer(said, "application/json").body)


def written(provider: str, prepared: Prepared) -> Json:
    body: Json = json.loads(prepared.wire.body)
    return body


# --- a client's request ---------------------------------------------------------------------------


def asking(client: str, *turns: Turn, tools: Sequence[str] = (), **fields: Any) -> Json:
    """The body of a conversation; ``tools`` are functions that take a city."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    match client:
        case "openai-chat":
            body: Json = {"messages": [m for turn in turns for m in _chat_turn(*turn)]}
            made = [{"name": name, "parameters": schema} for name in tools]
            own: Json = {"tools": [{"type": "function", "function": tool} for tool in made]}
        case "openai-responses":
            body = {"input": [item for turn in turns for item in _items(*turn)]}
            own = {"tools": [{"type": "function", "name": n, "parameters": schema} for n in tools]}
        case "anthropic-messages":
            body = {"messages": [_message(*turn) for turn in turns], "max_tokens": 1000}
            own = {"tools": [{"name": name, "input_schema": schema} for name in tools]}
        case _:
            body = {"contents": [_contents(*turn) for turn in turns]}
            made = [{"name": name, "parametersJsonSchema": schema} for name in tools]
            own = {"tools": [{"functionDeclarations": made}]}
    return {**body, **(own if tools else {}), **fields}


def _chat_turn(role: str, pieces: list[Piece]) -> list[Json]:
    if role == "tool":
        return [
            {"role": "tool", "tool_call_id": piece.id, "content": piece.text}
            for piece in pieces
            if isinstance(piece, Result)
        ]
    text = "".join(piece.text for piece in pieces if isinstance(piece, Text))
    calls = [
        {
            "id": piece.id,
            "type": "function",
            "function": {"name": piece.name, "arguments": piece.arguments},
        }
        for piece in pieces
        if isinstance(piece, Call)
    ]
    message: Json = {"role": role, "content": text or (None if calls else "")}
    return [{**message, "tool_calls": calls} if calls else message]


def _items(role: str, pieces: list[Piece]) -> list[Json]:
    found: list[Json] = []
    for piece in pieces:
        match piece:
            case Text(text):
                kind = "output_text" if role == "assistant" else "input_text"
                found.append({"role": role, "content": [{"type": kind, "text": text}]})
            case Call(call_id, name, arguments):
                call = {"type": "function_call", "call_id": call_id, "name": name}
                found.append({**call, "arguments": arguments})
            case Result(call_id, _, text):
                found.append({"type": "function_call_output", "call_id": call_id, "output": text})
            case Thought(text, proof):
                summary = [{"type": "summary_text", "text": text}]
                found.append({"type": "reasoning", "summary": summary, "encrypted_content": proof})
    return found


def _message(role: str, pieces: list[Piece]) -> Json:
    content: list[Json] = []
    for piece in pieces:
        match piece:
            case Text(text):
                content.append({"type": "text", "text": text})
            case Call(call_id, name, arguments):
                call = {"type": "tool_use", "id": call_id, "name": name}
                content.append({**call, "input": json.loads(arguments)})
            case Result(call_id, _, text):
                content.append({"type": "tool_result", "tool_use_id": call_id, "content": text})
            case Thought(text, proof):
                content.append({"type": "thinking", "thinking": text, "signature": proof})
    return {"role": "user" if role == "tool" else role, "content": content}


def _contents(role: str, pieces: list[Piece]) -> Json:
    parts: list[Json] = []
    for piece in pieces:
        match piece:
            case Text(text):
                parts.append({"text": text})
            case Call(call_id, name, arguments):
                made = {"id": call_id, "name": name, "args": json.loads(arguments)}
                parts.append({"functionCall": made})
            case Result(call_id, name, text):
                made = {"id": call_id, "name": name, "response": {"output": text}}
                parts.append({"functionResponse": made})
            case Thought(text, proof):
                parts.append({"text": text, "thought": True, "thoughtSignature": proof})
    return {"role": "model" if role == "assistant" else "user", "parts": parts}


# --- what a provider is asked ---------------------------------------------------------------------


def asked(provider: str, body: Json) -> list[Turn]:
    """The conversation in a provider's request, one turn a message; system text is left out."""
    match provider:
        case "openai-chat":
            return [_read_chat(m) for m in body["messages"] if m["role"] not in _SYSTEM]
        case "openai-responses":
            return [_read_item(i) for i in body["input"] if i.get("role") not in _SYSTEM]
        case "anthropic-messages":
            return [(m["role"], _read_blocks(m["content"])) for m in body["messages"]]
        case "gemini":
            return [(c["role"], [*map(_read_part, c["parts"])]) for c in body["contents"]]
        case _:
            return [(m["role"], [*map(_read_converse, m["content"])]) for m in body["messages"]]


_SYSTEM = ("system", "developer")


def pieces(provider: str, body: Json) -> list[Piece]:
    """All pieces of a request in order, whoever says them."""
    return [piece for _, turn in asked(provider, body) for piece in turn]


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


def _read_chat(message: Json) -> Turn:
    text = _plain(message.get("content"))
    if message["role"] == "tool":
        return "tool", [Result(message["tool_call_id"], "", text)]
    found: list[Piece] = [Text(text)] if text else []
    for call in message.get("tool_calls", ()):
        found.append(Call(call["id"], call["function"]["name"], call["function"]["arguments"]))
    return message["role"], found


def _read_item(item: Json) -> Turn:
    match item.get("type", "message"):
        case "function_call":
            return "assistant", [Call(item["call_id"], item["name"], item["arguments"])]
        case "function_call_output":
            return "tool", [Result(item["call_id"], "", _plain(item["output"]))]
        case "reasoning":
            return "assistant", [Thought(_plain(item["summary"]), item.get("encrypted_content"))]
        case _:
            return item["role"], [Text(_plain(item["content"]))]


def _read_blocks(content: Any) -> list[Piece]:
    if isinstance(content, str):
        return [Text(content)]
    found: list[Piece] = []
    for block in content:
        match block["type"]:
            case "tool_use":
                found.append(Call(block["id"], block["name"], json.dumps(block["input"])))
            case "tool_result":
                found.append(Result(block["tool_use_id"], "", _plain(block.get("content"))))
            case "thinking":
                found.append(Thought(block["thinking"], block["signature"]))
            case _:
                found.append(Text(block.get("text", "")))
    return found


def _read_part(part: Json) -> Piece:
    match part:
        case {"functionCall": made}:
            return Call(made.get("id", ""), made["name"], json.dumps(made.get("args", {})))
        case {"functionResponse": made}:
            said = made["response"]
            text = said.get("output", json.dumps(said))
            return Result(made.get("id", ""), made["name"], text)
        case {"thought": True}:
            return Thought(part["text"], part.get("thoughtSignature", ""))
        case _:
            return Text(part.get("text", ""))


def _read_converse(block: Json) -> Piece:
    match block:
        case {"toolUse": made}:
            return Call(made["toolUseId"], made["name"], json.dumps(made["input"]))
        case {"toolResult": made}:
            return Result(made["toolUseId"], "", _plain(made["content"]))
        case {"reasoningContent": {"reasoningText": made}}:
            return Thought(made["text"], made.get("signature", ""))
        case _:
            return Text(block.get("text", ""))


# --- what a provider says -------------------------------------------------------------------------

_WORDS = {
    CHAT: ("stop", "tool_calls", "length"),
    MESSAGES: ("end_turn", "tool_use", "max_tokens"),
    GEMINI: ("STOP", "STOP", "MAX_TOKENS"),
    CONVERSE: ("end_turn", "tool_use", "max_tokens"),
}
"""How an answer ends by itself, with calls, and at its limit."""


def _word(provider: str, said: Sequence[Piece], cut: bool) -> str:
    calls = any(isinstance(piece, Call) for piece in said)
    return _WORDS[provider][2 if cut else int(calls)]


def answer(provider: str, *said: Piece, cut: bool = False, **fields: Any) -> bytes:
    """A JSON answer of these pieces; ``cut`` ends it at the limit of tokens."""
    match provider:
        case "openai-chat":
            message = _chat_turn("assistant", list(said))[0]
            thoughts = "".join(piece.text for piece in said if isinstance(piece, Thought))
            if thoughts:
                message["reasoning_content"] = thoughts
            choice = {"index": 0, "message": message, "finish_reason": _word(CHAT, said, cut)}
            body: Json = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
            usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
            body |= {"choices": [choice], "usage": usage}
        case "openai-responses":
            body = response(*said, cut=cut)
        case "anthropic-messages":
            body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
            content = _message("assistant", list(said))["content"]
            body |= {"content": content, "stop_reason": _word(MESSAGES, said, cut)}
            body |= {"stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 2}}
        case "gemini":
            body = _candidate([*said], _word(GEMINI, said, cut))
        case _:
            content = [*map(_converse_block, said)]
            body = {"output": {"message": {"role": "assistant", "content": content}}}
            body |= {"stopReason": _word(CONVERSE, said, cut), "usage": _CONVERSE_USAGE}
    return json.dumps({**body, **fields}, ensure_ascii=False).encode()


_CONVERSE_USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}


def response(*said: Piece, cut: bool = False, status: str | None = None) -> Json:
    """A Responses object."""
    output = []
    for number, item in enumerate(_items("assistant", list(said))):
        kind = item.setdefault("type", "message")
        output.append({"id": f"{_ITEM_IDS[kind]}_{number}", "status": "completed", **item})
    for item in output:
        for part in item.get("content", ()):
            part["annotations"] = []
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": status or ("incomplete" if cut else "completed"),
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": output,
        "usage": usage,
    }


_ITEM_IDS = {"message": "msg", "function_call": "fc", "reasoning": "rs"}


def _candidate(said: list[Piece], finish: str | None) -> Json:
    candidate: Json = {"content": _contents("assistant", said), "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    body = {"candidates": [candidate], "usageMetadata": usage}
    return {**body, "modelVersion": "m", "responseId": "r1"}


def _converse_block(piece: Piece) -> Json:
    match piece:
        case Call(call_id, name, arguments):
            return {"toolUse": {"toolUseId": call_id, "name": name, "input": json.loads(arguments)}}
        case Thought(text, proof):
            return {"reasoningContent": {"reasoningText": {"text": text, "signature": proof}}}
        case _:
            return {"text": piece.text}


def frame(name: str, payload: Json) -> bytes:
    """An event of Converse."""
    raw = json.dumps(payload, ensure_ascii=False).encode()
    return EventStreamEncoder().encode(Frame(name, raw))


def data(*objects: Any, done: bool = False, end: bytes = b"\n\n") -> bytes:
    """SSE events without names."""
    lines = [b"data: " + json.dumps(one, ensure_ascii=False).encode() for one in objects]
    return end.join([*lines, *([b"data: [DONE]"] if done else [])]) + end


def named(*objects: Json, end: bytes = b"\n\n") -> bytes:
    """SSE events that are named by their type."""
    out = b""
    for one in objects:
        name = one["type"].encode()
        out += b"event: %b\ndata: %b" % (name, json.dumps(one, ensure_ascii=False).encode()) + end
    return out


def chunk(delta: Any, finish: str | None = None, **fields: Any) -> Json:
    """A chunk of a chat stream."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields}


def stream(provider: str, *said: Piece, cut: bool = False) -> bytes:
    """A stream of these pieces, two deltas a piece."""
    return join(provider, stream_objects(provider, *said, cut=cut))


def join(provider: str, objects: Iterable[Any]) -> bytes:
    """The bytes of a stream of these events."""
    match provider:
        case "openai-chat":
            return data(*objects, done=True)
        case "gemini":
            return data(*objects)
        case "bedrock-converse":
            return b"".join(frame(name, payload) for name, payload in objects)
        case _:
            return named(*objects)


def stream_objects(provider: str, *said: Piece, cut: bool = False) -> list[Any]:
    """The events of such a stream; for Converse pairs of a name and a payload."""
    return {
        CHAT: _chat_stream,
        RESPONSES: _responses_stream,
        MESSAGES: _messages_stream,
        GEMINI: _gemini_stream,
        CONVERSE: _converse_stream,
    }[provider](list(said), cut)


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [half for half in (text[:middle], text[middle:]) if half]


def _chat_stream(said: list[Piece], cut: bool) -> list[Any]:
    out = [chunk({"role": "assistant", "content": ""})]
    calls = 0
    for piece in said:
        match piece:
            case Text(text):
                out += [chunk({"content": half}) for half in _halves(text)]
            case Thought(text):
                out += [chunk({"reasoning_content": half}) for half in _halves(text)]
            case Call(call_id, name, arguments):
                made = {"index": calls, "id": call_id, "type": "function"}
                made["function"] = {"name": name, "arguments": ""}
                out.append(chunk({"tool_calls": [made]}))
                for half in _halves(arguments):
                    more = {"index": calls, "function": {"arguments": half}}
                    out.append(chunk({"tool_calls": [more]}))
                calls += 1
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return [*out, chunk({}, _word(CHAT, said, cut)), chunk({}, choices=[], usage=usage)]


def _responses_stream(said: list[Piece], cut: bool) -> list[Any]:
    full = response(*said, cut=cut)
    started = {**full, "status": "in_progress", "output": [], "usage": None}
    out: list[Json] = [{"type": "response.created", "response": started}]
    for place, item in enumerate(full["output"]):
        where = {"output_index": place, "item_id": item["id"]}
        match item["type"]:
            case "message":
                part = item["content"][0]
                inside = {**where, "content_index": 0}
                out += [
                    _event("output_item.added", where, item={**item, "content": []}),
                    _event("content_part.added", inside, part={**part, "text": ""}),
                    *(_event("output_text.delta", inside, delta=h) for h in _halves(part["text"])),
                    _event("output_text.done", inside, text=part["text"]),
                    _event("content_part.done", inside, part=part),
                ]
            case "function_call":
                kind = "function_call_arguments"
                out += [
                    _event("output_item.added", where, item={**item, "arguments": ""}),
                    *(_event(f"{kind}.delta", where, delta=h) for h in _halves(item["arguments"])),
                    _event(f"{kind}.done", where, arguments=item["arguments"]),
                ]
            case _:
                text = item["summary"][0]["text"]
                kind, inside = "reasoning_summary", {**where, "summary_index": 0}
                out += [
                    _event("output_item.added", where, item={**item, "summary": []}),
                    _event(f"{kind}_part.added", inside, part={"type": "summary_text", "text": ""}),
                    *(_event(f"{kind}_text.delta", inside, delta=h) for h in _halves(text)),
                    _event(f"{kind}_text.done", inside, text=text),
                ]
        out.append(_event("output_item.done", where, item=item))
    kind = "response.incomplete" if cut else "response.completed"
    out.append({"type": kind, "response": full})
    return [{**one, "sequence_number": number} for number, one in enumerate(out)]


def _event(kind: str, where: Json, **fields: Any) -> Json:
    return {"type": f"response.{kind}", **where, **fields}


def _messages_stream(said: list[Piece], cut: bool) -> list[Any]:
    start = json.loads(answer(MESSAGES, usage={"input_tokens": 3, "output_tokens": 1}))
    out: list[Json] = [{"type": "message_start", "message": {**start, "stop_reason": None}}]
    for index, piece in enumerate(said):
        match piece:
            case Call(call_id, name, arguments):
                block: Json = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
                deltas: list[Json] = [
                    {"type": "input_json_delta", "partial_json": half}
                    for half in _halves(arguments)
                ]
            case Thought(text, proof):
                block = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": half} for half in _halves(text)]
                deltas.append({"type": "signature_delta", "signature": proof})
            case _:
                block = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": half} for half in _halves(piece.text)]
        out.append({"type": "content_block_start", "index": index, "content_block": block})
        out += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
        out.append({"type": "content_block_stop", "index": index})
    reason = {"stop_reason": _word(MESSAGES, said, cut), "stop_sequence": None}
    end = {"type": "message_delta", "delta": reason, "usage": {"output_tokens": 2}}
    return [*out, end, {"type": "message_stop"}]


def _gemini_stream(said: list[Piece], cut: bool) -> list[Any]:
    out = []
    for piece in said:
        match piece:
            case Text(text):
                out += [_candidate([Text(half)], None) for half in _halves(text)]
            case _:
                out.append(_candidate([piece], None))
    return [*out, _candidate([Text("")], _word(GEMINI, said, cut))]


def _converse_stream(said: list[Piece], cut: bool) -> list[Any]:
    out: list[Any] = [("messageStart", {"role": "assistant"})]
    for index, piece in enumerate(said):
        at = {"contentBlockIndex": index}
        match piece:
            case Call(call_id, name, arguments):
                start = {"toolUse": {"toolUseId": call_id, "name": name}}
                out.append(("contentBlockStart", {**at, "start": start}))
                deltas: list[Json] = [{"toolUse": {"input": h}} for h in _halves(arguments)]
            case Thought(text, proof):
                deltas = [{"reasoningContent": {"text": half}} for half in _halves(text)]
                deltas.append({"reasoningContent": {"signature": proof}})
            case _:
                deltas = [{"text": half} for half in _halves(piece.text)]
        out += [("contentBlockDelta", {**at, "delta": delta}) for delta in deltas]
        out.append(("contentBlockStop", at))
    out.append(("messageStop", {"stopReason": _word(CONVERSE, said, cut)}))
    return [*out, ("metadata", {"usage": _CONVERSE_USAGE})]


# --- what a client reads --------------------------------------------------------------------------


@dataclass
class Read:
    """An answer as a client sees it; ``events`` are those of its stream.

    ``blocks`` are the kinds of a Messages answer's blocks and of a Responses answer's items.
    """

    text: str = ""
    thinking: str = ""
    calls: list[Call] = field(default_factory=list)
    finish: str | None = None
    error: Json | None = None
    blocks: list[str] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    usage: Json | None = None

    @property
    def arguments(self) -> list[Any]:
        return [json.loads(call.arguments) for call in self.calls]


def whole(client: str, body: bytes) -> Read:
    """A JSON answer."""
    found: Json = json.loads(body)
    if found.get("error") is not None:
        return Read(error=found["error"])
    match client:
        case "openai-chat":
            (choice,) = found["choices"]
            message = choice["message"]
            read = Read(text=message.get("content") or "", finish=choice["finish_reason"])
            read.thinking = message.get("reasoning_content") or ""
            for call in message.get("tool_calls", ()):
                made = call["function"]
                read.calls.append(Call(call["id"], made["name"], made["arguments"]))
            read.usage = found.get("usage")
            return read
        case "openai-responses":
            return _read_response(found)
        case "anthropic-messages":
            return _read_message(found)
        case _:
            return _read_candidates([found])


def _read_response(found: Json) -> Read:
    reason = (found.get("incomplete_details") or {}).get("reason")
    read = Read(finish=reason or found["status"], usage=found.get("usage"))
    read.error = found.get("error")
    for item in found["output"]:
        read.blocks.append(item["type"])
        match item["type"]:
            case "message":
                read.text += "".join(part.get("text", "") for part in item["content"])
            case "function_call":
                read.calls.append(Call(item["call_id"], item["name"], item["arguments"]))
            case "reasoning":
                read.thinking += "".join(part["text"] for part in item["summary"])
    return read


def _read_message(found: Json) -> Read:
    read = Read(finish=found["stop_reason"], usage=found.get("usage"))
    for block in found["content"]:
        read.blocks.append(block["type"])
        read.text += block.get("text", "")
        read.thinking += block.get("thinking", "")
        if block["type"] == "tool_use":
            read.calls.append(Call(block["id"], block["name"], json.dumps(block["input"])))
    return read


def _read_candidates(found: list[Json]) -> Read:
    read = Read()
    for event in found:
        read.usage = event.get("usageMetadata", read.usage)
        for candidate in event.get("candidates", ()):
            read.finish = candidate.get("finishReason", read.finish)
            for part in candidate.get("content", {}).get("parts", ()):
                piece = _read_part(part)
                match piece:
                    case Text(text):
                        read.text += text
                    case Thought(text):
                        read.thinking += text
                    case Call():
                        read.calls.append(piece)
    return read


def blocks_of(body: bytes) -> list[list[str]]:
    """The lines of each event of an SSE stream; the last blank line may miss."""
    text = re.sub("\r\n?", "\n", body.decode())
    return [block.split("\n") for block in re.split("\n\n+", text.strip("\n"))]


def events(client: str, body: bytes) -> Read:
    """A stream, read as the pickiest SDK of the dialect reads it."""
    lines = blocks_of(body)
    match client:
        case "openai-chat":
            return _read_chunks(lines)
        case "openai-responses":
            return _read_events(lines)
        case "anthropic-messages":
            return _read_blocks_of(lines)
        case _:
            assert all(len(block) == 1 for block in lines), lines
            objects = [_object(block[0]) for block in lines]
            read = _read_candidates(objects)
            read.events = objects
            read.error = objects[-1].get("error")
            return read


def _object(line: str) -> Json:
    assert line.startswith("data: {"), line
    found: Json = json.loads(line.removeprefix("data: "))
    return found


def _pair(block: list[str]) -> Json:
    name, line = block
    found = _object(line)
    assert name == f"event: {found['type']}", block
    return found


def _read_chunks(lines: list[list[str]]) -> Read:
    read = Read()
    ids: list[str] = []
    names: list[str] = []
    arguments: list[str] = []
    lines = [block for block in lines if not block[0].startswith(":")]
    if lines[-1] == ["data: [DONE]"]:
        lines.pop()
        done = True
    else:
        done = False
    for block in lines:
        assert len(block) == 1, block
        event = _object(block[0])
        read.events.append(event)
        if event.get("error") is not None:
            read.error = event["error"]
            continue
        read.usage = event.get("usage") or read.usage
        for choice in event["choices"]:
            delta = choice["delta"]
            read.text += delta.get("content") or ""
            read.thinking += delta.get("reasoning_content") or ""
            read.finish = choice["finish_reason"] or read.finish
            for detail in delta.get("reasoning_details", ()):
                assert type(detail["index"]) is int
            for call in delta.get("tool_calls", ()):
                at = call["index"]
                if at == len(ids):
                    ids.append("")
                    names.append("")
                    arguments.append("")
                # The SDK's helper joins what is repeated.
                ids[at] += call.get("id") or ""
                names[at] += call["function"].get("name") or ""
                arguments[at] += call["function"].get("arguments") or ""
    assert done == (read.error is None)
    read.calls = [Call(*made) for made in zip(ids, names, arguments, strict=True)]
    return read


def _read_events(lines: list[list[str]]) -> Read:
    lines = [block for block in lines if not block[0].startswith(":")]
    found = [_pair(block) for block in lines]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    last = found[-1]
    assert last["type"] in ("response.completed", "response.incomplete", "response.failed")
    read = _read_response(last["response"])
    read.events = found
    deltas = [e["delta"] for e in found if e["type"] == "response.output_text.delta"]
    assert read.error is not None or "".join(deltas) == read.text
    return read


def _read_blocks_of(lines: list[list[str]]) -> Read:
    found = [_pair(block) for block in lines]
    message: Json = {"content": [], "stop_reason": None}
    pings = [event for event in found if event["type"] == "ping"]
    open_at: int | None = None
    inputs: dict[int, str] = {}
    for event in (e for e in found if e not in pings):
        match event["type"]:
            case "message_start":
                assert event is found[len(pings)] or not message["content"]
                message = event["message"]
                assert message["content"] == []
            case "content_block_start":
                assert open_at is None
                open_at = event["index"]
                assert open_at == len(message["content"])
                message["content"].append(event["content_block"])
                inputs[open_at] = ""
            case "content_block_delta":
                assert event["index"] == open_at
                _grow(message["content"][open_at], event["delta"], inputs, open_at)
            case "content_block_stop":
                assert event["index"] == open_at
                open_at = None
            case "message_delta":
                assert open_at is None
                message |= event["delta"]
                message["usage"] |= event["usage"]
            case "message_stop":
                assert event is found[-1]
                for at, text in inputs.items():
                    if text:
                        message["content"][at]["input"] = json.loads(text)
            case "error":
                assert event is found[-1]
                return Read(error=event["error"], events=found)
            case _:
                pass  # An event of a newer version.
    read = _read_message(message)
    read.events = found
    return read


_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "tool_use"}


def _grow(block: Json, delta: Json, inputs: dict[int, str], at: int) -> None:
    """A delta whose kind does not fit its block is lost by the SDK without a word."""
    match delta["type"]:
        case "text_delta":
            assert block["type"] == "text"
            block["text"] += delta["text"]
        case "thinking_delta":
            assert block["type"] == "thinking"
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            assert block["type"] == "thinking"
            block["signature"] = delta["signature"]
        case "input_json_delta":
            assert block["type"] in ("tool_use", "server_tool_use")
            inputs[at] += delta["partial_json"]
        case other:
            assert other == "citations_delta"


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
