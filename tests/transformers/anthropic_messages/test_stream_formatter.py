"""Chunks to a client's stream: one open block at a time (streaming.md §6)."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from plexus.transformers import anthropic_messages as dialect
from plexus.transformers.proofs import open_envelope
from plexus.unified.chunks import (
    FinishReport,
    LogprobsDelta,
    MessageStart,
    MessageStop,
    OpaqueChunk,
    PartDelta,
    PartStart,
    PartStop,
    Ping,
    StreamChunk,
    StreamError,
    UsageReport,
    check_grammar,
)
from plexus.unified.content import (
    AudioContent,
    Citation,
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
from plexus.unified.errors import UnifiedError
from plexus.unified.fold import PartBuilder, fold, unfold
from plexus.unified.response import Finish, UnifiedUsage
from tests.transformers.anthropic_messages.checker import check_stream
from tests.transformers.anthropic_messages.support import (
    NAME,
    OWN,
    answer,
    events,
    message,
    raw,
    read,
    request,
    written,
)

BEGIN = MessageStart(id="chatcmpl-1", model="gpt", dialect="openai-chat")
FOREIGN = Proof("enc", "encrypted", Origin("openai"))
USAGE = UnifiedUsage(prompt_tokens=10, completion_tokens=5, total_tokens=15, cache_read_tokens=4)


def whole(
    *chunks: StreamChunk, reason: Any = "stop", begin: MessageStart = BEGIN
) -> list[StreamChunk]:
    return [
        begin,
        *chunks,
        UsageReport(USAGE, final=True),
        FinishReport(Finish(reason)),
        MessageStop(),
    ]


def blocks(*chunks: StreamChunk, reason: Any = "stop", begin: MessageStart = BEGIN) -> list[Any]:
    """What an SDK accumulates from a stream of these chunks."""
    found = whole(*chunks, reason=reason, begin=begin)
    check_grammar(found)
    return check_stream(written(found), cut=reason == "length")


def text(index: int, *pieces: str) -> list[StreamChunk]:
    deltas = [PartDelta(index, "text", piece) for piece in pieces]
    stop = PartStop(index, TextContent(text="".join(pieces)))
    return [PartStart(index, TextContent(text="")), *deltas, stop]


def call(index: int, *pieces: str, **fields: Any) -> list[StreamChunk]:
    part = ToolCallContent(id=f"call_{index}", name="f", **fields)
    deltas = [PartDelta(index, "tool_args", piece) for piece in pieces]
    stop = PartStop(index, replace(part, arguments="".join(pieces)))
    return [PartStart(index, part), *deltas, stop]


def tool(index: int, value: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"call_{index}", "name": "f", "input": value}


def test_whole_stream() -> None:
    found = events(written(whole(*text(0, "a", "b"))))
    assert [event["type"] for event in found] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, delta = found[0]["message"], found[-2]
    assert start["id"].startswith("msg_") and start["model"] == "gpt"
    assert delta["delta"] == {
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
    }
    assert delta["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 4,
        "output_tokens": 5,
    }


def test_T52_events_have_names_and_T53_pings_have_data() -> None:
    encoder = dialect.encoder()
    assert encoder.keep_alive() == b'event: ping\ndata: {"type":"ping"}\n\n'
    (frame,) = written([Ping()])
    assert encoder.encode(frame) == encoder.keep_alive()
    for frame in written(whole(*text(0, "a"))):
        assert encoder.encode(frame).startswith(b"event: ")


def test_usage_is_estimated_until_it_is_known() -> None:
    asked = request(message("user", "x" * 400), source=OWN)
    found = events(
        written([BEGIN, *text(0, "y" * 40), FinishReport(Finish("stop")), MessageStop()], asked)
    )
    assert found[0]["message"]["usage"]["input_tokens"] == 100
    assert found[0]["message"]["usage"]["output_tokens"] == 0
    assert found[-2]["usage"]["input_tokens"] == 100
    assert found[-2]["usage"]["output_tokens"] == 10


def test_T41_T42_parallel_calls_are_untangled() -> None:
    first, second = call(0, '{"a":', "1}"), call(1, '{"b":', "2}")
    tangled = [first[0], first[1], second[0], second[1], first[2], second[2], first[3], second[3]]
    assert blocks(*tangled, reason="tool_calls") == [tool(0, {"a": 1}), tool(1, {"b": 2})]


def test_calls_stream_on_when_the_one_before_is_complete() -> None:
    first, second = call(0, '{"a":1}'), call(1, '{"b":', "2}")
    formatter = dialect.stream_formatter(request(source=OWN))
    for chunk in (BEGIN, first[0], first[1]):
        formatter.feed(chunk)
    kinds = [frame.event for frame in formatter.feed(second[0])]
    assert kinds == ["content_block_stop", "content_block_start"]
    assert [frame.event for frame in formatter.feed(second[1])] == ["content_block_delta"]


def test_call_that_becomes_complete_lets_the_next_go() -> None:
    first, second = call(0, '{"a":', "1}"), call(1, "{}")
    formatter = dialect.stream_formatter(request(source=OWN))
    for chunk in (BEGIN, first[0], first[1], second[0]):
        formatter.feed(chunk)
    kinds = [frame.event for frame in formatter.feed(first[2])]
    assert kinds == ["content_block_delta", "content_block_stop", "content_block_start"]


def test_text_closes_early_and_goes_on_in_a_new_block() -> None:
    first, second = text(0, "a", "b"), call(1, "{}")
    found = blocks(first[0], first[1], *second, first[2], first[3], reason="tool_calls")
    assert found == [{"type": "text", "text": "a"}, tool(1, {}), {"type": "text", "text": "b"}]


def test_thinking_closes_early_and_its_proof_follows() -> None:
    part = ThinkingContent(text="hm", proof=FOREIGN)
    found = blocks(
        PartStart(0, ThinkingContent()),
        PartDelta(0, "thinking", "hm"),
        *text(1, "a"),
        PartDelta(0, "proof", FOREIGN),
        PartStop(0, part),
    )
    assert [block["type"] for block in found] == ["thinking", "text", "redacted_thinking"]
    assert open_envelope(found[2]["data"]) == FOREIGN


def test_late_proof_of_a_call() -> None:
    proof = Proof("AA", "signature", Origin("gemini"))
    before = blocks(*call(0, "{}", proof=proof), reason="tool_calls")
    assert [block["type"] for block in before] == ["thinking", "tool_use"]
    start, delta, stop = call(0, "{}")
    after = blocks(start, delta, PartDelta(0, "proof", proof), stop, reason="tool_calls")
    assert [block["type"] for block in after] == ["tool_use", "thinking"]
    assert open_envelope(after[1]["signature"]) == proof
    assert after[1]["thinking"] == ""
    only_at_the_end = replace(stop.part, proof=proof) if isinstance(stop, PartStop) else None
    assert only_at_the_end is not None
    assert len(blocks(start, delta, PartStop(0, only_at_the_end), reason="tool_calls")) == 2


def test_T57_blank_text_makes_no_block() -> None:
    assert blocks(*text(0, "\n", "\n"), *call(1, "{}"), reason="tool_calls") == [tool(1, {})]
    assert blocks(*text(0, " ", "a", " ")) == [{"type": "text", "text": " a "}]
    own = replace(BEGIN, dialect=NAME)
    assert blocks(*text(0, "a"), *text(1, " "), begin=own)[1] == {"type": "text", "text": " "}
    assert blocks(*text(0, "", "")) == []


def test_thinking_forms() -> None:
    def thinking(part: ThinkingContent) -> list[Any]:
        return blocks(*list(unfold(answer(part)))[1:-3])

    (found,) = thinking(ThinkingContent(text="hm", proof=FOREIGN))
    assert found["thinking"] == "hm" and open_envelope(found["signature"]) == FOREIGN
    (found,) = thinking(ThinkingContent(summary=("a", "b"), proof=FOREIGN))
    assert found["thinking"] == "a\n\nb"
    (found,) = thinking(ThinkingContent(text="a", summary=("a",)))
    assert found["thinking"] == "a"
    (found,) = thinking(ThinkingContent(proof=FOREIGN))
    assert found["type"] == "redacted_thinking"
    (found,) = thinking(ThinkingContent(redacted=True, proof=FOREIGN))
    assert found["type"] == "redacted_thinking"
    own = Proof("sig", "signature", Origin("anthropic"))
    (found,) = thinking(ThinkingContent(proof=own))
    assert found == {"type": "thinking", "thinking": "", "signature": "sig"}
    assert thinking(ThinkingContent()) == []
    assert thinking(ThinkingContent(redacted=True)) == []


@pytest.mark.parametrize(
    ("pieces", "value"),
    [
        ([], {}),
        (["", " "], {}),
        ([" ", '{"a":', "1}"], {"a": 1}),
        (["[1", "]"], {"value": [1]}),
        (["nul", "l"], {"value": None}),
        (["oops"], {"_raw": "oops"}),
    ],
)
def test_T58_input_is_an_object(pieces: list[str], value: Any) -> None:
    assert blocks(*call(0, *pieces), reason="tool_calls") == [tool(0, value)]


def test_custom_input_is_escaped_piece_by_piece() -> None:
    found = blocks(*call(0, 'say "', "x\ny\\", "é🎉", kind="custom"), reason="tool_calls")
    assert found[0]["input"] == {"input": 'say "x\ny\\é🎉'}
    assert blocks(*call(0, kind="custom"))[0]["input"] == {"input": ""}


def test_broken_input_is_an_error_unless_the_answer_was_cut() -> None:
    broken = call(0, '{"a":')
    assert blocks(*broken, reason="length") == [tool(0, {})]
    last = written(whole(*broken, reason="tool_calls"))[-1]
    assert last.event == "error"


def test_parts_in_the_start_are_not_lost() -> None:
    assert blocks(PartStart(0, TextContent(text="a")), PartStop(0, TextContent(text="a")))
    assert blocks(
        PartStart(0, ToolCallContent(id="call_0", name="f", arguments='{"a":1}')),
        PartStop(0, ToolCallContent(id="call_0", name="f", arguments='{"a":1}')),
    ) == [tool(0, {"a": 1})]


def test_refusals() -> None:
    part = RefusalContent(text="no")
    found = written(whole(*list(unfold(answer(part)))[1:-3]))
    assert check_stream(found) == [{"type": "text", "text": "no"}]
    delta = events(found)[-2]["delta"]
    assert delta["stop_reason"] == "refusal"
    assert delta["stop_details"]["explanation"] == "no"
    own = written(whole(*list(unfold(answer(part)))[1:-3], begin=replace(BEGIN, dialect=NAME)))
    assert check_stream(own) == []


def test_audio_becomes_its_transcript() -> None:
    chunks = (
        PartStart(0, AudioContent(id="a")),
        PartDelta(0, "audio", "AAAA"),
        PartDelta(0, "transcript", "said"),
        PartStop(0, AudioContent(id="a", transcript="said")),
    )
    assert blocks(*chunks) == [{"type": "text", "text": "said"}]


def test_citations() -> None:
    url = Citation("url", url="u", title="t", start=0, end=2)
    own = Citation("url", dialect=NAME, raw=raw({"type": "char_location"}))
    file = Citation("file", file_id="f")
    start, delta, stop = text(0, "abc")
    (found,) = blocks(
        start,
        PartDelta(0, "citation", own),
        delta,
        PartDelta(0, "citation", url),
        PartDelta(0, "citation", file),
        stop,
    )
    assert [c["type"] for c in found["citations"]] == [
        "char_location",
        "web_search_result_location",
    ]
    assert found["citations"][1]["cited_text"] == "ab"


def test_own_server_tools_and_foreign_ones() -> None:
    use = ServerToolCallContent(
        id="s",
        tool="web_search",
        name="web_search",
        dialect=NAME,
        raw=raw({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}}),
        arguments='{"q":1}',
    )
    done = ServerToolResultContent(
        tool_call_id="s", tool="web_search", dialect=NAME, raw=raw({"type": "x_tool_result"})
    )
    foreign = OpaqueContent(dialect="gemini", raw=raw({}))
    found = blocks(
        *(c for n, p in enumerate((use, done, foreign)) for c in (PartStart(n, p), PartStop(n, p)))
    )
    assert found == [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
        {"type": "x_tool_result"},
    ]


def test_verbatim_blocks_stay_on_one_line() -> None:
    part = OpaqueContent(dialect=NAME, raw=type(raw(0))(b'{\n  "type": "future",\r\n "x": 1.0}'))
    found = written(whole(PartStart(0, part), PartStop(0, part)))
    assert b'{"type":"future","x":1.0}' in found[1].data


def test_what_has_no_place_is_left_out() -> None:
    other = [
        PartStart(0, TextContent(text=""), choice=1),
        PartDelta(0, "text", "second choice"),
        PartStop(0, TextContent(text="second choice")),
        LogprobsDelta(0, raw({})),
        OpaqueChunk("openai-chat", "x", raw({})),
        FinishReport(Finish("length"), choice=1),
    ]
    assert blocks(*other) == []
    (frame,) = written([OpaqueChunk(NAME, "future", raw({"type": "future"}))])
    assert (frame.event, frame.data) == ("future", b'{"type":"future"}')


def test_container_and_tier() -> None:
    begin = replace(BEGIN, dialect=NAME, service_tier="standard", ext={NAME: {"x": raw(1)}})
    stop = MessageStop(ext={NAME: {"container": raw({"id": "c"})}})
    found = events(written([begin, FinishReport(Finish("stop")), stop]))
    assert found[0]["message"]["usage"]["service_tier"] == "standard"
    assert found[0]["message"]["x"] == 1
    assert found[-2]["delta"]["container"] == {"id": "c"}


def test_T46_errors() -> None:
    error = StreamError(UnifiedError(kind="overloaded", message="busy", retry_after=5))
    found = written([BEGIN, *text(0, "a")[:2], error, *text(1, "b"), MessageStop()])
    assert found[-1].event == "error"
    assert events(found)[-1] == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "busy (retry after 5 seconds)"},
        "request_id": "req_1",
    }
    for reason in ("error", "malformed_tool_call"):
        last = written(whole(*text(0, "a"), reason=reason))[-1]
        assert last.event == "error"


PIECES = ("a", "b ", " ", "\n", "", "é", '"', "{")


class Storm:
    """A random stream that keeps the grammar: several parts open, deltas in any order."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._opened = 0
        self._live: dict[int, PartBuilder] = {}
        self._kinds: dict[int, str] = {}
        self._json: dict[int, list[str]] = {}

    def chunks(self) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        for _ in range(self._chance.randrange(1, 40)):
            out += self._step()
        for index in self._chance.sample(list(self._live), len(self._live)):
            out += self._stop(index)
        return out

    def _step(self) -> list[StreamChunk]:
        chance = self._chance
        if not self._live or chance.random() < 0.25:
            return self._start()
        index = chance.choice(list(self._live))
        if chance.random() < 0.2:
            return self._stop(index)
        return self._delta(index)

    def _start(self) -> list[StreamChunk]:
        index, self._opened = self._opened, self._opened + 1
        kind = self._chance.choice(("text", "thinking", "tool", "refusal", "redacted", "foreign"))
        part: Content
        match kind:
            case "text":
                part = TextContent(text="")
            case "thinking":
                part = ThinkingContent()
            case "refusal":
                part = RefusalContent(text="")
            case "tool":
                part = ToolCallContent(id=f"c{index}", name="f")
                self._json[index] = list('{"key": [1, "}"]}')
            case "redacted":
                part = ThinkingContent(redacted=True, proof=FOREIGN)
            case _:
                part = OpaqueContent(dialect="gemini", raw=raw({}))
        self._live[index], self._kinds[index] = PartBuilder(part), kind
        return [PartStart(index, part)]

    def _delta(self, index: int) -> list[StreamChunk]:
        kind, chance = self._kinds[index], self._chance
        if kind in ("redacted", "foreign"):
            return []
        if chance.random() < 0.15:
            delta = PartDelta(index, "proof", FOREIGN)
        elif kind == "tool":
            if not self._json[index]:
                return []
            count = chance.randrange(1, 6)
            taken, self._json[index] = self._json[index][:count], self._json[index][count:]
            delta = PartDelta(index, "tool_args", "".join(taken))
        elif kind == "thinking":
            summary = chance.random() < 0.3
            name: Any = "thinking_summary" if summary else "thinking"
            delta = PartDelta(
                index, name, chance.choice(PIECES), chance.randrange(2) if summary else 0
            )
        else:
            same: Any = kind
            delta = PartDelta(index, same, chance.choice(PIECES))
        self._live[index].add(delta)
        return [delta]

    def _stop(self, index: int) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        rest = "".join(self._json.pop(index, []))
        builder = self._live.pop(index)
        if rest:
            delta = PartDelta(index, "tool_args", rest)
            builder.add(delta)
            out.append(delta)
        return [*out, PartStop(index, builder.build())]


