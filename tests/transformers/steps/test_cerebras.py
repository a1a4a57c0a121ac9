"""``cerebras``: reasoning as Cerebras takes it."""

import pytest

from plexus.transformers.steps.cerebras import Cerebras
from tests.transformers.steps.support import edited

STEP = Cerebras()


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"reasoning": {"effort": "medium"}}, {"reasoning_effort": "medium"}),
        ({"reasoning": {"effort": "minimal"}}, {"reasoning_effort": "low"}),
        ({"reasoning": {"effort": "max"}}, {"reasoning_effort": "high"}),
        ({"reasoning": {"enabled": False}}, {"reasoning_effort": "none"}),
        ({"reasoning": {"enabled": True}}, {}),
        (
            {"reasoning": {"effort": "low"}, "reasoning_effort": "high"},
            {"reasoning_effort": "high"},
        ),
        ({"reasoning": "high"}, {}),
        ({"reasoning_effort": "minimal"}, {"reasoning_effort": "minimal"}),
        ({}, {}),
    ],
)
def test_reasoning_becomes_reasoning_effort(body: object, sent: object) -> None:
    assert edited(STEP, body) == sent


def test_bug_a_body_without_reasoning_got_a_switch() -> None:
    """musistudio: ``disable_reasoning: false`` in every request that says nothing."""
    assert edited(STEP, {"model": "m"}) == {"model": "m"}


def test_markers_go_and_other_dialects_are_left_alone() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    body = {"messages": [{"role": "user", "content": "a", **mark}]}
    assert edited(STEP, body) == {"messages": [{"role": "user", "content": "a"}]}
    assert edited(STEP, {**body, "reasoning": {}}, "anthropic-messages") == {
        **body,
        "reasoning": {},
    }
