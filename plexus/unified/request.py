"""The canonical request (reference/canonical.md §3), named after musistudio/llms."""

from typing import Literal, TypeAlias

from msgspec import Raw, Struct

from plexus.unified.content import (
    CacheControl,
    Content,
    Ext,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
ThinkLevel: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ReasoningMode: TypeAlias = Literal["off", "adaptive", "budget", "between_tools"]
Verbosity: TypeAlias = Literal["low", "medium", "high"]


class UnifiedMessage(Struct, frozen=True, kw_only=True):
    """One turn; ``content`` is always an ordered tuple (a plain string is one TextContent)."""

    role: Role
    content: tuple[Content, ...] = ()
    name: str | None = None
    id: str | None = None
    phase: str | None = None
    status: str | None = None
    ext: Ext = {}

    @property
    def text(self) -> str:
        """All text parts joined (derived, musistudio's ``content`` string)."""
        return "".join(part.text for part in self.content if isinstance(part, TextContent))

    @property
    def tool_calls(self) -> tuple[ToolCallContent, ...]:
        return tuple(part for part in self.content if isinstance(part, ToolCallContent))

    @property
    def thinking(self) -> tuple[ThinkingContent, ...]:
        return tuple(part for part in self.content if isinstance(part, ThinkingContent))


class FunctionTool(Struct, frozen=True, kw_only=True):
    """A client function; ``parameters`` is a JSON Schema as written, None when absent.

    ``namespace`` is OpenAI's grouping: it stands before the name, as ``namespace__name``.
    """

    name: str
    description: str | None = None
    parameters: Raw | None = None
    strict: bool | None = None
    namespace: str | None = None
    cache_control: CacheControl | None = None
    ext: Ext = {}


class CustomTool(Struct, frozen=True, kw_only=True):
    """OpenAI's free-text tool; ``format`` as OpenAI chat writes it, None for plain text."""

    name: str
    description: str | None = None
    format: Raw | None = None
    namespace: str | None = None
    ext: Ext = {}


class ServerTool(Struct, frozen=True, kw_only=True):
    """A tool the provider runs (``web_search``, ``code_execution``, ... canonical.md §3.2)."""

    kind: str
    dialect: str
    raw: Raw
    name: str = ""


class ClientBuiltinTool(Struct, frozen=True, kw_only=True):
    """A provider-defined tool the client runs (``bash``, ``text_editor``, ...)."""

    kind: str
    dialect: str
    raw: Raw
    name: str = ""


UnifiedTool: TypeAlias = FunctionTool | CustomTool | ServerTool | ClientBuiltinTool


class ToolChoice(Struct, frozen=True, kw_only=True):
    """``mode`` with ``name`` for ``function``/``custom``/``server``; ``names`` for ``allowed``.

    ``allowed`` carries ``required`` (must call one of them) in ``forced``.
    """

    mode: Literal["auto", "none", "required", "function", "custom", "server", "allowed"]
    name: str | None = None
    names: tuple[str, ...] = ()
    forced: bool = False


class Reasoning(Struct, frozen=True, kw_only=True):
    """What the client said about thinking; all None means it said nothing (canonical.md §3.3)."""

    effort: ThinkLevel | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    mode: ReasoningMode | None = None
    include: bool | None = None
    summary: str | None = None
    ext: Ext = {}


class ResponseFormat(Struct, frozen=True, kw_only=True):
    type: Literal["text", "json_object", "json_schema", "grammar"]
    name: str | None = None
    description: str | None = None
    schema: Raw | None = None
    strict: bool | None = None


class PromptCache(Struct, frozen=True, kw_only=True):
    """Request-level cache settings; ``auto`` is Anthropic's top-level marker."""

    key: str | None = None
    mode: str | None = None
    ttl: str | None = None
    retention: str | None = None
    auto: CacheControl | None = None


class StreamOptions(Struct, frozen=True, kw_only=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Source(Struct, frozen=True, kw_only=True):
    """Where the request came from: what a client formatter needs to answer in kind.

    ``headers`` are the lower-cased, allow-listed client headers; ``received`` is Unix seconds.
    """

    dialect: str
    request_id: str = ""
    received: int = 0
    headers: dict[str, str] = {}
    legacy_functions: bool = False


class UnifiedChatRequest(Struct, frozen=True, kw_only=True):
    """A chat request in no dialect.  None or empty means "the client said nothing"."""

    model: str
    messages: tuple[UnifiedMessage, ...]
    source: Source
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: tuple[UnifiedTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    response_format: ResponseFormat | None = None
    verbosity: Verbosity | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    logit_bias: Raw | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning: Reasoning | None = None
    modalities: tuple[str, ...] = ()
    audio: Raw | None = None
    prediction: Raw | None = None
    moderation: Raw | None = None
    web_search: Raw | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, str] | None = None
    prompt_cache: PromptCache | None = None
    service_tier: str | None = None
    speed: str | None = None
    region: str | None = None
    store: bool | None = None
    safety_settings: Raw | None = None
    server_state: dict[str, Raw] = {}
    context_management: Raw | None = None
    truncation: str | None = None
    include: tuple[str, ...] = ()
    mcp_servers: Raw | None = None
    container: Raw | None = None
    extra: Ext = {}

    def system_prefix(self) -> tuple[UnifiedMessage, ...]:
        """The leading run of system and developer messages."""
        count = 0
        for message in self.messages:
            if message.role not in ("system", "developer"):
                break
            count += 1
        return self.messages[:count]
