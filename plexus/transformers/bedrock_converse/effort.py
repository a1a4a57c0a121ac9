"""Reasoning of models that are not Claude's (reference/bedrock-vertex.md §3, mappings.md §3)."""

from plexus.transformers.capabilities import Capabilities
from plexus.transformers.effort import EFFORTS, effort_of, is_off
from plexus.transformers.losses import LossLog
from plexus.unified.request import Reasoning, ThinkLevel

_LEVELS: tuple[ThinkLevel, ...] = ("low", "medium", "high")


def nova_reasoning(reasoning: Reasoning, log: LossLog) -> dict[str, object]:
    """Nova's ``reasoningConfig``; nothing when the client said nothing."""
    if is_off(reasoning):
        return {"reasoningConfig": {"type": "disabled"}}
    wanted = _wanted(reasoning, log)
    if wanted is None:
        return {}
    effort = _nearest(wanted, _LEVELS, log)
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}


def openai_effort(reasoning: Reasoning, caps: Capabilities, log: LossLog) -> dict[str, object]:
    """``reasoning_effort`` of OpenAI's models, which cannot be told not to think."""
    have = tuple(e for e in EFFORTS if caps.efforts is None or e in caps.efforts)
    have = _LEVELS if caps.efforts is None or not have else have
    if is_off(reasoning):
        log.note("reasoning.off")
        return {"reasoning_effort": have[0]}
    wanted = _wanted(reasoning, log)
    return {} if wanted is None else {"reasoning_effort": _nearest(wanted, have, log)}


def _wanted(reasoning: Reasoning, log: LossLog) -> ThinkLevel | None:
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.max_tokens is not None:
        log.note("reasoning.budget")
        return effort_of(reasoning.max_tokens)
    return "medium" if reasoning.enabled or reasoning.mode is not None else None


def _nearest(wanted: ThinkLevel, have: tuple[ThinkLevel, ...], log: LossLog) -> ThinkLevel:
    """The level itself, else the nearest lower one there is, else the lowest."""
    if wanted in have:
        return wanted
    log.note("reasoning.effort")
    lower = [effort for effort in have if EFFORTS.index(effort) <= EFFORTS.index(wanted)]
    return lower[-1] if lower else have[0]
