"""``tooluse``: every turn calls a tool, and the call that answers reaches the client as text."""

import json
from typing import Any

import pytest

from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.steps.tooluse import EXIT, EXIT_TOOL, PROMPT, ToolUse
from plexus.unified.content import TextContent, ToolCallContent
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    FunctionTool,
    Reasoning,
    ResponseFormat,
    ServerTool,
    ToolChoice,
    UnifiedChatRequest,
)
from plexus.unified.response import Choice, Finish, FinishReason, UnifiedChatResponse
from tests.transformers.steps.support import (
    ASK,
    TARGET,
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
    request,
    said,
    sent,
    split_everywhere,
    sse,
)

STEP = ToolUse()
LOOK = FunctionTool(name="look")
HI = message("user", TextContent(text="hi"))
TOOLS = {"tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]}
STREAM: Json = {**ASK, **TOOLS, "stream": True}
REQUIRED = ToolChoice(mode="required")


def asked(target: TargetModel = TARGET, **fields: Any) -> UnifiedChatRequest:
    return STEP.request(request(HI, **{"tools": (LOOK,), **fields}), target)


def exit_call(text: str = "done") -> ToolCallContent:
    return ToolCallContent(id="x", name=EXIT, arguments=json.dumps({"response": text}))


def test_with_tools_the_model_must_call_one() -> None:
    out = asked()
    assert out.tool_choice == REQUIRED
    assert out.tools == (LOOK, EXIT_TOOL)


def test_bug_the_prompt_stood_at_the_end_and_came_without_tools() -> None:
    """musistudio: a system message behind the last user message, in every request."""
    out = asked()
    assert out.messages == (message("system", TextContent(text=PROMPT)), HI)
    system = message("system", TextContent(text="Be kind."))
    first, second = STEP.request(request(system, HI, tools=(LOOK,)), TARGET).messages
    assert (first.role, first.text, second) == ("system", f"Be kind.\n\n{PROMPT}", HI)
    for untouched in (
        request(HI),
        request(HI, tools=(ServerTool(kind="web_search", dialect="x", raw=b""),)),
    ):  # type: ignore[arg-type]
        assert STEP.request(untouched, TARGET) is untouched


@pytest.mark.parametrize(
    "choice",
    [
        ToolChoice(mode="none"),
        ToolChoice(mode="required"),
        ToolChoice(mode="function", name="look"),
        ToolChoice(mode="allowed", names=("look",), forced=True),
    ],
)
def test_a_choice_of_the_client_holds(choice: ToolChoice) -> None:
    before = request(HI, tools=(LOOK,), tool_choice=choice)
    assert STEP.request(before, TARGET) is before


def test_auto_and_allowed_become_a_demand() -> None:
    assert asked(tool_choice=ToolChoice(mode="auto")).tool_choice == REQUIRED
    allowed = ToolChoice(mode="allowed", names=("look",))
    assert asked(tool_choice=allowed).tool_choice == ToolChoice(
        mode="allowed", names=("look", EXIT), forced=True
    )


def test_structured_output_is_not_spoilt() -> None:
    before = request(HI, tools=(LOOK,), response_format=ResponseFormat(type="json_object"))
    assert STEP.request(before, TARGET) is before


def target(family: str = "anthropic", **known: Any) -> TargetModel:
    return TargetModel(provider="p", model="m", family=family, capabilities=Capabilities(**known))


@pytest.mark.parametrize(
    ("where", "reasoning", "forced"),
    [
        (target(forced_tool_choice=False), None, False),
        (target(thinking="budget"), None, True),
        (target(thinking="budget"), Reasoning(effort="high"), False),
        (target(thinking="budget"), Reasoning(effort="none"), True),
        (target(), Reasoning(max_tokens=2048, mode="budget", enabled=True), False),
        (target(), Reasoning(effort="high"), True),
        (target("openai"), Reasoning(max_tokens=2048), True),
    ],
)
def test_nothing_is_demanded_where_the_model_refuses_it(
    where: TargetModel, reasoning: Reasoning | None, forced: bool
) -> None:
    out = asked(where, reasoning=reasoning)
    assert (out.tool_choice == REQUIRED) is forced
    assert out.tools[-1] == EXIT_TOOL and out.messages[0].text == PROMPT


def test_a_clients_own_tool_of_that_name_is_refused() -> None:
    with pytest.raises(PlexusError) as refused:
        asked(tools=(LOOK, FunctionTool(name=EXIT)))
    assert (refused.value.error.param, refused.value.error.http_status) == ("tools", 400)


def test_the_answer_is_text_and_the_turn_has_stopped() -> None:
    out = both(STEP, answer(exit_call(), finish="tool_calls"))
    assert parts(out) == (TextContent(text="done"),)
    assert out.choices[0].finish.reason == "stop"


def test_bug_only_the_first_call_was_looked_at() -> None:
    """musistudio: ``tool_calls[0]`` alone; an exit behind another call reaches the client."""
    look = ToolCallContent(id="l", name="look", arguments="{}")
    out = both(STEP, answer(look, exit_call("so far"), finish="tool_calls"))
    assert parts(out) == (look, TextContent(text="so far"))
    assert out.choices[0].finish.reason == "tool_calls"
    out = both(STEP, answer(exit_call("so far"), look, finish="tool_calls"))
    assert parts(out) == (TextContent(text="so far"), look)


def test_bug_only_the_first_choice_was_looked_at() -> None:
    choices = tuple(
        Choice(
            index=n, message=message("assistant", exit_call(f"{n}")), finish=Finish("tool_calls")
        )
        for n in range(2)
    )
    out = both(STEP, UnifiedChatResponse(id="r", model="m", choices=choices))
    assert [choice.message.text for choice in out.choices] == ["0", "1"]
    assert [choice.finish.reason for choice in out.choices] == ["stop", "stop"]


def test_an_exit_without_words_leaves_no_part() -> None:
    empty = ToolCallContent(id="x", name=EXIT, arguments="{}")
    look = ToolCallContent(id="l", name="look", arguments="{}")
    assert parts(both(STEP, answer(empty, look, finish="tool_calls"))) == (look,)


def test_a_cut_answer_keeps_its_text_and_its_reason() -> None:
    cut = ToolCallContent(id="x", name=EXIT, arguments='{"response": "half of')
    out = both(STEP, answer(cut, finish="length"))
    assert parts(out) == (TextContent(text="half of"),)
    assert out.choices[0].finish.reason == "length"


def exit_stream(*fragments: str, finish: FinishReason = "tool_calls") -> bytes:
    opening = delta(role="assistant", tool_calls=[call_delta(0, id="x", name=EXIT)])
    more = [delta(tool_calls=[call_delta(0, fragment)]) for fragment in fragments]
    return sse(opening, *more, delta(finish))


def test_bug_finish_reason_was_dropped() -> None:
    """musistudio: the chunk with ``finish_reason`` has no delta and is not passed on."""
    attempt = prepared(openai_chat, openai_chat, STREAM, steps=[STEP])
    out = split_everywhere(attempt, exit_stream('{"response":', '"do', "ne", '"}'))
    assert said(out) == "done"
    reasons = [choice["finish_reason"] for choice in choice_deltas(out)]
    assert [reason for reason in reasons if reason] == ["stop"]
    assert not any("tool_calls" in choice["delta"] for choice in choice_deltas(out))


def test_the_answer_streams() -> None:
    attempt = prepared(openai_chat, openai_chat, STREAM, steps=[STEP])
    out = split_everywhere(attempt, exit_stream('{"response":"a', "b", 'c"}'))
    texts = [choice["delta"].get("content") for choice in choice_deltas(out)]
    assert [text for text in texts if text] == ["a", "b", "c"]


def test_bug_the_arguments_of_the_first_chunk_were_lost() -> None:
    """musistudio: a call that comes whole in one chunk (as xAI sends them) leaves nothing."""
    opening = call_delta(0, '{"response":"done"}', id="x", name=EXIT)
    data = sse(delta(role="assistant", tool_calls=[opening]), delta("tool_calls"))
    out = split_everywhere(prepared(openai_chat, openai_chat, STREAM, steps=[STEP]), data)
    assert said(out) == "done"


def test_a_messages_client_reads_text_and_end_turn() -> None:
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    body = {**ASK, "tools": tools, "max_tokens": 9, "stream": True}
    attempt = prepared(anthropic_messages, openai_chat, body, steps=[STEP])
    assert sent(attempt)["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in sent(attempt)["tools"]] == ["look", EXIT]
    found = events(split_everywhere(attempt, exit_stream('{"response":"done"}')))
    starts = [e["content_block"]["type"] for e in found if e["type"] == "content_block_start"]
    assert starts == ["text"]
    (end,) = (e["delta"]["stop_reason"] for e in found if e["type"] == "message_delta")
    assert end == "end_turn"
