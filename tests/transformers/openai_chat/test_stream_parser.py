"""A chat provider's stream, in OpenAI's form and in the vendors' (streaming.md §3; traps.md D)."""

import random
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from plexus.streaming.framing import Frame
from plexus.transformers import openai_chat as chat
from plexus.unified.chunks import (
    FinishReport,
    LogprobsDelta,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    AudioContent,
    Citation,
    ImageContent,
    MediaSource,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.response import Finish, UnifiedUsage
from tests.transformers.openai_chat.support import (
    RECEIVED,
    chunk,
    delta,
    folded,
    parts,
    read,
    read_bytes,
    request_to,
    sse,
    target,
)

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
COUNTED = UnifiedUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
OURS = Origin("openai", "upstream", "m-1")


def tool(index: int | None = 0, **members: Any) -> dict[str, Any]:
    numbered = {} if index is None else {"index": index}
    function = {name: members.pop(name) for name in ("name", "arguments") if name in members}
    return {**numbered, **members, **({"function": function} if function else {})}


def test_the_plain_case_event_by_event() -> None:
    found = read(
        delta(role="assistant", content=""),
        delta(content="Hel"),
        delta(content="lo"),
        delta(_finish="stop"),
        chunk(choices=[], usage=USAGE),
    )
    text = TextContent(text="Hello")
    assert found == [
        MessageStart(id="chatcmpl-1", model="gpt", created=RECEIVED, dialect="openai-chat"),
        PartStart(0, TextContent(text="")),
        PartDelta(0, "text", "Hel"),
        PartDelta(0, "text", "lo"),
        UsageReport(COUNTED),
        PartStop(0, text),
        UsageReport(COUNTED, final=True),
        FinishReport(Finish("stop", raw="stop")),
        MessageStop(),
    ]


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b"data:[DONE]", b'data:  "[DONE]" \n\n', b""])
def test_every_form_of_the_end(end: bytes) -> None:
    raw = sse(delta(content="x"), delta(_finish="stop"), done=False) + end
    assert isinstance(read_bytes(raw)[-1], MessageStop)


def test_nothing_comes_after_the_end() -> None:
    parser = chat.stream_parser(request_to())
    frames = [Frame("", b'{"choices":[{"delta":{"content":"x"}}]}'), Frame("", b"[DONE]")]
    assert all(parser.feed(frame) for frame in frames)
    assert not any(parser.feed(frame) for frame in frames)
    assert parser.close() == []


def test_data_that_is_no_json_is_an_error_of_decoding() -> None:
    with pytest.raises(msgspec.DecodeError):
        chat.stream_parser(request_to()).feed(Frame("", b"<html>"))


# -- calls -----------------------------------------------------------------------------------------

A = ToolCallContent(id="call_a", name="f", arguments='{"x":1}')
B = ToolCallContent(id="call_b", name="g", arguments="{}")


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [
                delta(tool_calls=[tool(0, id="call_a", type="function", name="f", arguments="")]),
                delta(tool_calls=[tool(0, arguments='{"x"')]),
                delta(tool_calls=[tool(1, id="call_b", name="g", arguments="{}")]),
                delta(tool_calls=[tool(0, arguments=":1}")]),
            ],
            id="interleaved",
        ),
        pytest.param(
            [
                delta(
                    tool_calls=[
                        tool(0, id="call_a", name="f", arguments='{"x":1}'),
                        tool(1, id="call_b", name="g", arguments="{}"),
                    ]
                )
            ],
            id="T42-two-in-one-chunk",
        ),
        pytest.param(
            [
                delta(tool_calls=[tool(3, id="call_a", name="f", arguments='{"x":1}')]),
                delta(tool_calls=[tool(7, id="call_b", name="g", arguments="{}")]),
            ],
            id="T44-index-not-from-zero",
        ),
        pytest.param(
            [
                delta(tool_calls=[tool(0, id="call_a", name="f", arguments='{"x"')]),
                delta(tool_calls=[tool(0, id="call_a", name="f", arguments=":1}")]),
                delta(tool_calls=[tool(1, id="call_b", name="g", arguments="{}")]),
                delta(tool_calls=[tool(1, id="", name="", arguments="")]),
            ],
            id="T43-id-and-name-repeated",
        ),
        pytest.param(
            [
                delta(tool_calls=[tool(0, id="call_a", name="f", arguments='{"x":1}')]),
                delta(tool_calls=[tool(0, id="call_b", name="g", arguments="{}")]),
            ],
            id="T43-index-reused",
        ),
        pytest.param(
            [
                delta(tool_calls=[tool(0, id="call_a", name="f", arguments='{"x"')]),
                delta(tool_calls=[tool(0, id="call_z", arguments=":1}")]),
                delta(tool_calls=[tool(1, id="call_b", name="g", arguments="{}")]),
            ],
            id="T43-new-id-per-delta",
        ),
        pytest.param(
            [
                delta(tool_calls=[tool(None, id="call_a", name="f", arguments='{"x"')]),
                delta(tool_calls=[tool(None, arguments=":1}")]),
                delta(tool_calls=[tool(None, id="call_b", name="g", arguments="{}")]),
            ],
            id="missing-index",
        ),
        pytest.param(
            [
                delta(tool_calls=[tool(0, id="call_a", type="function")]),
                delta(tool_calls=[tool(0, arguments='{"x"')]),
                delta(tool_calls=[tool(0, name="f", arguments=":1}")]),
                delta(tool_calls=[tool(1, id="call_b", name="g", arguments="{}")]),
            ],
            id="name-late",
        ),
        pytest.param(
            [
                delta(tool_calls=[tool(0, id="call_a", name="f", arguments={"x": 1})]),
                delta(tool_calls=[tool(1, id="call_b", name="g", arguments={})]),
            ],
            id="T58-arguments-as-object",
        ),
    ],
)
def test_calls(chunks: list[Any]) -> None:
    response = folded(*chunks, delta(_finish="tool_calls"))
    found = [
        msgspec.structs.replace(part, arguments=part.arguments.replace(" ", ""))
        for part in parts(response)
    ]
    assert found == [A, B]
    assert response.choices[0].finish == Finish("tool_calls", raw="tool_calls")


