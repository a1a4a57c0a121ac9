"""Finish reasons of chat (mappings.md §13)."""

from plexus.unified.response import Finish, FinishReason

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "model_length": "context_window",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
ERRORS = frozenset({"error", "insufficient_system_resource"})
"""Finish words that are errors (vendors.md §2, §5)."""

_WORDS: dict[FinishReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context_window": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "compaction": "stop",
    "malformed_tool_call": "stop",
    "error": "stop",
    "cancelled": "stop",
    "other": "stop",
}
APPROXIMATED: frozenset[FinishReason] = frozenset(
    {"pause", "compaction", "malformed_tool_call", "error", "cancelled"}
)
"""Reasons whose nearest word in chat says something else."""


def observed(raw: str | None) -> FinishReason | None:
    """The reason a provider's word means by itself; None for none."""
    if not raw:
        return None
    return "error" if raw in ERRORS else _REASONS.get(raw, "other")


def parse_finish(
    raw: str | None, calls: bool, refusal: bool, stop_reason: str | None = None
) -> Finish:
    """``finish_reason`` judged by the content (traps.md T45, T64)."""
    reason: FinishReason = _REASONS.get(raw, "other") if raw else "stop"
    if calls and reason in ("stop", "other"):
        reason = "tool_calls"
    elif reason == "tool_calls" and not calls:
        reason = "stop"
    if reason == "stop" and refusal:
        reason = "refusal"
    if reason == "stop" and stop_reason is not None:
        return Finish("stop_sequence", stop_sequence=stop_reason, raw=raw or None)
    return Finish(reason, raw=raw or None)


def format_finish(finish: Finish, calls: bool, refusal: bool, legacy: bool = False) -> str:
    """``finish_reason`` for a client; ``refusal``: the message has a refusal text."""
    if finish.reason == "refusal" and refusal:
        return "stop"
    if legacy and calls and finish.reason == "tool_calls":
        return "function_call"
    return _WORDS[finish.reason]
