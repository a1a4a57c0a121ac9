"""Whole answers: Google's read, and answers of others written for Google's clients."""

import json
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers import gemini
from plexus.unified.content import (
    AudioContent,
    Citation,
    CompactionContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    RefusalContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import CustomTool, FunctionTool
from plexus.unified.response import Choice, Finish, UnifiedUsage
from tests.transformers.gemini.support import (
    OWN,
    TARGET,
    a_call,
    answer,
    answered,
    asked,
    candidate,
    completion,
    formatted,
    model,
    parts,
    request_to,
    shown,
    user,
)

PNG = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


def failed(body: Any) -> Any:
    with pytest.raises(PlexusError) as found:
        answer(body)
    return found.value.error


# -- reading -------------------------------------------------------------------------------------


def test_an_answer() -> None:
    found = answer(
        completion(
            {"text": "Hm", "thought": True},
            {"text": "so", "thoughtSignature": "c2ln"},
            {"functionCall": {"id": "f1", "name": "f", "args": {"x": 1.0}}},
            PNG,
        )
    )
    thought, text, call, image = parts(found)
    assert thought == ThinkingContent(text="Hm")
    assert (text.text, text.proof.value, text.proof.origin.model) == ("so", "c2ln", "m-1")
    assert (call.id, call.name, call.arguments) == ("f1", "f", '{"x":1.0}')
    assert isinstance(image, ImageContent)
    assert (found.id, found.model, found.dialect) == ("r1", "gemini-x", "gemini")


def test_ids_are_made_where_there_are_none_and_stay_the_same() -> None:
    body = completion({"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}})
    first, second = parts(answer(body))
    assert first.id != second.id
    assert parts(answer(body)) == (first, second)
    assert parts(answer({**body, "responseId": "r2"}))[0].id != first.id
    assert first.arguments == "{}"


def test_names_and_custom_tools_of_the_client() -> None:
    request = asked(user("hi"), tools=(FunctionTool(name="my tool"), CustomTool(name="a shell")))
    to = gemini.format_request(request, TARGET)
    found = answer(
        completion(
            {"functionCall": {"name": "my_tool", "args": {"x": 1}}},
            {"functionCall": {"name": "a_shell", "args": {"input": "ls\n"}}},
            {"functionCall": {"name": "a_shell", "args": {"other": 1}}},
        ),
        to,
    )
    first, second, third = parts(found)
    assert (first.name, first.kind) == ("my tool", "function")
    assert (second.name, second.kind, second.arguments) == ("a shell", "custom", "ls\n")
    assert third.arguments == '{"other":1}'


def test_T45_a_call_ends_with_stop_at_google() -> None:
    assert answer(completion({"functionCall": {"name": "f"}})).choices[0].finish == Finish(
        "tool_calls", raw="STOP"
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        (1, "stop"),
        ("MAX_TOKENS", "length"),
        (2, "length"),
        ("SAFETY", "content_filter"),
        (3, "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("ESCALATION", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "malformed_tool_call"),
        ("UNEXPECTED_TOOL_CALL", "malformed_tool_call"),
        ("MISSING_THOUGHT_SIGNATURE", "error"),
        ("CONTINUATION", "pause"),
        ("LANGUAGE", "other"),
        ("SOMETHING_NEW", "other"),
        ("FINISH_REASON_UNSPECIFIED", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons(word: Any, reason: str) -> None:
    assert answer(completion({"text": "so"}, finish=word)).choices[0].finish.reason == reason


@pytest.mark.parametrize("content", [{}, {"content": {}}, {"content": {"role": "model"}}])
def test_an_answer_that_was_spent_on_thinking(content: Any) -> None:
    body = {"candidates": [{**content, "finishReason": "MAX_TOKENS", "index": 0}]}
    found = answer(body)
    assert (parts(found), found.choices[0].finish.reason) == ((), "length")


@pytest.mark.parametrize("reason", ["SAFETY", "MODEL_ARMOR", 3])
def test_T82_a_blocked_prompt_is_an_answer(reason: Any) -> None:
    feedback = {"blockReason": reason, "safetyRatings": []}
    found = answer({"promptFeedback": feedback, "modelVersion": "gemini-x"})
    assert parts(found) == ()
    assert found.choices[0].finish == Finish("content_filter", raw=str(reason))
    assert formatted(found) == {
        "promptFeedback": feedback,
        "modelVersion": "gemini-x",
        "responseId": "req_1",
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"candidates": []},
        {"candidates": [{"index": 0}]},
        {"candidates": None, "promptFeedback": {}},
        {"candidates": [candidate(finish=None)]},
    ],
)
def test_an_empty_completion_is_no_answer(body: Any) -> None:
    assert failed(body).kind == "upstream"


@pytest.mark.parametrize("body", [b"[]", b"<html>", b'"a"', b'{"candidates":1}'])
def test_a_foreign_body(body: bytes) -> None:
    assert failed(body).kind == "upstream"


def test_T100_an_error_in_a_200() -> None:
    error = {"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}
    assert (failed(error).kind, failed(error).message) == ("rate_limit", "slow")
    assert answer(completion({"text": "a"}, error=None)).choices


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "MISSING_THOUGHT_SIGNATURE"])
def test_T70_a_malformed_call_without_content_is_an_error(word: str) -> None:
    body = {"candidates": [candidate(finish=word, finishMessage="Malformed function call: f(")]}
    error = failed(body)
    assert error.kind == "upstream"
    assert word in error.message
    assert "Malformed function call: f(" in error.message
    kept = answer(completion({"text": "so"}, finish=word))
    assert kept.choices[0].finish.raw == word


def test_several_candidates() -> None:
    body = completion()
    body["candidates"] = [
        candidate({"text": "b"}, index=1),
        candidate({"text": "a"}),
        candidate({"text": "c"}, index=1),
    ]
    found = answer(body)
    assert [(c.index, c.message.text) for c in found.choices] == [(0, "a"), (1, "b"), (2, "c")]


def test_thoughts_next_to_each_other_are_one() -> None:
    found = answer(
        completion(
            {"text": "a", "thought": True},
            {"text": "b", "thought": True},
            {"text": "c", "thought": True, "thoughtSignature": "c2ln"},
        )
    )
    assert [part.text for part in parts(found)] == ["ab", "c"]


def test_results_of_servers_google_asked_itself() -> None:
    found = answer(
        completion(
            {"functionCall": {"name": "f"}},
            {"functionResponse": {"name": "f", "response": {"output": "x"}}},
        )
    )
    call, result = parts(found)
    assert isinstance(call, ToolCallContent)
    assert isinstance(result, ServerToolResultContent)
    assert shown(found)[1] == {"functionResponse": {"name": "f", "response": {"output": "x"}}}


# -- usage ---------------------------------------------------------------------------------------


def test_T37_usage() -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 10,
        "thoughtsTokenCount": 5,
        "toolUsePromptTokenCount": 7,
        "totalTokenCount": 122,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 60},
            {"modality": "IMAGE", "tokenCount": 40},
        ],
        "trafficType": "ON_DEMAND",
        "serviceTier": "SERVICE_TIER_FLEX",
    }
    found = answer(completion({"text": "a"}, usageMetadata=usage))
    counted = found.usage
    assert counted is not None
    assert (counted.prompt_tokens, counted.completion_tokens, counted.total_tokens) == (
        100,
        15,
        122,
    )
    assert (counted.cache_read_tokens, counted.reasoning_tokens) == (40, 5)
    assert (counted.tool_use_prompt_tokens, counted.input_image, counted.input_text) == (7, 40, 60)
    assert found.service_tier == "flex"
    assert formatted(found)["usageMetadata"] == {**usage, "serviceTier": "flex"}