def test_T58_arguments_of_null_are_none() -> None:
    calls = [tool(0, id="call_a", name="f", arguments=None)]
    assert parts(folded(delta(tool_calls=calls), delta(_finish="tool_calls"))) == (
        ToolCallContent(id="call_a", name="f"),
    )


def test_calls_without_ids_get_stable_ones() -> None:
    chunks = [
        delta(tool_calls=[tool(None, name="f", arguments="{}")]),
        delta(tool_calls=[tool(None, name="f", arguments="{}")]),
        delta(_finish="stop"),
    ]
    first, second = parts(folded(*chunks))
    assert first.id.startswith("call_")
    assert first.id != second.id
    assert parts(folded(*chunks)) == (first, second)


def test_two_calls_with_one_id_become_two() -> None:
    calls = [tool(0, id="x", name="f", arguments="{}"), tool(1, id="x", name="g", arguments="{}")]
    first, second = parts(folded(delta(tool_calls=calls), delta(_finish="stop")))
    assert first.id == "x" != second.id


def test_a_call_with_an_empty_custom_member_is_a_function() -> None:
    """Snowflake fills every member of a call; what it is, its type or its words say."""
    empty = {"input": "", "name": ""}
    first = {"name": "look", "arguments": '{"a":'}
    calls = [{"index": 0, "id": "c", "type": "function", "function": first, "custom": empty}]
    more = [{"index": 0, "function": {"name": "", "arguments": "1}"}, "custom": empty}]
    response = folded(delta(tool_calls=calls), delta(tool_calls=more), delta(_finish="tool_calls"))
    assert parts(response) == (ToolCallContent(id="c", name="look", arguments='{"a":1}'),)


def test_custom_and_deprecated_calls() -> None:
    custom = [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "n", "input": "a"}}]
    more = [{"index": 0, "custom": {"input": "b"}}]
    response = folded(delta(tool_calls=custom), delta(tool_calls=more), delta(_finish="tool_calls"))
    assert parts(response) == (ToolCallContent(id="c", name="n", arguments="ab", kind="custom"),)
    legacy = folded(
        delta(function_call={"name": "f", "arguments": ""}),
        delta(function_call={"arguments": "{}"}),
        delta(_finish="function_call"),
    )
    assert [(part.name, part.arguments) for part in parts(legacy)] == [("f", "{}")]
    assert legacy.choices[0].finish.reason == "tool_calls"


def test_tool_names_are_mapped_back() -> None:
    to = request_to(tool_names={"a_b": "a.b"})
    response = folded(delta(tool_calls=[tool(0, id="c", name="a_b")]), delta(_finish="stop"), to=to)
    assert parts(response)[0].name == "a.b"


