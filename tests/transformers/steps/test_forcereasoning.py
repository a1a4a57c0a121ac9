"""``forcereasoning``: a prompt on the way out, tagged reasoning as thinking on the way back."""

import pytest

from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.steps.forcereasoning import (
    CLOSING,
    MOST_TURNS,
    OPENING,
    PROMPT,
    ForceReasoning,
)
from plexus.unified.content import (
    Origin,
    Proof,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.request import ResponseFormat, UnifiedMessage
from tests.transformers.steps.support import (
    ASK,
    DIALECTS,
    TARGET,
    answer,
    both,
    delta,
    events,
    message,
    parts,
    prepared,
    request,
    said,
    sent,
    split_everywhere,
    sse,
)

STEP = ForceReasoning()
STREAM = {**ASK, "stream": True}
HI = message("user", TextContent(text="hi"))


def asked(*messages: UnifiedMessage, **fields: object) -> tuple[UnifiedMessage, ...]:
    return STEP.request(request(*messages, **fields), TARGET).messages


def tagged(text: str) -> str:
    return f"{OPENING}{text}{CLOSING}"


def test_the_prompt_is_the_users_last_word() -> None:
    (said_,) = asked(HI)
    assert said_.content == (TextContent(text="hi"), TextContent(text=PROMPT))
    assert OPENING in PROMPT and CLOSING in PROMPT


def test_after_tool_results_the_prompt_is_a_turn_of_its_own() -> None:
    result = message("tool", ToolResultContent(tool_call_id="c"))
    *_, last = asked(HI, result)
    assert (last.role, last.content) == ("user", (TextContent(text=PROMPT),))


def test_a_prefilled_answer_gets_no_prompt() -> None:
    begun = message("assistant", TextContent(text="So"))
    assert asked(HI, begun) == (HI, begun)


def test_structured_output_is_not_spoilt() -> None:
    form = ResponseFormat(type="json_object")
    assert asked(HI, response_format=form) == (HI,)
    assert asked(HI, response_format=ResponseFormat(type="text")) != (HI,)


def test_the_input_is_untouched() -> None:
    before = request(HI)
    STEP.request(before, TARGET)
    assert before.messages == (HI,)


def thought(text: str, *more: object, family: str | None = None) -> UnifiedMessage:
    proof = None if family is None else Proof("x", "signature", Origin(family))
    return message("assistant", ThinkingContent(text=text, proof=proof), *more)  # type: ignore[arg-type]


def test_earlier_reasoning_is_shown_again_in_its_place() -> None:
    call = ToolCallContent(id="c", name="f")
    turn = thought("why", TextContent(text="so"), ThinkingContent(text="hm"), call)
    _, again, _ = asked(HI, turn, HI)
    assert again.content == (
        TextContent(text=f"{tagged('why')}\nso"),
        TextContent(text=f"{tagged('hm')}\n"),
        call,
    )


def test_the_last_ten_turns_only_but_no_turn_becomes_empty() -> None:
    turns = [thought(f"{n}", TextContent(text="so")) for n in range(MOST_TURNS + 2)]
    bare = thought("alone")
    first, second, third, *rest = asked(bare, *turns, HI)
    assert first.text == f"{tagged('alone')}\n"
    assert (second.text, third.text) == ("so", "so")
    assert all(turn.text.startswith(OPENING) for turn in rest[:-1]) and len(rest) == MOST_TURNS + 1


def test_the_targets_own_thinking_goes_back_as_it_came() -> None:
    own, foreign = thought("a", family="openai"), thought("b", family="anthropic")
    hidden = message("assistant", ThinkingContent(redacted=True))
    kept, retold, still, _ = asked(own, foreign, hidden, HI)
    assert (kept, still) == (own, hidden)
    assert retold.text == f"{tagged('b')}\n"


def test_reasoning_becomes_thinking_and_text_around_it_stays() -> None:
    text = f"Well.\n{tagged('why')}\nso {tagged('hm')}then"
    assert parts(both(STEP, answer(TextContent(text=text)))) == (
        TextContent(text="Well."),
        ThinkingContent(text="why"),
        TextContent(text="so"),
        ThinkingContent(text="hm"),
        TextContent(text="then"),
    )


@pytest.mark.parametrize("text", ["Just an answer.", "<reasoning_content", "a < b"])
def test_bug_text_before_or_without_the_tag_was_thrown_away(text: str) -> None:
    """musistudio: a stream without the tag has no text at all."""
    untouched = answer(TextContent(text=text))
    assert both(STEP, untouched) == untouched
    for client in DIALECTS:
        body = {**STREAM, "max_tokens": 9}
        attempt = prepared(client, openai_chat, body, steps=[STEP])
        out = split_everywhere(attempt, sse(*(delta(content=c) for c in text), delta("stop")))
        assert "".join(text_of(event) for event in events(out)) == text


def text_of(event: dict) -> str:  # type: ignore[type-arg]
    """The text of one event of either dialect."""
    if "choices" in event:
        return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    text: str = event.get("delta", {}).get("text", "")
    return text


def test_bug_an_unstreamed_answer_kept_the_tags() -> None:
    """musistudio: the thinking is put beside the choices, the text stays as it is."""
    attempt = prepared(anthropic_messages, openai_chat, {**ASK, "max_tokens": 9}, steps=[STEP])
    text = f"{tagged('why')}so"
    body = (
        '{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":'
        f'{{"role":"assistant","content":"{text}"}}}}]}}'
    )
    found = events(b"data: " + attempt.answer(body.encode(), "application/json").body)[0]
    assert [block["type"] for block in found["content"]] == ["thinking", "text"]
    assert OPENING not in found["content"][1]["text"]


def test_a_second_turn_shows_the_first_ones_reasoning() -> None:
    """What a client of either dialect sends back reaches the model in tags."""
    turn = {"role": "assistant", "reasoning_content": "why", "content": "so"}
    said_ = [*ASK["messages"], turn, *ASK["messages"]]
    body = sent(prepared(openai_chat, openai_chat, {**ASK, "messages": said_}, steps=[STEP]))
    assert body["messages"][1] == {"role": "assistant", "content": f"{tagged('why')}\nso"}
    assert body["messages"][2]["content"][-1]["text"] == PROMPT
    blocks = [{"type": "thinking", "thinking": "why", "signature": ""}]
    turn = {"role": "assistant", "content": [*blocks, {"type": "text", "text": "so"}]}
    said_ = [*ASK["messages"], turn, *ASK["messages"]]
    asked_ = {**ASK, "messages": said_, "max_tokens": 9}
    body = sent(prepared(anthropic_messages, openai_chat, asked_, steps=[STEP]))
    assert body["messages"][1] == {"role": "assistant", "content": f"{tagged('why')}\nso"}


def test_streams_have_reasoning_and_text() -> None:
    pieces = [delta(content=char) for char in f"{tagged('why')}\nso"]
    attempt = prepared(openai_chat, openai_chat, STREAM, steps=[STEP])
    out = split_everywhere(attempt, sse(*pieces, delta("stop")))
    assert (said(out, "reasoning_content"), said(out)) == ("why", "so")