@pytest.mark.parametrize("usage", [{}, {"trafficType": "ON_DEMAND"}, None])
def test_no_counts_are_no_usage(usage: Any) -> None:
    found = answer(completion({"text": "a"}, usageMetadata=usage))
    assert found.usage is None
    assert "usageMetadata" not in formatted(found)


def test_counts_as_text_and_below_nothing() -> None:
    usage = {"promptTokenCount": "12", "candidatesTokenCount": -1, "totalTokenCount": 0}
    found = answer(completion({"text": "a"}, usageMetadata=usage)).usage
    assert found == UnifiedUsage(prompt_tokens=12, total_tokens=12)


def test_usage_of_others() -> None:
    usage = UnifiedUsage(
        prompt_tokens=10,
        completion_tokens=8,
        total_tokens=18,
        cache_read_tokens=4,
        reasoning_tokens=3,
    )
    body = formatted(answered(TextContent(text="a"), usage=usage, service_tier="priority"))
    assert body["usageMetadata"] == {
        "promptTokenCount": 10,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 3,
        "totalTokenCount": 18,
        "serviceTier": "priority",
    }


# -- grounding -----------------------------------------------------------------------------------

TEXT = "Z\u00fcrich \u2744 is cold. \U0001f600 Very."
SOURCES = [{"web": {"uri": "https://a.x", "title": "A"}}, {"web": {"uri": "https://b.x"}}]