@pytest.mark.parametrize("place", ["google", "vertex"])
def test_T27_signatures_on_calls_even_late_and_without_an_index(place: str) -> None:
    late = {"extra_content": {place: {"thought_signature": "sig"}}}
    for chunks in (
        [delta(tool_calls=[{**tool(0, id="c", name="f", arguments="{}"), **late}])],
        [delta(tool_calls=[tool(0, id="c", name="f", arguments="{}")]), delta(tool_calls=[late])],
        [delta(tool_calls=[tool(0, id="c", name="f", arguments="{}")]), delta(**late)],
    ):
        (part,) = parts(folded(*chunks, delta(_finish="stop")))
        assert part.proof == Proof("sig", "signature", Origin("gemini", "upstream", "m-1"))


# -- text, thinking, refusals ----------------------------------------------------------------------


def test_order_of_text_and_calls_is_kept() -> None:
    response = folded(
        delta(content="a"),
        delta(tool_calls=[tool(0, id="c", name="f", arguments="{}")]),
        delta(content="b"),
        delta(_finish="tool_calls"),
    )
    assert [type(part).__name__ for part in parts(response)] == [
        "TextContent",
        "ToolCallContent",
        "TextContent",
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": {"content": "hm"}},
        {"reasoning": "hm", "reasoning_content": "hm"},
        {
            "reasoning": "hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}],
        },
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    ],
)
def test_T61_reasoning_under_every_name_and_once(members: dict[str, Any]) -> None:
    response = folded(delta(**members), delta(content="x"), delta(_finish="stop"))
    assert parts(response) == (ThinkingContent(text="hm"), TextContent(text="x"))


def test_T62_content_as_a_list_or_an_object() -> None:
    listed = folded(delta(content=[{"type": "text", "text": "x"}]), delta(_finish="stop"))
    assert parts(listed) == (TextContent(text="x"),)
    decoded = folded(delta(content={"a": 1}), delta(_finish="stop"))
    assert parts(decoded) == (TextContent(text='{"a": 1}'),)


def test_T21_thinking_parts_are_never_merged() -> None:
    def text(index: int, **members: Any) -> dict[str, Any]:
        return {"type": "reasoning.text", "index": index, **members}

    response = folded(
        delta(reasoning_details=[text(0, text="a", format="anthropic-claude-v1")]),
        delta(reasoning_details=[text(0, text="b")]),
        delta(reasoning_details=[text(0, signature="s1")]),
        delta(reasoning_details=[text(1, text="c", signature="s2", format="anthropic-claude-v1")]),
        delta(
            reasoning_details=[
                {"type": "reasoning.encrypted", "data": "r", "format": "anthropic-claude-v1"}
            ]
        ),
        delta(content="x"),
        delta(_finish="stop"),
    )
    claude = Origin("anthropic", "upstream", "m-1")
    assert parts(response) == (
        ThinkingContent(text="ab", proof=Proof("s1", "signature", claude)),
        ThinkingContent(text="c", proof=Proof("s2", "signature", claude)),
        ThinkingContent(redacted=True, proof=Proof("r", "encrypted", claude)),
        TextContent(text="x"),
    )


def test_encrypted_reasoning_joins_its_summary() -> None:
    response = folded(
        delta(
            reasoning="a",
            reasoning_details=[{"type": "reasoning.summary", "summary": "a", "index": 0}],
        ),
        delta(
            reasoning_details=[
                {"type": "reasoning.encrypted", "data": "e", "index": 1, "id": "rs_1"}
            ]
        ),
        delta(content="x"),
        delta(_finish="stop"),
    )
    assert parts(response)[0] == ThinkingContent(
        summary=("a",), proof=Proof("e", "encrypted", OURS)
    )


def test_a_proof_for_a_call_that_comes_later() -> None:
    detail = {"type": "reasoning.encrypted", "data": "s", "id": "c", "format": "google-gemini-v1"}
    call = tool(0, id="c", name="f", arguments="{}")
    for chunks in (
        [delta(reasoning_details=[detail]), delta(tool_calls=[call])],
        [delta(tool_calls=[call]), delta(reasoning_details=[detail])],
    ):
        (part,) = parts(folded(*chunks, delta(_finish="stop")))
        assert part.proof == Proof("s", "signature", Origin("gemini", "upstream", "m-1"))


def test_refusals() -> None:
    response = folded(delta(refusal="I ca"), delta(refusal="n't"), delta(_finish="stop"))
    assert parts(response) == (RefusalContent(text="I can't"),)
    assert response.choices[0].finish.reason == "refusal"


def test_annotations_shift_to_their_part() -> None:
    url = {"url": "https://e.x", "title": "E", "start_index": 3, "end_index": 5}
    response = folded(
        delta(content="abc"),
        delta(tool_calls=[tool(0, id="c", name="f", arguments="{}")]),
        delta(content="de"),
        delta(annotations=[{"type": "url_citation", "url_citation": url}]),
        delta(_finish="stop"),
    )
    (citation,) = parts(response)[2].citations
    assert isinstance(citation, Citation)
    assert (citation.start, citation.end, citation.url) == (0, 2, "https://e.x")


