"""Why an answer ended, both ways (mappings.md §13)."""

from msgspec import Raw

from plexus.unified.content import Content, RefusalContent, ToolCallContent
from plexus.unified.response import Finish, FinishReason

_FILTERS = (
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "ESCALATION",
)
_MALFORMED = (
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MALFORMED_RESPONSE",
)
_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "pause",
    "MISSING_THOUGHT_SIGNATURE": "error",
    **dict.fromkeys(_FILTERS, "content_filter"),
    **dict.fromkeys(_MALFORMED, "malformed_tool_call"),
}
_NUMBERS = {
    1: "STOP",
    2: "MAX_TOKENS",
    3: "SAFETY",
    4: "RECITATION",
    5: "OTHER",
    6: "LANGUAGE",
    7: "BLOCKLIST",
    8: "PROHIBITED_CONTENT",
    9: "SPII",
    10: "MALFORMED_FUNCTION_CALL",
    11: "IMAGE_SAFETY",
}
"""Enum values as numbers, which some clients ask for (``$alt=json;enum-encoding=int``)."""

_UNSAID = ("", "FINISH_REASON_UNSPECIFIED", "0")
_WORDS: dict[FinishReason, str] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "STOP",
    "compaction": "STOP",
    "malformed_tool_call": "MALFORMED_FUNCTION_CALL",
    "error": "OTHER",
    "cancelled": "OTHER",
    "other": "OTHER",
}
APPROXIMATED: frozenset[FinishReason] = frozenset({"pause", "compaction", "cancelled"})
"""Reasons whose nearest word says something else."""


def finish_word(value: str | int | None) -> str | None:
    """The name of a finish reason, None where none was given."""
    if value is None or str(value) in _UNSAID:
        return None
    return _NUMBERS.get(value, str(value)) if isinstance(value, int) else value


def parse_finish(word: str | None, calls: bool, detail: Raw | None = None) -> Finish:
    """What the provider said, overridden by what it sent: a call, too, ends with STOP (T45)."""
    found: FinishReason = _REASONS.get(word, "other") if word is not None else "stop"
    if calls and found in ("stop", "other"):
        found = "tool_calls"
    return Finish(found, raw=word, detail=detail)


def format_finish(finish: Finish, native: bool, refused: bool) -> str:
    """``finishReason``; ``refused``: the answer has a refusal in it."""
    if native and finish.raw is not None:
        return finish.raw
    word = _WORDS[finish.reason]
    return "SAFETY" if refused and word == "STOP" else word


def has_calls(parts: tuple[Content, ...]) -> bool:
    return ToolCallContent in map(type, parts)


def is_refused(parts: tuple[Content, ...]) -> bool:
    return RefusalContent in map(type, parts)
