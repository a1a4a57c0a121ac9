"""Canonical parts to the parts of a request (gemini.md §2, §5; mappings.md §4, §8, §12)."""

import binascii
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.gemini.media import sniff, split_data_url, type_of_url
from plexus.transformers.gemini.models import thinker
from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.parts import RESOLUTIONS
from plexus.transformers.ids import is_made
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
    Proof,
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

Wire = dict[str, Any]
Written = Wire | Raw

_members = msgspec.json.Decoder(dict[str, Raw]).decode


class PartWriter:
    """Writes the parts of one request.

    ``names`` maps tool names to legal ones; ``native``: the client speaks this dialect, whose parts
    go back as they were.
    """

    def __init__(
        self, target: TargetModel, names: Mapping[str, str], native: bool, log: LossLog
    ) -> None:
        self._target = target
        self._names = names
        self._native = native
        self._log = log

    def texts(self, content: Iterable[Content]) -> list[Written] | None:
        """A content that is nothing but text, nearly every one, at once; None for any other."""
        parts: list[Written] = []
        for part in content:
            if type(part) is not TextContent or part.proof is not None:
                return None
            if part.ext or part.citations:
                return None
            text = part.text
            if self._native or (text and not text.startswith(ATTRIBUTION)):
                parts.append({"text": text})
        return parts

    def write(self, part: Content, path: str) -> list[Written]:
        """The parts it becomes, none for what is left out.

        Raises PlexusError for what the dialect cannot mean.
        """
        match part:
            case TextContent():
                return self._text(part, path)
            case ToolCallContent():
                return [self._call(part, path)]
            case ThinkingContent():
                return self._thinking(part, path)
            case ImageContent() | AudioContent() | VideoContent():
                return [self._media(part, path)]
            case DocumentContent():
                return self._document(part, path)
            case SearchResultContent():
                self._log.note("part.search_result", path)
                body = _texts(part.blocks)
                return _plain(f"{part.title}\n{part.source}\n\n{body}")
            case RefusalContent():
                self._log.note("part.refusal", path)
                return _plain(part.text)
            case ServerToolCallContent() | ServerToolResultContent():
                return self._server_tool(part, path)
            case CompactionContent():
                self._log.note("part.compaction", path)
                return _plain(part.summary or "")
            case OpaqueContent(dialect=dialect, raw=raw):
                if dialect == NAME:
                    return [raw]
                self._log.note("part.opaque", path)
            case _:
                pass
        return []

    def own(self, proof: Proof | None, path: str) -> Proof | None:
        """The proof where it may be replayed: only to the family that issued it."""
        if proof is None or not proof.value:
            return None
        if proof.origin.family == self._target.family:
            return proof
        self._log.note("part.thinking.foreign", path)
        return None

    def _dress(self, wire: Wire, part: Content, path: str) -> Wire:
        """The part with its signature and the members only this dialect knows."""
        proof = self.own(part.proof, path)
        if proof is not None:
            wire["thoughtSignature"] = proof.value
        for dialect, fields in part.ext.items():
            if dialect != NAME:
                if fields:
                    self._log.note("part.ext", path)
                continue
            for name, value in fields.items():
                inner = wire.get(name)
                if isinstance(inner, dict):
                    inner.update(_members(value))
                else:
                    wire[name] = value
        return wire

    def _text(self, part: TextContent, path: str) -> list[Written]:
        if part.text.startswith(ATTRIBUTION) and not self._native:
            return []
        if part.citations and not self._native:
            self._log.note("part.text.citations", path)
        wire = self._dress({"text": part.text}, part, path)
        return [wire] if part.text or self._native or "thoughtSignature" in wire else []

    def _thinking(self, part: ThinkingContent, path: str) -> list[Written]:
        """Thoughts are only read again by the model that signed them."""
        text = part.text or "\n\n".join(part.summary or ())
        proof = self.own(part.proof, path)
        if proof is None and (not self._native or part.proof is not None):
            if part.proof is None and text:
                self._log.note("part.thinking", path)
            return []
        return [self._dress({"text": text, "thought": True}, part, path)]

    def _call(self, part: ToolCallContent, path: str) -> Wire:
        if part.kind == "custom":
            self._log.note("part.tool_call.custom", path)
            value: Raw | Wire = {"input": part.arguments}
        else:
            value, wrapped = call_object(part.arguments)
            if wrapped:
                self._log.note("part.tool_call.arguments", path)
        call: Wire = {"name": self._names.get(part.name, part.name), "args": value}
        if not is_made(part.id):
            call = {"id": part.id, **call}
        return self._dress({"functionCall": call}, part, path)

    def result(
        self, part: ToolResultContent, name: str, path: str
    ) -> tuple[Wire, list[tuple[Content, str]]]:
        """A ``functionResponse``, and media that have to follow it in a turn of their own."""
        texts = [inner.text for inner in part.content if isinstance(inner, TextContent)]
        media: list[tuple[Content, str]] = [
            (inner, f"{path}.content[{number}]")
            for number, inner in enumerate(part.content)
            if not isinstance(inner, TextContent)
        ]
        body: Wire = {"name": self._names.get(name, name)}
        if not is_made(part.tool_call_id):
            body = {"id": part.tool_call_id, **body}
        body["response"] = _response("\n".join(texts), part.is_error)
        if media and self._nested():
            parts = [wire for inner, where in media for wire in self.write(inner, where)]
            # A text note of a part that has no form here is no media.
            files = [wire for wire in parts if isinstance(wire, Raw) or "text" not in wire]
            notes = [str(w["text"]) for w in parts if isinstance(w, dict) and "text" in w]
            if notes:
                body["response"] = _response("\n".join([*texts, *notes]), part.is_error)
            if files:
                body["parts"] = files
            media = []
        elif media:
            self._log.note("part.tool_result.media", path)
        return self._dress({"functionResponse": body}, part, path), media

    def _nested(self) -> bool:
        """Media may stand inside function responses."""
        target = self._target
        return self._native or thinker(target.model, target.capabilities).tool_media

    def _media(
        self, part: ImageContent | AudioContent | VideoContent | DocumentContent, path: str
    ) -> Wire:
        """Bytes, or an address, of media."""
        check(part, self._target.capabilities, path, self._log)
        match part:
            case ImageContent(source=source, detail=detail):
                wire = self._source(source, "image/png", "image", path)
                if detail in RESOLUTIONS:
                    wire["mediaResolution"] = {"level": RESOLUTIONS[detail]}
                    if not self._native:
                        self._log.note("part.image.detail", path)
            case AudioContent(source=source):
                if source is None:
                    self._log.note("part.audio", path)
                    return {}
                wire = self._source(source, "audio/wav", "audio", path)
            case VideoContent(source=source, clip=clip):
                wire = self._source(source, "video/mp4", "video", path)
                if clip is not None:
                    wire["videoMetadata"] = clip
            case DocumentContent(source=source):
                assert source is not None
                wire = self._source(source, "application/pdf", "document", path)
        return self._dress(wire, part, path)

    def _source(self, source: MediaSource, default: str, kind: str, path: str) -> Wire:
        media_type, data = source.media_type.lower(), source.data
        if source.kind == "file_id":
            if source.provider != NAME or not self._native:
                self._log.note(_FILE_IDS.get(kind, "part.video"), path)
            return _file(source.file_id, media_type)
        split = split_data_url(source.url or data)
        if split is not None:
            media_type, data = split[0] or media_type, split[1]
        elif source.kind == "url":
            if not self._native:
                self._log.note("part.document.url" if kind == "document" else "part.image", path)
            return _file(source.url, media_type or type_of_url(source.url))
        if not media_type:
            try:
                media_type = sniff(data)
            except (binascii.Error, ValueError):
                raise invalid("expected base64 data", path) from None
        media_type = "image/jpeg" if media_type == "image/jpg" else media_type
        return {"inlineData": {"mimeType": media_type or default, "data": data}}

    def _document(self, part: DocumentContent, path: str) -> list[Written]:
        """Text as text with its title before it; files as they are."""
        source = part.source
        if part.citations_enabled:
            self._log.note("part.document.citations_enabled", path)
        head = [line for line in (part.title, part.context) if line]
        if source is None:
            self._log.note("part.document", path)
            return _plain("\n".join([*head, _texts(part.blocks)]))
        if source.kind == "text":
            self._log.note("part.document", path)
            name = [part.filename] if part.filename and not part.title else []
            return _plain("\n".join([*name, *head, source.data]))
        wire = self._media(part, path)
        if part.filename is not None and self._native and "inlineData" in wire:
            wire["inlineData"]["displayName"] = part.filename
        if head:
            self._log.note("part.document.title", path)
        return [*_plain("\n".join(head)), wire]

    def _server_tool(
        self, part: ServerToolCallContent | ServerToolResultContent, path: str
    ) -> list[Written]:
        """Verbatim for this dialect; a foreign call becomes a note, its result goes with it."""
        if part.dialect == NAME:
            return [part.raw]
        self._log.note("part.server_tool", path)
        if isinstance(part, ServerToolCallContent):
            return _plain(f"[{part.tool.replace('_', ' ')}: {part.arguments}]")
        return []


_FILE_IDS = {"image": "part.image.file_id", "document": "part.document.file_id"}


def _file(uri: str, media_type: str) -> Wire:
    found: Wire = {"fileUri": uri}
    if media_type:
        found["mimeType"] = media_type
    return {"fileData": found}


def _plain(text: str) -> list[Written]:
    return [{"text": text}] if text.strip() else []


def _texts(blocks: tuple[Content, ...]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, TextContent))


def _response(text: str, is_error: bool) -> Raw | Wire:
    """``output``, or the text itself where it is a JSON object; ``error`` for failures."""
    if is_error:
        return {"error": text}
    if text.lstrip().startswith("{"):
        data = text.encode("utf-8", "surrogatepass")
        try:
            _members(data)
            return Raw(data)
        except (msgspec.MsgspecError, RecursionError):
            pass
    return {"output": text}
