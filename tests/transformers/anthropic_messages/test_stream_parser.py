"""A provider's stream to chunks, with everything vendors do to it (streaming.md §5)."""

import json
import random
from typing import Any

import msgspec
import pytest

from plexus.streaming.framing import Frame
from plexus.transformers import anthropic_messages as dialect
from plexus.unified.chunks import (
    MessageStart,
    OpaqueChunk,
    Ping,
    StreamChunk,
    StreamError,
    check_grammar,
)
from plexus.unified.content import (
    CompactionContent,
    Content,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.fold import fold
from plexus.unified.response import Finish, UnifiedChatResponse
from tests.transformers.anthropic_messages.support import (
    NAME,
    block,
    end,
    frames,
    read,
    start,
    text,
    wire,
)

TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}
PROVIDER = Origin("anthropic", "anthropic", "claude")


def tool(**fields: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "t", "name": "f", "input": {}, **fields}


def piece(value: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": value}


def folded(*events: dict[str, Any], **wire_fields: Any) -> UnifiedChatResponse:
    chunks = read(*events, **wire_fields)
    check_grammar(chunks)
    return fold(chunks)


def parts(*events: dict[str, Any], **wire_fields: Any) -> tuple[Content, ...]:
    """The parts of a whole stream around these events."""
    found = folded(start(), *events, *end(), **wire_fields)
    return found.choices[0].message.content


def failed(*events: dict[str, Any]) -> StreamError:
    chunks = read(*events)
    check_grammar(chunks)
    last = chunks[-1]
    assert isinstance(last, StreamError)
    return last


def test_everything_in_order() -> None:
    found = parts(
        {"type": "ping"},
        *block(
            0,
            THINKING,
            {"type": "thinking_delta", "thinking": "h"},
            {"type": "thinking_delta", "thinking": "m"},
            {"type": "signature_delta", "signature": "sig"},
        ),
        *block(1, {"type": "redacted_thinking", "data": "enc"}),
        *block(2, TEXT, text("a"), text("b")),
        *block(3, tool(), piece('{"a"'), piece(": 1}")),
    )
    assert found == (
        ThinkingContent(text="hm", proof=Proof("sig", "signature", PROVIDER)),
        ThinkingContent(redacted=True, proof=Proof("enc", "encrypted", PROVIDER)),
        TextContent(text="ab"),
        ToolCallContent(id="t", name="f", arguments='{"a": 1}'),
    )


def test_same_as_the_json_answer() -> None:
    usage = {"input_tokens": 3, "output_tokens": 2}
    body = {
        **start()["message"],
        "content": [{"type": "text", "text": "ab"}],
        "stop_reason": "end_turn",
        "usage": usage,
    }
    whole = dialect.parse_response(json.dumps(body).encode(), wire())
    assert folded(start(), *block(0, TEXT, text("ab")), *end()) == whole


def test_pings_and_unknown_events() -> None:
    chunks = read(start(), {"type": "ping"}, {"type": "future", "x": 1}, *end())
    assert Ping() in chunks
    assert [chunk.name for chunk in chunks if isinstance(chunk, OpaqueChunk)] == ["future"]


def test_T36_usage_replaces_field_by_field() -> None:
    found = folded(
        start(usage={"input_tokens": 9, "cache_read_input_tokens": 5, "output_tokens": 1}),
        *end(input_tokens=None, output_tokens=20, output_tokens_details={"thinking_tokens": 4}),
    ).usage
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens) == (14, 20)
    assert (found.cache_read_tokens, found.reasoning_tokens) == (5, 4)


@pytest.mark.parametrize("usage", [{}, {"usage": None}])
def test_usage_only_in_message_delta(usage: dict[str, Any]) -> None:
    begin = start(**usage)
    if not usage:
        del begin["message"]["usage"]
    found = folded(begin, *block(0, TEXT, text("a")), *end(input_tokens=7, output_tokens=3))
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (7, 3)


def test_no_usage_at_all() -> None:
    begin = start(usage=None)
    found = folded(begin, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, end()[1])
    assert found.usage is None


def test_message_delta_several_times() -> None:
    found = folded(
        start(),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "max_tokens"},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 2}},
        {"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "X"}},
        end()[1],
    )
    assert found.choices[0].finish == Finish("stop_sequence", "X", "stop_sequence")
    assert found.usage is not None and found.usage.completion_tokens == 2


def test_indexes_are_not_trusted() -> None:
    from_one = parts(*block(1, TEXT, text("a")), *block(2, tool(), piece("{}")))
    repeated = parts(*block(0, TEXT, text("a")), *block(0, tool(), piece("{}")))
    assert from_one == repeated
    wrong = parts(
        {"type": "content_block_start", "index": 0, "content_block": TEXT},
        {"type": "content_block_delta", "index": 7, "delta": text("a")},
        {"type": "content_block_stop", "index": 0},
    )
    assert wrong == (TextContent(text="a"),)


def test_blocks_that_nobody_stops() -> None:
    one = block(0, TEXT, text("a"))[:-1]
    assert parts(*one, *block(0, tool(), piece("{}"))[:-1]) == (
        TextContent(text="a"),
        ToolCallContent(id="t", name="f", arguments="{}"),
    )


