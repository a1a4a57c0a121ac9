"""``enhancetool``: arguments put right in every call of every choice, while they stream."""

import json

import pytest

from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.steps.enhancetool import CUT, EnhanceTool
from plexus.unified.chunks import PartDelta, PartStop
from plexus.unified.content import TextContent, ToolCallContent
from plexus.unified.fold import fold, unfold
from plexus.unified.response import Choice, Finish, FinishReason, UnifiedChatResponse
from tests.transformers.steps.support import (
    ASK,
    Json,
    answer,
    both,
    call_delta,
    choice_deltas,
    delta,
    events,
    message,
    parts,
    prepared,
    split_everywhere,
    sse,
    staged,
)

STEP = EnhanceTool()
TOOLS: Json = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}
STREAM: Json = {**ASK, **TOOLS, "stream": True}


def call(arguments: str, id_: str = "c") -> ToolCallContent:
    return ToolCallContent(id=id_, name="f", arguments=arguments)


def calls(data: bytes) -> list[Json]:
    """The calls that a chat client puts together from a stream."""
    found: dict[int, Json] = {}
    for choice in choice_deltas(data):
        for entry in choice["delta"].get("tool_calls", ()):
            made = found.setdefault(entry["index"], {"name": "", "arguments": "", "ids": []})
            made["name"] += entry["function"].get("name") or ""
            made["arguments"] += entry["function"].get("arguments") or ""
            made["ids"] += [entry["id"]] if entry.get("id") else []
    return [found[index] for index in sorted(found)]


def reasons(data: bytes) -> list[str]:
    return [c["finish_reason"] for c in choice_deltas(data) if c["finish_reason"]]


def streamed(*chunks: Json) -> bytes:
    attempt = prepared(openai_chat, openai_chat, STREAM, steps=[STEP])
    return split_everywhere(attempt, sse(*chunks))


def test_arguments_are_mended_in_json_and_streams() -> None:
    out = both(STEP, answer(TextContent(text="so"), call("{'a': 'b',}"), finish="tool_calls"))
    assert parts(out) == (TextContent(text="so"), call('{"a": "b"}'))


def test_json_is_not_touched() -> None:
    odd = '{ "a":1.50e1 ,"b" : "\\u00e9"}'
    right = answer(call(odd), finish="tool_calls")
    assert both(STEP, right) == right
    assert list(staged(STEP, unfold(right))) == list(unfold(right))


def test_no_arguments_are_an_empty_object() -> None:
    assert parts(both(STEP, answer(call(""), finish="tool_calls"))) == (call("{}"),)


def test_free_text_of_custom_tools_is_not_touched() -> None:
    custom = ToolCallContent(id="c", name="f", arguments="{not json", kind="custom")
    assert parts(both(STEP, answer(custom, finish="tool_calls"))) == (custom,)


@pytest.mark.parametrize("finish", sorted(CUT))
def test_a_call_cut_off_is_not_made_whole(finish: FinishReason) -> None:
    begun = answer(call('{"path": "/etc", "text": "half of'), finish=finish)
    assert both(STEP, begun) == begun


def test_a_call_that_only_lacks_its_brace_is_made_whole() -> None:
    out = both(STEP, answer(call('{"a": {"b": 1}'), finish="tool_calls"))
    assert parts(out) == (call('{"a": {"b": 1}}'),)


def test_bug_what_cannot_be_mended_became_an_empty_object() -> None:
    """musistudio: ``{}``, which calls the tool with no arguments at all."""
    out = both(STEP, answer(call("do it now"), finish="tool_calls"))
    assert parts(out) == (call("do it now"),)


def test_bug_only_the_first_call_of_a_chunk_was_read() -> None:
    """musistudio: ``tool_calls[0]``; the others lose their arguments."""
    two = [call_delta(0, "{'a':", id="x", name="f"), call_delta(1, "{'b':", id="y", name="g")]
    more = [call_delta(0, "1}"), call_delta(1, "2}")]
    out = streamed(
        delta(role="assistant", tool_calls=two), delta(tool_calls=more), delta("tool_calls")
    )
    assert [(c["name"], c["arguments"]) for c in calls(out)] == [("f", '{"a":1}'), ("g", '{"b":2}')]


