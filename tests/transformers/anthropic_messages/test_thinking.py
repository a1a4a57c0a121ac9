"""Reasoning for every kind of model (mappings.md §3)."""

from typing import Any

import pytest

from plexus.transformers.effort import BUDGETS, effort_of
from plexus.unified.request import Reasoning, ThinkLevel
from tests.transformers.anthropic_messages.support import losses, parse, request, sent

OFF = Reasoning(effort="none")


def thought(reasoning: Reasoning | None, max_tokens: int | None = None, **capabilities: Any) -> Any:
    """``thinking`` and ``effort`` as sent."""
    found = sent(request(reasoning=reasoning, max_tokens=max_tokens), **capabilities)
    return found.get("thinking"), found.get("output_config", {}).get("effort")


@pytest.mark.parametrize(("effort", "budget"), BUDGETS.items())
def test_the_table_is_invertible(effort: ThinkLevel, budget: int) -> None:
    assert effort_of(budget) == effort


def test_silence_stays_silence() -> None:
    for reasoning in (None, Reasoning(), Reasoning(include=True)):
        assert thought(reasoning) == (None, None)


ADAPTIVE = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("reasoning", "capabilities", "expected", "warned"),
    [
        (Reasoning(effort="high"), {}, (ADAPTIVE, "high"), []),
        (Reasoning(effort="max"), {}, (ADAPTIVE, "max"), []),
        (Reasoning(effort="minimal"), {}, (ADAPTIVE, "low"), ["reasoning.effort"]),
        (
            Reasoning(effort="xhigh"),
            {"efforts": ("low", "high", "max")},
            (ADAPTIVE, "high"),
            ["reasoning.effort"],
        ),
        (Reasoning(effort="low"), {"efforts": ("high",)}, (ADAPTIVE, "high"), ["reasoning.effort"]),
        (Reasoning(max_tokens=5000), {}, (ADAPTIVE, "medium"), ["reasoning.budget"]),
        (Reasoning(enabled=True), {}, (ADAPTIVE, None), []),
        (
            Reasoning(effort="low", include=False),
            {},
            ({"type": "adaptive", "display": "omitted"}, "low"),
            [],
        ),
        (OFF, {}, ({"type": "disabled"}, None), []),
        (Reasoning(enabled=False), {}, ({"type": "disabled"}, None), []),
        (Reasoning(max_tokens=0), {}, ({"type": "disabled"}, None), []),
        (OFF, {"thinking_off": "between_tools"}, ({"type": "between_tools"}, None), []),
        (Reasoning(mode="between_tools"), {}, ({"type": "between_tools"}, None), []),
        (
            Reasoning(mode="between_tools"),
            {"thinking_off": "disabled"},
            ({"type": "disabled"}, None),
            [],
        ),
        (OFF, {"thinking_off": "refused"}, (None, "low"), ["reasoning.off"]),
        (OFF, {"thinking": "none"}, (None, None), []),
        (Reasoning(effort="low"), {"thinking": "none"}, (None, None), ["reasoning.effort"]),
    ],
)
def test_T08_T09_modes_follow_the_model(
    reasoning: Reasoning, capabilities: dict[str, Any], expected: Any, warned: list[str]
) -> None:
    assert thought(reasoning, **capabilities) == expected
    assert losses(request(reasoning=reasoning), **capabilities) == warned


@pytest.mark.parametrize(
    ("reasoning", "max_tokens", "budget"),
    [
        (Reasoning(max_tokens=3000), 10000, 3000),
        (Reasoning(max_tokens=500), 10000, 1024),
        (Reasoning(max_tokens=9000), 10000, 8000),
        (Reasoning(effort="medium"), 20000, 8192),
        (Reasoning(enabled=True), 20000, 8192),
        (Reasoning(max_tokens=3000), 1200, None),
    ],
)
def test_T06_budget_fits_into_max_tokens(
    reasoning: Reasoning, max_tokens: int, budget: int | None
) -> None:
    asked = request(reasoning=reasoning, max_tokens=max_tokens)
    found = sent(asked, thinking="budget")
    assert found["max_tokens"] == max_tokens
    if budget is None:
        assert found["thinking"] == {"type": "disabled"}
        assert losses(asked, thinking="budget") == ["reasoning.budget"]
    else:
        assert found["thinking"] == {"type": "enabled", "budget_tokens": budget}


def test_default_max_tokens_leaves_room_for_the_answer() -> None:
    found = sent(request(reasoning=Reasoning(effort="high")), thinking="budget")
    assert found["thinking"]["budget_tokens"] == 24576
    assert found["max_tokens"] == 24576 + 4096
    small = sent(
        request(reasoning=Reasoning(effort="high")), thinking="budget", max_output_tokens=8192
    )
    assert small["max_tokens"] == 8192
    assert small["thinking"]["budget_tokens"] == 8192 * 4 // 5


def test_own_client_of_an_unknown_model_is_taken_at_its_word() -> None:
    for body in (
        {"thinking": {"type": "enabled", "budget_tokens": 4096, "display": "summarized"}},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        {"output_config": {"effort": "low"}},
        {"thinking": {"type": "between_tools"}},
        {"thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "error"}}},
        {"thinking": {"type": "deeper", "depth": 3}},
    ):
        found = sent(parse(**body))
        assert {name: found[name] for name in body} == body


def test_own_client_of_a_known_model_is_converted() -> None:
    asked = parse(thinking={"type": "enabled", "budget_tokens": 4096})
    found = sent(asked, thinking="adaptive")
    assert found["thinking"] == {"type": "adaptive"}
    assert found["output_config"] == {"effort": "low"}
