"""Reasoning in chat: ``reasoning_details[]`` and the plain fields (canonical.md §6, mappings §12).

An entry is ``{type, index, format, id?, text | summary | data, signature?}`` in OpenRouter's shape.
``format`` tells who issued the proof and stands once per index, since OpenAI's SDK joins strings.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from plexus.unified.chunks import PartDelta
from plexus.unified.content import Content, Origin, Proof, ThinkingContent
from plexus.unified.fold import PartBuilder

FORMATS = {
    "anthropic": "anthropic-claude-v1",
    "openai": "openai-responses-v1",
    "gemini": "google-gemini-v1",
    "xai": "xai-responses-v1",
}
_FAMILIES = {name: family for family, name in FORMATS.items()}
UNKNOWN_FORMAT = "unknown"

PLAIN_FIELDS = ("reasoning_content", "reasoning")
"""Vendors' names of readable reasoning, the preferred first (vendors.md §1)."""


class Detail(Struct):
    """One entry of ``reasoning_details`` as vendors send it."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    id: str | None = None
    index: int | None = None

    @property
    def readable(self) -> bool:
        return bool(self.text or self.summary)


parse_details = msgspec.json.Decoder(list[Detail]).decode


def complete(entries: list[Detail]) -> bool:
    """False when a client kept only the end of a stream's list (openai-node's helper does).

    Half of a turn's reasoning is worse than none: its vendor refuses it.
    """
    indexes = [entry.index for entry in entries if entry.index is not None]
    return not indexes or min(indexes) <= 0


class Open(Struct, frozen=True):
    """Close the open reasoning, start ``part``; ``whole`` parts are complete at once."""

    part: ThinkingContent
    whole: bool = False


class Add(Struct, frozen=True):
    """More of the open reasoning."""

    kind: Literal["thinking", "thinking_summary", "proof"]
    value: str | Proof
    sub: int = 0


class CallProof(Struct, frozen=True):
    """A proof that belongs to the tool call ``id``."""

    id: str
    proof: Proof


Action = Open | Add | CallProof


class DetailsReader:
    """Entries and plain reasoning text to parts in order, never merged (traps.md T21).

    ``origin`` is whose reasoning it is when an entry does not say.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._formats: dict[int, str] = {}
        self._kind: Literal["", "text", "summary"] = ""
        self._index: int | None = None
        self._sub = 0
        self._proved = False
        self._plain = ""

    def closed(self) -> None:
        """The open reasoning was closed from outside."""
        self._kind = ""

    def plain(self, text: str) -> list[Action]:
        """Text of ``reasoning_content`` or ``reasoning``."""
        actions: list[Action] = []
        if self._kind != "text" or self._proved:
            actions.append(self._open("text", None, None))
        self._plain += text
        actions.append(Add("thinking", text))
        return actions

    def entry(self, entry: Detail) -> list[Action]:
        """One entry of ``reasoning_details``."""
        if entry.format is not None and entry.index is not None:
            self._formats[entry.index] = entry.format
        if entry.type == "reasoning.encrypted":
            return self._encrypted(entry)
        if entry.type == "reasoning.summary":
            return self._summary(entry)
        return self._text(entry)

    def _text(self, entry: Detail) -> list[Action]:
        actions: list[Action] = []
        if entry.text and self._kind == "text" and entry.text == self._plain:
            # The same text as a whole, after its fragments in the plain field.
            self._index, self._plain = entry.index, ""
        elif entry.text:
            if self._kind != "text" or self._proved or self._other_index(entry):
                actions.append(self._open("text", entry.index, entry.id))
            elif self._index is None:
                self._index = entry.index
            actions.append(Add("thinking", entry.text))
        if entry.signature:
            if not self._kind or self._proved:
                actions.append(self._open("text", entry.index, entry.id))
            actions.append(self._prove(entry.signature, "signature", entry))
        return actions

    def _summary(self, entry: Detail) -> list[Action]:
        if not entry.summary:
            return []
        actions: list[Action] = []
        if self._kind != "summary" or self._proved:
            actions.append(self._open("summary", entry.index, entry.id))
        elif self._other_index(entry):
            self._index, self._sub = entry.index, self._sub + 1
        actions.append(Add("thinking_summary", entry.summary, self._sub))
        return actions

    def _encrypted(self, entry: Detail) -> list[Action]:
        if not entry.data:
            return []
        origin = self._origin_of(entry)
        if origin.family == "gemini" and entry.id:
            return [CallProof(entry.id, Proof(entry.data, "signature", origin))]
        proof = Proof(entry.data, "encrypted", origin)
        if origin.family == "anthropic":
            self._kind = ""
            return [Open(ThinkingContent(redacted=True, proof=proof, id=entry.id), whole=True)]
        actions: list[Action] = []
        if not self._kind or self._proved:
            actions.append(self._open("text", entry.index, entry.id))
        actions.append(self._prove(entry.data, "encrypted", entry))
        return actions

    def _other_index(self, entry: Detail) -> bool:
        return None not in (entry.index, self._index) and entry.index != self._index

    def _open(self, kind: Literal["text", "summary"], index: int | None, id_: str | None) -> Open:
        self._kind, self._index, self._sub, self._proved = kind, index, 0, False
        self._plain = ""
        return Open(ThinkingContent(id=id_))

    def _prove(self, value: str, kind: Literal["signature", "encrypted"], entry: Detail) -> Add:
        self._proved = True
        return Add("proof", Proof(value, kind, self._origin_of(entry)))

    def _origin_of(self, entry: Detail) -> Origin:
        name = entry.format
        if name is None and entry.index is not None:
            name = self._formats.get(entry.index)
        family = _FAMILIES.get(name or "")
        if family is None or family == self._origin.family:
            return self._origin
        return Origin(family, self._origin.provider, self._origin.model)