def test_audio_and_images() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    response = folded(
        delta(audio={"id": "a1"}),
        delta(audio={"data": "AA"}),
        delta(audio={"data": "BB", "transcript": "hi"}),
        delta(audio={"expires_at": 7}),
        delta(images=[image]),
        delta(_finish="stop"),
    )
    assert parts(response) == (
        AudioContent(
            id="a1", source=MediaSource("base64", data="AABB"), transcript="hi", expires_at=7
        ),
        ImageContent(source=MediaSource("base64", data="AAAA", media_type="image/png")),
    )


def test_logprobs_come_before_the_text_they_belong_to() -> None:
    logprobs = {"content": [{"token": "x", "logprob": -1.0}], "refusal": None}
    choice = {"index": 0, "delta": {"content": "x"}, "logprobs": logprobs, "finish_reason": None}
    found = read(chunk(choices=[choice]), delta(_finish="stop"))
    assert isinstance(found[1], LogprobsDelta)
    assert msgspec.json.decode(found[1].raw) == logprobs


# -- the envelope ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunks",
    [
        [delta(content="x"), delta(_finish="stop"), chunk(choices=[], usage=USAGE)],
        [delta(content="x"), {**delta(_finish="stop"), "usage": USAGE}],
        [
            {**delta(content="x"), "usage": {**USAGE, "completion_tokens": 1}},
            {**delta(_finish="stop"), "usage": USAGE},
        ],
        [delta(content="x"), {**delta(_finish="stop"), "x_groq": {"id": "r", "usage": USAGE}}],
        [
            delta(content="x"),
            chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]),
        ],
        [chunk(choices=None, usage=USAGE), delta(content="x"), delta(_finish="stop")],
    ],
)
def test_T39_usage_anywhere(chunks: list[Any]) -> None:
    assert folded(*chunks).usage == COUNTED


def test_T56_empty_choices_null_deltas_missing_roles() -> None:
    response = folded(
        chunk(id="", model="", choices=[], prompt_filter_results=[{"a": 1}]),
        chunk(choices=None),
        chunk(choices=[{"index": 0, "delta": None, "finish_reason": None}]),
        delta(content="x"),
        chunk(choices=[{"index": 0, "finish_reason": "stop", "content_filter_results": {"x": 1}}]),
    )
    assert parts(response) == (TextContent(text="x"),)
    assert response.id == "chatcmpl-1"
    assert response.ext["openai-chat"].keys() == {"prompt_filter_results"}
    assert response.choices[0].ext["openai-chat"].keys() == {"content_filter_results"}


def test_T63_padding_is_ignored() -> None:
    found = read({**delta(content="x"), "obfuscation": "abc"}, delta(_finish="stop"))
    assert found[0] == MessageStart(
        id="chatcmpl-1", model="gpt", created=RECEIVED, dialect="openai-chat"
    )


def test_what_only_vendors_say_is_kept() -> None:
    response = folded(
        {**delta(content="x"), "system_fingerprint": "fp", "service_tier": "default"},
        {**delta(_finish="stop", channel="final"), "time_info": {"t": 1.5}},
    )
    assert response.service_tier == "standard"
    assert response.ext["openai-chat"] == {
        "system_fingerprint": Raw(b'"fp"'),
        "time_info": Raw(b'{"t": 1.5}'),
    }
    assert response.choices[0].ext["openai-chat"] == {"message": Raw(b'{"channel":"final"}')}


@pytest.mark.parametrize(
    ("word", "calls", "expected"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("tool_calls", False, "stop"),
        ("function_call", True, "tool_calls"),
        ("length", False, "length"),
        ("length", True, "length"),
        ("content_filter", False, "content_filter"),
        ("eos", False, "stop"),
        ("model_length", False, "context_window"),
        ("banana", False, "other"),
        ("banana", True, "tool_calls"),
        ("", True, "tool_calls"),
        (None, False, "stop"),
    ],
)
def test_T45_T64_finish_by_word_and_content(word: str | None, calls: bool, expected: str) -> None:
    made = [tool(0, id="c", name="f", arguments="{}")] if calls else None
    found = folded(delta(content="x", tool_calls=made), delta(_finish=word))
    assert found.choices[0].finish.reason == expected


def test_the_first_finish_wins_and_text_may_follow() -> None:
    response = folded(
        delta(content="a", _finish="stop"), delta(content="b"), delta(_finish="length")
    )
    assert response.choices[0].finish.reason == "stop"
    assert parts(response) == (TextContent(text="ab"),)


