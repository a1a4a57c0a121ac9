"""The canonical response (reference/canonical.md §4)."""

from typing import Literal, TypeAlias

from msgspec import Raw, Struct

from plexus.unified.content import Ext
from plexus.unified.request import UnifiedMessage

FinishReason: TypeAlias = Literal[
    "stop",
    "stop_sequence",
    "length",
    "context_window",
    "tool_calls",
    "content_filter",
    "refusal",
    "pause",
    "compaction",
    "malformed_tool_call",
    "error",
    "cancelled",
    "other",
]


class Finish(Struct, frozen=True):
    """Why a choice ended; ``raw`` is the provider's own word, ``detail`` its details as JSON."""

    reason: FinishReason
    stop_sequence: str | None = None
    raw: str | None = None
    detail: Raw | None = None


class UnifiedUsage(Struct, frozen=True, kw_only=True):
    """Token counts: inclusive totals with disjoint details (canonical.md §4).

    ``prompt_tokens`` includes cache reads and writes; ``completion_tokens`` includes reasoning.
    ``estimated`` marks figures the provider did not report.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_by_ttl: dict[str, int] = {}
    reasoning_tokens: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    input_image: int | None = None
    input_text: int | None = None
    output_text: int | None = None
    accepted_prediction: int | None = None
    rejected_prediction: int | None = None
    tool_use_prompt_tokens: int | None = None
    server_tool_requests: dict[str, int] = {}
    estimated: bool = False
    ext: Ext = {}


class Choice(Struct, frozen=True, kw_only=True):
    """One candidate; ``message.role`` is ``assistant``; ``logprobs`` as the dialect wrote them."""

    index: int = 0
    message: UnifiedMessage
    finish: Finish
    logprobs: Raw | None = None
    ext: Ext = {}


class UnifiedChatResponse(Struct, frozen=True, kw_only=True):
    """``id`` and ``model`` as the provider reported them; ``created`` Unix seconds (0: unknown).

    ``dialect`` is the provider dialect the response was parsed from.
    """

    id: str
    model: str
    choices: tuple[Choice, ...]
    dialect: str = ""
    created: int = 0
    usage: UnifiedUsage | None = None
    service_tier: str | None = None
    ext: Ext = {}
