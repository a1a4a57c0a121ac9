"""Stop sequences that the provider does not know (mappings.md §6)."""

import json
from typing import Any

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, openai_chat, openai_responses
from plexus.transformers.base import ClientCall
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.stops import StopCutter, cut_response
from plexus.transformers.translation import Translate
from plexus.unified.chunks import (
    FinishReport,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    UsageReport,
    check_grammar,
)
from plexus.unified.content import TextContent, ThinkingContent, ToolCallContent
from plexus.unified.fold import fold
from plexus.unified.request import Source, UnifiedMessage
from plexus.unified.response import Choice, Finish, UnifiedChatResponse, UnifiedUsage
from tests.transformers.openai_responses.support import (
    completed,
    created,
    event,
    message,
    response,
    sse,
)

TARGET = TargetModel(provider="upstream", model="m-1", family="openai")
START = MessageStart(id="1", model="m")
END: list[StreamChunk] = [FinishReport(Finish("stop")), MessageStop()]


def texts(*pieces: str) -> list[StreamChunk]:
    whole = TextContent(text="".join(pieces))
    deltas = [PartDelta(0, "text", piece) for piece in pieces]
    return [START, PartStart(0, TextContent(text="")), *deltas, PartStop(0, whole), *END]


def cut(chunks: list[StreamChunk], *stops: str) -> list[StreamChunk]:
    cutter = StopCutter(stops)
    out = [kept for chunk in chunks for kept in cutter.feed(chunk)]
    check_grammar(out)
    return out


def said(chunks: list[StreamChunk]) -> list[str]:
    return [str(c.value) for c in chunks if isinstance(c, PartDelta) and c.kind == "text"]


@pytest.mark.parametrize(
    ("pieces", "stops", "text", "stop"),
    [
        (["Hello END more"], ["END"], "Hello ", "END"),
        (["Hello E", "ND more"], ["END"], "Hello ", "END"),
        (["E", "N", "D"], ["END"], "", "END"),
        (["a EEND b"], ["END"], "a E", "END"),
        (["one two"], ["two", "one"], "", "one"),
        (["abc"], ["b", "bc"], "a", "bc"),
        (["Hello EN"], ["END"], "Hello EN", None),
        (["Hello EN", "d"], ["END"], "Hello ENd", None),
        (["x\n", "\ny"], ["\n\n"], "x", "\n\n"),
        (["héé", "é!"], ["éé!"], "hé", "éé!"),
    ],
)
def test_text_up_to_the_first_sequence(
    pieces: list[str], stops: list[str], text: str, stop: str | None
) -> None:
    found = fold(cut(texts(*pieces), *stops))
    assert found.choices[0].message.text == text
    finish = found.choices[0].finish
    expected = ("stop", None) if stop is None else ("stop_sequence", stop)
    assert (finish.reason, finish.stop_sequence) == expected


def test_only_a_possible_beginning_is_held_back() -> None:
    assert said(cut(texts("Hello E", "lse"), "END")) == ["Hello ", "Else"]
    assert said(cut(texts("abc", "def"), "END")) == ["abc", "def"]


def test_thinking_and_arguments_are_not_searched() -> None:
    chunks: list[StreamChunk] = [
        START,
        PartStart(0, ThinkingContent()),
        PartDelta(0, "thinking", "END"),
        PartStop(0, ThinkingContent(text="END")),
        PartStart(1, ToolCallContent(id="c", name="f")),
        PartDelta(1, "tool_args", '"END"'),
        PartStop(1, ToolCallContent(id="c", name="f", arguments='"END"')),
        *END,
    ]
    assert cut(chunks, "END") == chunks


def test_open_parts_are_closed_where_they_are() -> None:
    chunks: list[StreamChunk] = [
        START,
        PartStart(0, ToolCallContent(id="c", name="f")),
        PartDelta(0, "tool_args", "{}"),
        PartStart(1, TextContent(text="")),
        PartDelta(1, "text", "aENDb"),
        PartDelta(0, "tool_args", " "),
        *END,
    ]
    call, text = fold(cut(chunks, "END")).choices[0].message.content
    assert call == ToolCallContent(id="c", name="f", arguments="{}")
    assert text == TextContent(text="a")


def test_a_whole_answer_keeps_its_usage() -> None:
    usage = UnifiedUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    content = (TextContent(text="one END"), TextContent(text="two"))
    turn = UnifiedMessage(role="assistant", content=content)
    found = cut_response(
        UnifiedChatResponse(
            id="1", model="m", choices=(Choice(message=turn, finish=Finish("length")),), usage=usage
        ),
        ["END"],
    )
    assert found.choices[0].message.content == (TextContent(text="one "),)
    assert found.choices[0].finish == Finish("stop_sequence", "END")
    assert found.usage == usage
    reported = [UsageReport(usage, final=True)]
    cutter = StopCutter(["x"], patient=True)
    assert [out for chunk in [*texts("ax")[:3], *reported] for out in cutter.feed(chunk)][-1:] == (
        reported
    )


def call(dialect: str, **fields: Any) -> ClientCall:
    body = {"model": "a", "messages": [{"role": "user", "content": "hi"}], **fields}
    document = JsonBody.parse(json.dumps(body).encode())
    source = Source(dialect=dialect, request_id="req_1", received=1)
    return ClientCall(model="a", stream=bool(fields.get("stream")), body=document, source=source)


def test_an_anthropic_client_reads_which_sequence_it_was() -> None:
    translate = Translate(anthropic_messages, openai_responses, TARGET)
    asked = call("anthropic-messages", max_tokens=50, stop_sequences=["END"])
    prepared = translate.prepare(asked)
    assert [w.loss.field for w in prepared.wire.warnings] == ["stop"]
    answer = prepared.answer(json.dumps(response(message("Hi END!"))).encode(), "application/json")
    found = json.loads(answer.body)
    assert found["content"] == [{"type": "text", "text": "Hi "}]
    assert (found["stop_reason"], found["stop_sequence"]) == ("stop_sequence", "END")


def test_a_stream_ends_at_once() -> None:
    translate = Translate(openai_chat, openai_responses, TARGET)
    stream = translate.prepare(call("openai-chat", stream=True, stop="END")).stream()
    where = {"item_id": "msg_1", "content_index": 0}
    head = sse(
        created(),
        event("output_item.added", item=message("")),
        event("output_text.delta", **where, delta="Hi EN"),
    )
    out = stream.feed(head)
    assert not stream.enough
    rest = sse(event("output_text.delta", **where, delta="D!"), completed(message("Hi END!")))
    out += stream.feed(rest + b"data: not json\n\n")
    assert stream.enough and stream.finished and stream.failure is None
    assert b'"content":"Hi "' in out and b"EN" not in out
    assert out.endswith(b"data: [DONE]\n\n")
    assert stream.feed(b"data: not json\n\n") == b""
    assert stream.close() == b""
    assert stream.finish == "stop_sequence"
