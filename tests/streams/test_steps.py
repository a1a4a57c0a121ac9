"""The steps that work on answers, over every recorded one: one truth for JSON and streams.

Recorded answers need no mending and have few tags, so a step leaves nearly all of them as they
are; that is the point.
"""

from functools import cache

import pytest

from plexus.transformers.base import Step
from plexus.transformers.steps.enhancetool import EnhanceTool
from plexus.transformers.steps.extrathinktag import ExtraThinkTag
from plexus.transformers.steps.forcereasoning import ForceReasoning
from plexus.transformers.steps.tooluse import ToolUse
from plexus.unified.chunks import PartDelta, StreamChunk, check_grammar
from plexus.unified.content import Content, ToolCallContent
from plexus.unified.fold import fold
from plexus.unified.response import UnifiedChatResponse
from tests.streams.corpus import require_corpus
from tests.streams.test_folds import ANSWERS, READABLE, Source, source

STEPS: tuple[Step, ...] = (EnhanceTool(), ExtraThinkTag(), ForceReasoning(), ToolUse())


@cache
def sources() -> tuple[tuple[str, Source], ...]:
    read = ((found.id, source(found)) for found in ANSWERS)
    return tuple((name, found) for name, found in read if found is not None)


def staged(step: Step, chunks: list[StreamChunk]) -> list[StreamChunk]:
    stage = step.stream()
    assert stage is not None
    return [out for chunk in chunks for out in stage.feed(chunk)] + stage.close()


def a_character_each(chunks: list[StreamChunk]) -> list[StreamChunk]:
    """The same stream with its texts in single characters."""
    out: list[StreamChunk] = []
    for chunk in chunks:
        if isinstance(chunk, PartDelta) and isinstance(chunk.value, str):
            out += [PartDelta(chunk.index, chunk.kind, c, chunk.sub) for c in chunk.value]
        else:
            out.append(chunk)
    return out


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.NAME)
def test_streams_and_answers_agree(step: Step) -> None:
    require_corpus()
    assert len(sources()) >= READABLE
    for name, (chunks, response) in sources():
        whole = step.response(response)
        for stream in (chunks, a_character_each(chunks)):
            out = staged(step, stream)
            check_grammar(out)
            assert fold(out) == whole, name


def parts(response: UnifiedChatResponse) -> list[Content]:
    return [part for choice in response.choices for part in choice.message.content]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.NAME)
def test_what_needs_no_step_is_left_alone(step: Step) -> None:
    """Which answers differ is known: empty arguments, and thinking in tags."""
    require_corpus()
    for name, (_, response) in sources():
        changed = step.response(response)
        if changed == response:
            continue
        texts = "".join(getattr(part, "text", "") for part in parts(response))
        mended = [p for p in parts(response) if isinstance(p, ToolCallContent)]
        assert step.NAME in ("enhancetool", "extrathinktag"), name
        assert "<think>" in texts or any(not call.arguments for call in mended), name
