"""Why an answer ended (mappings.md §13): Responses has a status and its details, no reason."""

from typing import Any

from msgspec import Raw

from plexus.unified.response import Finish, FinishReason

_INCOMPLETE: dict[str, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
_REASONS: dict[FinishReason, str] = {
    "length": "max_output_tokens",
    "context_window": "max_output_tokens",
    "content_filter": "content_filter",
}
APPROXIMATED: frozenset[FinishReason] = frozenset({"pause", "compaction", "cancelled"})
"""Reasons whose nearest status says something else, from a provider of another dialect."""

FAILED: frozenset[FinishReason] = frozenset({"error", "malformed_tool_call"})


def parse_finish(
    status: str | None, reason: str | None, detail: Raw | None, calls: bool, refusal: bool
) -> Finish:
    """``calls``: the output waits for the client; ``refusal``: it has a refusal."""
    if status == "incomplete":
        return Finish(_INCOMPLETE.get(reason or "", "other"), raw=reason, detail=detail)
    if status == "cancelled":
        return Finish("cancelled", raw=status)
    if status not in (None, "completed"):
        return Finish("other", raw=status)
    if calls:
        return Finish("tool_calls", raw=status)
    return Finish("refusal" if refusal else "stop", raw=status)


def format_finish(finish: Finish, refusal: bool, native: bool) -> dict[str, Any]:
    """``status`` and ``incomplete_details``; ``refusal``: the output says it in words."""
    if native and finish.reason in ("other", "cancelled") and finish.raw is not None:
        if finish.detail is not None:
            return {"status": "incomplete", "incomplete_details": finish.detail}
        known = finish.raw in ("queued", "in_progress", "cancelled")
        return {"status": finish.raw if known else "completed", "incomplete_details": None}
    reason = _REASONS.get(finish.reason)
    if finish.reason == "refusal" and not refusal:
        reason = "content_filter"
    if reason is None:
        return {"status": "completed", "incomplete_details": None}
    details: Any = finish.detail if native and finish.detail is not None else {"reason": reason}
    return {"status": "incomplete", "incomplete_details": details}
