"""Steps over streams nobody recorded: choices and parts interleaved, texts cut anywhere."""

from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from plexus.transformers.base import Step
from plexus.transformers.steps.enhancetool import EnhanceTool
from plexus.transformers.steps.extrathinktag import ExtraThinkTag
from plexus.transformers.steps.forcereasoning import CLOSING, OPENING, ForceReasoning
from plexus.transformers.steps.tooluse import EXIT, ToolUse
from plexus.unified.chunks import (
    FinishReport,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    Ping,
    StreamChunk,
    check_grammar,
)
from plexus.unified.content import Content, TextContent, ThinkingContent, ToolCallContent
from plexus.unified.fold import PartBuilder, fold
from plexus.unified.response import Finish, FinishReason, UnifiedChatResponse

STEPS: list[Step] = [EnhanceTool(), ExtraThinkTag(), ExtraThinkTag(opened=True)]
STEPS += [ForceReasoning(), ToolUse()]
BY_PART: list[Step] = [EnhanceTool(), ForceReasoning(), ToolUse()]
"""What these make of a part does not depend on the parts before it."""
REASONS: list[FinishReason] = ["stop", "tool_calls", "length", "content_filter"]
BITS = ["<think>", "</think>", OPENING, CLOSING, "<", "a", " ", "\n", '"', "{", "}", "'", "\\", ":"]
BITS += ['{"response": "', '{"a":', ",", "1"]


class Drawn(NamedTuple):
    """A part and the fragments it comes in; ``choice`` is whose it is."""

    choice: int
    skeleton: Content
    fragments: list[str]


@st.composite
def drawn_parts(draw: st.DrawFn) -> Drawn:
    skeleton: Content = draw(
        st.sampled_from(
            [
                TextContent(text=""),
                ThinkingContent(),
                ToolCallContent(id="c", name="f"),
                ToolCallContent(id="x", name=EXIT),
                ToolCallContent(id="y", name="g", kind="custom"),
            ]
        )
    )
    fragments = draw(st.lists(st.sampled_from(BITS), max_size=8))
    return Drawn(draw(st.integers(0, 1)), skeleton, fragments)


def kind(part: Content) -> str:
    return {TextContent: "text", ThinkingContent: "thinking"}.get(type(part), "tool_args")


@st.composite
def streams(draw: st.DrawFn) -> list[StreamChunk]:
    """A whole stream: its parts are opened in order, and go on and end as it happens."""
    waiting = draw(st.lists(drawn_parts(), max_size=6))
    reasons = draw(st.tuples(st.sampled_from(REASONS), st.sampled_from(REASONS)))
    out: list[StreamChunk] = [MessageStart(id="r", model="m")]
    live: dict[int, tuple[PartBuilder, str, list[str]]] = {}
    opened = 0
    while waiting or live:
        turn = draw(st.integers(0, len(live)))
        if waiting and turn == len(live):
            choice, skeleton, fragments = waiting.pop(0)
            out.append(PartStart(opened, skeleton, choice))
            live[opened] = (PartBuilder(skeleton), kind(skeleton), list(fragments))
            opened += 1
        elif live:
            index = sorted(live)[turn % len(live)]
            builder, name, fragments = live[index]
            if fragments:
                delta = PartDelta(index, name, fragments.pop(0))  # type: ignore[arg-type]
                builder.add(delta)
                out.append(delta)
            else:
                out.append(PartStop(index, builder.build()))
                del live[index]
        if draw(st.booleans()):
            out.append(Ping())
    out += [FinishReport(Finish(reason), choice) for choice, reason in enumerate(reasons)]
    return [*out, MessageStop()]


def contents(response: UnifiedChatResponse) -> Counter[str]:
    """What an answer says, whatever its order: parts that overlap may end in another one."""
    return Counter(
        f"{choice.index} {choice.finish.reason} {part!r}"
        for choice in response.choices
        for part in (*choice.message.content, None)
    )


def staged(step: Step, chunks: list[StreamChunk]) -> list[StreamChunk]:
    stage = step.stream()
    assert stage is not None
    return [out for chunk in chunks for out in stage.feed(chunk)] + stage.close()


@given(streams(), st.sampled_from(STEPS))
def test_a_stream_and_its_answer_agree(chunks: list[StreamChunk], step: Step) -> None:
    check_grammar(chunks)
    out = staged(step, chunks)
    check_grammar(out)
    assert contents(fold(out)) == contents(step.response(fold(chunks)))


@given(streams(), st.lists(st.sampled_from(STEPS), max_size=4))
def test_chains_keep_the_grammar(chunks: list[StreamChunk], steps: list[Step]) -> None:
    for step in steps:
        chunks = staged(step, chunks)
        check_grammar(chunks)


@given(streams(), st.lists(st.sampled_from(BY_PART), max_size=4))
def test_chains_and_their_answers_agree(chunks: list[StreamChunk], steps: list[Step]) -> None:
    whole = fold(chunks)
    for step in steps:
        chunks, whole = staged(step, chunks), step.response(whole)
    assert contents(fold(chunks)) == contents(whole)


@given(streams(), st.sampled_from(STEPS))
def test_deltas_build_the_parts_they_end_in(chunks: list[StreamChunk], step: Step) -> None:
    """A client that reads deltas and one that waits for the end see the same."""
    builders: dict[int, PartBuilder] = {}
    for chunk in staged(step, chunks):
        match chunk:
            case PartStart(index=index, part=part):
                builders[index] = PartBuilder(part)
            case PartDelta(index=index):
                builders[index].add(chunk)
            case PartStop(index=index, part=part):
                assert builders[index].build() == part
            case _:
                pass