def support(words: str, *indices: int, **segment: Any) -> dict[str, Any]:
    start = TEXT.encode().index(words.encode())
    where = {"startIndex": start, "endIndex": start + len(words.encode()), "text": words}
    return {"segment": {**where, **segment}, "groundingChunkIndices": list(indices)}


def grounded(*supports: Any, text: str = TEXT) -> Any:
    metadata = {"groundingChunks": SOURCES, "groundingSupports": list(supports)}
    body = completion()
    body["candidates"] = [candidate({"text": text}, groundingMetadata=metadata)]
    return body


def test_byte_offsets_become_characters() -> None:
    (text,) = parts(answer(grounded(support("cold", 0), support("Very.", 1, 0))))
    assert [(c.url, c.title, TEXT[c.start : c.end], c.cited_text) for c in text.citations] == [
        ("https://a.x", "A", "cold", "cold"),
        ("https://b.x", None, "Very.", "Very."),
        ("https://a.x", "A", "Very.", "Very."),
    ]


def test_a_segment_is_found_by_its_words() -> None:
    wrong = support("cold", 0, startIndex=3, endIndex=7, partIndex=4)
    (text,) = parts(answer(grounded(wrong)))
    assert TEXT[text.citations[0].start : text.citations[0].end] == "cold"


@pytest.mark.parametrize(
    "broken",
    [
        {"segment": {"text": "not there", "endIndex": 3}, "groundingChunkIndices": [0]},
        {"segment": {}, "groundingChunkIndices": [0]},
        {"segment": {"endIndex": 4}, "groundingChunkIndices": [7, "x"]},
        {"segment": 1},
        1,
    ],
)
def test_grounding_never_breaks_an_answer(broken: Any) -> None:
    (text,) = parts(answer(grounded(broken)))
    assert text.citations == ()


def test_recited_text_has_its_source() -> None:
    body = completion()
    citations = [{"startIndex": 0, "endIndex": 3, "uri": "https://c.x", "license": "mit"}]
    body["candidates"] = [candidate({"text": "abcdef"}, citationMetadata={"citations": citations})]
    (text,) = parts(answer(body))
    assert [(c.url, c.start, c.end, c.cited_text) for c in text.citations] == [
        ("https://c.x", 0, 3, "abc")
    ]


def test_citations_of_others_become_grounding() -> None:
    start = TEXT.index("cold")
    citations = (
        Citation("url", url="https://a.x", title="A", start=start, end=start + 4),
        Citation("url", url="https://b.x", cited_text="Very."),
        Citation("url", url="https://a.x", title="A", start=start, end=start + 4),
        Citation("document_page", title="P"),
    )
    body = formatted(answered(TextContent(text=TEXT, citations=citations)))
    found = body["candidates"][0]["groundingMetadata"]
    assert found["groundingChunks"] == SOURCES
    data = TEXT.encode()
    spans = [
        (data[s["segment"]["startIndex"] : s["segment"]["endIndex"]].decode(), s["segment"]["text"])
        for s in found["groundingSupports"]
    ]
    assert spans == [("cold", "cold"), ("Very.", "Very."), ("cold", "cold")]
    again = parts(answer(body))[0].citations
    assert [c.url for c in again] == ["https://a.x", "https://b.x", "https://a.x"]


def test_googles_own_grounding_goes_back_as_it_came() -> None:
    body = grounded(support("cold", 0))
    assert formatted(answer(body))["candidates"] == body["candidates"]


# -- writing -------------------------------------------------------------------------------------


def test_an_answer_of_this_dialect_goes_back_as_it_came() -> None:
    body = completion(
        {"text": "Hm", "thought": True, "thoughtSignature": "YQ=="},
        {"text": "", "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f", "args": {}}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        PNG,
        promptFeedback={"safetyRatings": []},
        createTime="2026-01-01T00:00:00Z",
    )
    body["candidates"][0].update(
        finishMessage="done",
        safetyRatings=[{"category": "X", "probability": "LOW"}],
        logprobsResult={"chosenCandidates": []},
        avgLogprobs=-0.1,
    )
    assert formatted(answer(body)) == body


