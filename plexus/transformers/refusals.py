"""A provider's refusal, read for what would have been right: the patterns of errors.md §5."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from plexus.transformers.effort import EFFORTS
from plexus.transformers.repairs import Repair
from plexus.unified.errors import UnifiedError

_STATUSES = frozenset({400, 422})
_KINDS = frozenset({"invalid_request", "unsupported"})

# Members without which a request would mean something else are never left out.
_KEPT = frozenset({"contents", "input", "messages", "model", "n", "response_format", "stream"})
_KEPT |= {"system", "tools"}
_NESTED = frozenset({"contents", "input", "messages", "system", "tools"})
_SAMPLING = frozenset({"temperature", "top_k", "top_p"})
_THINKING = frozenset(
    {"chat_template_kwargs", "enable_thinking", "reasoning", "reasoning_effort", "thinking"}
)
_OPTIONAL = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "metadata",
        "min_p",
        "moderation",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_format",
        "repetition_penalty",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream_options",
        "tool_choice",
        "top_logprobs",
        "user",
        "verbosity",
        "web_search_options",
        *_SAMPLING,
        *_THINKING,
    }
)
"""Members that loosely worded refusals may be about; any word could stand there."""

_NAME = r"([A-Za-z_][A-Za-z0-9_.\[\]]{0,80})"
_QUOTED = rf"[`'\"]{_NAME}[`'\"]"
_STRICT = (
    re.compile(
        r"(?:unsupported|unknown|unrecognized|unexpected)\s+(?:request\s+)?"
        r"(?:parameter|argument|field|property|key)s?(?:\(s\))?(?:\s+supplied)?\s*:?\s*"
        rf"[`'\"\[]*{_NAME}",
        re.IGNORECASE,
    ),
    re.compile(rf"{_NAME}: extra (?:inputs|fields) (?:are )?not permitted", re.IGNORECASE),
    re.compile(rf"extra inputs are not permitted,? field: {_QUOTED}", re.IGNORECASE),
    re.compile(rf"property {_QUOTED} is unsupported", re.IGNORECASE),
    re.compile(rf"argument not supported on this model: {_NAME}", re.IGNORECASE),
)
_LOOSE = (
    re.compile(rf"[`'\"]?{_NAME}[`'\"]? (?:is|are) not (?:supported|allowed|permitted)", re.I),
    re.compile(rf"(?:does not|doesn't) support (?:the )?(?:parameter )?[`'\"]?{_NAME}", re.I),
    re.compile(rf"{_QUOTED} does not support ", re.IGNORECASE),
)
_CODES = frozenset({"unknown_parameter", "unsupported_parameter", "unsupported_value"})


def read(error: UnifiedError, dialect: str) -> Repair | None:
    """What to do differently at a target of ``dialect`` that refused a request so.

    None for what is no such refusal: then the request itself is wrong.
    """
    status = 0 if error.upstream is None else error.upstream.status
    if status not in _STATUSES or error.kind not in _KINDS:
        return None
    text = error.message.lower()
    for rule in _RULES:
        found = rule(text, error)
        if found is not None:
            return found
    return _members(error, dialect)


Rule = Callable[[str, UnifiedError], Repair | None]


def _matches(pattern: str, repair: Repair) -> Rule:
    search = re.compile(pattern, re.DOTALL).search
    return lambda text, error: repair if search(text) else None


def _limit(text: str, error: UnifiedError) -> Repair | None:
    """``max_tokens`` against ``max_completion_tokens``, either way."""
    if "max_tokens" not in text and "max_completion_tokens" not in text:
        return None
    if _REFUSED.search(text) is None:
        return None
    wanted = re.search(r"use [`'\"]?(max_(?:completion_)?tokens)[`'\"]?", text)
    if wanted is not None:
        return _field(wanted[1])
    named = [name for name in _OTHER if re.search(rf"(?<![a-z_]){name}(?![a-z_])", text)]
    refused = error.param if error.param in _OTHER else named[0] if len(named) == 1 else None
    return None if refused is None else _field(_OTHER[refused])


def _field(name: str) -> Repair:
    return Repair(name=f"max_tokens_field={name}", capabilities={"max_tokens_field": name})


_OTHER = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_REFUSED = re.compile(
    r"unsupported|unknown|unrecognized|unexpected|not (?:supported|allowed|permitted)"
    r"|does not support|doesn't support|extra (?:inputs|fields)"
)


def _beta(text: str, error: UnifiedError) -> Repair | None:
    if "beta" not in text:
        return None
    named = re.search(r"unexpected value\(s\) [`'\"]([a-z0-9-]{1,80})[`'\"] for the", text)
    if named is not None:
        return Repair(name=f"without beta {named[1]}", beta=named[1])
    return Repair(name="without betas", beta="*") if "invalid beta flag" in text else None


def _effort(text: str, error: UnifiedError) -> Repair | None:
    """The levels that the refusal lists, else the usual three without the refused one."""
    if "effort" not in f"{text} {error.param or ''}" or _VALUE.search(text) is None:
        return None
    said, _, listed = _LIST.sub("\0", text, count=1).partition("\0")
    words = re.findall(r"[a-z]+", listed)
    known = tuple(level for level in EFFORTS if level in words)
    if not known:
        refused = set(re.findall(r"[`'\"]([a-z]+)[`'\"]", said))
        if not refused & set(EFFORTS):
            return None
        known = tuple(level for level in ("low", "medium", "high") if level not in refused)
    changes: dict[str, Any] = {"efforts": known}
    if "default" in words:
        # Groq's only word for thinking at all.
        changes["effort_names"] = {level: "default" for level in EFFORTS if level not in known}
    return Repair(name=f"efforts={'|'.join(known)}", capabilities=changes)


_VALUE = re.compile(r"unsupported value|does not support|supported values|should be|must be|one of")
_LIST = re.compile(r"supported values(?: are)?|should be|must be|one of|expected")


def _thinking_type(text: str, error: UnifiedError) -> Repair | None:
    if _REFUSED.search(text) is None:
        return None
    if "thinking.type.enabled" in text:
        return Repair(name="thinking=adaptive", capabilities={"thinking": "adaptive"})
    if "thinking.type.disabled" in text:
        return Repair(name="thinking_off=refused", capabilities={"thinking_off": "refused"})
    return None


def _schema(text: str, error: UnifiedError) -> Repair | None:
    """A form of the answer that the model does not know: an instruction takes its place."""
    if "response_format" not in f"{text} {error.param or ''}":
        return None
    if _REFUSED.search(text) is None and "unavailable" not in text:
        return None
    if "json_object" in text and "json_schema" not in text:
        return Repair(name="json_object=false", capabilities={"json_object": False})
    return Repair(name="json_schema=false", capabilities={"json_schema": False})


_ROLE = r"(?:unsupported|not support|not a valid|invalid|unknown|unexpected|not one of|not allowed)"
_RULES: tuple[Rule, ...] = (
    _matches(
        r"corrupted thought signature",
        Repair(name="sentinels", without_proofs=True, with_sentinels=True, lasting=False),
    ),
    _matches(
        r"missing a [`'\"]?thought_?signature",
        Repair(name="sentinels", with_sentinels=True, lasting=False),
    ),
    _matches(
        r"invalid [^.]{0,20}signature|bound to (?:a different|another) |cannot be modified"
        r"|expected [`'\"]?thinking",
        Repair(name="without proofs", without_proofs=True, lasting=False),
    ),
    _matches(
        r"reasoning_content.*must be passed back",
        Repair(name="without thinking", without_thinking=True, lasting=False),
    ),
    _matches(
        r"without its required [`'\"]reasoning[`'\"] item|expected an id that begins with",
        Repair(name="without ids", without_ids=True, lasting=False),
    ),
    _matches(
        r"function tools with reasoning_effort are not supported",
        Repair(name="reasoning_with_tools=false", capabilities={"reasoning_with_tools": False}),
    ),
    _matches(
        r"temperature[`'\"]? and [`'\"]?top_p[`'\"]? cannot both",
        Repair(name="temperature_or_top_p", capabilities={"temperature_or_top_p": True}),
    ),
    _matches(
        r"does not support assistant message prefill",
        Repair(name="prefill=false", capabilities={"prefill": False}),
    ),
    _matches(
        r"tool_choice.{0,80}forces tool use",
        Repair(name="tool_choice=auto", capabilities={"forced_tool_choice": False}, lasting=False),
    ),
    _matches(
        rf"(?:role.*{_ROLE}.*developer|{_ROLE}.*developer.*role|role.*developer.*{_ROLE}"
        rf"|developer.*role.*{_ROLE})",
        Repair(name="system_role=system", capabilities={"system_role": "system"}),
    ),
    _matches(
        rf"role [`'\"]?system[`'\"]? is {_ROLE}|system role (?:is )?{_ROLE}",
        Repair(name="system_role=user", capabilities={"system_role": "user"}),
    ),
    _matches(
        r"system message must be (?:at|in) the (?:beginning|first)",
        Repair(
            name="multi_system=false", capabilities={"multi_system": False, "mid_system": False}
        ),
    ),
    _thinking_type,
    _beta,
    _limit,
    _effort,
    _schema,
)


def _members(error: UnifiedError, dialect: str) -> Repair | None:
    """All members that the refusal names as unsupported."""
    drop: list[str] = []
    known: dict[str, Any] = {}
    for name in dict.fromkeys(_named(error)):
        changed = _without(name, dialect)
        if changed is None:
            drop.append(name)
        else:
            known.update(changed)
    drop = [name for name in drop if name not in _KEPT and "." not in name]
    if not drop and not known:
        return None
    said = [f"{name}={value}" for name, value in known.items()]
    return Repair(
        name=", ".join([*said, *(f"without {name}" for name in drop)]),
        capabilities=known,
        drop=tuple(drop),
    )


def _named(error: UnifiedError) -> Iterator[str]:
    """The members, ``messages.reasoning`` for one inside a list."""
    text = error.message
    found = [match[1] for pattern in _STRICT for match in pattern.finditer(text)]
    if error.param is not None and error.code in _CODES:
        found.append(error.param)
    loose = [match[1] for pattern in _LOOSE for match in pattern.finditer(text)]
    found += [name for name in loose if _path(name)[0] in _OPTIONAL]
    for name in found:
        path = _path(name)
        if path[0] in _NESTED and len(path) > 1:
            yield f"{path[0]}.{path[-1]}"
        else:
            yield path[0]


def _path(name: str) -> list[str]:
    """``body.messages[0].name`` → ``["messages", "name"]``: without numbers and pydantic's root."""
    steps = [step for step in re.split(r"[.\[\]]+", name) if step and not step.isdigit()]
    return steps[1:] if len(steps) > 1 and steps[0] == "body" else steps or [""]


def _without(name: str, dialect: str) -> dict[str, Any] | None:
    """The capability that says a member is not taken, None for those that are simply dropped."""
    outer, _, inner = name.partition(".")
    if inner:
        return _INSIDE.get(inner, {"known_fields_only": True})
    if outer in _SAMPLING and dialect == "anthropic-messages":
        return {"sampling": "none"}
    if outer in _THINKING:
        return {"thinking_form": "none"}
    return _CAPABILITIES.get(outer)


_CAPABILITIES: dict[str, dict[str, Any]] = {
    "stop": {"stop_max": 0},
    "stream_options": {"stream_usage": "never"},
    "tool_choice": {"tool_choices": ()},
}
_INSIDE: dict[str, dict[str, Any]] = {
    "cache_control": {"cache_breakpoints": False},
    "reasoning": {"reasoning_field": "none"},
    "reasoning_content": {"reasoning_field": "none"},
    "reasoning_details": {"known_fields_only": True},
    "strict": {"strict_tools": False},
}