def test_a_stop_string_that_the_vendor_names() -> None:
    end = {"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "END"}
    assert folded(delta(content="x"), chunk(choices=[end])).choices[0].finish == Finish(
        "stop_sequence", stop_sequence="END", raw="stop"
    )
    token = folded(delta(content="x"), chunk(choices=[{**end, "stop_reason": 7}])).choices[0]
    assert token.finish.reason == "stop"
    assert token.ext == {"openai-chat": {"stop_reason": Raw(b"7")}}


def test_several_choices_keep_apart() -> None:
    response = folded(
        delta(_index=1, content="b"),
        delta(content="a"),
        delta(_index=1, content="B"),
        delta(_finish="stop"),
        delta(_index=1, _finish="length"),
    )
    assert [(c.index, c.message.text, c.finish.reason) for c in response.choices] == [
        (0, "a", "stop"),
        (1, "bB", "length"),
    ]


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        (chunk(error={"message": "boom", "code": 502}), "upstream", "boom"),
        (
            {"error": {"message": "slow down", "type": "rate_limit_error"}},
            "rate_limit",
            "slow down",
        ),
        ({"error": "plain words"}, "upstream", "plain words"),
        ({**delta(), "x_groq": {"error": "groq broke"}}, "upstream", "groq broke"),
        (
            {"object": "error", "message": "vllm broke", "code": 400},
            "invalid_request",
            "vllm broke",
        ),
        ({"detail": "no such thing"}, "upstream", "no such thing"),
        (
            chunk(
                choices=[
                    {
                        "index": 0,
                        "delta": {},
                        "finish_reason": "error",
                        "error": {"message": "or", "code": 429},
                    }
                ]
            ),
            "rate_limit",
            "or",
        ),
        (delta(_finish="error"), "upstream", "error"),
        (delta(_finish="insufficient_system_resource"), "overloaded", "insufficient"),
        (
            {"error": {"message": "m", "status_code": 400, "code": "tool_use_failed"}},
            "upstream",
            "m",
        ),
    ],
)
def test_T46_errors_in_a_stream(bad: Any, kind: str, words: str) -> None:
    found = read(delta(content="x"), bad, done=False)
    assert isinstance(found[-1], StreamError)
    assert found[-1].partial
    assert found[-1].error.kind == kind
    assert words in found[-1].error.message


def test_an_error_before_content_is_not_partial() -> None:
    assert read({"error": {"message": "m", "code": 401}}, done=False)[-1] == StreamError(
        found_error({"error": {"message": "m", "code": 401}}), partial=False
    )


def found_error(bad: Any) -> Any:
    with pytest.raises(PlexusError) as caught:
        folded(bad, done=False)
    assert caught.value.error.code == "upstream_credential"
    return caught.value.error


def test_T47_an_early_end_is_an_error() -> None:
    for chunks in ([delta(content="x")], []):
        found = read(*chunks, done=False)
        assert isinstance(found[-1], StreamError)
        assert found[-1].error.kind == "upstream"


def test_a_stream_without_any_choice_is_an_error() -> None:
    found = read(chunk(choices=[], usage=USAGE))
    assert isinstance(found[-1], StreamError)
    assert found[-1].error.code == "upstream_empty"


@pytest.mark.parametrize("index", [-1, 128, 10**9])
def test_a_wild_choice_index_is_no_chat(index: int) -> None:
    with pytest.raises(msgspec.DecodeError):
        read(delta(_index=index, content="x"))


# -- splits ----------------------------------------------------------------------------------------


def test_T54_T55_splits_change_nothing(seeded: random.Random) -> None:
    raw = sse(
        delta(role="assistant", content=""),
        delta(reasoning_content="hm\u2028 ünï"),
        delta(content="日本\u0085語"),
        delta(tool_calls=[tool(0, id="c", name="f", arguments='{"ä":1}')]),
        delta(_finish="tool_calls"),
        chunk(choices=[], usage=USAGE),
    )
    whole = read_bytes(raw)
    assert read_bytes(raw, [1] * len(raw)) == whole
    for _ in range(20):
        sizes = [seeded.randrange(1, 40) for _ in range(200)]
        assert read_bytes(raw, sizes) == whole


def test_the_family_of_a_proof_is_the_targets() -> None:
    detail = {"type": "reasoning.text", "text": "a", "signature": "s", "index": 0}
    response = folded(
        delta(reasoning_details=[detail]), delta(_finish="stop"), to=request_to(target("zai"))
    )
    assert parts(response)[0].proof.origin.family == "zai"
