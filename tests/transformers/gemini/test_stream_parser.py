"""Google's streams read: events, arrays, pieces of calls, and every way to end."""

import json
from typing import Any

import pytest

from plexus.transformers import gemini
from plexus.unified.chunks import (
    FinishReport,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    ImageContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.request import CustomTool, FunctionTool
from tests.transformers.gemini.support import (
    TARGET,
    USAGE,
    answer,
    asked,
    candidate,
    completion,
    event,
    folded,
    parts,
    read,
    read_bytes,
    sse,
    user,
)


def error(*events: Any) -> StreamError:
    last = read(*events)[-1]
    assert isinstance(last, StreamError)
    return last


# -- events --------------------------------------------------------------------------------------


def test_text_grows_in_one_part() -> None:
    chunks = read(event({"text": "a"}), event({"text": "b"}, finish="STOP", usageMetadata=USAGE))
    assert [type(chunk) for chunk in chunks] == [
        MessageStart,
        PartStart,
        PartDelta,
        PartDelta,
        UsageReport,
        PartStop,
        UsageReport,
        FinishReport,
        MessageStop,
    ]
    assert chunks[0] == MessageStart(id="r1", model="gemini-x", dialect="gemini")
    stop = chunks[5]
    assert isinstance(stop, PartStop)
    assert stop.part == TextContent(text="ab")


def test_thoughts_and_text() -> None:
    found = folded(
        event({"text": "H", "thought": True}),
        event({"text": "m", "thought": True}, {"text": "so"}),
        event({"text": " on"}, finish="STOP"),
    )
    assert parts(found) == (ThinkingContent(text="Hm"), TextContent(text="so on"))


def test_T26_a_signed_part_is_merged_with_no_other() -> None:
    found = folded(
        event({"text": "a"}),
        event({"text": "b", "thoughtSignature": "c2ln"}),
        event({"text": "c"}),
        event({"text": "", "thoughtSignature": "dw=="}, finish="STOP"),
    )
    assert [(p.text, p.proof.value if p.proof else None) for p in parts(found)] == [
        ("a", None),
        ("b", "c2ln"),
        ("c", None),
        ("", "dw=="),
    ]


def test_empty_text_is_nothing() -> None:
    assert parts(folded(event({"text": ""}), event({"text": ""}, finish="STOP"))) == ()


def test_T42_calls_in_one_event_and_in_several() -> None:
    found = folded(
        event({"functionCall": {"name": "f", "args": {"x": 1.0}}}, {"functionCall": {"name": "g"}}),
        event({"functionCall": {"name": "f"}}),
        event(finish="STOP"),
    )
    calls = parts(found)
    assert [(call.name, call.arguments) for call in calls] == [
        ("f", '{"x":1.0}'),
        ("g", "{}"),
        ("f", "{}"),
    ]
    assert len({call.id for call in calls}) == 3
    assert found.choices[0].finish.reason == "tool_calls"


def test_a_signature_is_known_when_its_call_starts() -> None:
    chunks = read(event({"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"}, finish="STOP"))
    start = next(chunk for chunk in chunks if isinstance(chunk, PartStart))
    assert start.part.proof is not None
    assert start.part.proof.value == "c2ln"


def test_names_and_custom_tools_of_the_client() -> None:
    request = asked(user("hi"), tools=(FunctionTool(name="my tool"), CustomTool(name="sh")))
    to = gemini.format_request(request, TARGET)
    found = folded(
        event(
            {"functionCall": {"name": "my_tool"}},
            {"functionCall": {"name": "sh", "args": {"input": "ls"}}},
            finish="STOP",
        ),
        to=to,
    )
    first, second = parts(found)
    assert first.name == "my tool"
    assert (second.kind, second.arguments) == ("custom", "ls")


def test_media_and_tools_that_google_ran_come_whole() -> None:
    found = folded(
        event({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        event({"codeExecutionResult": {"outcome": "OUTCOME_OK"}}, finish="STOP"),
    )
    image, result = parts(found)
    assert isinstance(image, ImageContent)
    assert isinstance(result, ServerToolResultContent)


def test_the_same_answer_as_json_and_as_stream() -> None:
    pieces = (
        {"text": "Hm", "thought": True},
        {"text": "so"},
        {"functionCall": {"id": "f1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"},
    )
    streamed = folded(
        *(event(piece) for piece in pieces), event(finish="STOP", usageMetadata=USAGE)
    )
    assert streamed == answer(completion(*pieces))


def test_candidates_side_by_side() -> None:
    found = folded(
        {"candidates": [candidate({"text": "a"}, finish=None)]},
        {"candidates": [candidate({"text": "x"}, finish=None, index=1)]},
        {
            "candidates": [
                candidate({"text": "b"}),
                candidate({"text": "y"}, finish="MAX_TOKENS", index=1),
            ]
        },
    )
    assert [(c.message.text, c.finish.reason) for c in found.choices] == [
        ("ab", "stop"),
        ("xy", "length"),
    ]


# -- usage, grounding, ends ----------------------------------------------------------------------


def test_T37_usage_keeps_the_highest_count_of_each() -> None:
    found = folded(
        event({"text": "a"}, usageMetadata={"promptTokenCount": 9, "thoughtsTokenCount": 4}),
        event({"text": "b"}, usageMetadata={"promptTokenCount": 9, "candidatesTokenCount": 3}),
        event(finish="STOP", usageMetadata={"candidatesTokenCount": 2, "totalTokenCount": 16}),
    ).usage
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == (9, 7, 16)
    assert found.reasoning_tokens == 4


def test_T40_usage_is_known_before_the_end() -> None:
    chunks = read(event({"text": "a"}, usageMetadata=USAGE), event(finish="STOP"))
    assert isinstance(chunks[0], MessageStart)
    assert chunks[0].usage is not None
    assert chunks[0].usage.prompt_tokens == 3


def test_grounding_and_usage_behind_the_finish() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.x"}}],
        "groundingSupports": [
            {"segment": {"endIndex": 2, "text": "so"}, "groundingChunkIndices": [0]}
        ],
    }
    found = folded(
        event({"text": "so"}),
        event({"functionCall": {"name": "f"}}, finish="STOP"),
        {"candidates": [{"index": 0, "groundingMetadata": grounding}]},
        {"usageMetadata": USAGE},
    )
    text, _ = parts(found)
    assert [citation.url for citation in text.citations] == ["https://a.x"]
    assert found.usage is not None
    assert found.choices[0].ext["gemini"].keys() == {"groundingMetadata"}


def test_T82_a_blocked_prompt() -> None:
    found = folded({"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r1"})
    assert parts(found) == ()
    assert found.choices[0].finish.reason == "content_filter"


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "MISSING_THOUGHT_SIGNATURE"])
def test_T70_a_malformed_call_before_content_can_fail_over(word: str) -> None:
    found = error(event(finish=word))
    assert (found.error.kind, found.partial) == ("upstream", False)
    assert word in found.error.message
    assert folded(event({"text": "a"}), event(finish=word)).choices[0].finish.raw == word


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event({"text": "a"})],
        [event({"text": "a"}, usageMetadata=USAGE)],
        [{"usageMetadata": USAGE}],
    ],
)
def test_T47_an_end_without_a_finish_was_a_cut(events: list[Any]) -> None:
    found = error(*events)
    assert "before it was complete" in found.error.message
    assert found.partial == any("candidates" in e for e in events)


