"""What the tests of the chat dialect share: calls, targets, and both directions in one line."""

import json
from collections.abc import Iterable
from typing import Any

from plexus.streaming.document import JsonBody
from plexus.transformers import openai_chat as chat
from plexus.transformers.base import ClientCall, WireRequest
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.unified.chunks import StreamChunk, check_grammar
from plexus.unified.fold import fold
from plexus.unified.request import Source, UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, Finish, UnifiedChatResponse

ASK = {"role": "user", "content": "Hi"}
TARGET = TargetModel(provider="upstream", model="m-1", family="openai")
RECEIVED = 1_700_000_000


def target(family: str = "openai", **capabilities: Any) -> TargetModel:
    return TargetModel(
        provider="upstream",
        model="m-1",
        family=family,
        capabilities=Capabilities(**capabilities),
    )


def call(body: Any, **source: Any) -> ClientCall:
    """A client call with this JSON (or these bytes)."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    document = JsonBody.parse(raw)
    stream = bytes(document.fields.get("stream", b"")) == b"true"
    return ClientCall(
        model="alias",
        stream=stream,
        body=document,
        source=Source(dialect="openai-chat", received=RECEIVED, **source),
    )


def parse(**fields: Any) -> UnifiedChatRequest:
    """A client's request with these members; a greeting when it has no messages."""
    return chat.parse_request(call({"model": "alias", "messages": [ASK], **fields}))


def parse_message(message: dict[str, Any]) -> UnifiedMessage:
    return parse(messages=[message]).messages[0]


def wire(request: UnifiedChatRequest, to: TargetModel = TARGET) -> dict[str, Any]:
    """The provider's body, decoded."""
    body: dict[str, Any] = json.loads(chat.format_request(request, to).body)
    return body


def asked(*messages: UnifiedMessage, dialect: str = "other", **fields: Any) -> UnifiedChatRequest:
    """A request of a client that speaks another dialect."""
    source = fields.pop("source", Source(dialect=dialect))
    return UnifiedChatRequest(model="alias", messages=messages, source=source, **fields)


def answered(*parts: Any, finish: str | Finish = "stop", **fields: Any) -> UnifiedChatResponse:
    """A one-choice answer of a provider that speaks another dialect."""
    end = finish if isinstance(finish, Finish) else Finish(finish)  # type: ignore[arg-type]
    given: dict[str, Any] = {"id": "msg_1", "model": "claude", "dialect": "other", **fields}
    message = UnifiedMessage(role="assistant", content=parts)
    return UnifiedChatResponse(choices=(Choice(message=message, finish=end),), **given)


def request_to(to: TargetModel = TARGET, **fields: Any) -> WireRequest:
    return WireRequest(target=to, path="/chat/completions", body=b"{}", **fields)


def read(*chunks: Any, done: bool = True, to: WireRequest | None = None) -> list[StreamChunk]:
    """A provider's stream of these chunks, parsed; its grammar is checked."""
    return read_bytes(sse(*chunks, done=done), to=to)


def sse(*chunks: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(one, ensure_ascii=False)}\n\n" for one in chunks]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def read_bytes(
    raw: bytes, sizes: Iterable[int] = (), to: WireRequest | None = None
) -> list[StreamChunk]:
    """A stream in pieces of these sizes, the rest at once."""
    decoder, parser = chat.decoder(), chat.stream_parser(to or request_to())
    chunks: list[StreamChunk] = []
    at = 0
    for size in (*sizes, len(raw)):
        for frame in decoder.feed(raw[at : at + size]):
            chunks += parser.feed(frame)
        at += size
    for frame in decoder.close():
        chunks += parser.feed(frame)
    chunks += parser.close()
    check_grammar(chunks)
    return chunks


def delta(_index: int = 0, _finish: str | None = None, **members: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    return chunk(choices=[{"index": _index, "delta": members, "finish_reason": _finish}])


def chunk(**members: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": RECEIVED,
        "model": "gpt",
        **members,
    }


def folded(*chunks: Any, **options: Any) -> UnifiedChatResponse:
    return fold(read(*chunks, **options))


def completion(message: dict[str, Any], finish: str | None = "stop", **members: Any) -> bytes:
    """A provider's JSON answer."""
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({**chunk(object="chat.completion"), "choices": [choice], **members}).encode()


def answer(body: bytes, to: WireRequest | None = None) -> UnifiedChatResponse:
    return chat.parse_response(body, to or request_to())


def parts(response: UnifiedChatResponse) -> tuple[Any, ...]:
    return response.choices[0].message.content


def written(chunks: Iterable[StreamChunk], request: UnifiedChatRequest | None = None) -> list[Any]:
    """What a client reads of a stream: decoded chunks, and the string [DONE]."""
    formatter = chat.stream_formatter(request or parse())
    frames = [frame for chunk_ in chunks for frame in formatter.feed(chunk_)]
    return [f.data.decode() if f.data == b"[DONE]" else json.loads(f.data) for f in frames]


def formatted(
    response: UnifiedChatResponse, request: UnifiedChatRequest | None = None
) -> dict[str, Any]:
    body, _ = chat.format_response(response, request or parse())
    value: dict[str, Any] = json.loads(body)
    return value
