"""What the tests of the dialect gemini share: calls, targets, and both directions in one line."""

import json
from collections.abc import Iterable
from typing import Any

from plexus.streaming.document import JsonBody
from plexus.transformers import gemini
from plexus.transformers.base import ClientCall, WireRequest
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.unified.chunks import StreamChunk, check_grammar
from plexus.unified.content import (
    Content,
    Origin,
    Proof,
    TextContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.fold import fold, unfold
from plexus.unified.request import Source, UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, Finish, UnifiedChatResponse

TARGET = TargetModel(provider="google", model="m-1", family="gemini")
FLASH = TargetModel(provider="google", model="gemini-2.5-flash", family="gemini")
OWN = Proof("c2ln", "signature", Origin("gemini"))
CLAUDE = Proof("Y2xhdWRl", "signature", Origin("anthropic"))
SEALED = Proof("Z3B0", "encrypted", Origin("openai"))
USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}


def target(model: str = "m-1", **capabilities: Any) -> TargetModel:
    return TargetModel(
        provider="google", model=model, family="gemini", capabilities=Capabilities(**capabilities)
    )


def call(body: Any, stream: bool = False, **source: Any) -> ClientCall:
    """A client call with this JSON (or these bytes)."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = Source(dialect="gemini", request_id="req_1", **source)
    return ClientCall(model="alias", stream=stream, body=JsonBody.parse(raw), source=found)


def contents(*parts: Any, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "parts": list(parts) or [{"text": "Hi"}]}]


def parse(body: Any = None, **fields: Any) -> UnifiedChatRequest:
    """A client's request with these members; a greeting when it has no contents."""
    return gemini.parse_request(call(body or {"contents": contents(), **fields}))


def config(**fields: Any) -> UnifiedChatRequest:
    """A client's request with this generationConfig."""
    return parse(generationConfig=fields)


def parsed_parts(*parts: Any, role: str = "user") -> tuple[Content, ...]:
    return parse(contents=contents(*parts, role=role)).messages[0].content


def asked(*messages: UnifiedMessage, dialect: str = "other", **fields: Any) -> UnifiedChatRequest:
    """A request of a client that speaks another dialect."""
    source = fields.pop("source", Source(dialect=dialect))
    return UnifiedChatRequest(
        model="alias", messages=messages or (user("hi"),), source=source, **fields
    )


def user(*parts: str | Content, **fields: Any) -> UnifiedMessage:
    return UnifiedMessage(role="user", content=_content(parts), **fields)


def model(*parts: str | Content, **fields: Any) -> UnifiedMessage:
    return UnifiedMessage(role="assistant", content=_content(parts), **fields)


def results(*parts: ToolResultContent) -> UnifiedMessage:
    return UnifiedMessage(role="tool", content=parts)


def _content(parts: tuple[str | Content, ...]) -> tuple[Content, ...]:
    return tuple(TextContent(text=p) if isinstance(p, str) else p for p in parts)


def a_call(call_id: str = "c1", name: str = "f", arguments: str = "{}", **fields: Any) -> Any:
    return ToolCallContent(id=call_id, name=name, arguments=arguments, **fields)


def a_result(call_id: str = "c1", text: str = "ok", **fields: Any) -> ToolResultContent:
    content: tuple[Content, ...] = (TextContent(text=text),) if text else ()
    return ToolResultContent(tool_call_id=call_id, content=content, **fields)


def wire(request: UnifiedChatRequest, to: TargetModel = TARGET) -> dict[str, Any]:
    """The provider's body, decoded."""
    body: dict[str, Any] = json.loads(gemini.format_request(request, to).body)
    return body


def sent(*messages: UnifiedMessage, to: TargetModel = TARGET, **fields: Any) -> list[Any]:
    """The contents a request of another dialect becomes."""
    found: list[Any] = wire(asked(*messages, **fields), to)["contents"]
    return found


def noted(request: UnifiedChatRequest, to: TargetModel = TARGET) -> list[str]:
    """The fields a request loses something of."""
    return [warning.loss.field for warning in gemini.format_request(request, to).warnings]


def request_to(to: TargetModel = TARGET, **fields: Any) -> WireRequest:
    return WireRequest(target=to, path="/models/m-1:generateContent", body=b"{}", **fields)


def candidate(*parts: Any, finish: Any = "STOP", **fields: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        out["finishReason"] = finish
    return {**out, **fields}


def completion(*parts: Any, finish: Any = "STOP", **fields: Any) -> dict[str, Any]:
    """A provider's answer."""
    body = {"candidates": [candidate(*parts, finish=finish)], "usageMetadata": USAGE}
    return {**body, "modelVersion": "gemini-x", "responseId": "r1", **fields}


def answer(body: Any, to: WireRequest | None = None) -> UnifiedChatResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return gemini.parse_response(raw, to or request_to())


def parts(response: UnifiedChatResponse) -> tuple[Any, ...]:
    return response.choices[0].message.content


def sse(*events: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def event(*parts_: Any, finish: Any = None, **fields: Any) -> dict[str, Any]:
    """One event of a stream."""
    return {
        "candidates": [candidate(*parts_, finish=finish)],
        "modelVersion": "gemini-x",
        "responseId": "r1",
        **fields,
    }


def read(*events: Any, to: WireRequest | None = None) -> list[StreamChunk]:
    """A provider's stream of these events, parsed; its grammar is checked."""
    return read_bytes(sse(*events), to=to)


def read_bytes(raw: bytes, to: WireRequest | None = None) -> list[StreamChunk]:
    decoder, parser = gemini.decoder(), gemini.stream_parser(to or request_to())
    chunks: list[StreamChunk] = []
    for frame in decoder.feed(raw) + decoder.close():
        chunks += parser.feed(frame)
    chunks += parser.close()
    check_grammar(chunks)
    return chunks


def folded(*events: Any, **options: Any) -> UnifiedChatResponse:
    return fold(read(*events, **options))


def answered(*content: Any, finish: str | Finish = "stop", **fields: Any) -> UnifiedChatResponse:
    """A one-choice answer of a provider that speaks another dialect."""
    end = finish if isinstance(finish, Finish) else Finish(finish)  # type: ignore[arg-type]
    given: dict[str, Any] = {"id": "msg_1", "model": "claude", "dialect": "other", **fields}
    ext = given.pop("choice_ext", {})
    choice = Choice(message=model(*content), finish=end, ext=ext)
    return UnifiedChatResponse(choices=(choice,), **given)


def formatted(
    response: UnifiedChatResponse, request: UnifiedChatRequest | None = None
) -> dict[str, Any]:
    body, _ = gemini.format_response(response, request or parse())
    value: dict[str, Any] = json.loads(body)
    return value


def shown(response: UnifiedChatResponse, request: UnifiedChatRequest | None = None) -> list[Any]:
    """The parts a client reads."""
    found: list[Any] = formatted(response, request)["candidates"][0]["content"]["parts"]
    return found


def written(
    chunks: Iterable[StreamChunk] | UnifiedChatResponse, request: UnifiedChatRequest | None = None
) -> list[Any]:
    """The events a client reads of a stream."""
    formatter = gemini.stream_formatter(request or parse())
    if isinstance(chunks, UnifiedChatResponse):
        chunks = unfold(chunks)
    return [json.loads(frame.data) for chunk in chunks for frame in formatter.feed(chunk)]


def streamed_parts(events: Iterable[Any]) -> list[Any]:
    """All parts of all events, the empty one of the last event left out."""
    found = [p for e in events for c in e.get("candidates", ()) for p in c["content"]["parts"]]
    return [part for part in found if part != {"text": ""}]
