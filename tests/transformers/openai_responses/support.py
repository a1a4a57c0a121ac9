"""What the tests of the Responses dialect share: calls, targets, both directions in one line."""

import json
from collections.abc import Iterable
from typing import Any

from plexus.streaming.document import JsonBody
from plexus.transformers import openai_responses as responses
from plexus.transformers.base import ClientCall, WireRequest
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.unified.chunks import StreamChunk, check_grammar
from plexus.unified.fold import fold
from plexus.unified.request import Source, UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, Finish, UnifiedChatResponse

NAME = responses.NAME
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
    origin = Source(dialect=NAME, received=RECEIVED, request_id="req_1", **source)
    return ClientCall(model="alias", stream=stream, body=document, source=origin)


def parse(*items: Any, **fields: Any) -> UnifiedChatRequest:
    """A client's request with these items; a greeting when there are none."""
    body = {"model": "alias", "input": list(items) if items else "Hi", **fields}
    return responses.parse_request(call(body))


def wire(request: UnifiedChatRequest, to: TargetModel = TARGET) -> dict[str, Any]:
    """The provider's body, decoded."""
    body: dict[str, Any] = json.loads(responses.format_request(request, to).body)
    return body


def losses(request: UnifiedChatRequest, to: TargetModel = TARGET) -> list[str]:
    return [w.loss.field for w in responses.format_request(request, to).warnings]


def asked(*messages: UnifiedMessage, dialect: str = "other", **fields: Any) -> UnifiedChatRequest:
    """A request of a client that speaks another dialect."""
    source = fields.pop("source", Source(dialect=dialect))
    return UnifiedChatRequest(model="alias", messages=messages, source=source, **fields)


def answered(*parts: Any, finish: str | Finish = "stop", **fields: Any) -> UnifiedChatResponse:
    """An answer of a provider that speaks another dialect."""
    end = finish if isinstance(finish, Finish) else Finish(finish)  # type: ignore[arg-type]
    given: dict[str, Any] = {"id": "msg_1", "model": "claude", "dialect": "other", **fields}
    message = UnifiedMessage(role="assistant", content=parts)
    return UnifiedChatResponse(choices=(Choice(message=message, finish=end),), **given)


def request_to(to: TargetModel = TARGET, **fields: Any) -> WireRequest:
    return WireRequest(target=to, path="/responses", body=b"{}", **fields)


def response(*output: Any, **members: Any) -> dict[str, Any]:
    """A provider's response object."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": RECEIVED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt",
        "output": list(output),
        "usage": None,
        **members,
    }


def answer(*output: Any, to: WireRequest | None = None, **members: Any) -> UnifiedChatResponse:
    """A provider's JSON answer, parsed."""
    body = json.dumps(response(*output, **members)).encode()
    return responses.parse_response(body, to or request_to())


def message(text: str, **members: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    return {**item, "content": [part], **members}


def function_call(**members: Any) -> dict[str, Any]:
    item = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f"}
    return {**item, "arguments": "{}", "status": "completed", **members}


def sse(*events: Any) -> bytes:
    """A provider's stream of these events, numbered."""
    out = b""
    for number, event in enumerate(events):
        data = json.dumps({**event, "sequence_number": number}, ensure_ascii=False)
        out += f"event: {event['type']}\ndata: {data}\n\n".encode()
    return out


def created(**members: Any) -> dict[str, Any]:
    return {"type": "response.created", "response": response(status="in_progress", **members)}


def completed(*output: Any, **members: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": response(*output, **members)}


def event(kind: str, place: int = 0, **members: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": place, **members}


def read(*events: Any, to: WireRequest | None = None) -> list[StreamChunk]:
    """A provider's stream of these events, parsed; its grammar is checked."""
    return read_bytes(sse(*events), to=to)


def read_bytes(
    raw: bytes, sizes: Iterable[int] = (), to: WireRequest | None = None
) -> list[StreamChunk]:
    """A stream in pieces of these sizes, the rest at once."""
    decoder, parser = responses.decoder(), responses.stream_parser(to or request_to())
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


def folded(*events: Any, **options: Any) -> UnifiedChatResponse:
    return fold(read(*events, **options))


def parts(found: UnifiedChatResponse) -> tuple[Any, ...]:
    return found.choices[0].message.content


def written(chunks: Iterable[StreamChunk], request: UnifiedChatRequest | None = None) -> list[Any]:
    """The events a client reads; their numbers and names are checked."""
    formatter = responses.stream_formatter(request or parse(stream=True))
    frames = [frame for chunk in chunks for frame in formatter.feed(chunk)]
    events = [json.loads(frame.data) for frame in frames]
    assert [found["sequence_number"] for found in events] == list(range(len(events)))
    assert [frame.event for frame in frames] == [found["type"] for found in events]
    return events


def formatted(
    found: UnifiedChatResponse, request: UnifiedChatRequest | None = None
) -> dict[str, Any]:
    """The response object a client gets."""
    body, _ = responses.format_response(found, request or parse())
    value: dict[str, Any] = json.loads(body)
    return value
