"""What no recording has: exceptions, emulated tools, citations, pictures, hidden thinking."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from plexus.streaming.eventstream import EventStreamEncoder
from plexus.streaming.framing import Frame
from plexus.transformers import bedrock_converse as converse
from plexus.transformers.base import WireRequest
from plexus.unified.chunks import StreamChunk, StreamError, check_grammar
from plexus.unified.content import (
    ImageContent,
    Origin,
    Proof,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import CREDENTIAL_CODE, PlexusError
from plexus.unified.fold import fold
from plexus.unified.response import UnifiedChatResponse
from tests.transformers.bedrock_converse.support import read_stream, wire

Event = tuple[str, dict[str, Any]]
START: Event = ("messageStart", {"role": "assistant"})
STOP: Event = ("messageStop", {"stopReason": "end_turn"})
USAGE: Event = (
    "metadata",
    {
        "usage": {
            "inputTokens": 3,
            "outputTokens": 2,
            "totalTokens": 15,
            "cacheReadInputTokens": 4,
            "cacheWriteInputTokens": 6,
            "cacheDetails": [{"ttl": "5m", "inputTokens": 6}],
        },
        "metrics": {"latencyMs": 7},
        "serviceTier": {"type": "default"},
    },
)


def delta(index: int, **value: Any) -> Event:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": value}


def start(index: int, **value: Any) -> Event:
    return "contentBlockStart", {"contentBlockIndex": index, "start": value}


def stop(index: int) -> Event:
    return "contentBlockStop", {"contentBlockIndex": index}


def raw(*events: Event) -> bytes:
    encoder = EventStreamEncoder()
    frames = [Frame(name, json.dumps(value).encode()) for name, value in events]
    return b"".join(map(encoder.encode, frames))


def chunks(*events: Event, of: WireRequest | None = None) -> list[StreamChunk]:
    found = read_stream(raw(START, *events), of or wire())
    check_grammar(found)
    return found


def folded(*events: Event, of: WireRequest | None = None) -> UnifiedChatResponse:
    return fold(chunks(*events, STOP, USAGE, of=of))


def test_usage_comes_after_the_stop() -> None:
    response = folded(delta(0, text="a"), stop(0))
    usage = response.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (13, 2, 15)
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (4, 6)
    assert usage.cache_write_by_ttl == {"5m": 6}
    assert response.ext[converse.NAME]["serviceTier"] == Raw(b'{"type":"standard"}')


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "rate_limit"),
        ("internalServerException", "server"),
        ("modelStreamErrorException", "upstream"),
        ("validationException", "invalid_request"),
        ("serviceUnavailableException", "overloaded"),
        ("somethingNewException", "upstream"),
        ("accessDeniedException", "upstream"),
    ],
)
def test_exceptions(name: str, kind: str) -> None:
    for before in ((), (delta(0, text="half"),)):
        found = chunks(*before, (f"exception:{name}", {"message": "it broke"}))
        error = found[-1]
        assert isinstance(error, StreamError)
        assert error.error.kind == kind
        assert error.error.message == "it broke" or name == "accessDeniedException"
        assert error.partial == bool(before)


def test_an_error_that_only_the_model_explains() -> None:
    found = chunks(
        ("exception:modelStreamErrorException", {"originalStatusCode": 500, "originalMessage": "x"})
    )
    assert isinstance(found[-1], StreamError) and found[-1].error.message == "x"


def test_the_context_is_full() -> None:
    found = chunks(("exception:validationException", {"message": "Input is too long for model."}))
    assert isinstance(found[-1], StreamError) and found[-1].error.kind == "context_length"


def test_cut_streams() -> None:
    for events in ((), (delta(0, text="a"),), (delta(0, text="a"), stop(0), USAGE)):
        found = chunks(*events)
        assert isinstance(found[-1], StreamError)
    assert isinstance(chunks(delta(0, text="a"), ("messageStop", {}))[-1], StreamError)


def test_thinking_with_a_signature_and_hidden_thinking() -> None:
    hidden = base64.b64encode(b"EuQF").decode()
    response = folded(
        delta(0, reasoningContent={"text": "h"}),
        delta(0, reasoningContent={"text": "m"}),
        delta(0, reasoningContent={"signature": "sig"}),
        stop(0),
        delta(1, reasoningContent={"redactedContent": hidden}),
        stop(1),
        delta(2, text="a"),
    )
    origin = Origin("anthropic", "aws", wire().target.model)
    assert response.choices[0].message.content == (
        ThinkingContent(text="hm", proof=Proof("sig", "signature", origin)),
        ThinkingContent(redacted=True, proof=Proof("EuQF", "encrypted", origin)),
        TextContent(text="a"),
    )


def test_encrypted_reasoning_of_openai_stays_as_it_is() -> None:
    of = wire("openai.gpt-oss-120b-1:0")
    response = folded(
        delta(0, reasoningContent={"text": "hm"}),
        delta(0, reasoningContent={"redactedContent": "QUJD"}),
        stop(0),
        of=of,
    )
    (part,) = response.choices[0].message.content
    assert isinstance(part, ThinkingContent) and part.proof is not None
    assert (part.text, part.proof.value, part.proof.origin.family) == (
        "hm",
        "QUJD",
        "bedrock-openai",
    )


def test_emulated_tools() -> None:
    of = replace(
        wire(),
        tool_names={"a_b": "a.b"},
        custom_tools=frozenset({"shell"}),
        structured_tool="structured_output",
    )
    response = folded(
        start(0, toolUse={"toolUseId": "1", "name": "structured_output"}),
        delta(0, toolUse={"input": '{"x":'}),
        delta(0, toolUse={"input": "1}"}),
        stop(0),
        start(1, toolUse={"toolUseId": "2", "name": "shell"}),
        delta(1, toolUse={"input": '{"input":"ls"}'}),
        stop(1),
        start(2, toolUse={"toolUseId": "3", "name": "a_b"}),
        stop(2),
        of=of,
    )
    assert response.choices[0].message.content == (
        TextContent(text='{"x":1}'),
        ToolCallContent(id="2", name="shell", arguments="ls", kind="custom"),
        ToolCallContent(id="3", name="a.b", arguments="{}"),
    )
    assert response.choices[0].finish.reason == "tool_calls"


def test_citations_and_pictures() -> None:
    web = {"title": "T", "sourceContent": [{"text": "quote"}], "location": {"web": {"url": "u"}}}
    page = {"title": "D", "location": {"documentPage": {"documentIndex": 1, "start": 2, "end": 3}}}
    data = [base64.b64encode(piece).decode() for piece in (b"abcd", b"ef")]
    response = folded(
        delta(0, text="so"),
        delta(0, citation=web),
        delta(0, citation=page),
        stop(0),
        start(1, image={"format": "png"}),
        delta(1, image={"source": {"bytes": data[0]}}),
        delta(1, image={"source": {"bytes": data[1]}}),
        stop(1),
    )
    text, image = response.choices[0].message.content
    assert isinstance(text, TextContent) and isinstance(image, ImageContent)
    assert [(c.kind, c.url, c.cited_text, c.document_index) for c in text.citations] == [
        ("url", "u", "quote", None),
        ("document_page", None, None, 1),
    ]
    assert base64.b64decode(image.source.data) == b"abcdef"
    whole = {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"citationsContent": {"content": [{"text": "so"}], "citations": [web, page]}},
                    {"image": {"format": "png", "source": {"bytes": image.source.data}}},
                ],
            }
        },
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    }
    again = converse.parse_response(json.dumps(whole).encode(), wire())
    parts = again.choices[0].message.content
    assert isinstance(parts[0], TextContent) and parts[0].text == "so"
    assert [c.kind for c in parts[0].citations] == ["url", "document_page"]
    assert parts[1] == image


def test_claude_says_which_stop_sequence_it_met() -> None:
    end = {"stopReason": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": "END"}}
    finish = fold(chunks(delta(0, text="a"), ("messageStop", end), USAGE)).choices[0].finish
    assert (finish.reason, finish.stop_sequence) == ("stop_sequence", "END")


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "malformed_tool_call"),
        ("malformed_model_output", "error"),
        ("model_context_window_exceeded", "context_window"),
        ("tool_use", "stop"),
        ("never_heard_of", "other"),
    ],
)
def test_reasons(reason: str, wanted: str) -> None:
    finish = fold(chunks(delta(0, text="a"), ("messageStop", {"stopReason": reason})))
    assert finish.choices[0].finish.reason == wanted


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":"Too many requests"}',
        b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"}}',
        b'{"output":{"message":{"role":"assistant","content":[]}}}',
        b'{"output":{"message":{"role":"assistant","content":[{"toolUse":{}}]}},"stopReason":"x"}',
        b"[]",
        b"<html>",
    ],
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(PlexusError):
        converse.parse_response(body, wire())


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "ValidationException", "invalid_request"),
        (400, "ServiceQuotaExceededException", "quota"),
        (403, "AccessDeniedException", "upstream"),
        (403, "ExpiredTokenException", "upstream"),
        (403, "SignatureDoesNotMatch", "upstream"),
        (404, "ResourceNotFoundException", "not_found"),
        (408, "ModelTimeoutException", "timeout"),
        (424, "ModelErrorException", "upstream"),
        (424, "", "upstream"),
        (429, "ThrottlingException", "rate_limit"),
        (429, "ModelNotReadyException", "overloaded"),
        (500, "InternalServerException", "server"),
        (503, "ServiceUnavailableException", "overloaded"),
    ],
)
def test_error_answers(status: int, name: str, kind: str) -> None:
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/"} if name else {}
    error = converse.parse_error(status, headers, b'{"Message":"no"}')
    assert error.kind == kind
    if status == 403:
        assert error.code == CREDENTIAL_CODE and error.http_status == 502
    else:
        assert error.message == "no"


def test_on_demand_is_not_offered_for_this_model() -> None:
    body = b'{"message":"Invocation of model ID x with on-demand throughput isn\'t supported."}'
    headers = {"x-amzn-errortype": "ValidationException"}
    assert converse.parse_error(400, headers, body).kind == "not_found"
