"""How a chat provider is asked to think (mappings.md §3.2, §3.3; vendors.md)."""

from collections.abc import Mapping, Sequence
from typing import Any

from plexus.transformers.capabilities import TargetModel
from plexus.transformers.effort import EFFORTS, effort_of, is_on
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.format_parts import Writing
from plexus.transformers.openai_chat.losses import NAME
from plexus.unified.request import Reasoning, ThinkLevel

SUMMARIES = ("auto", "concise", "detailed")


def nearest(effort: str, known: Sequence[str]) -> str:
    """``effort``, else the nearest lower level of the model, else its lowest."""
    if effort in known:
        return effort
    levels = [level for level in EFFORTS if level in known and level != "none"]
    lower = [level for level in levels if EFFORTS.index(level) < EFFORTS.index(effort)]
    if lower:
        return lower[-1]
    return levels[0] if levels else known[0]


def write_reasoning(wanted: Reasoning, writing: Writing) -> dict[str, Any]:
    """The members that carry it; silence stays silence."""
    capabilities = writing.target.capabilities
    if NAME in wanted.ext:
        # The client chose a vendor's form for this vendor: its own words.
        own: dict[str, Any] = dict(wanted.ext[NAME])
        if wanted.effort is not None and "reasoning" not in own:
            own.setdefault("reasoning_effort", wanted.effort)
        return own
    on = is_on(wanted)
    if on is None:
        return {}
    if capabilities.thinking == "none" or capabilities.thinking_form == "none":
        if on:
            writing.log.note("reasoning")
        elif capabilities.thinking != "none":
            writing.log.note("reasoning.off", "reasoning")
        return {}
    body = _in_form(wanted, on, writing)
    if on and capabilities.reasoning_format is not None:
        hidden = wanted.include is False
        body["reasoning_format"] = "hidden" if hidden else capabilities.reasoning_format
    return body


def _in_form(wanted: Reasoning, on: bool, writing: Writing) -> dict[str, Any]:
    """In the members that the vendor has for it."""
    match writing.target.capabilities.thinking_form:
        case "reasoning":
            return {"reasoning": _object(wanted, on, writing)}
        case "thinking":
            return _switched(wanted, on, writing, "thinking", {"type": _word(on)})
        case "enabled":
            return _switched(wanted, on, writing, "reasoning", {"enabled": on})
        case "enable_thinking":
            return _switched(wanted, on, writing, "enable_thinking", on)
        case "chat_template":
            # Templates know the switch by either name, and ignore the other.
            switch = {"enable_thinking": on, "thinking": on}
            return _switched(wanted, on, writing, "chat_template_kwargs", switch)
        case _:
            effort = choose_effort(wanted, writing.target, writing.log)
            return {} if effort is None else {"reasoning_effort": effort}


def _word(on: bool) -> str:
    return "enabled" if on else "disabled"


def _switched(
    wanted: Reasoning, on: bool, writing: Writing, name: str, switch: object
) -> dict[str, Any]:
    """A switch, and an effort beside it where the vendor is known to take one."""
    known, budget = writing.target.capabilities.efforts, writing.target.capabilities.budget_field
    if not on:
        return {name: switch}
    if budget is not None and wanted.effort is None and wanted.max_tokens is not None:
        return {name: switch, budget: wanted.max_tokens}
    asked = wanted.effort is not None or wanted.max_tokens is not None
    if known is not None and asked:
        return {
            name: switch,
            "reasoning_effort": choose_effort(wanted, writing.target, writing.log),
        }
    if wanted.effort is not None:
        writing.log.note("reasoning.effort", "reasoning")
    elif wanted.max_tokens is not None:
        writing.log.note("reasoning.budget", "reasoning")
    return {name: switch}


def _object(wanted: Reasoning, on: bool, writing: Writing) -> dict[str, Any]:
    """OpenRouter's and Vercel's object, which knows efforts and budgets (vendors.md §5, §9)."""
    if not on:
        return {"enabled": False}
    found: dict[str, Any] = {}
    if wanted.effort is not None:
        found["effort"] = choose_effort(wanted, writing.target, writing.log)
    elif wanted.max_tokens is not None:
        found["max_tokens"] = wanted.max_tokens
    else:
        found["enabled"] = True
    if wanted.summary in SUMMARIES:
        found["summary"] = wanted.summary
    if wanted.include is False:
        found["exclude"] = True
    return found


def choose_effort(wanted: Reasoning, target: TargetModel, log: LossLog) -> str | None:
    """The effort in the vendor's word; None to say nothing."""
    known, names = target.capabilities.efforts, _names(target)
    if is_on(wanted) is False:
        if known and "none" not in known:
            log.note("reasoning.off", "reasoning")
            lowest = nearest("minimal", known)
            return names.get(lowest, lowest)
        return names.get("none", "none")
    effort: ThinkLevel | None = wanted.effort
    if effort is None and wanted.max_tokens is not None:
        effort = effort_of(wanted.max_tokens)
        log.note("reasoning.budget", "reasoning")
    if effort is None:
        # On, and no word about how much (mappings.md §3.3).
        effort = "medium" if wanted.mode == "adaptive" or wanted.enabled else None
        return None if effort is None else names.get(effort, _known(effort, known))
    found = names.get(effort) or _known(effort, known)
    if found != effort:
        log.note("reasoning.effort", "reasoning")
    return found


def _names(target: TargetModel) -> Mapping[str, str]:
    """The vendor's words; a level that the model lacks stands for no other."""
    known = target.capabilities.efforts
    return {
        effort: word
        for effort, word in (target.capabilities.effort_names or {}).items()
        if not known or word in known or word not in EFFORTS
    }


def _known(effort: str, known: Sequence[str] | None) -> str:
    return nearest(effort, known) if known else effort