def test_bug_a_last_fragment_beside_finish_reason_was_swallowed() -> None:
    """musistudio: a continuation returns before the reason is looked at."""
    opening = delta(role="assistant", tool_calls=[call_delta(0, "{'a':", id="x", name="f")])
    out = streamed(opening, delta("tool_calls", tool_calls=[call_delta(0, "1}")]))
    assert [c["arguments"] for c in calls(out)] == ['{"a":1}']
    assert reasons(out) == ["tool_calls"]


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_bug_arguments_were_lost_with_another_finish_reason(finish: str) -> None:
    """musistudio: only ``tool_calls`` sends what was kept back."""
    opening = delta(role="assistant", tool_calls=[call_delta(0, '{"a":', id="x", name="f")])
    out = streamed(opening, delta(tool_calls=[call_delta(0, '"b')]), delta(finish))
    (made,) = calls(out)
    assert made["arguments"] == ('{"a":"b"}' if finish == "stop" else '{"a":"b')


def test_bug_the_second_calls_opening_was_not_sent() -> None:
    """musistudio: the opening of a second call is kept, its id and name come at the end only."""
    first = call_delta(0, "{}", id="x", name="f")
    second = call_delta(1, "", id="y", name="g")
    out = streamed(
        delta(role="assistant", tool_calls=[first]),
        delta(tool_calls=[second]),
        delta(tool_calls=[call_delta(1, "{}")]),
        delta("tool_calls"),
    )
    opened = [entry for c in choice_deltas(out) for entry in c["delta"].get("tool_calls", ())]
    assert [entry["id"] for entry in opened if entry.get("id")] == ["x", "y"]
    assert [c["arguments"] for c in calls(out)] == ["{}", "{}"]


def test_bug_the_name_was_repeated_on_the_closing_chunk() -> None:
    """musistudio: the mended arguments come with the name again; SDKs join names."""
    opening = delta(role="assistant", tool_calls=[call_delta(0, "{'a':", id="x", name="f")])
    out = streamed(opening, delta(tool_calls=[call_delta(0, "1}")]), delta("tool_calls"))
    (made,) = calls(out)
    assert (made["name"], made["ids"]) == ("f", ["x"])


def test_bug_arguments_no_longer_streamed() -> None:
    """musistudio: all arguments in one chunk at the end."""
    written = json.dumps({"text": "one two three", "n": [1, 2]})
    fragments = [written[at : at + 4] for at in range(0, len(written), 4)]
    chunks = answer(call(written), finish="tool_calls")
    start, opening, _, *rest = unfold(chunks)
    deltas = [PartDelta(0, "tool_args", fragment) for fragment in fragments]
    out = staged(STEP, [start, opening, *deltas, *rest])
    shown = [chunk.value for chunk in out if isinstance(chunk, PartDelta)]
    assert "".join(map(str, shown)) == written
    assert len(shown) > len(fragments) // 2


def test_each_choice_is_settled_by_its_own_reason() -> None:
    begun = '{"a": 1'
    choices = tuple(
        Choice(index=n, message=message("assistant", call(begun)), finish=Finish(reason))
        for n, reason in enumerate(("length", "tool_calls"))
    )
    out = both(STEP, UnifiedChatResponse(id="r", model="m", choices=choices))
    assert [choice.message.tool_calls[0].arguments for choice in out.choices] == [
        begun,
        begun + "}",
    ]


def test_a_call_that_waits_is_closed_before_its_finish() -> None:
    response = answer(call('{"a": 1'), TextContent(text="so"), finish="tool_calls")
    out = staged(STEP, unfold(response))
    assert [chunk.index for chunk in out if isinstance(chunk, PartStop)] == [1, 0]
    assert fold(out) == STEP.response(response)


def test_a_messages_client_gets_an_object() -> None:
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    body = {**ASK, "tools": tools, "max_tokens": 9, "stream": True}
    attempt = prepared(anthropic_messages, openai_chat, body, steps=[STEP])
    opening = delta(role="assistant", tool_calls=[call_delta(0, "{a: 'x\n", id="x", name="f")])
    data = sse(opening, delta(tool_calls=[call_delta(0, "y',}")]), delta("tool_calls"))
    found = events(split_everywhere(attempt, data))
    deltas = [event["delta"] for event in found if event["type"] == "content_block_delta"]
    assert json.loads("".join(d["partial_json"] for d in deltas)) == {"a": "x\ny"}
