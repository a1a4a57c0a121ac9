"""Reasoning effort for a chat provider (mappings.md §3.2, §3.3)."""

from collections.abc import Sequence
from typing import Any, get_args

from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.format_parts import Writing
from plexus.transformers.openai_chat.losses import NAME
from plexus.unified.request import Reasoning, ThinkLevel

LEVELS: tuple[ThinkLevel, ...] = get_args(ThinkLevel)
_BUDGETS: tuple[tuple[int, ThinkLevel], ...] = (
    (0, "none"),
    (1024, "minimal"),
    (4096, "low"),
    (16384, "medium"),
    (28672, "high"),
    (48000, "xhigh"),
)


def effort_of_budget(tokens: int) -> ThinkLevel:
    """The inverse table of mappings.md §3.2."""
    for limit, effort in _BUDGETS:
        if tokens <= limit:
            return effort
    return "max"


def nearest(effort: str, known: Sequence[str]) -> str:
    """``effort``, else the nearest lower level of the model, else its lowest."""
    if effort in known:
        return effort
    levels = [level for level in LEVELS if level in known and level != "none"]
    lower = [level for level in levels if LEVELS.index(level) < LEVELS.index(effort)]
    if lower:
        return lower[-1]
    return levels[0] if levels else known[0]


def write_reasoning(wanted: Reasoning, writing: Writing) -> dict[str, Any]:
    """The members that carry it; silence stays silence."""
    if NAME in wanted.ext:
        # The client chose a vendor's form for this vendor: its own words.
        own: dict[str, Any] = dict(wanted.ext[NAME])
        if wanted.effort is not None and "reasoning" not in own:
            own.setdefault("reasoning_effort", wanted.effort)
        return own
    effort = choose_effort(wanted, writing.target, writing.log)
    return {} if effort is None else {"reasoning_effort": effort}


def choose_effort(wanted: Reasoning, target: TargetModel, log: LossLog) -> str | None:
    """The effort for an OpenAI model; None to say nothing."""
    known = target.capabilities.efforts
    if (
        wanted.effort == "none"
        or wanted.mode in ("off", "between_tools")
        or wanted.enabled is False
    ):
        if known and "none" not in known:
            log.note("reasoning.off", "reasoning")
            return nearest("minimal", known)
        return "none"
    effort: ThinkLevel | None = wanted.effort
    if effort is None and wanted.max_tokens is not None:
        effort = effort_of_budget(wanted.max_tokens)
        log.note("reasoning.budget", "reasoning")
    if effort is None:
        # On, and no word about how much (mappings.md §3.3).
        return "medium" if wanted.mode == "adaptive" or wanted.enabled else None
    if known and effort not in known:
        log.note("reasoning.effort", "reasoning")
        return nearest(effort, known)
    return effort
