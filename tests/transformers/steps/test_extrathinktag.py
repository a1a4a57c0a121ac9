"""``extrathinktag``: tagged thinking becomes thinking, JSON and stream alike."""

import pytest

from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.steps.extrathinktag import ExtraThinkTag
from plexus.unified.content import TextContent, ThinkingContent, ToolCallContent
from tests.transformers.steps.support import (
    ASK,
    TARGET,
    answer,
    both,
    choice_deltas,
    delta,
    events,
    parts,
    prepared,
    request,
    said,
    split_everywhere,
    sse,
)

STEP = ExtraThinkTag()
STREAM = {**ASK, "stream": True}
TAGGED = sse(
    delta(role="assistant", content="<th"),
    delta(content="ink>wh"),
    delta(content="y</think>\n\nbe"),
    delta(content="cause"),
    delta("stop"),
)


def test_thinking_and_text_are_parts() -> None:
    tagged = TextContent(text="<think>why</think>\nbecause")
    assert parts(both(STEP, answer(tagged))) == (
        ThinkingContent(text="why"),
        TextContent(text="because"),
    )


def test_calls_behind_the_thinking_stay() -> None:
    call = ToolCallContent(id="c", name="f", arguments="{}")
    tagged = TextContent(text="<think>why</think>")
    assert parts(both(STEP, answer(tagged, call, finish="tool_calls"))) == (
        ThinkingContent(text="why"),
        call,
    )


def test_other_tags_and_a_tag_of_the_template() -> None:
    kimi = ExtraThinkTag(opening="◁think▷", closing="◁/think▷")
    assert parts(both(kimi, answer(TextContent(text="◁think▷why◁/think▷so")))) == (
        ThinkingContent(text="why"),
        TextContent(text="so"),
    )
    opened = ExtraThinkTag(opened=True)
    assert parts(both(opened, answer(TextContent(text="why</think>so")))) == (
        ThinkingContent(text="why"),
        TextContent(text="so"),
    )


def test_the_request_is_left_alone() -> None:
    asked = request()
    assert STEP.request(asked, TARGET) is asked


@pytest.mark.parametrize("text", ["Plain.", "a < b", "<thinking> aloud", "x <think>y</think>", ""])
def test_bug_text_was_discarded_when_the_tag_never_appears(text: str) -> None:
    """musistudio: everything before a tag is thrown away, all of it when there is none."""
    untouched = answer(TextContent(text=text))
    assert both(STEP, untouched) == untouched
    attempt = prepared(openai_chat, openai_chat, STREAM, steps=[STEP])
    pieces = [delta(content=char) for char in text]
    out = split_everywhere(attempt, sse(*pieces, delta("stop", content="")))
    assert said(out) == text


def test_bug_thinking_of_an_unstreamed_answer_stood_beside_the_choices() -> None:
    """musistudio: ``thinking`` at the top of the answer, and the tags left in the text."""
    attempt = prepared(anthropic_messages, openai_chat, {**ASK, "max_tokens": 9}, steps=[STEP])
    body = (
        b'{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":'
        b'{"role":"assistant","content":"<think>why</think>so"}}]}'
    )
    content = events(b"data: " + attempt.answer(body, "application/json").body)[0]["content"]
    assert [block["type"] for block in content] == ["thinking", "text"]
    assert (content[0]["thinking"], content[1]["text"]) == ("why", "so")


def test_bug_choice_index_was_raised_and_a_signature_invented() -> None:
    """musistudio: each change of kind raises ``choices[0].index``; a time stamp as signature."""
    out = split_everywhere(prepared(openai_chat, openai_chat, STREAM, steps=[STEP]), TAGGED)
    assert {choice["index"] for choice in choice_deltas(out)} == {0}
    assert (said(out, "reasoning_content"), said(out)) == ("why", "because")
    assert b"signature" not in out


def test_a_messages_client_gets_blocks_in_order() -> None:
    asked = {**STREAM, "max_tokens": 9}
    out = split_everywhere(prepared(anthropic_messages, openai_chat, asked, steps=[STEP]), TAGGED)
    starts = [e["content_block"]["type"] for e in events(out) if e["type"] == "content_block_start"]
    assert starts == ["thinking", "text"]
