"""Every row of the loss tables has a case, and every warning is a row (design decision 8).

Claude on Bedrock loses nearly the same: its requests are asked here too.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from plexus.transformers import anthropic_messages as messages
from plexus.transformers import fields
from plexus.transformers.capabilities import TargetModel
from plexus.unified.content import (
    AudioContent,
    Citation,
    CompactionContent,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    Reasoning,
    ResponseFormat,
    ServerTool,
    UnifiedChatRequest,
    UnifiedMessage,
)
from plexus.unified.response import Choice, Finish, UnifiedChatResponse
from tests.transformers.anthropic_messages.support import message, parse, raw, request, target
from tests.transformers.bedrock_converse.test_losses import REQUESTS as CONVERSE

PDF = MediaSource("base64", data="JVBERi0=", media_type="application/pdf")
PNG = MediaSource("base64", data="iVBORw0KGgo=", media_type="image/png")
SCHEMA = raw({"type": "object", "properties": {}, "additionalProperties": False})
FORM = ResponseFormat(type="json_schema", schema=SCHEMA)
FULL = target(sampling="full")
SIGNED = Proof("sig", "signature", Origin("elsewhere"))

OWN: dict[str, tuple[UnifiedChatRequest, TargetModel]] = {
    "message.system_mid": (
        request(message("user", "hi"), message("system", "late"), message("user", "go")),
        target(mid_system=False),
    ),
    "part.document.citations_enabled": (
        request(
            message("user", DocumentContent(source=PDF, citations_enabled=True)),
            response_format=FORM,
        ),
        target(),
    ),
    "reasoning.effort": (request(reasoning=Reasoning(effort="minimal")), target()),
    "response_format.description": (
        request(response_format=replace(FORM, description="d")),
        target(),
    ),
    "response_format.name": (request(response_format=replace(FORM, name="n")), target()),
    "temperature.range": (request(temperature=1.5), FULL),
    "tool.server": (
        request(tools=(ServerTool(kind="file_search", dialect="other", raw=raw({})),)),
        target(),
    ),
    "web_search": (request(web_search=raw({})), target()),
}


def anthropic(to: TargetModel) -> TargetModel:
    return replace(to, family="anthropic", model="claude")


REQUESTS = {
    field: (asked, anthropic(to))
    for field, (asked, to) in CONVERSE.items()
    if field in messages.REQUEST_LOSSES
} | OWN


def answered(*parts: Content, finish: str = "stop", **given: object) -> UnifiedChatResponse:
    """An answer of a provider that speaks another dialect."""
    said = UnifiedMessage(role="assistant", content=parts or (TextContent(text="x"),))
    choice = Choice(message=said, finish=Finish(finish))  # type: ignore[arg-type]
    whole = UnifiedChatResponse(id="r", model="m", choices=(choice,), dialect="other")
    return replace(whole, **given)


PLAIN = answered().choices[0]

RESPONSES = {
    "response.audio": answered(AudioContent(transcript="t")),
    "response.choices": answered(choices=(PLAIN, replace(PLAIN, index=1))),
    "response.citations": answered(
        TextContent(text="x", citations=(Citation(kind="document_page"),))
    ),
    "response.compaction": answered(CompactionContent(dialect="other", raw=raw({}))),
    "response.extra": answered(ext={"other": {"x": raw(1)}}),
    "response.image": answered(ImageContent(source=PNG)),
    "response.logprobs": answered(choices=(replace(PLAIN, logprobs=raw({"content": []})),)),
    "response.opaque": answered(OpaqueContent(dialect="other", raw=raw({}))),
    "response.refusal": answered(RefusalContent(text="no"), finish="refusal"),
    "response.server_tools": answered(
        ServerToolCallContent(
            id="s", tool="web_search", name="web_search", dialect="other", raw=raw({})
        )
    ),
    "response.service_tier": answered(service_tier="ultrafast"),
    "response.thinking.proof": answered(ThinkingContent(text="hm", proof=SIGNED)),
    "response.tool_call.arguments": answered(
        ToolCallContent(id="c", name="f", arguments="[1]"), finish="tool_calls"
    ),
    "response.tool_call.custom": answered(
        ToolCallContent(id="c", name="f", arguments="x", kind="custom"), finish="tool_calls"
    ),
}


def test_every_row_has_a_case() -> None:
    assert REQUESTS.keys() == messages.REQUEST_LOSSES.keys()
    assert RESPONSES.keys() == messages.RESPONSE_LOSSES.keys()


@pytest.mark.parametrize("field", sorted(REQUESTS))
def test_request_row(field: str) -> None:
    row = messages.REQUEST_LOSSES[field]
    asked, to = REQUESTS[field]
    assert row.possible(to, False)
    if row.outcome == "refused":
        with pytest.raises(PlexusError) as caught:
            messages.format_request(asked, to)
        assert (caught.value.error.kind, caught.value.error.message) == ("unsupported", row.note)
        return
    found = [warning.loss for warning in messages.format_request(asked, to).warnings]
    assert found == ([] if row.silent else [row])


@pytest.mark.parametrize("field", sorted(RESPONSES))
def test_response_row(field: str) -> None:
    row = messages.RESPONSE_LOSSES[field]
    _, warnings = messages.format_response(RESPONSES[field], parse())
    assert [warning.loss for warning in warnings] == ([] if row.silent else [row])


def test_the_vocabulary_is_shared() -> None:
    said = messages.REQUEST_FIELDS | messages.REQUEST_LOSSES.keys()
    assert said <= fields.REQUEST_FIELDS
    answers = messages.RESPONSE_FIELDS | messages.RESPONSE_LOSSES.keys()
    assert answers <= fields.RESPONSE_FIELDS
