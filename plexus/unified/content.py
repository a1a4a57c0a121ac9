"""Parts of a message: the ordered content of the canonical form (canonical.md §2)."""

from typing import Literal, TypeAlias

from msgspec import Raw, Struct

Json: TypeAlias = Raw
"""One JSON value as its source bytes: never re-encoded, so number formats and key order survive."""

Ext: TypeAlias = dict[str, dict[str, Raw]]
"""Unknown fields, ``{dialect: {field: value}}``: written back only to that dialect."""

ProofKind: TypeAlias = Literal["signature", "encrypted"]
MediaKind: TypeAlias = Literal["base64", "url", "file_id", "text"]
ToolCallKind: TypeAlias = Literal["function", "custom"]


class Origin(Struct, frozen=True):
    """Who issued a proof; ``family`` decides where it may be replayed (canonical.md §6)."""

    family: str
    provider: str = ""
    model: str = ""


class Proof(Struct, frozen=True):
    """An opaque thinking signature or encrypted reasoning, with its origin."""

    value: str
    kind: ProofKind
    origin: Origin


class CacheControl(Struct, frozen=True):
    """A prompt-cache marker; ``ttl`` is ``5m``, ``30m``, ``1h``, ``12h`` or None (default)."""

    type: str = "ephemeral"
    ttl: str | None = None


class MediaSource(Struct, frozen=True):
    """Where bytes of an image, document, audio or video are.

    ``data`` holds base64 without data-URL prefix (kind ``base64``) or plain text (kind ``text``);
    ``url`` an http(s) URL; ``file_id`` an id that is valid only at ``provider``.
    """

    kind: MediaKind
    data: str = ""
    url: str = ""
    file_id: str = ""
    media_type: str = ""
    provider: str = ""


class Citation(Struct, frozen=True):
    """A source reference of a text part.

    ``kind``: ``url``, ``document_char``, ``document_page``, ``document_block``, ``search_result``,
    ``file``.  ``start``/``end`` of kind ``url`` are character offsets into the part's final text.
    ``raw`` is the citation as its ``dialect`` wrote it.
    """

    kind: str
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    start: int | None = None
    end: int | None = None
    document_index: int | None = None
    file_id: str | None = None
    source: str | None = None
    encrypted_index: str | None = None
    dialect: str = ""
    raw: Raw | None = None


class Part(Struct, frozen=True, kw_only=True):
    """What every part has; subclasses are the part types."""

    cache_control: CacheControl | None = None
    proof: Proof | None = None
    ext: Ext = {}


class TextContent(Part, frozen=True):
    text: str
    citations: tuple[Citation, ...] = ()


class ImageContent(Part, frozen=True):
    source: MediaSource
    detail: str | None = None


class AudioContent(Part, frozen=True):
    source: MediaSource | None = None
    format: str | None = None
    transcript: str | None = None
    id: str | None = None
    expires_at: int | None = None


class VideoContent(Part, frozen=True):
    source: MediaSource
    clip: Raw | None = None


class DocumentContent(Part, frozen=True):
    """``blocks`` is set instead of ``source`` for documents given as content blocks."""

    source: MediaSource | None = None
    blocks: "tuple[Content, ...]" = ()
    title: str | None = None
    context: str | None = None
    filename: str | None = None
    citations_enabled: bool | None = None


class SearchResultContent(Part, frozen=True):
    source: str
    title: str
    blocks: "tuple[Content, ...]" = ()
    citations_enabled: bool | None = None


class ThinkingContent(Part, frozen=True):
    """Reasoning.  ``summary`` holds summary parts where the provider gives them apart from text."""

    text: str = ""
    summary: tuple[str, ...] | None = None
    redacted: bool = False
    id: str | None = None


class ToolCallContent(Part, frozen=True):
    """``arguments`` is the model's JSON text (``custom``: free text), never re-serialised."""

    id: str
    name: str
    arguments: str = ""
    kind: ToolCallKind = "function"
    namespace: str | None = None
    item_id: str | None = None


class ToolResultContent(Part, frozen=True):
    tool_call_id: str
    content: "tuple[Content, ...]" = ()
    name: str | None = None
    is_error: bool = False
    kind: ToolCallKind = "function"


class ServerToolCallContent(Part, frozen=True):
    """A call the provider executed itself; ``raw`` is the block as ``dialect`` wrote it."""

    id: str
    tool: str
    name: str
    dialect: str
    raw: Raw
    arguments: str = ""


class ServerToolResultContent(Part, frozen=True):
    tool_call_id: str
    tool: str
    dialect: str
    raw: Raw
    is_error: bool = False


class RefusalContent(Part, frozen=True):
    text: str
    category: str | None = None


class CompactionContent(Part, frozen=True):
    dialect: str
    raw: Raw
    summary: str | None = None


class OpaqueContent(Part, frozen=True):
    """Anything else; replayed only to ``dialect``."""

    dialect: str
    raw: Raw


Content: TypeAlias = (
    TextContent
    | ImageContent
    | AudioContent
    | VideoContent
    | DocumentContent
    | SearchResultContent
    | ThinkingContent
    | ToolCallContent
    | ToolResultContent
    | ServerToolCallContent
    | ServerToolResultContent
    | RefusalContent
    | CompactionContent
    | OpaqueContent
)