def collect(actions: Iterable[Action]) -> tuple[list[ThinkingContent], dict[str, Proof]]:
    """The parts and call proofs of a whole message."""
    parts: list[Content] = []
    proofs: dict[str, Proof] = {}
    builder: PartBuilder | None = None
    for action in actions:
        match action:
            case Open(part=part, whole=whole):
                if builder is not None:
                    parts.append(builder.build())
                builder = None if whole else PartBuilder(part)
                if whole:
                    parts.append(part)
            case Add(kind=kind, value=value, sub=sub) if builder is not None:
                builder.add(PartDelta(0, kind, value, sub))
            case CallProof(id=call_id, proof=proof):
                proofs[call_id] = proof
            case _:
                pass
    if builder is not None:
        parts.append(builder.build())
    return [part for part in parts if isinstance(part, ThinkingContent)], proofs


def format_details(
    parts: Iterable[ThinkingContent], issuer: Proof | None = None
) -> list[dict[str, object]]:
    """``reasoning_details`` of finished parts; ``issuer``: a proof of the same turn."""
    entries: list[dict[str, object]] = []
    for part in parts:
        entries += format_part(part, len(entries), issuer)
    return entries


def format_part(
    part: ThinkingContent, index: int, issuer: Proof | None = None
) -> list[dict[str, object]]:
    """The entries of one part, numbered from ``index``."""
    proof = part.proof
    label = {"format": format_of(proof or issuer), **({"id": part.id} if part.id else {})}
    entries: list[dict[str, object]] = []
    for summary in part.summary or ():
        entries.append({"type": "reasoning.summary", "summary": summary, **label})
    signed = proof is not None and proof.kind == "signature"
    if part.text or signed:
        entry: dict[str, object] = {"type": "reasoning.text", "text": part.text, **label}
        if signed and proof is not None:
            entry["signature"] = proof.value
        entries.append(entry)
    if proof is not None and proof.kind == "encrypted":
        entries.append({"type": "reasoning.encrypted", "data": proof.value, **label})
    for offset, entry in enumerate(entries):
        entry["index"] = index + offset
    return entries


def format_of(proof: Proof | None) -> str:
    return UNKNOWN_FORMAT if proof is None else FORMATS.get(proof.origin.family, UNKNOWN_FORMAT)


def readable(part: ThinkingContent) -> str:
    """Text for ``reasoning_content``: the summaries apart by a blank line, else the text."""
    return part.text or "\n\n".join(part.summary or ())


class _Signature(Struct):
    thought_signature: str | None = None


class ExtraContent(Struct):
    """Google's place for signatures; Vertex has its own name for it (traps.md T27)."""

    google: _Signature | None = None
    vertex: _Signature | None = None

    @property
    def signature(self) -> str | None:
        for found in (self.google, self.vertex):
            if found is not None and found.thought_signature:
                return found.thought_signature
        return None


_extra_content = msgspec.json.Decoder(ExtraContent | None).decode


def parse_extra_content(raw: Raw, origin: Origin) -> Proof | None:
    """The Gemini signature in an ``extra_content``, None when there is none."""
    try:
        found = _extra_content(raw)
    except msgspec.DecodeError:
        return None
    signature = None if found is None else found.signature
    return gemini_proof(signature, origin) if signature else None


def gemini_proof(signature: str, origin: Origin) -> Proof:
    return Proof(signature, "signature", Origin("gemini", origin.provider, origin.model))
