"""Canonical parts to the blocks of a request (anthropic-messages.md §4)."""

import base64
import binascii
import re
from collections.abc import Mapping

from msgspec import Raw

from plexus.transformers.anthropic_messages.cache import Block, CacheMarkers
from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.anthropic_messages.reader import edited
from plexus.transformers.capabilities import Capabilities
from plexus.transformers.jsontext import call_object
from plexus.transformers.losses import LossLog
from plexus.transformers.modalities import check
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
from plexus.unified.errors import invalid

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_SNIFF = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
)
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)


class BlockWriter:
    """Writes the parts of one request.

    ``family`` decides which proofs are replayed; ``names`` maps tool names to legal ones;
    ``native``: the client speaks this dialect; ``citable``: citations may be asked for.
    """

    def __init__(
        self,
        *,
        family: str,
        caps: Capabilities,
        names: Mapping[str, str],
        native: bool,
        citable: bool,
        markers: CacheMarkers,
        log: LossLog,
    ) -> None:
        self._family = family
        self._caps = caps
        self._names = names
        self._native = native
        self._citable = citable
        self._markers = markers
        self._log = log

    def write(self, part: Content, path: str, ids: Mapping[str, str]) -> Block | Raw | None:
        """The block, or None for what is left out.  ``ids`` maps call ids to legal ones.

        Raises PlexusError for what the dialect cannot mean.
        """
        if type(part) is TextContent and part == TextContent(text=part.text):
            # Nearly all parts are these, and nothing below has anything to say of them.
            plain = text_block(part.text)
            if plain is not None:
                self._markers.mark("messages", plain, None)
            return plain
        block = self._block(part, path, ids)
        if block is None:
            self._markers.move("messages", part.cache_control)
            return None
        if isinstance(block, Raw):
            return block
        if part.ext:
            self._extend(block, part, path)
        if type(part) is ThinkingContent:
            # It can carry no marker: the block before it does (traps T77).
            self._markers.move("messages", part.cache_control)
        else:
            verbatim = "cache_control" in block
            self._markers.mark("messages", block, None if verbatim else part.cache_control)
        return block

    def _extend(self, block: Block, part: Content, path: str) -> None:
        """Unknown members of this dialect; those of another are lost."""
        for dialect, fields in part.ext.items():
            if dialect != NAME:
                if fields:
                    self._log.note("part.ext", path)
            elif part.cache_control is None:
                block.update((k, v) for k, v in fields.items() if k != "cache_control")
            else:
                block.update(fields)

    def _block(self, part: Content, path: str, ids: Mapping[str, str]) -> Block | Raw | None:
        # By type: a class that is asked in vain costs 0.3 us in ``isinstance`` and ``match``.
        if type(part) is TextContent:
            return self._text(part, path)
        if type(part) is ToolCallContent:
            return self._tool_use(part, path, ids)
        if type(part) is ToolResultContent:
            return self._tool_result(part, path, ids)
        if type(part) is ThinkingContent:
            return self._thinking(part, path)
        match part:
            case ImageContent():
                return self._image(part, path)
            case DocumentContent():
                return self._document(part, path)
            case SearchResultContent():
                return self._search_result(part, path)
            case RefusalContent():
                self._log.note("part.refusal", path)
                return text_block(part.text)
            case ServerToolCallContent() | ServerToolResultContent():
                return self._server_tool(part, path)
            case CompactionContent() | OpaqueContent():
                return self._opaque(part, path)
            case AudioContent():
                self._log.note("part.audio", path)
            case VideoContent():
                self._log.note("part.video", path)
        return None

    def _text(self, part: TextContent, path: str) -> Block | None:
        block = text_block(part.text)
        if block is None or not part.citations:
            return block
        own = [c.raw for c in part.citations if c.dialect == NAME and c.raw is not None]
        if len(own) < len(part.citations):
            self._log.note("part.text.citations", path)
        if own:
            block["citations"] = own
        return block

    def _tool_use(self, part: ToolCallContent, path: str, ids: Mapping[str, str]) -> Block:
        if part.kind == "custom":
            self._log.note("part.tool_call.custom", path)
            value: Raw | Block = {"input": part.arguments}
        else:
            value, wrapped = call_object(part.arguments)
            if wrapped:
                self._log.note("part.tool_call.arguments", path)
        return {
            "type": "tool_use",
            "id": ids.get(part.id, part.id),
            "name": self._names.get(part.name, part.name),
            "input": value,
        }

    def _tool_result(self, part: ToolResultContent, path: str, ids: Mapping[str, str]) -> Block:
        call_id = ids.get(part.tool_call_id, part.tool_call_id)
        block: Block = {"type": "tool_result", "tool_use_id": call_id}
        content = _plain(part.content)
        if content is None:
            content = self._nested(part.content, path, ids)
        if content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return block

    def _nested(
        self, parts: tuple[Content, ...], path: str, ids: Mapping[str, str]
    ) -> list[Block | Raw]:
        """Blocks inside a block."""
        blocks: list[Block | Raw] = []
        for index, part in enumerate(parts):
            block = self.write(part, f"{path}.content[{index}]", ids)
            if block is not None:
                blocks.append(block)
        return blocks

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
        if part.redacted or (proof.kind == "encrypted" and not text):
            return {"type": "redacted_thinking", "data": proof.value}
        return {"type": "thinking", "thinking": text, "signature": proof.value}

    def _source(self, source: MediaSource, path: str, kind: str) -> Block:
        """A media source; Anthropic's own file ids are the only ones it knows."""
        if source.kind == "file_id":
            if not self._native:
                self._log.note(f"part.{kind}.file_id", path)
            return {"type": "file", "file_id": source.file_id}
        if source.kind == "url" and not source.url.startswith("data:"):
            return {"type": "url", "url": source.url}
        if source.kind == "text":
            return {"type": "text", "media_type": "text/plain", "data": source.data}
        media_type, data = source.media_type, source.data or source.url
        found = _DATA_URL.match(data)
        if found is not None:
            if "base64" not in found[2].lower():
                raise invalid("expected a base64 data URL", path)
            media_type, data = found[1] or media_type, data[found.end() :]
        if not media_type:
            media_type = next((kind for head, kind in _SNIFF if data.startswith(head)), "")
        media_type = media_type.lower()
        media_type = "image/jpeg" if media_type == "image/jpg" else media_type
        return {"type": "base64", "media_type": media_type, "data": data}

    def _image(self, part: ImageContent, path: str) -> Block:
        check(part, self._caps, path, self._log)
        source = self._source(part.source, path, "image")
        if source["type"] == "base64" and source["media_type"] not in _IMAGE_TYPES:
            self._log.note("part.image.media_type", path)
        if part.detail is not None:
            self._log.note("part.image.detail", path)
        return {"type": "image", "source": source}

    def _document(self, part: DocumentContent, path: str) -> Block:
        check(part, self._caps, path, self._log)
        if part.source is None:
            source: Block = {"type": "content", "content": self._nested(part.blocks, path, {})}
        else:
            source = self._source(part.source, path, "document")
            if source["type"] == "base64" and source["media_type"] != "application/pdf":
                source = self._plain_text(source, path)
        block: Block = {"type": "document", "source": source}
        title = part.title or part.filename
        if title:
            block["title"] = title
        if part.context:
            block["context"] = part.context
        self._cite(block, part.citations_enabled, path)
        return block

    def _plain_text(self, source: Block, path: str) -> Block:
        """A text file's bytes as a text source; any other file type is refused."""
        if not str(source["media_type"]).startswith("text/"):
            self._log.note("part.document", path)
        try:
            data = base64.b64decode(str(source["data"]), validate=True).decode()
        except (binascii.Error, ValueError):
            raise invalid("expected base64 of UTF-8 text", path) from None
        return {"type": "text", "media_type": "text/plain", "data": data}

    def _search_result(self, part: SearchResultContent, path: str) -> Block:
        content = self._nested(part.blocks, path, {})
        block: Block = {
            "type": "search_result",
            "source": part.source,
            "title": part.title,
            "content": content,
        }
        self._cite(block, part.citations_enabled, path)
        return block

    def _cite(self, block: Block, enabled: bool | None, path: str) -> None:
        """Citations and structured output exclude each other (mappings.md §7)."""
        if enabled is None:
            return
        if enabled and not self._citable:
            self._log.note("part.document.citations_enabled", path)
            return
        block["citations"] = {"enabled": enabled}

    def _server_tool(
        self, part: ServerToolCallContent | ServerToolResultContent, path: str
    ) -> Block | Raw | None:
        """Verbatim for this dialect; a foreign call becomes a note, its result goes with it."""
        if part.dialect == NAME:
            return _verbatim(part.raw, part)
        self._log.note("part.server_tool", path)
        if isinstance(part, ServerToolCallContent):
            return text_block(f"[{part.tool.replace('_', ' ')}: {part.arguments}]")
        return None

    def _opaque(self, part: CompactionContent | OpaqueContent, path: str) -> Raw | None:
        if part.dialect == NAME:
            return _verbatim(part.raw, part)
        self._log.note(
            "part.opaque" if isinstance(part, OpaqueContent) else "part.compaction", path
        )
        return None


def _plain(parts: tuple[Content, ...]) -> str | list[Block | Raw] | None:
    """The one text of a tool result that says nothing more, which stays a string."""
    if len(parts) != 1 or type(only := parts[0]) is not TextContent:
        return None
    if only.cache_control is not None or only.ext or only.citations:
        return None
    return only.text if only.text.strip() else ""


def text_block(text: str) -> Block | None:
    """None for blank text, which Anthropic refuses (traps T57)."""
    return {"type": "text", "text": text} if text and not text.isspace() else None


def _verbatim(raw: Raw, part: Content) -> Raw:
    """The block as it came, without a marker that a step removed from the part."""
    if part.cache_control is not None or b'"cache_control"' not in bytes(raw):
        return raw
    return edited(raw, cache_control=None)