def test_T59_second_message_start() -> None:
    again = start(id="msg_2", usage={"input_tokens": 8, "output_tokens": 1})
    found = folded(start(), again, *block(0, TEXT, text("a")), *end())
    assert found.id == "msg_1"
    assert found.usage is not None and found.usage.prompt_tokens == 8
    late = failed(start(), *block(0, TEXT, text("a")), again)
    assert late.partial and late.error.kind == "upstream"


def test_T41_text_inside_an_open_tool() -> None:
    found = parts(
        {"type": "content_block_start", "index": 0, "content_block": tool()},
        {"type": "content_block_delta", "index": 0, "delta": piece('{"a":')},
        {"type": "content_block_delta", "index": 0, "delta": text("oops")},
        {"type": "content_block_delta", "index": 0, "delta": piece("1}")},
        {"type": "content_block_stop", "index": 0},
    )
    assert found == (
        ToolCallContent(id="t", name="f", arguments='{"a":1}'),
        TextContent(text="oops"),
    )


def test_deltas_without_a_block() -> None:
    assert parts({"type": "content_block_delta", "index": 0, "delta": text("a")}) == (
        TextContent(text="a"),
    )
    assert failed(start(), {"type": "content_block_delta", "index": 0, "delta": piece("{")})


@pytest.mark.parametrize(
    ("events", "arguments"),
    [
        (block(0, tool()), "{}"),
        (block(0, tool(), piece("")), "{}"),
        (block(0, tool(input={"a": 1.0})), '{"a":1.0}'),
        (block(0, tool(input={"a": 1}), piece('{"b":2}')), '{"b":2}'),
        (block(0, tool(input=None)), "{}"),
    ],
    ids=["none", "empty", "in the start", "deltas win", "null"],
)
def test_T58_input_in_all_its_forms(events: list[Any], arguments: str) -> None:
    assert parts(*events) == (ToolCallContent(id="t", name="f", arguments=arguments),)


def test_T59_two_inputs_in_one_call() -> None:
    found = failed(start(), *block(0, tool(), piece('{"a":1}'), piece('{"b":2}')), *end())
    assert found.error.kind == "upstream"


def test_half_written_input_at_the_limit() -> None:
    found = folded(start(), *block(0, tool(), piece('{"a":')), *end("max_tokens"))
    assert found.choices[0].finish.reason == "length"
    assert found.choices[0].message.tool_calls[0].arguments == '{"a":'


def test_signature_replaces() -> None:
    signed = [{"type": "signature_delta", "signature": s} for s in ("one", "two")]
    (found,) = parts(*block(0, THINKING, *signed))
    assert found == ThinkingContent(proof=Proof("two", "signature", PROVIDER))


def test_text_and_thinking_in_the_start() -> None:
    assert parts(
        *block(0, {"type": "thinking", "thinking": "h", "signature": "s"}),
        *block(1, {"type": "text", "text": "a"}, text("b")),
    ) == (
        ThinkingContent(text="h", proof=Proof("s", "signature", PROVIDER)),
        TextContent(text="ab"),
    )