def test_an_answer_of_another_dialect() -> None:
    body = formatted(
        answered(
            ThinkingContent(text="Hm"),
            ThinkingContent(summary=("One", "Two")),
            TextContent(text="so"),
            TextContent(text=""),
            a_call("toolu_1", "f", '{"x": 1.0}'),
            finish="tool_calls",
        )
    )
    assert body["candidates"] == [
        {
            "content": {
                "parts": [
                    {"text": "Hm", "thought": True},
                    {"text": "One\n\nTwo", "thought": True},
                    {"text": "so"},
                    {"functionCall": {"id": "toolu_1", "name": "f", "args": {"x": 1.0}}},
                ],
                "role": "model",
            },
            "index": 0,
            "finishReason": "STOP",
        }
    ]
    assert (body["modelVersion"], body["responseId"]) == ("claude", "msg_1")


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "STOP"),
        ("stop_sequence", "STOP"),
        ("length", "MAX_TOKENS"),
        ("context_window", "MAX_TOKENS"),
        ("tool_calls", "STOP"),
        ("content_filter", "SAFETY"),
        ("refusal", "SAFETY"),
        ("pause", "STOP"),
        ("malformed_tool_call", "MALFORMED_FUNCTION_CALL"),
        ("other", "OTHER"),
    ],
)
def test_T81_finish_words(reason: str, word: str) -> None:
    body = formatted(answered(TextContent(text="so"), finish=reason))
    assert body["candidates"][0]["finishReason"] == word


def test_an_answer_that_ended_in_an_error() -> None:
    with pytest.raises(PlexusError):
        formatted(answered(TextContent(text="so"), finish="error"))


def test_a_refusal_is_text_that_was_stopped() -> None:
    body = formatted(answered(RefusalContent(text="I will not")))
    (found,) = body["candidates"]
    assert found["content"]["parts"] == [{"text": "I will not"}]
    assert found["finishReason"] == "SAFETY"


def test_media_and_calls_of_others() -> None:
    found = shown(
        answered(
            ImageContent(source=MediaSource("base64", data="AAAA", media_type="image/png")),
            ImageContent(source=MediaSource("url", url="https://e.x/a.png")),
            AudioContent(source=MediaSource("base64", data="BBBB"), format="mp3", transcript="hi"),
            AudioContent(transcript="hi"),
            replace(a_call("c1", "sh", "ls"), kind="custom"),
            a_call("c2", "f", "[1]"),
        )
    )
    assert found == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"fileData": {"fileUri": "https://e.x/a.png"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "BBBB"}},
        {"text": "hi"},
        {"functionCall": {"id": "c1", "name": "sh", "args": {"input": "ls"}}},
        {"functionCall": {"id": "c2", "name": "f", "args": {"value": [1]}}},
    ]


def test_T74_tools_that_others_ran_are_hidden() -> None:
    raw = Raw(b"{}")
    found = shown(
        answered(
            ServerToolCallContent(id="s", tool="t", name="n", dialect="x", raw=raw),
            ServerToolResultContent(tool_call_id="s", tool="t", dialect="x", raw=raw),
            OpaqueContent(dialect="x", raw=raw),
            CompactionContent(dialect="x", raw=raw),
            TextContent(text="so"),
        )
    )
    assert found == [{"text": "so"}]


def test_several_choices() -> None:
    first = answered(TextContent(text="a"))
    second = Choice(index=1, message=model("b"), finish=Finish("length"))
    body = formatted(replace(first, choices=(*first.choices, second)))
    assert [(c["index"], c["finishReason"]) for c in body["candidates"]] == [
        (0, "STOP"),
        (1, "MAX_TOKENS"),
    ]


def test_T16_nothing_in_snake_case_leaves() -> None:
    usage = UnifiedUsage(prompt_tokens=1, completion_tokens=1, reasoning_tokens=1)
    body = formatted(answered(TextContent(text="a", proof=OWN), a_call(), usage=usage))

    def names(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [*value, *(n for inner in value.values() for n in names(inner))]
        return [n for inner in value for n in names(inner)] if isinstance(value, list) else []

    assert not [name for name in names(body) if "_" in name]


def test_escapes_of_a_provider_survive() -> None:
    raw = json.dumps(completion({"functionCall": {"name": "f", "args": {"a": "\u2028"}}})).encode()
    found = gemini.parse_response(raw, request_to())
    assert parts(found)[0].arguments == '{"a":"\\u2028"}'
