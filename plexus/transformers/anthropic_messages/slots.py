"""Blocks of a client's stream in the making: each turns the deltas of one part into events."""

from typing import ClassVar

import msgspec
from msgspec import Raw

from plexus.streaming.framing import Frame
from plexus.transformers.anthropic_messages.citations import web_citation
from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.anthropic_messages.reader import edited
from plexus.transformers.anthropic_messages.response import proof_value, thinking_block
from plexus.transformers.ids import anthropic_id
from plexus.transformers.jsontext import call_object, compact, is_json
from plexus.unified.chunks import PartDelta
from plexus.unified.content import (
    Citation,
    Content,
    Proof,
    ServerToolCallContent,
    ThinkingContent,
    ToolCallContent,
)


def event(name: str, **members: object) -> Frame:
    """One event; its data is one line whatever white space a provider's JSON had."""
    data = msgspec.json.encode({"type": name, **members})
    return Frame(name, compact(data) if b"\n" in data or b"\r" in data else data)


_DELTA = b'{"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}'
_TEXT = b'{"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%b}}'


class BlockEvents:
    """Numbers the blocks of a message and writes their events."""

    def __init__(self) -> None:
        self.count = 0

    def start(self, block: object) -> Frame:
        frame = event("content_block_start", index=self.count, content_block=block)
        self.count += 1
        return frame

    def text(self, text: str) -> Frame:
        """A text delta: nearly all events of a stream are these."""
        return Frame("content_block_delta", _TEXT % (self.count - 1, msgspec.json.encode(text)))

    def delta(self, kind: str, field: str, value: object) -> Frame:
        # Written here, at half the cost of ``event``.
        if isinstance(value, str):
            words = (self.count - 1, kind.encode(), field.encode(), msgspec.json.encode(value))
            return Frame("content_block_delta", _DELTA % words)
        delta = {"type": kind, field: value}
        return event("content_block_delta", index=self.count - 1, delta=delta)

    def stop(self) -> Frame:
        return event("content_block_stop", index=self.count - 1)

    def whole(self, block: dict[str, object]) -> list[Frame]:
        """A thinking block in its usual events, any other complete in its start."""
        if block["type"] != "thinking":
            return [self.start(block), self.stop()]
        out = [self.start({"type": "thinking", "thinking": "", "signature": ""})]
        if block["thinking"]:
            out.append(self.delta("thinking_delta", "thinking", block["thinking"]))
        out.append(self.delta("signature_delta", "signature", block["signature"]))
        return [*out, self.stop()]


class Slot:
    """One part on its way out.

    ``waiting`` holds the deltas while another block is open; ``stopped``: the part is complete;
    ``closed``: its block is over, perhaps before the part was (the early close rule).
    """

    early: ClassVar[bool] = True
    """Closed as soon as another part starts; what comes later is a new block."""

    def __init__(self, part: Content, events: BlockEvents) -> None:
        self.part = part
        self.events = events
        self.waiting: list[PartDelta] = []
        self.proof: Proof | None = part.proof
        self.stopped = False
        self.closed = False

    def open(self) -> list[Frame]:
        """The slot has the floor."""
        return []

    def feed(self, delta: PartDelta) -> list[Frame]:
        if not isinstance(delta.value, str) and isinstance(delta.value, Proof):
            self.proof = delta.value
            return []
        return self.write(delta)

    def write(self, delta: PartDelta) -> list[Frame]:
        return []

    def close(self) -> list[Frame]:
        raise NotImplementedError

    @property
    def complete(self) -> bool:
        """May be closed for another part although its own stop has not come."""
        return self.early

    def late_proof(self) -> list[Frame]:
        """An empty thinking block for the proof of a part that has no place for one."""
        if self.proof is None:
            return []
        return self.events.whole(thinking_block(ThinkingContent(proof=self.proof)) or {})


class TextSlot(Slot):
    """Text, refusals and transcripts.

    Blank text makes no block, except that of Anthropic's own answers, which stand between cited
    blocks.  Citations may come before the text they belong to.
    """

    def __init__(self, part: Content, events: BlockEvents, own: bool = False) -> None:
        super().__init__(part, events)
        self._own = own
        self._held = ""
        self._cited: list[Citation] = []
        self._opened = False
        self._text: list[str] = []

    def feed(self, delta: PartDelta) -> list[Frame]:
        text = delta.value
        if self._opened and text and isinstance(text, str) and delta.kind != "audio":
            # Nearly all deltas are these.
            self._text.append(text)
            return [self.events.text(text)]
        return super().feed(delta)

    def write(self, delta: PartDelta) -> list[Frame]:
        text = delta.value
        if not isinstance(text, str):
            return self._cite(text) if isinstance(text, Citation) else []
        if not text or delta.kind == "audio":
            return []
        self._held = text = self._held + text
        if text.isspace() and not self._own:
            return []
        self._opened = True
        out = [self.events.start({"type": "text", "text": ""})]
        out += [frame for citation in self._cited for frame in self._cite(citation)]
        self._text.append(text)
        out.append(self.events.text(text))
        return out

    def _cite(self, citation: Citation) -> list[Frame]:
        if not self._opened:
            self._cited.append(citation)
            return []
        written = web_citation(citation, "".join(self._text))
        if written is None:
            return []
        return [self.events.delta("citations_delta", "citation", written)]

    def close(self) -> list[Frame]:
        self.closed = True
        return ([self.events.stop()] if self._opened else []) + self.late_proof()


