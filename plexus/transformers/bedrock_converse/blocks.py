"""Canonical parts to Converse content blocks (reference/bedrock-vertex.md §3)."""

import base64
import re
from collections.abc import Mapping

from msgspec import Raw

from plexus.transformers.anthropic_messages.cache import Block, CacheMarkers
from plexus.transformers.bedrock_converse.media import (
    AUDIO,
    DOCUMENTS,
    IMAGES,
    VIDEOS,
    format_of,
    inline,
)
from plexus.transformers.bedrock_converse.models import CLAUDE
from plexus.transformers.capabilities import Capabilities
from plexus.transformers.jsontext import call_object
from plexus.transformers.losses import LossLog
from plexus.transformers.modalities import check
from plexus.transformers.openai_chat.names import ToolNames
from plexus.unified.content import (
    AudioContent,
    CompactionContent,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    RefusalContent,
    SearchResultContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)

_ILLEGAL = re.compile(r"[^A-Za-z0-9\s()\[\]-]")
_BLANKS = re.compile(r"\s+")
_NAME_LIMIT = 200


class BlockWriter:
    """Writes the parts of one request; ``family`` decides which proofs are replayed."""

    def __init__(
        self,
        *,
        family: str,
        caps: Capabilities,
        names: ToolNames,
        markers: CacheMarkers,
        log: LossLog,
    ) -> None:
        self._family = family
        self._caps = caps
        self._names = names
        self._markers = markers
        self._log = log
        self._titles: set[str] = set()

    def write(self, part: Content, path: str, ids: Mapping[str, str]) -> Block | None:
        """The block, or None for what is left out.  ``ids`` maps call ids to legal ones.

        A cache marker stays in the block until ``with_points``.  Raises PlexusError for what the
        dialect cannot mean.
        """
        block = self._block(part, path, ids)
        if any(part.ext.values()):
            self._log.note("part.ext", path)
        if block is None or isinstance(part, ThinkingContent):
            self._markers.move("messages", part.cache_control)
        else:
            self._markers.mark("messages", block, part.cache_control)
        return block

    def _block(self, part: Content, path: str, ids: Mapping[str, str]) -> Block | None:
        match part:
            case TextContent():
                if part.citations:
                    self._log.note("part.text.citations", path)
                return text_block(part.text)
            case ToolCallContent():
                return self._tool_use(part, path, ids)
            case ToolResultContent():
                return self._tool_result(part, path, ids)
            case ThinkingContent():
                return self._thinking(part, path)
            case ImageContent():
                check(part, self._caps, path, self._log)
                return self._image(part, path)
            case DocumentContent():
                check(part, self._caps, path, self._log)
                return self._document(part, path)
            case AudioContent():
                check(part, self._caps, path, self._log)
                return self._audio(part, path)
            case VideoContent():
                check(part, self._caps, path, self._log)
                kind = format_of(part.source, VIDEOS)
                source = self._source(part.source, "part.video", path)
                if kind is None:
                    self._log.note("part.video", path)
                if part.clip is not None:
                    self._log.note("part.video.clip", path)
                return {"video": {"format": kind, "source": source}}
            case SearchResultContent():
                return self._search_result(part)
            case RefusalContent():
                self._log.note("part.refusal", path)
                return text_block(part.text)
            case ServerToolCallContent() | ServerToolResultContent():
                self._log.note("part.server_tool", path)
                if isinstance(part, ServerToolCallContent):
                    return text_block(f"[{part.tool.replace('_', ' ')}: {part.arguments}]")
            case CompactionContent():
                self._log.note("part.compaction", path)
            case OpaqueContent():
                self._log.note("part.opaque", path)
        return None

    def _tool_use(self, part: ToolCallContent, path: str, ids: Mapping[str, str]) -> Block:
        if part.kind == "custom":
            self._log.note("part.tool_call.custom", path)
            value: Raw | Block = {"input": part.arguments}
        else:
            value, wrapped = call_object(part.arguments)
            if wrapped:
                self._log.note("part.tool_call.arguments", path)
        call_id = ids.get(part.id, part.id)
        return {"toolUse": {"toolUseId": call_id, "name": self._names(part.name), "input": value}}

    def _tool_result(self, part: ToolResultContent, path: str, ids: Mapping[str, str]) -> Block:
        content: list[Block] = []
        for index, inner in enumerate(part.content):
            block = self._block(inner, f"{path}.content[{index}]", ids)
            if block is not None:
                content.append(block)
        result: Block = {
            "toolUseId": ids.get(part.tool_call_id, part.tool_call_id),
            "content": content or [{"json": {}}],
        }
        if part.is_error:
            result["status"] = "error"
        return {"toolResult": result}

    def _thinking(self, part: ThinkingContent, path: str) -> Block | None:
        proof = part.proof
        text = part.text or "\n\n".join(part.summary or ())
        if proof is None or not proof.value:
            if text or part.redacted:
                self._log.note("part.thinking", path)
            return None
        if proof.origin.family != self._family:
            self._log.note("part.thinking.foreign", path)
            return None
        if part.redacted or proof.kind == "encrypted":
            return {"reasoningContent": {"redactedContent": self._redacted(proof.value)}}
        return {
            "reasoningContent": {"reasoningText": {"text": text, "signature": proof.value}},
        }

    def _redacted(self, value: str) -> str:
        if self._family != CLAUDE:
            return value
        return base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()

    # media

    def _source(self, source: MediaSource, field: str, path: str) -> Block:
        """``bytes`` or ``s3Location``; anything else is the row ``field`` of the table."""
        data = inline(source, path)
        if data is not None:
            return {"bytes": data[1]}
        if source.kind == "url" and source.url.startswith("s3://"):
            return {"s3Location": {"uri": source.url}}
        if source.kind == "file_id" and field in ("part.image", "part.document"):
            self._log.note(f"{field}.file_id", path)
        self._log.note(f"{field}.url" if field in ("part.image", "part.document") else field, path)
        return {}

    def _image(self, part: ImageContent, path: str) -> Block:
        source = self._source(part.source, "part.image", path)
        kind = format_of(part.source, IMAGES)
        if kind is None:
            self._log.note("part.image.media_type", path)
        if part.detail is not None:
            self._log.note("part.image.detail", path)
        return {"image": {"format": kind, "source": source}}

    def _document(self, part: DocumentContent, path: str) -> Block:
        source = part.source
        name = self._title(part, path)
        if source is None:
            texts = [block.text for block in part.blocks if isinstance(block, TextContent)]
            if len(texts) < len(part.blocks):
                self._log.note("part.document", path)
            given: Block = {"content": [{"text": text} for text in texts if text]}
            kind: str | None = "txt"
        elif source.kind == "text":
            given, kind = {"text": source.data}, format_of(source, DOCUMENTS) or "txt"
        else:
            given = self._source(source, "part.document", path)
            kind = format_of(source, DOCUMENTS, part.filename)
            if kind is None:
                self._log.note("part.document", path)
        block: Block = {"format": kind, "name": name, "source": given}
        if part.context:
            block["context"] = part.context
        if part.citations_enabled is not None:
            block["citations"] = {"enabled": part.citations_enabled}
        return {"document": block}

    def _title(self, part: DocumentContent, path: str) -> str:
        """Legal and unlike the others; a name of Plexus' own is no loss."""
        given = part.title or part.filename
        clean = _BLANKS.sub(" ", _ILLEGAL.sub(" ", given or "")).strip()[:_NAME_LIMIT].strip()
        name = base = clean or "Document"
        number = 1
        while name in self._titles:
            number += 1
            name = f"{base[: _NAME_LIMIT - 8]} {number}"
        self._titles.add(name)
        if given is not None and name != given:
            self._log.note("part.document.title", path)
        return name

    def _audio(self, part: AudioContent, path: str) -> Block | None:
        if part.source is None:
            return text_block(part.transcript or "")
        kind = part.format if part.format in AUDIO.values() else format_of(part.source, AUDIO)
        if kind is None:
            self._log.note("part.audio", path)
        return {"audio": {"format": kind, "source": self._source(part.source, "part.audio", path)}}

    def _search_result(self, part: SearchResultContent) -> Block:
        texts = [block.text for block in part.blocks if isinstance(block, TextContent)]
        block: Block = {
            "source": part.source,
            "title": part.title,
            "content": [{"text": text} for text in texts],
        }
        if part.citations_enabled is not None:
            block["citations"] = {"enabled": part.citations_enabled}
        return {"searchResult": block}


def text_block(text: str) -> Block | None:
    """None for blank text, which models refuse (traps T57)."""
    return {"text": text} if text and not text.isspace() else None


def with_points(blocks: list[Block]) -> list[Block]:
    """Each marker as a cache point behind its block; never two in a row (traps T77)."""
    out: list[Block] = []
    for block in blocks:
        marker = block.pop("cache_control", None)
        out.append(block)
        if isinstance(marker, dict):
            point = {"type": "default"}
            if "ttl" in marker:
                point["ttl"] = marker["ttl"]
            out.append({"cachePoint": point})
    return out
