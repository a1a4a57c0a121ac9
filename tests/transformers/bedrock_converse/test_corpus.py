"""Every recorded exchange with Converse: read as botocore reads it, shown to every client."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from plexus.streaming.document import JsonBody
from plexus.transformers import bedrock_converse
from plexus.transformers.translation import StreamTranslation, Translate
from plexus.unified.chunks import check_grammar
from plexus.unified.content import (
    Content,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.fold import fold, unfold
from plexus.unified.response import UnifiedChatResponse
from tests.fuzz.harness import DIALECTS, MINIMAL, client_call
from tests.transformers.bedrock_converse.convert import messages_request, plain
from tests.transformers.bedrock_converse.support import (
    CLIENTS,
    Recorded,
    call,
    check,
    read_stream,
    recorded,
    require_corpus,
    target,
    wire,
    written,
)

ALL = recorded()
GOOD = [found for found in ALL if found.status == 200]
STREAMS = [found for found in GOOD if found.stream]
BAD = [found for found in ALL if found.status != 200]
UNSAYABLE = {
    # Server tools of Nova, and grounding text for a guardrail, exist only in Converse.
    "bedrock-converse/bedrock-bedrock-model-with-code-execution-tool-2",
    "bedrock-converse/bedrock-titan-converse-stream-guardrail-1",
    # A document beside a tool result goes into the result (traps T83).
    "bedrock-converse/bedrock-multimodal-tool-return-matrix-tool-return-content-upload-1",
}
ASKED = [found for found in ALL if found.request is not None]
KINDS = {400: "invalid_request", 429: "rate_limit", 500: "server"}


def test_the_corpus_is_here() -> None:
    require_corpus()
    assert len(ALL) == 53
    assert len(STREAMS) == 14
    assert len(BAD) == 13


def response_of(found: Recorded) -> UnifiedChatResponse:
    if found.stream:
        return fold(read_stream(found.body, wire(found.model)))
    return bedrock_converse.parse_response(found.body, wire(found.model))


# --- what was read is what the recording says, read without Plexus --------------------------------


def message_of(found: Recorded) -> dict[str, Any]:
    """The recorded answer in the form of ``converse``, put together here from the events."""
    if not found.stream:
        whole: dict[str, Any] = json.loads(found.body)
        return whole
    buffer = EventStreamBuffer()
    buffer.add_data(found.body)
    blocks: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for event in buffer:
        payload = json.loads(event.payload)
        index = payload.get("contentBlockIndex", 0)
        match event.headers[":event-type"]:
            case "contentBlockStart":
                blocks[index] = {name: {**inner} for name, inner in payload["start"].items()}
            case "contentBlockDelta":
                _grow(blocks.setdefault(index, {}), payload["delta"])
            case "messageStop":
                answer["stopReason"] = payload["stopReason"]
            case "metadata":
                answer["usage"] = payload["usage"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"].get("input") or "{}")
    return {**answer, "output": {"message": {"content": [blocks[n] for n in sorted(blocks)]}}}


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta:
        case {"text": text}:
            block["text"] = block.get("text", "") + text
        case {"toolUse": {"input": text}}:
            block["toolUse"]["input"] = block["toolUse"].get("input", "") + text
        case {"toolResult": items}:
            block["toolResult"].setdefault("content", []).extend(items)
        case {"reasoningContent": {"redactedContent": data}}:
            block["reasoningContent"] = {"redactedContent": data}
        case {"reasoningContent": inner}:
            holder = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})
            text = holder["reasoningText"]
            text["text"] += inner.get("text", "")
            if "signature" in inner:
                text["signature"] = inner["signature"]


def said(block: dict[str, Any]) -> tuple[Any, ...] | None:
    """A block in short."""
    match block:
        case {"text": text}:
            return ("text", text) if text else None
        case {"toolUse": {"type": "server_tool_use", **tool}}:
            return "server", tool["toolUseId"], tool["name"], tool["input"]
        case {"toolUse": tool}:
            return "call", tool["toolUseId"], tool["name"], tool["input"]
        case {"toolResult": result}:
            return "result", result["toolUseId"], result["content"]
        case {"reasoningContent": {"redactedContent": data}}:
            return "redacted", base64.b64decode(data).decode()
        case {"reasoningContent": {"reasoningText": text}}:
            return "thinking", text["text"], text.get("signature")
    raise AssertionError(block)


def part_said(part: Content) -> tuple[Any, ...]:
    match part:
        case TextContent():
            return "text", part.text
        case ToolCallContent():
            return "call", part.id, part.name, json.loads(part.arguments)
        case ServerToolCallContent():
            return "server", part.id, part.name, json.loads(part.arguments)
        case ServerToolResultContent():
            content = json.loads(bytes(part.raw))["toolResult"]["content"]
            return "result", part.tool_call_id, content
        case ThinkingContent(redacted=True):
            assert part.proof is not None
            return "redacted", part.proof.value
        case ThinkingContent():
            return "thinking", part.text, part.proof.value if part.proof is not None else None
    raise AssertionError(part)


FINISH = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
}


@pytest.mark.parametrize("found", GOOD, ids=lambda found: found.id)
def test_answers(found: Recorded) -> None:
    response, recording = response_of(found), message_of(found)
    (choice,) = response.choices
    wanted = [said(block) for block in recording["output"]["message"]["content"]]
    assert [part_said(part) for part in choice.message.content] == [w for w in wanted if w]
    assert choice.finish.reason == FINISH[recording["stopReason"]]
    assert response.model == found.model
    usage, counts = response.usage, recording["usage"]
    assert usage is not None
    caches = counts.get("cacheReadInputTokens", 0) + counts.get("cacheWriteInputTokens", 0)
    assert usage.prompt_tokens == counts["inputTokens"] + caches
    assert usage.completion_tokens == counts["outputTokens"]
    assert usage.total_tokens == counts["totalTokens"]


@pytest.mark.parametrize("found", BAD, ids=lambda found: found.id)
def test_errors(found: Recorded) -> None:
    error = bedrock_converse.parse_error(found.status, found.headers, found.body)
    unknown = b"model identifier is invalid" in found.body
    assert error.kind == ("not_found" if unknown else KINDS[found.status])
    assert error.message == json.loads(found.body)["message"]
    assert error.upstream is not None
    assert error.upstream.request_id == found.headers.get("x-amzn-requestid")


# --- one truth for JSON and streams ---------------------------------------------------------------


@pytest.mark.parametrize("found", GOOD, ids=lambda found: found.id)
def test_folds(found: Recorded) -> None:
    if found.stream:
        check_grammar(read_stream(found.body, wire(found.model)))
    response = response_of(found)
    chunks = list(unfold(response))
    check_grammar(chunks)
    assert fold(chunks) == response


def shown(found: Recorded, client: str, pieces: list[bytes]) -> tuple[bytes, StreamTranslation]:
    """What a client gets of a recorded stream; after a failure the relay feeds no more."""
    translation = Translate(DIALECTS[client], bedrock_converse, found.target)
    stream = translation.prepare(client_call(client, JsonBody.parse(MINIMAL[client]))).stream()
    out: list[bytes] = []
    for piece in pieces:
        out.append(stream.feed(piece))
        assert stream.failure is None
    return b"".join(out) + stream.close(), stream


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("found", STREAMS, ids=lambda found: found.id)
def test_splits(found: Recorded, client: str) -> None:
    raw = found.body
    whole, stream = shown(found, client, [raw])
    assert stream.finished and stream.committed and stream.failure is None
    assert shown(found, client, [raw[at : at + 1] for at in range(len(raw))])[0] == whole
    source = Random(found.id)
    for _ in range(5):
        cuts = sorted(source.sample(range(len(raw) + 1), k=7))
        pieces = [raw[a:b] for a, b in pairwise([0, *cuts, len(raw)])]
        assert shown(found, client, pieces)[0] == whole


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("found", STREAMS, ids=lambda found: found.id)
def test_a_cut_stream_is_an_error(found: Recorded, client: str) -> None:
    """Up to the stop of the message; behind it only the usage is missing."""
    buffer = EventStreamBuffer()
    buffer.add_data(found.body)
    names = [event.headers[":event-type"] for event in buffer]
    frames = bedrock_converse.decoder().feed(found.body)
    before = b"".join(frame.raw for frame in frames[: names.index("messageStop")])
    _, stream = shown(found, client, [before])
    assert stream.failure is not None and stream.failure.kind == "upstream"
    upto = b"".join(frame.raw for frame in frames[: names.index("messageStop") + 1])
    _, stream = shown(found, client, [upto])
    assert stream.failure is None and stream.finished


def words_of(response: UnifiedChatResponse) -> tuple[str, str]:
    """Text and readable thinking; Responses has thinking as a summary."""
    parts = response.choices[0].message.content
    text = "".join(part.text for part in parts if isinstance(part, TextContent))
    thoughts = [part for part in parts if isinstance(part, ThinkingContent)]
    thinking = "".join(part.text or "".join(part.summary or ()) for part in thoughts)
    return text.strip(), thinking.strip()


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("found", GOOD, ids=lambda found: found.id)
def test_clients_read_what_was_said(found: Recorded, client: str) -> None:
    """Text, calls, end and tokens, as the client's dialect reads them back."""
    dialect, response = DIALECTS[client], response_of(found)
    request = dialect.parse_request(client_call(client, JsonBody.parse(MINIMAL[client])))
    out, _ = dialect.format_response(response, request)
    back = dialect.parse_response(out, dialect.format_request(request, target()))
    assert words_of(back) == words_of(response)
    calls = [
        [(c.id, c.name, json.loads(c.arguments)) for c in r.choices[0].message.tool_calls]
        for r in (response, back)
    ]
    assert calls[0] == calls[1]
    assert response.usage is not None and back.usage is not None
    assert response.usage.prompt_tokens == back.usage.prompt_tokens
    assert response.usage.completion_tokens == back.usage.completion_tokens


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", ASKED, ids=lambda found: found.id)
def test_recorded_requests_pass_the_check(found: Recorded) -> None:
    """The check itself, held against what real clients sent."""
    assert found.request is not None
    if found.id != "bedrock-bedrock-cache-messages-with-document-as-last-content-1":
        check({k: v for k, v in found.request.items() if v not in ([], {})})


@pytest.mark.parametrize("found", ASKED, ids=lambda found: found.id)
def test_requests_come_out_as_real_clients_wrote_them(found: Recorded) -> None:
    """What the recorded request means, said by an Anthropic client, becomes that request again."""
    assert found.request is not None
    if found.id in UNSAYABLE:
        return
    body = messages_request(found.request)
    request = CLIENTS["anthropic-messages"].parse_request(call("anthropic-messages", body))
    out = written(request, target(found.model, sampling="full", prefill=True))
    assert plain(out) == plain(found.request)
