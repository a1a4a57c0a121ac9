"""Items of a client's stream in the making: each turns the deltas of one part into events.

The events of an item: added, its deltas, done (streaming.md §4).  Texts next to each other are
parts of one message item, which is done when something else begins.
"""

from typing import Any, ClassVar

import msgspec
from msgspec import Raw

from plexus.streaming.framing import Frame
from plexus.transformers.jsontext import is_json
from plexus.transformers.openai_chat.names import legal_id
from plexus.transformers.openai_responses.citations import format_citation
from plexus.transformers.openai_responses.format_parts import Wire, item_fields, own_fields
from plexus.transformers.openai_responses.ids import made_id
from plexus.transformers.openai_responses.losses import FAMILY, NAME
from plexus.transformers.proofs import seal
from plexus.unified.chunks import PartDelta
from plexus.unified.content import (
    Citation,
    Content,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)

_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class Output:
    """The output of one answer: numbers events and items, and keeps what is done.

    ``silent`` writes no frames: a JSON answer is the output of a stream that nobody reads.
    """

    def __init__(self, silent: bool = False) -> None:
        self.items: list[Wire | Raw] = []
        self.seed = ""
        self.native = False
        self._silent = silent
        self._sequence = 0
        self._added = 0
        self._message: Wire | None = None
        self._place = 0

    @property
    def sequence(self) -> int:
        return self._sequence

    def event(self, kind: str, **members: Any) -> list[Frame]:
        if self._silent:
            return []
        event = {"type": kind, **members, "sequence_number": self._sequence}
        self._sequence += 1
        return [Frame(kind, _one_line(msgspec.json.encode(event)))]

    def encoded(self, value: Wire) -> Wire | Raw:
        """``value`` for several events; as it is when nobody reads them."""
        return value if self._silent else Raw(_encode(value))

    def head(self, kind: str, **where: Any) -> bytes:
        """The beginning of each delta event of one text: all but the delta and what follows it."""
        if self._silent:
            return b""
        return _encode({"type": kind, **where})[:-1] + b',"delta":'

    def delta(self, kind: str, head: bytes, text: str, more: bytes = b"") -> list[Frame]:
        """``event`` for the most frequent ones, a third of its cost: ``head`` is written already.

        ``more`` stands between the delta and the number.
        """
        if self._silent:
            return []
        number = self._sequence
        self._sequence = number + 1
        data = b'%b%b%b,"sequence_number":%d}' % (head, _encode(text), more, number)
        return [Frame(kind, data)]

    def made_id(self, prefix: str) -> str:
        """The id of the next item."""
        return made_id(prefix, f"{self.seed} {self._added}")

    def add(self, item: Wire | Raw) -> tuple[int, list[Frame]]:
        """Announce an item; gives its place."""
        place = self._added
        self._added += 1
        self.items.append(item)
        return place, self.event("response.output_item.added", output_index=place, item=item)

    def done(self, place: int, item: Wire | Raw) -> list[Frame]:
        self.items[place] = item
        return self.event("response.output_item.done", output_index=place, item=item)

    # -- messages --------------------------------------------------------------------------------

    def message(self, fields: dict[str, Raw]) -> tuple[int, str, int, list[Frame]]:
        """The open message for one more part: its place, id, and the part's index.

        ``fields`` are what a provider of this dialect says of the item; its id tells items apart.
        """
        item_id = _text(fields["id"]) if "id" in fields else None
        out: list[Frame] = []
        if self._message is not None and item_id not in (None, self._message["id"]):
            out += self.close_message()
        if self._message is None:
            self._message = {
                "id": item_id or self.made_id("msg_"),
                "type": "message",
                "status": "in_progress",
                "role": "assistant",
                "content": [],
            }
            if "phase" in fields:
                self._message["phase"] = fields["phase"]
            self._place, frames = self.add(dict(self._message))
            out += frames
            self._message["content"] = []
        return self._place, self._message["id"], len(self._message["content"]), out

    def add_part(self, part: Wire, fields: dict[str, Raw]) -> None:
        """A part of the open message is complete."""
        assert self._message is not None
        self._message["content"].append(part)
        if "phase" in fields:
            self._message["phase"] = fields["phase"]
        self._message["status"] = fields.get("status", "completed")

    def close_message(self) -> list[Frame]:
        message, self._message = self._message, None
        if message is None:
            return []
        if message["status"] == "in_progress":
            message["status"] = "completed"
        return self.done(self._place, message)

    # -- whole items -----------------------------------------------------------------------------

    def whole(self, item: Wire | Raw) -> list[Frame]:
        """An item that comes at once."""
        place, out = self.add(item)
        return out + self.done(place, item)


