"""Why an answer ended (reference/bedrock-vertex.md §4, mappings.md §13)."""

import msgspec
from msgspec import Raw, Struct

from plexus.unified.response import Finish, FinishReason

REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "malformed_tool_call",
    "model_context_window_exceeded": "context_window",
}


class _More(Struct):
    stop_sequence: str | None = None


_more = msgspec.json.Decoder(_More).decode


def parse_finish(reason: str | None, more: Raw | None, calls: bool) -> Finish:
    """What the provider said, overridden by what it sent: ``calls`` are function calls.

    ``more`` are the model's own fields, where Claude says which stop sequence it met.
    """
    found = REASONS.get(reason or "", "other" if reason else "stop")
    if calls and found in ("stop", "other"):
        found = "tool_calls"
    elif not calls and found == "tool_calls":
        found = "stop"
    return Finish(found, _sequence(more) if found == "stop_sequence" else None, reason)


def _sequence(more: Raw | None) -> str | None:
    if more is None:
        return None
    try:
        return _more(more).stop_sequence
    except msgspec.MsgspecError:
        return None
