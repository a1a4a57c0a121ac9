"""Parts of an answer for a client of this dialect, whole or as they come (mappings.md §12, §15)."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.gemini.grounding import GroundingWriter
from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.signatures import write_signature
from plexus.transformers.gemini.thinking import wants_thoughts
from plexus.transformers.ids import is_made
from plexus.transformers.jsontext import call_object
from plexus.transformers.losses import LossLog
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
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    VideoContent,
)
from plexus.unified.request import UnifiedChatRequest

Wire = dict[str, Any]
Written = Wire | Raw

_members = msgspec.json.Decoder(dict[str, Raw]).decode


def candidate(index: int, parts: list[Written]) -> Wire:
    """A candidate with its content."""
    return {"content": {"parts": parts, "role": "model"}, "index": index}


class AnswerWriter:
    """Writes the parts of one candidate, in order.

    ``native``: the answer is Google's own.  A proof without text rides on the next part that has
    room for one, so that it survives clients that drop thoughts from their history; one with text
    stays with it, because neither is of use without the other.
    """

    def __init__(self, request: UnifiedChatRequest, native: bool, log: LossLog) -> None:
        self._native = native
        self._log = log
        self._thoughts = native or wants_thoughts(request.reasoning)
        self.loose: Proof | None = None
        """A proof that waits for a part with room for it."""
        self._grounding = GroundingWriter()
        self.count = 0
        """Parts written so far; a text in fragments counts once."""

    def write(self, part: Content) -> list[Written]:
        """The parts it becomes; all but the deltas of a stream go through here."""
        wires = list(self._parts(part))
        self.count += len(wires)
        return wires

    def text(self, text: str, thought: bool, proof: Proof | None = None) -> list[Written]:
        """A fragment of a text, or of a thought, as it comes."""
        if not thought:
            return [self._signed({"text": text}, proof or self._taken())]
        if not self._thoughts:
            return []
        return [self._signed({"text": text, "thought": True}, proof)]

    def end_text(self, part: TextContent | ThinkingContent, signed: bool) -> list[Written]:
        """The end of a part whose text was written in fragments: its citations, and its proof.

        ``signed``: the last fragment had it.
        """
        if isinstance(part, TextContent):
            self._cite(part)
        self.count += 1
        if part.proof is None or signed:
            return []
        if isinstance(part, TextContent):
            return [self._signed({"text": ""}, part.proof)]
        if not self._thoughts or not (part.text or part.summary):
            self.loose = part.proof
            return []
        return [self._signed({"text": "", "thought": True}, part.proof)]

    def close(self) -> list[Written]:
        """What no part had room for."""
        proof = self._taken()
        return [] if proof is None else [self._signed({"text": "", "thought": True}, proof)]

    def grounding(self) -> Wire | None:
        """All citations of the candidate."""
        found = self._grounding.metadata()
        if found is not None or self._grounding.lost:
            self._log.note("response.citations")
        return found

    def _parts(self, part: Content) -> Iterator[Written]:
        match part:
            case TextContent():
                yield from self._text(part)
            case ThinkingContent():
                yield from self._thinking(part)
            case ToolCallContent():
                yield self._call(part)
            case RefusalContent(text=text):
                self._log.note("response.refusal")
                if text:
                    yield {"text": text}
            case AudioContent(source=source):
                if not self._native:
                    self._log.note("response.audio")
                if source is not None:
                    kind = f"audio/{part.format}" if part.format else "audio/wav"
                    yield self._dress(_media(source, kind), part)
                elif part.transcript:
                    yield {"text": part.transcript}
            case ImageContent(source=source):
                yield self._dress(_media(source, "image/png"), part)
            case VideoContent(source=source):
                yield self._dress(_media(source, "video/mp4"), part)
            case DocumentContent(source=source) if source is not None:
                yield self._dress(_media(source, "application/pdf"), part)
            case _:
                yield from self._own(part)

    def _text(self, part: TextContent) -> Iterator[Written]:
        if not part.text and part.proof is None and not self._native:
            return
        self._cite(part)
        proof = part.proof or self._taken()
        yield self._dress(self._signed({"text": part.text}, proof), part)

    def _cite(self, part: TextContent) -> None:
        for citation in part.citations:
            self._grounding.add(citation, part.text, self.count)

    def _thinking(self, part: ThinkingContent) -> Iterator[Written]:
        text = part.text or "\n\n".join(part.summary or ())
        if self._native:
            wire = self._signed({"text": text, "thought": True}, part.proof)
            yield self._dress(wire, part)
        elif text and self._thoughts:
            yield self._signed({"text": text, "thought": True}, part.proof)
        elif part.proof is not None:
            yield from self.close()
            self.loose = part.proof

    def _call(self, part: ToolCallContent) -> Wire:
        if part.kind == "custom":
            self._log.note("response.tool_call.custom")
            value: Raw | Wire = {"input": part.arguments}
        else:
            value, wrapped = call_object(part.arguments)
            if wrapped:
                self._log.note("response.tool_call.arguments")
        call: Wire = {"name": part.name, "args": value}
        if not (self._native and is_made(part.id)):
            call = {"id": part.id, **call}
        proof = part.proof or self._taken()
        return self._dress(self._signed({"functionCall": call}, proof), part)

    def _own(self, part: Content) -> Iterator[Written]:
        """Parts only this dialect knows, as they came."""
        match part:
            case ServerToolCallContent() | ServerToolResultContent():
                field = "response.server_tools"
            case CompactionContent():
                field = "response.compaction"
            case OpaqueContent():
                field = "response.opaque"
            case _:
                self._log.note("response.opaque")
                return
        if part.dialect == NAME:
            yield part.raw
        else:
            self._log.note(field)

    def _taken(self) -> Proof | None:
        proof, self.loose = self.loose, None
        return proof

    def _signed(self, wire: Wire, proof: Proof | None) -> Wire:
        if proof is not None and proof.value:
            if not self._native:
                self._log.note("response.thinking.proof")
            wire["thoughtSignature"] = write_signature(proof)
        return wire

    def _dress(self, wire: Wire, part: Content) -> Wire:
        for name, value in part.ext.get(NAME, {}).items():
            inner = wire.get(name)
            if isinstance(inner, dict):
                inner.update(_members(value))
            else:
                wire[name] = value
        return wire


def _media(source: MediaSource, default: str) -> Wire:
    if source.kind == "base64":
        return {"inlineData": {"mimeType": source.media_type or default, "data": source.data}}
    file: Wire = {"fileUri": source.url or source.file_id}
    if source.media_type:
        file["mimeType"] = source.media_type
    return {"fileData": file}
