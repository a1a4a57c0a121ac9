"""Short ways to build calls, requests and answers of this dialect."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from plexus.streaming.document import JsonBody
from plexus.streaming.framing import Frame
from plexus.transformers import anthropic_messages as dialect
from plexus.transformers.base import ClientCall, WireRequest
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.unified.chunks import StreamChunk
from plexus.unified.content import Content, TextContent
from plexus.unified.request import Role, Source, UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, Finish, UnifiedChatResponse, UnifiedUsage

NAME = dialect.NAME
FOREIGN = Source(dialect="openai-chat", request_id="req_1")
OWN = Source(dialect=NAME, request_id="req_1")


def raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def target(**capabilities: Any) -> TargetModel:
    return TargetModel(
        provider="anthropic",
        model="claude",
        family="anthropic",
        capabilities=Capabilities(**capabilities),
    )


def wire(**fields: Any) -> WireRequest:
    return WireRequest(target=target(), path="/messages", body=b"{}", **fields)


def call(body: dict[str, Any], headers: dict[str, str] | None = None) -> ClientCall:
    data = json.dumps({"model": "alias", **body}, ensure_ascii=False).encode()
    return ClientCall(
        model="alias",
        stream=bool(body.get("stream")),
        body=JsonBody.parse(data),
        source=Source(dialect=NAME, request_id="req_1", headers=headers or {}),
    )


def parse(**body: Any) -> UnifiedChatRequest:
    """A parsed client body; ``max_tokens`` and one message unless given."""
    hello = [{"role": "user", "content": "hi"}]
    return dialect.parse_request(call({"max_tokens": 100, "messages": hello, **body}))


def parse_blocks(*blocks: dict[str, Any], role: str = "user") -> tuple[Content, ...]:
    return parse(messages=[{"role": role, "content": list(blocks)}]).messages[0].content


def message(role: Role, *parts: Content | str, **fields: Any) -> UnifiedMessage:
    content = tuple(TextContent(text=part) if isinstance(part, str) else part for part in parts)
    return UnifiedMessage(role=role, content=content, **fields)


def request(
    *messages: UnifiedMessage, source: Source = FOREIGN, **fields: Any
) -> UnifiedChatRequest:
    """A request of a client of another dialect; one user message unless given."""
    return UnifiedChatRequest(
        model="alias", messages=messages or (message("user", "hi"),), source=source, **fields
    )


def sent(asked: UnifiedChatRequest, **capabilities: Any) -> dict[str, Any]:
    """The body a provider gets."""
    return dict(json.loads(dialect.format_request(asked, target(**capabilities)).body))


def losses(asked: UnifiedChatRequest, **capabilities: Any) -> list[str]:
    """Fields of the warnings."""
    to = target(**capabilities)
    found = dialect.format_request(asked, to).warnings
    native = asked.source.dialect == dialect.NAME
    assert all(warning.loss.possible(to, native) for warning in found)
    return [warning.loss.field for warning in found]


def answer(
    *parts: Content,
    finish: Finish | None = None,
    source: str = "openai-chat",
    usage: UnifiedUsage | None = None,
    **fields: Any,
) -> UnifiedChatResponse:
    return UnifiedChatResponse(
        id=fields.pop("id", "chatcmpl-1"),
        model="gpt",
        dialect=source,
        choices=(
            Choice(
                message=UnifiedMessage(role="assistant", content=parts),
                finish=finish or Finish("stop"),
            ),
        ),
        usage=usage or UnifiedUsage(prompt_tokens=10, completion_tokens=5, total_tokens=15),
        **fields,
    )


def formatted(response: UnifiedChatResponse, **fields: Any) -> dict[str, Any]:
    """The message a client gets."""
    body, _ = dialect.format_response(response, request(source=OWN, **fields))
    return dict(json.loads(body))


def provider_answer(*blocks: dict[str, Any], **fields: Any) -> bytes:
    """A provider's JSON answer."""
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(blocks),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
        **fields,
    }
    return json.dumps(body, ensure_ascii=False).encode()


def frames(*events: dict[str, Any]) -> list[Frame]:
    return [
        Frame(event["type"], json.dumps(event, ensure_ascii=False).encode()) for event in events
    ]


def start(**message_fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 1}
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"}
    return {
        "type": "message_start",
        "message": {**body, "content": [], "usage": usage, **message_fields},
    }


def block(index: int, content_block: dict[str, Any], *deltas: dict[str, Any]) -> list[Any]:
    """Start, deltas and stop of one block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": content_block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def end(reason: str | None = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    counts = {"output_tokens": 2, **usage}
    return [
        {"type": "message_delta", "delta": delta, "usage": counts},
        {"type": "message_stop"},
    ]


def text(value: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": value}


def read(*events: dict[str, Any], **wire_fields: Any) -> list[StreamChunk]:
    """The chunks of a provider's stream of these events."""
    parser = dialect.stream_parser(wire(**wire_fields))
    chunks = [chunk for frame in frames(*events) for chunk in parser.feed(frame)]
    return chunks + parser.close()


def written(chunks: Iterable[StreamChunk], asked: UnifiedChatRequest | None = None) -> list[Frame]:
    """The frames a client gets."""
    formatter = dialect.stream_formatter(asked or request(source=OWN))
    return [frame for chunk in chunks for frame in formatter.feed(chunk)]


def events(found: Iterable[Frame]) -> list[dict[str, Any]]:
    return [json.loads(frame.data) for frame in found]
