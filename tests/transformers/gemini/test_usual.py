"""What is read in one look is what is read member by member.

A null member that nobody knows means nothing, and keeps an object from being read in one look.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.framing import Frame
from plexus.transformers import gemini
from plexus.transformers.base import WireRequest
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.gemini.usual import (
    UsualContent,
    usual_answer,
    usual_config,
    usual_contents,
)
from plexus.unified.chunks import (
    MessageStart,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    StreamError,
)
from plexus.unified.content import Content, Ext, TextContent, ThinkingContent
from plexus.unified.errors import PlexusError
from plexus.unified.request import FunctionTool, Reasoning, ToolChoice, UnifiedChatRequest
from plexus.unified.response import UnifiedChatResponse
from tests.fuzz.harness import DIALECTS, TARGETS, client_call
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import answers, requests
from tests.streams.corpus import recorded, require_corpus
from tests.transformers.gemini.support import (
    CLAUDE,
    TARGET,
    asked,
    call,
    candidate,
    completion,
    config,
    contents,
    event,
    folded,
    parse,
    parts,
    request_to,
)

CASES = 2000
ODD = {"nobody_knows": None}
EMPTY: Ext = {"nobody": {}}
REQUESTS: tuple[dict[str, Any], ...] = (
    {
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, {"text": ""}]},
            {"parts": [{"text": "there"}]},
            {"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "So"}]},
            {"role": "model", "parts": [{"text": " it is.", "thoughtSignature": "c2ln"}]},
            {"role": "model", "parts": []},
            {
                "role": "model",
                "parts": [
                    {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
                    {"functionCall": {"name": "f", "id": "c2", "args": None}, "thought": True},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "f", "response": {"output": "a"}}},
                    {"functionResponse": {"name": "f", "id": "c2", "response": {"b": [1, 2]}}},
                    {"functionResponse": {"name": "g", "response": {"error": "no"}}},
                    {"functionResponse": {"name": "g"}},
                    {"text": "next?"},
                ],
            },
        ],
        "generationConfig": {
            "temperature": 1,
            "topP": 0.9,
            "topK": 40,
            "maxOutputTokens": 9,
            "candidateCount": 2,
            "stopSequences": ["END"],
            "presencePenalty": 0.1,
            "frequencyPenalty": 0,
            "seed": 7,
            "responseLogprobs": True,
            "logprobs": 2,
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"},
            "responseModalities": ["TEXT", 2],
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "HIGH"},
        },
    },
    {
        "contents": [{"role": "user", "parts": [{"functionCall": {"name": "f"}}]}],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "f", "description": "F", "parameters": {"type": "OBJECT"}},
                    {"name": "g", "parametersJsonSchema": {"type": "object"}, "parameters": {}},
                    {"name": "h", "description": None, "parameters": None},
                ]
            },
            {"functionDeclarations": [{"name": "i", "response": {}}]},
            {"functionDeclarations": [], "googleSearch": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
        "generationConfig": {
            "responseSchema": {"type": "STRING"},
            "thinkingConfig": {"thinkingBudget": -1},
        },
    },
    {
        "contents": [{"role": "user", "parts": [{"functionCall": {"name": "f"}, "text": "a"}]}],
        "generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"enum": ["a"]}},
    },
)
"""All that is read in one look, and what it must leave alone."""

COUNTS = {
    "promptTokenCount": 9,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 3,
    "toolUsePromptTokenCount": 2,
    "totalTokenCount": 19,
    "trafficType": "ON_DEMAND",
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}, {"modality": "AUDIO"}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
    "serviceTier": "SERVICE_TIER_FLEX",
}
ANSWERS: tuple[dict[str, Any], ...] = (
    completion({"text": "hello"}),
    completion({"text": "hello"}, createTime="2026-01-01T00:00:00Z", usageMetadata=COUNTS),
    completion(
        {"text": "a", "thought": True},
        {"text": "b", "thought": True},
        {"text": "c", "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f", "args": {"a": [1, 2]}}},
        {"functionCall": {"name": "clock", "id": "x"}, "thoughtSignature": "c2ln"},
        usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": -1},
    ),
    completion({"text": ""}, finish="MAX_TOKENS", usageMetadata={"trafficType": "ON_DEMAND"}),
    completion({"text": "b"}, finish=None, usageMetadata=None),
    completion({"text": "b"}, usageMetadata={"prompt_token_count": 3, "candidatesTokenCount": 4}),
    completion(
        {"text": "b"},
        usageMetadata={
            "promptTokenCount": 3,
            "promptTokensDetails": [{"modality": "AUDIO", "token_count": 2}],
        },
    ),
    {"candidates": [candidate({"text": "a"}, avgLogprobs=-0.25)]},
    {"candidates": [candidate({"text": "a"}, index=3, finishMessage="so")]},
    {"candidates": [candidate({"text": "a"}, finishMessage="so", avgLogprobs=-0.25, index=-2)]},
)
"""The same of answers, and of events."""


def unusual(request: dict[str, Any]) -> dict[str, Any]:
    """The same request with an odd member wherever one look reads."""
    out = {**request}
    for name in ("systemInstruction", "generationConfig"):
        if isinstance(out.get(name), dict):
            out[name] = {**out[name], **ODD}
    for name in ("contents", "tools"):
        said = out.get(name)
        if isinstance(said, dict):
            out[name] = {**said, **ODD}
        elif isinstance(said, list):
            out[name] = [{**one, **ODD} if isinstance(one, dict) else one for one in said]
    return out


def parsed(request: dict[str, Any]) -> UnifiedChatRequest | str:
    """The request, or what was said against it."""
    try:
        return gemini.parse_request(call(request))
    except DocumentError:
        return "no document"
    except PlexusError as problem:
        return f"{problem.error.param} {problem.error.message}"


def unusual_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """The same answer, or event, with an odd member wherever one look reads."""
    out = {**answer, **ODD}
    if out.get("usageMetadata") and isinstance(out["usageMetadata"], dict):
        out["usageMetadata"] = {**out["usageMetadata"], **ODD}
    return out


def answered(document: dict[str, Any]) -> UnifiedChatResponse | str:
    """The answer, or what was said against it."""
    to = request_to(tool_names={"f": "g h"}, custom_tools=frozenset({"clock"}))
    try:
        return gemini.parse_response(json.dumps(document).encode(), to)
    except PlexusError as problem:
        return problem.error.message


def documents(kind: list[Any], seed: int) -> Iterator[dict[str, Any]]:
    """Seeds with a few changes, as far as they are JSON objects."""
    mutator = Mutator(kind, Random(seed))
    for _ in range(CASES):
        try:
            document = json.loads(mutator.document())
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            yield document


def asking(request: UnifiedChatRequest) -> UnifiedChatRequest:
    """The same request with fields set that say nothing, so that none is passed over."""
    messages = tuple(
        replace(message, content=tuple(map(_marked, message.content)), ext=message.ext or EMPTY)
        for message in request.messages
    )
    reasoning = request.reasoning or Reasoning()
    return replace(request, messages=messages, reasoning=reasoning, extra=request.extra or EMPTY)


def _marked(part: Content) -> Content:
    return replace(part, ext=part.ext or EMPTY)


def sent(request: UnifiedChatRequest, to: TargetModel) -> WireRequest | str:
    try:
        return gemini.format_request(request, to)
    except PlexusError as problem:
        return f"{problem.error.param} {problem.error.message}"


@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_is_passed_over_in_changed_requests(name: str) -> None:
    source = Random(12)
    for document in documents(requests(name), 12):
        try:
            body = JsonBody.parse(json.dumps(document).encode())
            request = DIALECTS[name].parse_request(client_call(name, body))
        except (DocumentError, PlexusError):
            continue
        for to in source.sample(TARGETS, 2):
            assert sent(request, to) == sent(asking(request), to), document


@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_is_passed_over_in_recorded_requests(name: str) -> None:
    require_corpus()
    count = 0
    for exchange in recorded(name):
        try:
            body = JsonBody.parse(exchange.request or b"")
            request = DIALECTS[name].parse_request(client_call(name, body))
        except (DocumentError, PlexusError):
            continue
        count += 1
        for to in TARGETS[:4]:
            assert sent(request, to) == sent(asking(request), to), exchange.id
    assert count


@pytest.mark.parametrize("request_", REQUESTS)
def test_one_look_at_a_request(request_: dict[str, Any]) -> None:
    found = parsed(request_)
    assert isinstance(found, UnifiedChatRequest)
    assert found == parsed(unusual(request_))


def test_unknown_members_of_a_content_are_no_usual_ones() -> None:
    request = parse(contents=[{**contents()[0], "vendor": 1}])
    assert request.messages[0].ext == {"gemini": {"vendor": Raw(b"1")}}


def test_unknown_members_of_a_function_are_no_usual_ones() -> None:
    request = parse(tools=[{"functionDeclarations": [{"name": "f", "response": {}}]}])
    assert request.tools == (FunctionTool(name="f", ext={"gemini": {"response": Raw(b"{}")}}),)


def test_labels_alone_are_not_passed_over() -> None:
    labelled = {"contents": [{"parts": [{"text": "hi"}]}], "labels": {"a": "b"}}
    wire = gemini.format_request(gemini.parse_request(call(labelled)), TARGETS[0])
    assert json.loads(wire.body)["labels"] == {"a": "b"}


def test_a_choice_without_tools_is_not_passed_over() -> None:
    with pytest.raises(PlexusError):
        gemini.format_request(asked(tool_choice=ToolChoice(mode="function", name="f")), TARGET)


def test_one_look_at_changed_requests() -> None:
    usual = 0
    for document in documents([*REQUESTS, *requests("gemini")], 11):
        usual += _contents(document) is not None
        assert parsed(document) == parsed(unusual(document)), document
    assert CASES / 10 < usual < CASES * 0.9


def test_one_look_at_recorded_requests() -> None:
    require_corpus()
    usual = configs = count = 0
    for exchange in recorded("gemini"):
        if exchange.request is None:
            continue
        count += 1
        document = json.loads(exchange.request)
        usual += _contents(document) is not None
        body = JsonBody.parse(exchange.request)
        config = body.fields.get("generationConfig")
        configs += config is not None and usual_config(config) is not None
        assert parsed(document) == parsed(unusual(document)), exchange.id
    # The point of it: this is what clients send.
    assert usual > count / 2 and configs > count / 2


def _contents(document: dict[str, Any]) -> list[UsualContent] | None:
    try:
        raw = call(document).body.fields.get("contents")
    except DocumentError:
        return None
    return None if raw is None else usual_contents(raw)


@pytest.mark.parametrize("document", ANSWERS)
def test_one_look_at_an_answer(document: dict[str, Any]) -> None:
    found = answered(document)
    assert isinstance(found, UnifiedChatResponse)
    assert found == answered(unusual_answer(document))


def test_counts_in_snake_case_are_counts() -> None:
    seen = answered(completion({"text": "b"}, usageMetadata={"prompt_token_count": 3}))
    assert isinstance(seen, UnifiedChatResponse)
    assert seen.usage is not None and seen.usage.prompt_tokens == 3


def test_one_look_at_changed_answers() -> None:
    usual = 0
    for document in documents([*ANSWERS, *answers("gemini")], 13):
        usual += usual_answer(json.dumps(document).encode()) is not None
        if (found := answered(document)) != answered(unusual_answer(document)):
            # The words of an error that cannot be read repeat all of it.
            assert "error" in document and isinstance(found, str), document
    assert CASES / 10 < usual < CASES * 0.9


def test_one_look_at_recorded_answers() -> None:
    require_corpus()
    usual = count = 0
    for exchange in recorded("gemini"):
        if exchange.stream:
            continue
        count += 1
        document = json.loads(exchange.body)
        usual += usual_answer(exchange.body) is not None
        assert answered(document) == answered(unusual_answer(document)), exchange.id
    assert usual > count / 2


def chunks_of(events: list[dict[str, Any]]) -> list[StreamChunk] | str:
    """What a stream of these events says."""
    parser = gemini.stream_parser(request_to(tool_names={"f": "g h"}))
    out: list[StreamChunk] = []
    for one in events:
        try:
            out += parser.feed(Frame("", json.dumps(one).encode()))
        except msgspec.MsgspecError as problem:
            return type(problem).__name__
        if out and isinstance(out[-1], StreamError):
            return out
    return out + parser.close()


def agree(events: list[dict[str, Any]]) -> bool:
    """Whether events say the same when none of them is read in one look."""
    if any("error" in one for one in events):
        # The words of an error that cannot be read repeat all of it.
        return True
    found = chunks_of(events)
    return found == chunks_of(list(map(unusual_answer, events)))


def test_one_look_at_events() -> None:
    source = Random(14)
    pool: list[dict[str, Any]] = [
        *(event({"text": text}) for text in ("a", "b c", "", "\n")),
        event({"text": "Hm", "thought": True}),
        event({"text": "", "thoughtSignature": "c2ln"}),
        event({"text": "signed", "thoughtSignature": "c2ln"}),
        event({"text": "", "thought": True, "thoughtSignature": "c2ln"}),
        event({"text": "x"}, {"functionCall": {"name": "f", "args": {"a": 1}}}),
        event({"functionCall": {"name": "f", "args": {"willContinue": [1.0]}}}),
        event({"functionCall": {"name": "f", "willContinue": True}}),
        event({"functionCall": {"name": "f", "args": {}}}),
        event({"text": "end"}, finish="STOP", usageMetadata=COUNTS),
        event({"text": "more"}, usageMetadata={"promptTokenCount": 3, "totalTokenCount": 9}),
        {"candidates": [candidate({"text": "two"}, index=1)], "createTime": "2026"},
        {"candidates": [candidate({"text": "a"}, avgLogprobs=-0.25, finishMessage="so")]},
        {"candidates": [{"index": 0}]},
    ]
    for _ in range(CASES):
        events = [source.choice(pool) for _ in range(source.randint(1, 8))]
        assert agree(events), events


def test_a_signature_that_waits_comes_before_more_text() -> None:
    events = [event({"text": "a"}), event({"text": "", "thoughtSignature": "c2ln"})]
    found = folded(*events, event({"text": "b"}, finish="STOP"))
    signed = [(part.text, part.proof is not None) for part in parts(found)]
    assert signed == [("a", False), ("", True), ("b", False)]


def test_a_count_that_is_null_says_nothing() -> None:
    events = [event({"text": "a"}, usageMetadata=COUNTS)]
    nothing = {**COUNTS, "candidatesTokenCount": None, "promptTokensDetails": None}
    found = folded(*events, event({"text": "b"}, finish="STOP", usageMetadata=nothing))
    assert found.usage == folded(*events, event({"text": "b"}, finish="STOP")).usage


def test_one_look_at_changed_events() -> None:
    source = Random(15)
    found = list(documents([*ANSWERS, *answers("gemini")], 15))
    for _ in range(CASES):
        events = source.choices(found, k=source.randint(1, 4))
        assert agree(events), events


def test_one_look_at_recorded_events() -> None:
    require_corpus()
    usual = count = 0
    for exchange in recorded("gemini"):
        if not exchange.stream:
            continue
        decoder = gemini.decoder()
        frames = [f for f in decoder.feed(exchange.body) + decoder.close() if f.data]
        count += len(frames)
        usual += sum(usual_answer(frame.data) is not None for frame in frames)
        assert agree([json.loads(frame.data) for frame in frames]), exchange.id
    assert usual > count / 3


TEXTS = ("more", '""', '\\"\n\u2028', "\U0001f4a5</script>", " ")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", ["text", "thinking"])
@pytest.mark.parametrize("thoughts", [True, False])
def test_a_later_fragment_is_written_as_the_first(text: str, kind: Any, thoughts: bool) -> None:
    part = TextContent(text="") if kind == "text" else ThinkingContent(text="")
    signed = ThinkingContent(text="", proof=CLAUDE)
    start = MessageStart(id='""', model='"text":""', dialect="other")
    between = [
        (),
        (PartStart(1, ThinkingContent(text=""), 2), PartStop(1, signed)),
        (PartStart(1, TextContent(text=""), 2), PartDelta(1, "text", "other")),
    ]
    for chunks in between:
        last = PartDelta(0, kind, text)
        begun = (start, PartStart(0, part, 2))
        first = _frames((*begun, *chunks, last), thoughts)
        later = _frames((*begun, PartDelta(0, kind, "a"), *chunks, last), thoughts)
        assert first == later


def _frames(chunks: tuple[StreamChunk, ...], thoughts: bool) -> list[Frame]:
    """What the last of the chunks becomes."""
    request = config(thinkingConfig={"includeThoughts": thoughts})
    formatter = gemini.stream_formatter(request)
    for chunk in chunks[:-1]:
        formatter.feed(chunk)
    return formatter.feed(chunks[-1])