def test_citations_before_their_text() -> None:
    cited = [
        {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": str(n)}}
        for n in range(2)
    ]
    (found,) = parts(*block(0, {"type": "text", "text": "", "citations": []}, *cited, text("a")))
    assert isinstance(found, TextContent)
    assert [c.cited_text for c in found.citations] == ["0", "1"]
    assert found.text == "a"


def test_server_tools() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    done = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    first, second = parts(
        *block(0, use, piece('{"query":'), piece(' "q"}')), *block(1, done), *block(2, TEXT)
    )[:2]
    assert isinstance(first, ServerToolCallContent) and isinstance(second, ServerToolResultContent)
    assert json.loads(bytes(first.raw)) == {**use, "input": {"query": "q"}}
    assert first.arguments == '{"query":"q"}'


def test_compaction_and_unknown_blocks() -> None:
    grown = block(
        0, {"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "sum"}
    )
    first, second = parts(*grown, *block(1, {"type": "fallback", "model": "x"}))
    assert isinstance(first, CompactionContent) and first.summary == "sum"
    assert isinstance(second, OpaqueContent)


def test_refusal_with_details() -> None:
    details = {"type": "refusal", "category": None, "explanation": "no"}
    delta = {"stop_reason": "refusal", "stop_details": details}
    found = folded(start(), {"type": "message_delta", "delta": delta, "usage": {}}, end()[1])
    assert found.choices[0].message.content == (RefusalContent(text="no"),)
    assert found.choices[0].finish.reason == "refusal"


def test_container() -> None:
    delta = {"stop_reason": "end_turn", "container": {"id": "c"}}
    found = folded(start(diagnostics={"x": 1}), {"type": "message_delta", "delta": delta}, end()[1])
    assert set(found.ext[NAME]) == {"container", "diagnostics"}


def test_names_custom_tools_and_structured_output_are_undone() -> None:
    tools = {
        "tool_names": {"a_b": "a.b", "sql": "s q l"},
        "custom_tools": frozenset({"sql"}),
        "structured_tool": "out",
    }
    found = folded(
        start(),
        *block(0, tool(name="a_b"), piece("{}")),
        *block(1, tool(id="u", name="sql"), piece('{"input":"sel'), piece('ect"}')),
        *block(2, tool(id="v", name="out"), piece('{"n":'), piece("1}")),
        *end("tool_use"),
        **tools,
    )
    assert found.choices[0].message.content == (
        ToolCallContent(id="t", name="a.b", arguments="{}"),
        ToolCallContent(id="u", name="s q l", arguments="select", kind="custom"),
        TextContent(text='{"n":1}'),
    )
    only = folded(start(), *block(0, tool(name="out"), piece("{}")), *end("tool_use"), **tools)
    assert only.choices[0].finish.reason == "stop"


def test_content_in_message_start() -> None:
    begin = start(content=[{"type": "text", "text": "a"}])
    found = folded(begin, *end())
    assert found.choices[0].message.content == (TextContent(text="a"),)


def test_stream_without_message_start() -> None:
    found = folded(*block(0, TEXT, text("a")), *end())
    assert (found.id, found.choices[0].message.text) == ("", "a")


@pytest.mark.parametrize(
    "events",
    [
        [],
        [start()],
        [start(), *block(0, TEXT, text("a"))],
        [start(), *block(0, TEXT, text("a"))[:2]],
        [start(), *block(0, TEXT, text("a")), end()[0]],
    ],
    ids=["nothing", "start", "content", "open", "delta"],
)
def test_T47_truncated(events: list[Any]) -> None:
    found = failed(*events)
    assert found.error.kind == "upstream"
    assert "closed the stream before it was complete" in found.error.message
    assert found.partial == (len(events) > 1)


def test_message_stop_without_a_reason() -> None:
    assert failed(start(), *block(0, TEXT, text("a")), {"type": "message_stop"}).partial
    assert not failed(start(), {"type": "message_stop"}).partial


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (
            Frame("error", b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}'),
            "overloaded",
        ),
        (
            Frame("", b'{"type":"error","error":{"type":"rate_limit_error","message":"m"}}'),
            "rate_limit",
        ),
        (Frame("", b'{"error":{"message":"m","code":500}}'), "upstream"),
        (Frame("", b'{"error":"m"}'), "upstream"),
        (Frame("error", b"plain words"), "upstream"),
        (Frame("error", b'{"type":"error","error":{"type":"authentication_error"}}'), "upstream"),
        (Frame("", b'{"type":"content_block_start","index":0}'), "upstream"),
        (Frame("", b'{"type":"content_block_start","index":0,"content_block":{}}'), "upstream"),
    ],
)
def test_T46_errors_in_the_stream(frame: Frame, kind: str) -> None:
    parser = dialect.stream_parser(wire())
    chunks: list[StreamChunk] = parser.feed(frames(start())[0]) + parser.feed(frame)
    assert isinstance(chunks[-1], StreamError) and chunks[-1].error.kind == kind
    assert parser.feed(frames(start())[0]) == [] and parser.close() == []


def test_frames_without_data() -> None:
    parser = dialect.stream_parser(wire())
    for data in (b"", b"  ", b"[DONE]", b" [DONE]\n"):
        assert parser.feed(Frame("", data)) == []


def test_event_name_stands_in_for_the_type() -> None:
    parser = dialect.stream_parser(wire())
    chunks = [
        chunk
        for frame in frames(start(), *block(0, TEXT, text("a")), *end())
        for chunk in parser.feed(Frame(frame.event, _untyped(frame.data)))
    ]
    assert fold(chunks).choices[0].message.text == "a"


def _untyped(data: bytes) -> bytes:
    return json.dumps({k: v for k, v in json.loads(data).items() if k != "type"}).encode()


def test_data_that_is_no_event() -> None:
    parser = dialect.stream_parser(wire())
    for data in (b"[]", b"not json", b'{"type":5}'):
        with pytest.raises(msgspec.MsgspecError):
            parser.feed(Frame("", data))
    deep = dialect.stream_parser(wire()).feed(Frame("", b'{"x":' * 100_000))
    assert isinstance(deep[-1], StreamError)


def test_T54_T55_byte_splits_change_nothing(seeded: random.Random) -> None:
    words = "Grüße \u2028 and 世界\u0085 🎉"
    stream = b"".join(
        map(dialect.encoder().encode, frames(start(), *block(0, TEXT, text(words)), *end()))
    )

    def split(cuts: list[int]) -> list[StreamChunk]:
        decoder, parser = dialect.decoder(), dialect.stream_parser(wire())
        found: list[StreamChunk] = []
        for begin, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            for frame in decoder.feed(stream[begin:stop]):
                found += parser.feed(frame)
        for frame in decoder.close():
            found += parser.feed(frame)
        return found + parser.close()

    whole = split([])
    assert isinstance(whole[0], MessageStart)
    assert fold(whole).choices[0].message.text == words
    assert split(list(range(1, len(stream)))) == whole
    for _ in range(20):
        assert split(sorted(seeded.sample(range(1, len(stream)), 9))) == whole
