"""Reasoning: Anthropic's ``thinking`` and ``output_config.effort``, both ways (mappings.md §3)."""

from typing import Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.anthropic_messages.reader import INTEGER, STRING, Kind, Level
from plexus.transformers.capabilities import Capabilities
from plexus.transformers.effort import BUDGETS, EFFORTS, effort_of, is_off, is_said
from plexus.transformers.losses import LossLog
from plexus.unified.request import Reasoning, ReasoningMode, ThinkLevel

MIN_BUDGET = 1024
ANSWER_ROOM = 4096
"""Tokens kept for the answer when Plexus chooses ``max_tokens`` (mappings.md §3.2)."""

_EFFORT: Kind[ThinkLevel] = Kind(
    Literal["low", "medium", "high", "xhigh", "max"],
    "expected one of low, medium, high, xhigh, max",
)
_MODES: dict[str, ReasoningMode] = {
    "adaptive": "adaptive",
    "enabled": "budget",
    "disabled": "off",
    "between_tools": "between_tools",
}


class Thinking(Struct, frozen=True):
    """What a request says: the ``thinking`` object and ``output_config.effort``.

    ``on``: the request switches thinking on.  ``budget``: the tokens of budget mode, which excludes
    forced tools (anthropic-messages.md §3).
    """

    thinking: dict[str, object] | None = None
    effort: str | None = None
    on: bool = False
    budget: int | None = None


def parse_thinking(thinking: Level | None, config: Level | None) -> Reasoning | None:
    """None when the client said nothing.  Takes ``effort`` out of ``config``.  Raises Malformed.

    An unknown type of thinking keeps thinking on (traps T07).
    """
    effort = config.take("effort", _EFFORT) if config is not None else None
    if thinking is None:
        return None if effort is None else Reasoning(effort=effort)
    kind = thinking.need("type", STRING)
    mode = _MODES.get(kind)
    budget = thinking.take("budget_tokens", INTEGER)
    display = thinking.take("display", STRING)
    if mode is None:
        thinking.fields["type"] = Raw(msgspec.json.encode(kind))
    on = mode not in ("off", "between_tools")
    return Reasoning(
        effort=effort,
        max_tokens=budget if mode == "budget" else None,
        enabled=on,
        mode=mode or "adaptive",
        include=display != "omitted" if on else None,
        summary=display,
        ext={NAME: thinking.fields} if thinking.fields else {},
    )


def format_thinking(
    reasoning: Reasoning | None,
    caps: Capabilities,
    max_tokens: int | None,
    native: bool,
    log: LossLog,
) -> Thinking:
    """The request's thinking for a model; unknown models think adaptively (mappings.md §3.3).

    ``max_tokens`` is the client's, None when it gave none.  ``native``: the client speaks this
    dialect, so an effort alone means what it says and switches nothing on.
    """
    if reasoning is None or not is_said(reasoning):
        return Thinking()
    if is_off(reasoning):
        return _format_off(reasoning, caps, log)
    if caps.thinking == "none":
        log.note("reasoning.effort")
        return Thinking()
    if caps.thinking == "budget":
        return _format_budget(reasoning, caps, max_tokens, log)
    if native and caps.thinking is None and reasoning.mode == "budget":
        return _verbatim(reasoning)
    effort = _effort(reasoning, caps, log)
    if native and reasoning.mode is None and reasoning.enabled is None:
        return Thinking(effort=effort)
    thinking: dict[str, object] = {"type": "adaptive"}
    _display(thinking, reasoning, None if native else "summarized")
    return Thinking(thinking, effort, on=True)


BINDING_BETA = "thinking-binding-controls-2026-08-01"
_DROP = {"prefix_mismatch_behavior": "drop_block"}


def unbound(thinking: Thinking) -> Thinking:
    """With leave to drop thinking whose prefix is another than it was (anthropic-messages.md §11).

    A step, or a turn that went to another target, may have changed it.
    """
    said = {"type": "adaptive"} if thinking.thinking is None else thinking.thinking
    if said["type"] == "disabled":
        return thinking
    return replace(thinking, thinking={"block_binding": _DROP, **said})


def _verbatim(reasoning: Reasoning) -> Thinking:
    """What a client of this dialect wrote for a model Plexus does not know."""
    thinking: dict[str, object] = {"type": "enabled", "budget_tokens": reasoning.max_tokens}
    _display(thinking, reasoning, None)
    return Thinking(thinking, reasoning.effort, on=True)


def _format_off(reasoning: Reasoning, caps: Capabilities, log: LossLog) -> Thinking:
    """``disabled``, where refused ``between_tools``, where refused the lowest effort."""
    if caps.thinking == "none":
        return Thinking()
    if caps.thinking_off == "refused":
        log.note("reasoning.off")
        return Thinking(effort=_nearest("low", caps))
    between = reasoning.mode == "between_tools" and caps.thinking_off is None
    if caps.thinking_off == "between_tools" or between:
        return Thinking({"type": "between_tools"})
    return Thinking({"type": "disabled"})


def _format_budget(
    reasoning: Reasoning, caps: Capabilities, max_tokens: int | None, log: LossLog
) -> Thinking:
    budget = reasoning.max_tokens
    if budget is None:
        budget = BUDGETS[reasoning.effort or "medium"]
        if reasoning.effort is not None:
            log.note("reasoning.effort")
    ceiling = max_tokens if max_tokens is not None else caps.max_output_tokens
    fitted = max(budget, MIN_BUDGET)
    if ceiling is not None:
        fitted = min(fitted, ceiling * 4 // 5)
    if fitted < MIN_BUDGET:
        log.note("reasoning.budget")
        return Thinking({"type": "disabled"})
    if reasoning.max_tokens is not None and fitted != budget:
        log.note("reasoning.budget")
    thinking: dict[str, object] = {"type": "enabled", "budget_tokens": fitted}
    _display(thinking, reasoning, None)
    return Thinking(thinking, on=True, budget=fitted)


def _effort(reasoning: Reasoning, caps: Capabilities, log: LossLog) -> str | None:
    wanted = reasoning.effort
    if wanted is None and reasoning.max_tokens is not None:
        log.note("reasoning.budget")
        wanted = effort_of(reasoning.max_tokens)
    if wanted is None:
        return None
    found = _nearest(wanted, caps)
    if found != wanted and reasoning.effort is not None:
        log.note("reasoning.effort")
    return found


def _nearest(wanted: ThinkLevel, caps: Capabilities) -> str:
    """The level itself, else the nearest lower one the model has, else its lowest."""
    have = [e for e in EFFORTS[2:] if caps.efforts is None or e in caps.efforts]
    if not have:
        return "low"
    rank = EFFORTS.index(wanted)
    lower = [effort for effort in have if EFFORTS.index(effort) <= rank]
    return lower[-1] if lower else have[0]


def _display(thinking: dict[str, object], reasoning: Reasoning, readable: str | None) -> None:
    """Models of the newest family hide their thinking unless asked (mappings.md §3.5)."""
    if reasoning.include is False:
        thinking["display"] = "omitted"
    elif reasoning.summary in ("updates", "summarized"):
        thinking["display"] = reasoning.summary
    elif readable is not None:
        thinking["display"] = readable
    thinking.update(reasoning.ext.get(NAME, {}))