@pytest.mark.parametrize(
    "raw",
    [
        b'data: {"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}\n\n',
        b'data: [{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}]\n\n',
        b'{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}\n\n',
        b'{\n  "error": {\n    "code": 503,\n    "message": "busy"\n  }\n}\n',
        b'[{\n  "error": {"code": 503, "message": "busy"}\n}\n]',
    ],
)
def test_T46_errors_in_every_form(raw: bytes) -> None:
    (found,) = read_bytes(raw)
    assert isinstance(found, StreamError)
    assert (found.error.kind, found.error.message) == ("overloaded", "busy")
    if not raw.startswith(b"[{"):
        late = read_bytes(sse(event({"text": "a"})) + raw)[-1]
        assert isinstance(late, StreamError)
        assert late.partial


def test_an_array_in_place_of_events() -> None:
    events = [event({"text": "a\n"}), event({"text": "b"}, finish="STOP", usageMetadata=USAGE)]
    whole = json.dumps(events, indent=2).encode()
    assert read_bytes(whole) == read_bytes(sse(*events))
    cut = read_bytes(whole[: len(whole) // 2])[-1]
    assert isinstance(cut, StreamError)


def test_done_and_blank_lines_are_nothing() -> None:
    raw = b"\n\n" + sse(event({"text": "a"}, finish="STOP")) + b"\n\ndata: [DONE]\n\n"
    assert isinstance(read_bytes(raw)[-1], MessageStop)


@pytest.mark.parametrize("bad", [{"candidates": 1}, {"candidates": [{"content": {"parts": [1]}}]}])
def test_events_of_another_shape(bad: Any) -> None:
    assert error(bad).error.kind == "upstream"


# -- calls in pieces -----------------------------------------------------------------------------


def piece(*arguments: Any, more: bool = True, name: str | None = None) -> dict[str, Any]:
    call: dict[str, Any] = {"willContinue": True} if more else {}
    if name is not None:
        call["name"] = name
    if arguments:
        call["partialArgs"] = list(arguments)
    return {"functionCall": call}


def test_a_call_in_pieces() -> None:
    found = folded(
        event({**piece(name="f"), "thoughtSignature": "c2ln"}),
        event(piece({"jsonPath": "$.city", "stringValue": "Zü", "willContinue": True})),
        event(piece({"jsonPath": "$.city", "stringValue": "rich", "willContinue": True})),
        event(piece({"jsonPath": "$.city", "stringValue": ""})),
        event(piece({"jsonPath": "$.days", "numberValue": 2})),
        event(piece({"jsonPath": "$.at.x[0].y", "boolValue": True})),
        event(piece({"jsonPath": "$.at.x[1]", "nullValue": None})),
        event(piece({"jsonPath": "$['odd key']", "stringValue": "a"})),
        event(piece(more=False)),
        event(piece(more=False, name="g"), finish="STOP"),
    )
    first, second = parts(found)
    assert isinstance(first, ToolCallContent)
    assert json.loads(first.arguments) == {
        "city": "Zürich",
        "days": 2,
        "at": {"x": [{"y": True}, None]},
        "odd key": "a",
    }
    assert first.proof is not None
    assert (second.name, second.arguments) == ("g", "{}")


def test_a_call_in_pieces_that_never_ends() -> None:
    found = folded(
        event(piece(name="f")), event(piece({"jsonPath": "$.a", "stringValue": "b"}), finish="STOP")
    )
    assert parts(found)[0].arguments == '{"a":"b"}'


@pytest.mark.parametrize(
    "path", ["", "$", "city", "$.a..b", "$[5]", "$.a[99999]", "$[0]", "$" + ".a" * 200, "$.x[0"]
)
def test_paths_that_lead_nowhere(path: str) -> None:
    found = error(event(piece(name="f")), event(piece({"jsonPath": path, "stringValue": "a"})))
    assert found.error.kind == "upstream"