class Slot:
    """One part on its way out.

    ``waiting`` holds the deltas while another item is open; ``stopped``: the part is complete;
    ``closed``: its item is over, perhaps before the part was (the early close rule).
    """

    early: ClassVar[bool] = True
    """Closed as soon as another part starts; what comes later is a new item."""

    def __init__(self, part: Content, output: Output) -> None:
        self.part = part
        self.output = output
        self.waiting: list[PartDelta] = []
        self.proof: Proof | None = part.proof
        self.stopped = False
        self.closed = False

    def open(self) -> list[Frame]:
        """The slot has the floor."""
        return []

    def feed(self, delta: PartDelta) -> list[Frame]:
        if type(delta.value) is Proof:
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
        """A reasoning item for the proof of a part that has no place for one."""
        if self.proof is None:
            return []
        out = self.output.close_message()
        item = reasoning_item(self.output.made_id("rs_"), [], self.proof)
        return out + self.output.whole(item)


_TEXT_DELTA = "response.output_text.delta"


class TextSlot(Slot):
    """Text, refusals and transcripts: a part of a message item, opened by its first text."""

    def __init__(self, part: Content, output: Output) -> None:
        super().__init__(part, output)
        self.refusal = isinstance(part, RefusalContent)
        self.logprobs: list[Raw] = []
        self._pieces: list[str] = []
        self._tokens: list[Raw] = []
        self._cited: list[Citation] = []
        self._where: Wire | None = None
        self._head = b""

    def feed(self, delta: PartDelta) -> list[Frame]:
        value = delta.value
        if type(value) is not str:
            return super().feed(delta)
        if not value or delta.kind == "audio":
            return []
        out = self._begin() if self._where is None else []
        self._pieces.append(value)
        if self.refusal:
            frames = self.output.delta("response.refusal.delta", self._head, value)
        elif self.logprobs:
            frames = self._with_tokens(value)
        else:
            frames = self.output.delta(_TEXT_DELTA, self._head, value, b',"logprobs":[]')
        return out + frames if out else frames

    def write(self, delta: PartDelta) -> list[Frame]:
        if type(delta.value) is Citation:
            self._cited.append(delta.value)
        return []

    def _with_tokens(self, text: str) -> list[Frame]:
        tokens, self.logprobs = self.logprobs, []
        self._tokens += tokens
        return self._event(_TEXT_DELTA, delta=text, logprobs=tokens)

    def _begin(self) -> list[Frame]:
        place, item_id, index, out = self.output.message(item_fields(self.part))
        self._where = {"item_id": item_id, "output_index": place, "content_index": index}
        kind = "response.refusal.delta" if self.refusal else _TEXT_DELTA
        self._head = self.output.head(kind, **self._where)
        return out + self._event("response.content_part.added", part=self._part(""))

    def _event(self, kind: str, **members: Any) -> list[Frame]:
        return self.output.event(kind, **(self._where or {}), **members)

    def _part(self, text: str) -> Wire:
        if self.refusal:
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def close(self) -> list[Frame]:
        self.closed = True
        out: list[Frame] = []
        if self._where is None and self.output.native and not self._silent_part():
            out += self._begin()
        if self._where is not None:
            out += self._end()
        return out + self.late_proof()

    def _silent_part(self) -> bool:
        """An empty part that stands for nothing: another dialect's, or an audio's."""
        return not isinstance(self.part, TextContent | RefusalContent)

    def _end(self) -> list[Frame]:
        text = "".join(self._pieces)
        part = self._part(text)
        if self.refusal:
            out = self._event("response.refusal.done", refusal=text)
        else:
            part["logprobs"] = self._tokens
            part.update(own_fields(self.part))
            citations = [format_citation(citation, text) for citation in self._cited]
            part["annotations"] = [wire for wire in citations if wire is not None]
            out = []
            for number, wire in enumerate(part["annotations"]):
                out += self._event(
                    "response.output_text.annotation.added",
                    annotation_index=number,
                    annotation=wire,
                )
            out += self._event("response.output_text.done", text=text, logprobs=part["logprobs"])
        out += self._event("response.content_part.done", part=part)
        self.output.add_part(part, item_fields(self.part))
        return out


