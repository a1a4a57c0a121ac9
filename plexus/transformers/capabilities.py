"""What a model accepts: data per provider and model (canonical.md §7; vendors.md)."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

ThinkingForm = Literal[
    "effort", "thinking", "reasoning", "enabled", "enable_thinking", "chat_template", "none"
]
"""The member that asks a chat provider to think.

``effort``: ``reasoning_effort``.  ``thinking``: ``thinking: {type}``.  ``reasoning``:
OpenRouter's object.  ``enabled``: ``reasoning: {enabled}``.  ``enable_thinking``: that switch.
``chat_template``: the same inside ``chat_template_kwargs``.  All but ``effort`` and ``reasoning``
send ``reasoning_effort`` beside it only when ``efforts`` is known.
"""


class Capabilities(Struct, frozen=True, kw_only=True):
    """None means unknown: the formatter then assumes the newest family of the dialect.

    Token figures are counts; ``temperature_max`` is the highest accepted value.  What follows
    ``cache_breakpoints`` is known of chat providers only.
    """

    max_output_tokens: int | None = None
    default_max_tokens: int | None = None
    context_window: int | None = None
    sampling: Literal["full", "none"] | None = None
    temperature_max: float | None = None
    temperature_or_top_p: bool | None = None
    """Only one of the two may be sent (errors.md §5)."""
    thinking: Literal["adaptive", "budget", "none"] | None = None
    thinking_off: Literal["disabled", "between_tools", "refused"] | None = None
    thinking_binding: bool | None = None
    """Signed thinking is refused behind a prefix that changed, unless it may be dropped; for that
    the provider must take the beta (anthropic-messages.md §11)."""
    efforts: tuple[str, ...] | None = None
    forced_tool_choice: bool | None = None
    strict_tools: bool | None = None
    json_schema: bool | None = None
    prefill: bool | None = None
    mid_system: bool | None = None
    system_role: Literal["system", "developer", "user"] | None = None
    images: bool | None = None
    documents: bool | None = None
    audio: bool | None = None
    video: bool | None = None
    tools: bool | None = None
    stop_max: int | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    cache_breakpoints: bool | None = None
    cache_form: Literal["anthropic", "openai"] | None = None
    """How a marker is written: ``cache_control``, or ``prompt_cache_breakpoint``."""
    reasoning_field: (
        Literal["reasoning", "reasoning_content", "both", "chunks", "tags", "none"] | None
    ) = None
    """Where reasoning of earlier turns goes back; ``chunks`` and ``tags`` are in the content."""
    reasoning_echo: Literal["required", "optional"] | None = None
    """``required``: a tool call must carry its reasoning, also when that is empty."""
    reasoning_format: str | None = None
    """Sent as ``reasoning_format`` when the client wants to read thinking."""
    reasoning_with_tools: bool | Literal["unasked", "never"] | None = None
    """In chat, beside function tools (openai-chat.md §7).  ``unasked``: only as long as nobody asks
    for it.  False: it must be off, and silence is refused too.  ``never``: the model always
    reasons, and takes no function tools in chat.
    """
    thinking_form: ThinkingForm | None = None
    thinking_default: Literal["on", "off"] | None = None
    """Whether the model thinks when nobody asks it to."""
    thinking_drop: tuple[str, ...] | None = None
    """Members of the body that the model refuses while it thinks."""
    budget_field: str | None = None
    """Takes a budget of thinking, in tokens."""
    effort_names: Mapping[str, str] | None = None
    """The vendor's word for an effort, where it has another one."""
    openai_extras: bool | None = None
    """False: what only OpenAI has (``EXTRAS`` in openai_chat/losses.py) is left out."""
    drop: tuple[str, ...] | None = None
    """Members of the body that the vendor refuses; they are left out and reported."""
    rename: Mapping[str, str] | None = None
    """The vendor's name of a member."""
    known_fields_only: bool | None = None
    """The vendor refuses members it does not know, also inside messages and tools."""
    multi_system: bool | None = None
    """False: one system message, at the start."""
    custom_tools: bool | None = None
    """False: OpenAI's free-text tools go as functions with one string."""
    tool_choices: tuple[str, ...] | None = None
    """Those of auto, none, required, function and allowed that it takes."""
    tools_max: int | None = None
    tool_description_max: int | None = None
    """Characters."""
    tool_id_length: int | None = None
    """Call ids are exactly so many letters and digits."""
    schema_drop: tuple[str, ...] | None = None
    """Keywords of JSON Schema that the vendor refuses, or ``keyword:false`` for one value."""
    json_object: bool | None = None
    n_max: int | None = None
    logprobs_form: Literal["integer"] | None = None
    """``logprobs`` is the count that OpenAI calls ``top_logprobs``."""
    stream_usage: Literal["option", "always", "never"] | None = None
    """Whether ``stream_options`` must ask for usage, or may not be sent."""
    server_tools: Mapping[str, tuple[str, ...]] | None = None
    """By dialect, the kinds of server tools that run there, where it is not all that it has."""
    service_tiers: Mapping[str, str] | None = None
    """Canonical tier → the vendor's word; others are left out."""
    prefix_field: bool | None = None
    """A last assistant message is continued when it says ``prefix: true``; the reply repeats it."""
    think_tags: tuple[str, str] | None = None
    """The marks around reasoning at the start of the content (vendors.md §14)."""
    trim_start: bool | None = None
    """White space before the content means nothing."""


class TargetModel(Struct, frozen=True, kw_only=True):
    """The upstream end of a translation.

    ``family`` decides which proofs may be replayed (``anthropic``, ``openai``, ``deepseek``, ...).
    """

    provider: str
    model: str
    family: str
    capabilities: Capabilities = Capabilities()