class ThinkingSlot(Slot):
    """Thinking: text deltas, then one signature, real or enveloped."""

    def __init__(self, part: Content, events: BlockEvents) -> None:
        super().__init__(part, events)
        self._opened = False
        self._kind = ""
        self._sub = 0

    def write(self, delta: PartDelta) -> list[Frame]:
        text = delta.value
        if not isinstance(text, str) or not text:
            return []
        # A provider that gives the text and its summary gives the same thought twice.
        self._kind = self._kind or delta.kind
        if delta.kind != self._kind:
            return []
        if delta.sub != self._sub:
            self._sub = delta.sub
            text = "\n\n" + text if self._opened else text
        out: list[Frame] = []
        if not self._opened:
            self._opened = True
            start = {"type": "thinking", "thinking": "", "signature": ""}
            out.append(self.events.start(start))
        out.append(self.events.delta("thinking_delta", "thinking", text))
        return out

    def close(self) -> list[Frame]:
        self.closed = True
        if not self._opened:
            return self.late_proof()
        signature = proof_value(self.proof)
        return [self.events.delta("signature_delta", "signature", signature), self.events.stop()]


class ToolSlot(Slot):
    """A call.  Its input leaves as an object: free text is wrapped, other JSON held and wrapped."""

    early = False

    def __init__(self, part: ToolCallContent, events: BlockEvents) -> None:
        super().__init__(part, events)
        self.broken = False
        """The input that was sent is no JSON."""
        self._call = part
        self._custom = part.kind == "custom"
        self._pieces: list[str] = []
        self._held = not self._custom
        self._proven = False

    def open(self) -> list[Frame]:
        out = self.late_proof()
        self._proven = bool(out)
        call = self._call
        start: dict[str, object] = {
            "type": "tool_use",
            "id": anthropic_id(call.id, "toolu_"),
            "name": call.name,
            "input": {},
        }
        start.update(call.ext.get(NAME, {}))
        out.append(self.events.start(start))
        if self._custom:
            out.append(self._json('{"input":"'))
        return out

    def write(self, delta: PartDelta) -> list[Frame]:
        text = delta.value
        if not isinstance(text, str) or not text:
            return []
        self._pieces.append(text)
        if self._custom:
            return [self._json(msgspec.json.encode(text).decode()[1:-1])]
        if self._held:
            text = "".join(self._pieces)
            if not text.lstrip().startswith("{"):
                return []
            self._held = False
        return [self._json(text)]

    def _json(self, piece: str) -> Frame:
        return self.events.delta("input_json_delta", "partial_json", piece)

    def close(self) -> list[Frame]:
        self.closed = True
        arguments = "".join(self._pieces)
        out: list[Frame] = []
        if self._custom:
            out.append(self._json('"}'))
        elif self._held:
            value, wrapped = call_object(arguments)
            if wrapped:
                out.append(self._json(msgspec.json.encode(value).decode()))
        else:
            self.broken = not is_json(arguments)
        out.append(self.events.stop())
        return out if self._proven else out + self.late_proof()

    @property
    def complete(self) -> bool:
        if self._custom or self._held or not self._pieces[-1].endswith("}"):
            return False
        return is_json("".join(self._pieces))


class WholeSlot(Slot):
    """A part complete in itself: redacted thinking, and blocks only this dialect knows."""

    def __init__(self, part: Content, block: dict[str, object] | Raw, events: BlockEvents) -> None:
        super().__init__(part, events)
        self.stopped = True
        self._block = block

    def close(self) -> list[Frame]:
        self.closed = True
        if isinstance(self._block, dict):
            return self.events.whole(self._block)
        if not isinstance(self.part, ServerToolCallContent):
            return [self.events.start(self._block), self.events.stop()]
        # Clients build the input of a server tool from deltas.
        bare = edited(self._block, input={})
        piece = self.events.delta
        out = [self.events.start(bare)]
        if self.part.arguments not in ("", "{}"):
            out.append(piece("input_json_delta", "partial_json", self.part.arguments))
        return [*out, self.events.stop()]