_SUMMARY_DELTA = "response.reasoning_summary_text.delta"
_REASONING_DELTA = "response.reasoning_text.delta"


class ReasoningSlot(Slot):
    """Thinking: summaries, or a provider's own reasoning text, and its proof at the end.

    Other dialects' text is a summary here: it is what clients show.  ``readable`` False keeps only
    the proof.
    """

    def __init__(self, part: ThinkingContent, output: Output, readable: bool) -> None:
        super().__init__(part, output)
        self._own = part
        self._readable = readable
        self._id = part.id if output.native and part.id else None
        self._place = -1
        self._summary: list[str] = []
        self._open_summary = False
        self._pieces: list[str] = []
        self._texts: list[str] = []
        self._kind = ""
        self._head = self._text_head = b""

    def open(self) -> list[Frame]:
        out = self.output.close_message()
        return out + self._begin() if self.output.native else out

    def _begin(self) -> list[Frame]:
        if self._place >= 0:
            return []
        self._id = self._id or self.output.made_id("rs_")
        self._place, out = self.output.add({"id": self._id, "type": "reasoning", "summary": []})
        return out

    def write(self, delta: PartDelta) -> list[Frame]:
        text = delta.value
        if not isinstance(text, str) or not text or not self._readable:
            return []
        if not self.output.native:
            # A provider that gives the text and its summary gives the same thought twice.
            self._kind = self._kind or delta.kind
            if delta.kind != self._kind:
                return []
        elif delta.kind == "thinking":
            return self._raw_text(text)
        out = self._begin()
        if not self._open_summary or delta.sub >= len(self._summary):
            out += self._end_summary() + self._start_summary()
        self._pieces.append(text)
        return out + self.output.delta(_SUMMARY_DELTA, self._head, text)

    def _summary_event(self, kind: str, **members: Any) -> list[Frame]:
        return self.output.event(kind, **self._summary_place(), **members)

    def _summary_place(self) -> Wire:
        number = len(self._summary) - 1
        return {"item_id": self._id, "output_index": self._place, "summary_index": number}

    def _start_summary(self) -> list[Frame]:
        self._summary.append("")
        self._pieces = []
        self._open_summary = True
        self._head = self.output.head(_SUMMARY_DELTA, **self._summary_place())
        part = {"type": "summary_text", "text": ""}
        return self._summary_event("response.reasoning_summary_part.added", part=part)

    def _end_summary(self) -> list[Frame]:
        if not self._open_summary:
            return []
        self._open_summary = False
        text = self._summary[-1] = "".join(self._pieces)
        out = self._summary_event("response.reasoning_summary_text.done", text=text)
        part = {"type": "summary_text", "text": text}
        return out + self._summary_event("response.reasoning_summary_part.done", part=part)

    def _raw_text(self, text: str) -> list[Frame]:
        out: list[Frame] = []
        if not self._texts:
            part = {"type": "reasoning_text", "text": ""}
            out += self._text_event("response.content_part.added", part=part)
            self._text_head = self.output.head(_REASONING_DELTA, **self._text_place())
        self._texts.append(text)
        return out + self.output.delta(_REASONING_DELTA, self._text_head, text)

    def _text_event(self, kind: str, **members: Any) -> list[Frame]:
        return self.output.event(kind, **self._text_place(), **members)

    def _text_place(self) -> Wire:
        return {"item_id": self._id, "output_index": self._place, "content_index": 0}

    def _end_text(self) -> list[Frame]:
        text = "".join(self._texts)
        if not text:
            return []
        out = self._text_event("response.reasoning_text.done", text=text)
        part = {"type": "reasoning_text", "text": text}
        return out + self._text_event("response.content_part.done", part=part)

    def close(self) -> list[Frame]:
        self.closed = True
        out: list[Frame] = []
        if self._place < 0:
            if self.proof is None:
                return out
            out += self._begin()
        out += self._end_summary()
        text = "".join(self._texts)
        out += self._end_text()
        assert self._id is not None
        proof = self.proof
        if not self.output.native:
            proof = sealed(proof)
        item = reasoning_item(self._id, self._summary, proof)
        if text:
            item["content"] = [{"type": "reasoning_text", "text": text}]
        if self.output.native:
            item.update(own_fields(self.part))
        return out + self.output.done(self._place, item)


def sealed(proof: Proof | None) -> Proof:
    """A proof of nothing where there is none: so the item is known for ours when it comes back."""
    return proof or Proof("", "encrypted", Origin("unknown"))


