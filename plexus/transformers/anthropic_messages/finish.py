"""Why an answer ended, both ways (mappings.md §13)."""

from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.anthropic_messages.content import NAME
from plexus.unified.content import Content, RefusalContent, ToolCallContent
from plexus.unified.response import Finish, FinishReason

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
    "compaction": "compaction",
}
_WORDS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "context_window": "model_context_window_exceeded",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "compaction": "compaction",
    "cancelled": "end_turn",
    "other": "end_turn",
}


class _Details(msgspec.Struct):
    explanation: str | None = None
    category: str | None = None


_details = msgspec.json.Decoder(_Details).decode


def parse_finish(
    reason: str | None, sequence: str | None, detail: Raw | None, calls: bool
) -> Finish:
    """What the provider said, overridden by what it sent: ``calls`` are function calls."""
    found = _REASONS.get(reason or "", "other" if reason else "stop")
    if calls and found in ("stop", "other"):
        found = "tool_calls"
    elif not calls and found == "tool_calls":
        found = "stop"
    return Finish(found, sequence, reason, detail)


def parse_refusal(detail: Raw | None) -> RefusalContent | None:
    """The part for a refusal that explains itself."""
    if detail is None:
        return None
    try:
        found = _details(detail)
    except msgspec.MsgspecError:
        return None
    return RefusalContent(found.explanation, found.category) if found.explanation else None


def format_finish(finish: Finish, refusal: RefusalContent | None, dialect: str) -> dict[str, Any]:
    """``stop_reason``, ``stop_sequence`` and ``stop_details``.

    ``stop_sequence`` only where Plexus can tell which one it was.
    """
    word = _WORDS.get(finish.reason, "end_turn")
    if word == "stop_sequence" and finish.stop_sequence is None:
        word = "end_turn"
    if refusal is not None and dialect != NAME and word == "end_turn":
        word = "refusal"
    detail: object = finish.detail if dialect == NAME else None
    if detail is None and word == "refusal" and dialect != NAME:
        explanation = refusal.text if refusal is not None else None
        detail = {"type": "refusal", "category": None, "explanation": explanation}
    return {
        "stop_reason": word,
        "stop_sequence": finish.stop_sequence if word == "stop_sequence" else None,
        "stop_details": detail,
    }


def has_calls(parts: tuple[Content, ...]) -> bool:
    return any(isinstance(part, ToolCallContent) for part in parts)
