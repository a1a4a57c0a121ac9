"""Reasoning for Google's models: levels, budgets, and what each model takes (gemini.md §6)."""

from typing import Any

import pytest

from plexus.unified.request import Reasoning
from tests.transformers.gemini.support import asked, noted, parse, target, user, wire

LEVELS = "gemini-3-flash-preview"
PRO, FLASH = "gemini-2.5-pro", "gemini-2.5-flash"


def thinking(reasoning: Reasoning, name: str = "m-1", **fields: Any) -> Any:
    """``thinkingConfig`` without ``includeThoughts``."""
    request = asked(user("hi"), reasoning=reasoning, **fields)
    config = wire(request, target(name)).get("generationConfig", {})
    found = config.get("thinkingConfig", {})
    found.pop("includeThoughts", None)
    return found


@pytest.mark.parametrize(
    ("effort", "unknown", "levels"),
    [
        ("none", "LOW", "MINIMAL"),
        ("minimal", "LOW", "MINIMAL"),
        ("low", "LOW", "LOW"),
        ("medium", "MEDIUM", "MEDIUM"),
        ("high", "HIGH", "HIGH"),
        ("xhigh", "HIGH", "HIGH"),
        ("max", "HIGH", "HIGH"),
    ],
)
def test_T09_efforts_as_levels(effort: Any, unknown: str, levels: str) -> None:
    assert thinking(Reasoning(effort=effort)) == {"thinkingLevel": unknown}
    assert thinking(Reasoning(effort=effort), LEVELS) == {"thinkingLevel": levels}


@pytest.mark.parametrize(
    ("effort", "pro", "flash"),
    [
        ("none", 128, 0),
        ("minimal", 1024, 1024),
        ("low", 2048, 2048),
        ("medium", 8192, 8192),
        ("high", 24576, 24576),
        ("max", 32768, 24576),
    ],
)
def test_efforts_as_budgets(effort: Any, pro: int, flash: int) -> None:
    assert thinking(Reasoning(effort=effort), PRO) == {"thinkingBudget": pro}
    assert thinking(Reasoning(effort=effort), FLASH) == {"thinkingBudget": flash}


@pytest.mark.parametrize(
    ("budget", "level", "pro"),
    [
        (0, "LOW", 128),
        (100, "LOW", 128),
        (4096, "LOW", 4096),
        (4097, "MEDIUM", 4097),
        (16385, "HIGH", 16385),
        (60000, "HIGH", 32768),
    ],
)
def test_budgets(budget: int, level: str, pro: int) -> None:
    asked_for = Reasoning(max_tokens=budget, mode="budget" if budget else "off")
    assert thinking(asked_for) == {"thinkingLevel": level}
    assert thinking(asked_for, PRO) == {"thinkingBudget": pro}


def test_T06_a_budget_stays_inside_the_cap_on_all_output() -> None:
    asked_for = Reasoning(max_tokens=8000, mode="budget")
    assert thinking(asked_for, PRO, max_tokens=1000) == {"thinkingBudget": 800}
    assert thinking(asked_for, PRO, max_tokens=100) == {"thinkingBudget": 128}
    assert thinking(asked_for, "gemini-2.5-flash-lite", max_tokens=100) == {"thinkingBudget": 0}


def test_adaptive() -> None:
    adaptive = Reasoning(mode="adaptive", enabled=True)
    assert thinking(adaptive) == {}
    assert thinking(adaptive, PRO) == {"thinkingBudget": -1}


def test_what_is_approximated_is_said() -> None:
    for reasoning, name, field in (
        (Reasoning(effort="xhigh"), "m-1", "reasoning.effort"),
        (Reasoning(effort="low"), PRO, "reasoning.effort"),
        (Reasoning(max_tokens=5000), "m-1", "reasoning.budget"),
        (Reasoning(max_tokens=50000), PRO, "reasoning.budget"),
        (Reasoning(effort="none"), "m-1", "reasoning.off"),
        (Reasoning(enabled=False), PRO, "reasoning.off"),
    ):
        assert noted(asked(user("hi"), reasoning=reasoning), target(name)) == [field]
    for reasoning, name in (
        (Reasoning(effort="high"), "m-1"),
        (Reasoning(max_tokens=5000), PRO),
        (Reasoning(effort="none"), FLASH),
    ):
        assert noted(asked(user("hi"), reasoning=reasoning), target(name)) == []


def test_a_model_that_does_not_think() -> None:
    to = target(thinking="none")
    request = asked(user("hi"), reasoning=Reasoning(effort="high"))
    assert "generationConfig" not in wire(request, to)
    assert noted(request, to) == ["reasoning.effort"]


def test_capabilities_win() -> None:
    request = asked(user("hi"), reasoning=Reasoning(effort="medium"))
    for capabilities, config in (
        ({"thinking": "budget"}, {"thinkingBudget": 8192}),
        ({"efforts": ("high",)}, {"thinkingLevel": "HIGH"}),
    ):
        found = wire(request, target(**capabilities))["generationConfig"]["thinkingConfig"]
        assert found == {**config, "includeThoughts": True}
    levels = wire(request, target(FLASH, thinking="adaptive"))["generationConfig"]["thinkingConfig"]
    assert levels["thinkingLevel"] == "MEDIUM"


@pytest.mark.parametrize(
    ("reasoning", "include"),
    [
        (Reasoning(effort="high"), True),
        (Reasoning(effort="high", include=True), True),
        (Reasoning(effort="high", include=False), None),
        (Reasoning(effort="none"), None),
        (Reasoning(include=True), True),
        (None, None),
    ],
)
def test_readable_thoughts(reasoning: Reasoning | None, include: bool | None) -> None:
    config = wire(asked(user("hi"), reasoning=reasoning)).get("generationConfig", {})
    assert config.get("thinkingConfig", {}).get("includeThoughts") == include


@pytest.mark.parametrize(
    "config",
    [
        {"thinkingBudget": 0},
        {"thinkingBudget": -1},
        {"thinkingBudget": 777},
        {"thinkingLevel": "XHIGH"},
        {"includeThoughts": False},
        {"includeThoughts": True, "thinkingLevel": "LOW"},
    ],
)
def test_a_clients_own_words_for_a_model_nobody_knows(config: Any) -> None:
    request = parse(generationConfig={"thinkingConfig": config})
    assert wire(request)["generationConfig"] == {"thinkingConfig": config}


def test_a_clients_budget_for_a_model_of_levels() -> None:
    request = parse(generationConfig={"thinkingConfig": {"thinkingBudget": 5000}})
    found = wire(request, target(LEVELS))["generationConfig"]["thinkingConfig"]
    assert found == {"thinkingLevel": "MEDIUM"}
