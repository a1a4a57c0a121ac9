"""Efforts, budgets of thinking, and what a request says of either: one table (mappings.md §3)."""

from typing import get_args

from plexus.unified.request import Reasoning, ThinkLevel

EFFORTS: tuple[ThinkLevel, ...] = get_args(ThinkLevel)
"""From the lowest to the highest."""

BUDGETS: dict[ThinkLevel, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32768,
    "max": 64000,
}
"""Tokens of thinking per effort (mappings.md §3.2)."""

_HIGHEST: tuple[tuple[int, ThinkLevel], ...] = (
    (0, "none"),
    (1024, "minimal"),
    (4096, "low"),
    (16384, "medium"),
    (28672, "high"),
    (48000, "xhigh"),
)
"""The highest budget of each effort's band; above the last it is ``max``."""


def effort_of(budget: int) -> ThinkLevel:
    """The effort whose band holds ``budget`` (mappings.md §3.2, inverse column)."""
    for limit, effort in _HIGHEST:
        if budget <= limit:
            return effort
    return "max"


def is_said(reasoning: Reasoning) -> bool:
    """Whether the client says anything of how much to think, and not only of what it may read."""
    return (
        reasoning.effort is not None
        or reasoning.max_tokens is not None
        or reasoning.enabled is not None
        or reasoning.mode is not None
    )


def is_off(reasoning: Reasoning) -> bool:
    """Whether the client switches thinking off."""
    if reasoning.mode in ("off", "between_tools") or reasoning.effort == "none":
        return True
    if reasoning.max_tokens is not None and reasoning.max_tokens <= 0:
        return True
    return reasoning.enabled is False


def is_on(wanted: Reasoning | None) -> bool | None:
    """Whether the client switches thinking on or off; None when it leaves that to the model."""
    if wanted is None:
        return None
    if is_off(wanted):
        return False
    return True if is_said(wanted) else None