def reasoning_item(item_id: str, summary: list[str], proof: Proof | None) -> Wire:
    """A reasoning item; OpenAI's own proof as it is, another's in an envelope."""
    out: Wire = {
        "id": item_id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
    }
    if proof is not None:
        own = proof.origin.family == FAMILY and proof.kind == "encrypted"
        out["encrypted_content"] = proof.value if own else seal(proof)
    return out


class CallSlot(Slot):
    """A function call or the free text for a custom tool.

    ``name`` and ``namespace`` are the client's own.
    """

    early = False

    def __init__(
        self, part: ToolCallContent, output: Output, namespace: str | None, name: str
    ) -> None:
        super().__init__(part, output)
        self._call = part
        self._custom = part.kind == "custom"
        self._name = name
        self._namespace = namespace
        self._pieces: list[str] = []
        self._place = -1
        self._id = ""
        self._proven = False
        self._kind = ""
        self._head = b""

    def open(self) -> list[Frame]:
        out = self.output.close_message() + self.late_proof()
        self._proven = self.proof is not None
        prefix = "ctc_" if self._custom else "fc_"
        own = self._call.item_id if self.output.native else None
        self._id = own or self.output.made_id(prefix)
        self._place, frames = self.output.add(self._item("in_progress", ""))
        family = "custom_tool_call_input" if self._custom else "function_call_arguments"
        self._kind = f"response.{family}.delta"
        self._head = self.output.head(self._kind, item_id=self._id, output_index=self._place)
        return out + frames

    def _item(self, status: str, text: str) -> Wire:
        named = self._namespace, self._name
        out = call_item(self._call, self._id, named, status, text)
        if self.output.native:
            out.update(self.part.ext.get(NAME, {}))
        return out

    def _done(self, **members: Any) -> list[Frame]:
        kind = self._kind.removesuffix("delta") + "done"
        return self.output.event(kind, item_id=self._id, output_index=self._place, **members)

    def write(self, delta: PartDelta) -> list[Frame]:
        text = delta.value
        if not isinstance(text, str) or not text:
            return []
        self._pieces.append(text)
        return self.output.delta(self._kind, self._head, text)

    def close(self) -> list[Frame]:
        self.closed = True
        text = "".join(self._pieces)
        out: list[Frame] = []
        if not text and not self._custom:
            text = "{}"
            out += self.output.delta(self._kind, self._head, text)
        if self._custom:
            out += self._done(input=text)
        else:
            out += self._done(arguments=text, name=self._name)
        out += self.output.done(self._place, self._item("completed", text))
        return out if self._proven else out + self.late_proof()

    @property
    def complete(self) -> bool:
        if self._custom or not self._pieces or not self._pieces[-1].endswith("}"):
            return False
        return is_json("".join(self._pieces))


def call_item(
    call: ToolCallContent, item_id: str, named: tuple[str | None, str], status: str, text: str
) -> Wire:
    """A call as an item.  ``named``: namespace and name, the client's own."""
    custom = call.kind == "custom"
    namespace, name = named
    out: Wire = {
        "id": item_id,
        "type": "custom_tool_call" if custom else "function_call",
        "status": status,
        "call_id": legal_id(call.id),
        "name": name,
    }
    if namespace is not None:
        out["namespace"] = namespace
    out["input" if custom else "arguments"] = text
    return out


class WholeSlot(Slot):
    """A part complete in itself: an item as it is."""

    def __init__(self, part: Content, item: Wire | Raw, output: Output) -> None:
        super().__init__(part, output)
        self.stopped = True
        self._item = item

    def close(self) -> list[Frame]:
        self.closed = True
        return self.output.close_message() + self.output.whole(self._item)


class SearchSlot(WholeSlot):
    """Another provider's web search as a ``web_search_call``, with its usual events."""

    def close(self) -> list[Frame]:
        self.closed = True
        out, item = self.output.close_message(), self._item
        assert isinstance(item, dict)
        item = {"id": self.output.made_id("ws_"), **item}
        place, frames = self.output.add({**item, "status": "in_progress"})
        out += frames
        for state in ("in_progress", "searching", "completed"):
            out += self.output.event(
                f"response.web_search_call.{state}", item_id=item["id"], output_index=place
            )
        return out + self.output.done(place, item)


def _one_line(data: bytes) -> bytes:
    """An event's data is one line whatever white space a provider's JSON had."""
    if b"\n" in data or b"\r" in data:
        return bytes(msgspec.json.format(data, indent=-1))
    return data
