"""Reasoning: ``thinkingConfig``, both ways (mappings.md §3, gemini.md §6)."""

from msgspec import Raw

from plexus.transformers.capabilities import Capabilities
from plexus.transformers.effort import BUDGETS, EFFORTS, effort_of, is_off, is_said
from plexus.transformers.gemini.models import Thinker, is_known, thinker
from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.reader import BOOLEAN, ENUM, INTEGER, Level, Malformed
from plexus.transformers.gemini.usual import UsualThinking
from plexus.transformers.losses import LossLog
from plexus.unified.request import Reasoning, ReasoningMode, ThinkLevel

_LEVELS: dict[str, ThinkLevel] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
    "1": "low",
    "2": "medium",
    "3": "high",
    "4": "minimal",
}
_UNSAID = ("THINKING_LEVEL_UNSPECIFIED", "0")
ADAPTIVE = -1
"""The budget that leaves it to the model."""


def parse_thinking(config: Level | None) -> Reasoning | None:
    """None when the client said nothing.  Raises Malformed."""
    if config is None:
        return None
    include = config.take("includeThoughts", BOOLEAN)
    budget = config.take("thinkingBudget", INTEGER)
    effort = _effort(config.take("thinkingLevel", ENUM), config.where("thinkingLevel"))
    return _reasoning(include, budget, effort, config.rest())


def usual_thinking(seen: UsualThinking) -> Reasoning | None:
    """The same for a ``thinkingConfig`` read in one look.  Raises Malformed."""
    effort = _effort(seen.thinking_level, "generationConfig.thinkingConfig.thinkingLevel")
    return _reasoning(seen.include_thoughts, seen.thinking_budget, effort, {})


def _effort(word: str | int | None, path: str) -> ThinkLevel | None:
    if word is None or str(word) in _UNSAID:
        return None
    effort = _LEVELS.get(str(word).upper())
    if effort is None:
        raise Malformed(path, "expected a level of thinking")
    return effort


def _reasoning(
    include: bool | None, budget: int | None, effort: ThinkLevel | None, rest: dict[str, Raw]
) -> Reasoning | None:
    if include is None and budget is None and effort is None and not rest:
        return None
    mode: ReasoningMode | None = None
    enabled: bool | None = None
    if budget is not None:
        mode = "off" if budget == 0 else "adaptive" if budget < 0 else "budget"
        enabled = budget != 0
    return Reasoning(
        effort=effort,
        max_tokens=budget if budget is not None and budget >= 0 else None,
        enabled=enabled,
        mode=mode,
        include=include,
        ext={NAME: rest} if rest else {},
    )


def format_thinking(
    reasoning: Reasoning | None,
    model: str,
    caps: Capabilities,
    max_tokens: int | None,
    native: bool,
    log: LossLog,
) -> dict[str, object]:
    """``thinkingConfig``, empty for nothing (mappings.md §3.3).

    ``native``: the client speaks this dialect, so a model nobody knows gets what was written.
    """
    if reasoning is None:
        return {}
    out: dict[str, object] = dict(reasoning.ext.get(NAME, {}))
    if is_said(reasoning):
        if caps.thinking == "none":
            log.note("reasoning.off" if is_off(reasoning) else "reasoning.effort")
            return {}
        if native and not is_known(model, caps):
            out.update(_verbatim(reasoning))
        elif (found := thinker(model, caps)).budget:
            out.update(_budget(reasoning, found, max_tokens, log))
        else:
            out.update(_level(reasoning, found, log))
    include = reasoning.include
    if include is None and not native and is_said(reasoning) and not is_off(reasoning):
        include = True
    if include is not None and (native or include):
        out["includeThoughts"] = include
    return out


def _verbatim(reasoning: Reasoning) -> dict[str, object]:
    if reasoning.effort is not None:
        return {"thinkingLevel": reasoning.effort.upper()}
    if reasoning.max_tokens is not None:
        return {"thinkingBudget": reasoning.max_tokens}
    return {"thinkingBudget": ADAPTIVE} if reasoning.mode == "adaptive" else {}


def _budget(
    reasoning: Reasoning, model: Thinker, max_tokens: int | None, log: LossLog
) -> dict[str, object]:
    if is_off(reasoning):
        if not model.off:
            log.note("reasoning.off")
        return {"thinkingBudget": 0 if model.off else model.low}
    wanted = reasoning.max_tokens
    if wanted is None and reasoning.effort is None:
        return {"thinkingBudget": ADAPTIVE}
    if wanted is None:
        wanted = BUDGETS[reasoning.effort or "medium"]
        log.note("reasoning.effort")
    fitted = min(max(wanted, model.low), model.high)
    if max_tokens is not None:
        # Thinking counts inside the cap on all output.
        fitted = min(fitted, max_tokens * 4 // 5)
    if fitted < model.low or fitted <= 0:
        log.note("reasoning.budget")
        return {"thinkingBudget": 0 if model.off else model.low}
    if reasoning.max_tokens is not None and fitted != reasoning.max_tokens:
        log.note("reasoning.budget")
    return {"thinkingBudget": fitted}


def _level(reasoning: Reasoning, model: Thinker, log: LossLog) -> dict[str, object]:
    if is_off(reasoning):
        log.note("reasoning.off")
        return _word(_nearest("none", model.levels))
    wanted = reasoning.effort
    if wanted is None and reasoning.max_tokens is not None:
        log.note("reasoning.budget")
        wanted = effort_of(reasoning.max_tokens)
    if wanted is None:
        return {}
    found = _nearest(wanted, model.levels)
    if found != wanted and reasoning.effort is not None:
        log.note("reasoning.effort")
    return _word(found)


def _word(level: str | None) -> dict[str, object]:
    return {} if level is None else {"thinkingLevel": level.upper()}


def _nearest(wanted: ThinkLevel, levels: tuple[str, ...]) -> str | None:
    """The level itself, else the nearest lower one the model has, else its lowest."""
    have = [effort for effort in EFFORTS[1:6] if effort in levels]
    if not have:
        return None
    rank = EFFORTS.index(wanted)
    lower = [effort for effort in have if EFFORTS.index(effort) <= rank]
    return lower[-1] if lower else have[0]


def wants_thoughts(reasoning: Reasoning | None) -> bool:
    """Whether a client of this dialect is shown thoughts of another's model.

    They are parts of their own that the SDK leaves out of the text, and proofs need them.
    """
    return reasoning is None or reasoning.include is not False
