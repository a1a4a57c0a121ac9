"""What the tests of bedrock-converse share: recordings, and botocore's own model of the API."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
import pytest
from botocore.model import Shape
from botocore.validate import ParamValidator

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, bedrock_converse, openai_chat
from plexus.transformers.base import ClientCall, Dialect, WireRequest
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.unified.chunks import StreamChunk
from plexus.unified.content import TextContent
from plexus.unified.request import Source, UnifiedChatRequest, UnifiedMessage

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "bedrock-converse"
CLIENTS: dict[str, Dialect] = {
    "openai-chat": openai_chat,
    "anthropic-messages": anthropic_messages,
}
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
HI = UnifiedMessage(role="user", content=(TextContent(text="hi"),))


class Recorded(NamedTuple):
    """One exchange; ``body`` is the answer as it came."""

    id: str
    model: str
    stream: bool
    status: int
    headers: dict[str, str]
    request: dict[str, Any] | None
    body: bytes

    @property
    def target(self) -> TargetModel:
        return target(self.model)


def require_corpus() -> None:
    """Skip loudly where there are no recordings."""
    if not CORPUS.is_dir():
        pytest.skip("SKIPPED: ../shared/corpus with the recorded traffic is not here")


def recorded() -> list[Recorded]:
    """All exchanges, in order of their names; empty without the corpus."""
    return [_read(path) for path in sorted(CORPUS.glob("*/meta.json"))]


def _read(path: Path) -> Recorded:
    meta = json.loads(path.read_text())
    (answer,) = path.parent.glob("response.*")
    request = path.parent / "request.json"
    return Recorded(
        id=meta["id"],
        model=meta["model"],
        stream=answer.suffix == ".eventstream",
        status=meta["status"],
        headers=meta["response_headers"],
        request=json.loads(request.read_text()) if request.exists() else None,
        body=answer.read_bytes(),
    )


def target(model: str = CLAUDE, family: str = "bedrock", **known: Any) -> TargetModel:
    capabilities = Capabilities(**known)
    return TargetModel(provider="aws", model=model, family=family, capabilities=capabilities)


def asked(*messages: UnifiedMessage, **fields: Any) -> UnifiedChatRequest:
    source = Source(dialect="other", request_id="req_1")
    return UnifiedChatRequest(model="m", messages=messages, source=source, **fields)


def wire(model: str = CLAUDE) -> WireRequest:
    return bedrock_converse.format_request(asked(HI), target(model))


def call(client: str, body: dict[str, Any]) -> ClientCall:
    return ClientCall(
        model=body["model"],
        stream=bool(body.get("stream")),
        body=JsonBody.parse(json.dumps(body).encode()),
        source=Source(dialect=client, request_id="req_1", received=1760000000),
    )


def written(request: UnifiedChatRequest, to: TargetModel | None = None) -> dict[str, Any]:
    """The body of a request, held against the model of the API."""
    made = bedrock_converse.format_request(request, to or target())
    body: dict[str, Any] = json.loads(made.body)
    check(body)
    return body


def read_stream(raw: bytes, of: WireRequest) -> list[StreamChunk]:
    decoder, parser = bedrock_converse.decoder(), bedrock_converse.stream_parser(of)
    chunks: list[StreamChunk] = []
    for frame in decoder.feed(raw) + decoder.close():
        chunks += parser.feed(frame)
    return chunks + parser.close()


# --- the API as botocore knows it -----------------------------------------------------------------


@cache
def _input_shape() -> Any:
    session = botocore.session.Session()
    model = session.get_service_model("bedrock-runtime")
    return model.operation_model("Converse").input_shape


def check(body: dict[str, Any]) -> None:
    """A body Converse takes: members, types, unions, enums, patterns and lengths."""
    shape = _input_shape()
    report = ParamValidator().validate({"modelId": "m", **body}, shape)
    assert not report.has_errors(), report.generate_report()
    _check(body, shape, "body")


def _check(value: Any, shape: Shape, path: str) -> None:
    """What the validator leaves to the service."""
    match shape.type_name:
        case "structure":
            if getattr(shape, "is_document_type", False):
                return
            for name, inner in value.items():
                _check(inner, shape.members[name], f"{path}.{name}")  # type: ignore[attr-defined]
        case "list":
            for number, inner in enumerate(value):
                _check(inner, shape.member, f"{path}[{number}]")  # type: ignore[attr-defined]
        case "string":
            enum = getattr(shape, "enum", None)
            assert not enum or value in enum, f"{path}: {value!r} is none of {enum}"
            pattern = shape.metadata.get("pattern")
            assert not pattern or re.fullmatch(pattern, value), f"{path}: {value!r}"
            low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 40)
            assert low <= len(value) <= high, f"{path}: {len(value)} characters"
        case _:
            pass