def test_T44_any_stream_comes_out_well_formed(seeded: random.Random, long: bool) -> None:
    for _ in range(20_000 if long else 1_000):
        chunks = whole(*Storm(seeded).chunks())
        check_grammar(chunks)
        found = check_stream(written(chunks))
        source = fold(chunks).choices[0].message.content
        said = "".join(p.text for p in source if isinstance(p, TextContent | RefusalContent))
        shown = "".join(block["text"] for block in found if block["type"] == "text")
        assert sorted(said.replace(" ", "").replace("\n", "")) == sorted(
            shown.replace(" ", "").replace("\n", "")
        )
        calls = [block["input"] for block in found if block["type"] == "tool_use"]
        assert calls == [{"key": [1, "}"]}] * sum(isinstance(p, ToolCallContent) for p in source)


def test_own_stream_read_back_is_the_source() -> None:
    parts: tuple[Content, ...] = (
        ThinkingContent(text="hm", proof=FOREIGN),
        TextContent(text="so"),
        ToolCallContent(id="call_1", name="f", arguments='{"a": 1}'),
        ToolCallContent(id="call_2", name="g", arguments="{}"),
    )
    source = answer(*parts, finish=Finish("tool_calls"), usage=USAGE, id="msg_7")
    back = fold(read(*events(written(unfold(source)))))
    assert back.choices[0].message == source.choices[0].message
    assert back.choices[0].finish.reason == "tool_calls"
    assert back.usage is not None
    assert (back.id, back.model) == (source.id, source.model)
    assert back.usage.prompt_tokens == USAGE.prompt_tokens
