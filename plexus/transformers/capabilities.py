"""What a model accepts: data per provider and model (canonical.md §7)."""

from typing import Literal

from msgspec import Struct


class Capabilities(Struct, frozen=True, kw_only=True):
    """None means unknown: the formatter then assumes the newest family of the dialect.

    Token figures are counts; ``temperature_max`` is the highest accepted value.
    """

    max_output_tokens: int | None = None
    default_max_tokens: int | None = None
    context_window: int | None = None
    sampling: Literal["full", "none"] | None = None
    temperature_max: float | None = None
    thinking: Literal["adaptive", "budget", "none"] | None = None
    thinking_off: Literal["disabled", "between_tools", "refused"] | None = None
    efforts: tuple[str, ...] | None = None
    forced_tool_choice: bool | None = None
    strict_tools: bool | None = None
    json_schema: bool | None = None
    prefill: bool | None = None
    mid_system: bool | None = None
    system_role: Literal["system", "developer"] | None = None
    images: bool | None = None
    documents: bool | None = None
    audio: bool | None = None
    tools: bool | None = None
    stop_max: int | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    cache_breakpoints: bool | None = None
    reasoning_field: Literal["reasoning", "reasoning_content", "none"] | None = None


class TargetModel(Struct, frozen=True, kw_only=True):
    """The upstream end of a translation.

    ``family`` decides which proofs may be replayed (``anthropic``, ``openai``, ``deepseek``, ...).
    """

    provider: str
    model: str
    family: str
    capabilities: Capabilities = Capabilities()
