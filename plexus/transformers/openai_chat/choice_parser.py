"""One choice of a chat answer: its text, reasoning, calls and the rest, part by part."""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from plexus.transformers.base import WireRequest
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.openai_chat.annotations import parse_annotations
from plexus.transformers.openai_chat.call_parser import CallParser, Fragment
from plexus.transformers.openai_chat.content import parse_part
from plexus.transformers.openai_chat.finish import parse_finish
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.start import Pieces, start_filter
from plexus.transformers.openai_chat.thinking import (
    PLAIN_FIELDS,
    Action,
    Add,
    CallProof,
    Detail,
    DetailsReader,
    Open,
    parse_details,
    parse_extra_content,
)
from plexus.unified.chunks import (
    DeltaKind,
    LogprobsDelta,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
)
from plexus.unified.content import (
    AudioContent,
    Citation,
    Content,
    ImageContent,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.fold import PartBuilder
from plexus.unified.response import Finish

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str | None).decode
_text_or_list = msgspec.json.Decoder(str | list[Raw] | None).decode
_fragments = msgspec.json.Decoder(list[Fragment] | None).decode
_images = msgspec.json.Decoder(list[Raw] | None).decode
_CHOICE = frozenset(
    {"index", "delta", "message", "finish_reason", "logprobs", "usage", "error", "stop_reason"}
)
_DELTA = frozenset(
    {
        "role",
        "content",
        "refusal",
        "tool_calls",
        "function_call",
        "audio",
        "images",
        "annotations",
        "reasoning_details",
        "extra_content",
        *PLAIN_FIELDS,
    }
)


class PartMaker:
    """Opens parts with dense indexes for all choices of one stream; ``out`` takes the chunks."""

    def __init__(self, target: TargetModel, names: Mapping[str, str]) -> None:
        self.out: list[StreamChunk] = []
        self.opened = 0
        self.origin = Origin(target.family, target.provider, target.model)
        self.names = names
        self.seed = ""
        self._builders: dict[int, PartBuilder] = {}

    def open(self, part: Content, choice: int) -> int:
        index = self.opened
        self.opened += 1
        self._builders[index] = PartBuilder(part)
        self.out.append(PartStart(index, part, choice))
        return index

    def add(self, index: int, kind: DeltaKind, value: str | Proof | Citation, sub: int = 0) -> None:
        delta = PartDelta(index, kind, value, sub)
        self._builders[index].add(delta)
        self.out.append(delta)

    def close(self, index: int) -> Content:
        part = self._builders.pop(index).build()
        self.out.append(PartStop(index, part))
        return part

    def stop(self, index: int, part: Content) -> None:
        """Close with a part that deltas could not build."""
        del self._builders[index]
        self.out.append(PartStop(index, part))

    def build(self, index: int) -> Content:
        return self._builders[index].build()


class _Audio(Struct):
    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


_audio = msgspec.json.Decoder(_Audio | None).decode


class ChoiceParser:
    """State of one choice.  Text or thinking is open at a time; calls stay open till the end."""

    def __init__(self, index: int, maker: PartMaker, wire: WireRequest) -> None:
        self.ext: dict[str, Raw] = {}
        self._index = index
        self._maker = maker
        self._text: int | None = None
        self._text_length = 0
        self._text_start = 0
        self._thinking: int | None = None
        self._refusal: int | None = None
        self._refused = False
        self._audio: int | None = None
        self._expires: int | None = None
        self._reader = DetailsReader(maker.origin)
        self._start = start_filter(wire)
        self._calls = CallParser(index, maker, wire.custom_tools)
        self._citations: list[Citation] = []
        self._message_ext: dict[str, Raw] = {}
        self._finish_word: str | None = None
        self._stop_reason: str | None = None

    @property
    def finished(self) -> bool:
        return self._finish_word is not None

    @property
    def malformed(self) -> bool:
        return self._calls.malformed

    def read(self, fields: dict[str, Raw], finish: str | None, whole: bool) -> None:
        """A choice of a chunk (``delta``), or of a whole answer (``message``)."""
        if finish and not self._finish_word:
            self._finish_word = finish
        logprobs = fields.get("logprobs")
        if logprobs is not None and logprobs != NULL:
            self._maker.out.append(LogprobsDelta(self._index, logprobs))
        for name in fields.keys() - _CHOICE:
            if fields[name] != NULL:
                self.ext[name] = fields[name]
        if "stop_reason" in fields:
            self._read_stop_reason(fields["stop_reason"])
        first, second = ("message", "delta") if whole else ("delta", "message")
        raw = fields.get(first, fields.get(second))
        if raw is not None and raw != NULL:
            self._delta(_members(raw), whole or "delta" not in fields)

    def finish(self) -> Finish:
        return parse_finish(self._finish_word, self._calls.any, self._refused, self._stop_reason)

    def close(self) -> None:
        """The end of the stream: every open part is closed, in order of opening."""
        self._release()
        self._calls.settle()
        if self._citations and self._text is None:
            self._open_text()
        self._close_thinking()
        self._close_text()
        if self._refusal is not None:
            self._maker.close(self._refusal)
        self._close_audio()
        self._calls.close()
        for proof in self._calls.unclaimed():
            part = ThinkingContent(proof=proof)
            self._maker.stop(self._maker.open(part, self._index), part)
        if self._message_ext:
            self.ext["message"] = Raw(msgspec.json.encode(self._message_ext))

    # ------------------------------------------------------------------------------------------

    def _read_stop_reason(self, raw: Raw) -> None:
        """vLLM: the stop string that matched, or a token id (vendors.md §13)."""
        try:
            self._stop_reason = _text(raw)
        except msgspec.DecodeError:
            self.ext["stop_reason"] = raw

    def _delta(self, delta: dict[str, Raw], whole: bool) -> None:
        if "reasoning_details" in delta or "reasoning_content" in delta or "reasoning" in delta:
            self._read_reasoning(delta)
        if "content" in delta:
            self._read_content(delta["content"])
        if "refusal" in delta:
            self._read_refusal(_text(delta["refusal"]))
        if "annotations" in delta:
            self._citations += parse_annotations(delta["annotations"])
        if "tool_calls" in delta:
            self.call(_fragments(delta["tool_calls"]) or (), whole)
        if "function_call" in delta and delta["function_call"] != NULL:
            self._close_text()
            self._calls.read_legacy(delta["function_call"])
        if "extra_content" in delta:
            self._read_signature(delta["extra_content"])
        if "audio" in delta:
            self._read_audio(_audio(delta["audio"]))
        if "images" in delta:
            self._read_images(_images(delta["images"]) or [])
        for name in delta.keys() - _DELTA:
            if delta[name] != NULL:
                self._message_ext[name] = delta[name]

    def call(self, fragments: Iterable[Fragment], whole: bool = False) -> None:
        """``tool_calls``; ``whole``: of an answer that is no stream."""
        for fragment in fragments:
            self._release()
            self._close_thinking()
            self._close_text()
            self._calls.read(fragment, whole)

    # -- reasoning -------------------------------------------------------------------------------

    def think(self, text: str) -> None:
        """Reasoning of one of the plain fields, or between marks."""
        self._act(self._reader.plain(text))

    def _read_reasoning(self, delta: dict[str, Raw]) -> None:
        """Details where they say something readable, else the plain field, never both (T61)."""
        raw = delta.get("reasoning_details")
        entries: list[Detail] = [] if raw is None or raw == NULL else parse_details(raw)
        if not any(entry.readable for entry in entries):
            for name in PLAIN_FIELDS:
                text = _plain(delta[name]) if name in delta else None
                if text:
                    self.think(text)
                    break
        for entry in entries:
            self._act(self._reader.entry(entry))

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if type(action) is Add:
                if self._thinking is not None:
                    self._maker.add(self._thinking, action.kind, action.value, action.sub)
                continue
            match action:
                case Open(part=part, whole=whole):
                    self._close_text()
                    if self._thinking is not None:
                        self._maker.close(self._thinking)
                    self._thinking = self._maker.open(part, self._index)
                    if whole:
                        self._maker.close(self._thinking)
                        self._thinking = None
                case CallProof(id=call_id, proof=proof):
                    self._calls.prove(call_id, proof)
                case _:
                    pass

    def _close_thinking(self) -> None:
        if self._thinking is not None:
            self._maker.close(self._thinking)
            self._thinking = None
            self._reader.closed()

    # -- text ------------------------------------------------------------------------------------

    def _read_content(self, raw: Raw) -> None:
        if bytes(memoryview(raw)[:1]) == b"{":
            # Cloudflare decodes JSON answers: their own text is the answer.
            self.say(bytes(raw).decode())
            return
        value = _text_or_list(raw)
        if isinstance(value, str):
            self.say(value)
        elif value is not None:
            for number, item in enumerate(value):
                self._read_chunk(item, f"content[{number}]")

    def _read_chunk(self, raw: Raw, path: str) -> None:
        """Mistral's content chunks (traps.md T62)."""
        try:
            part = parse_part(raw, path)
        except PlexusError as problem:
            raise msgspec.ValidationError(problem.error.message) from None
        match part:
            case TextContent(text=text):
                self.say(text)
            case ThinkingContent(text=text) if text:
                self.think(text)
            case RefusalContent(text=text):
                self._read_refusal(text)
            case ThinkingContent():
                pass
            case _:
                self._whole(part)

    def say(self, text: str) -> None:
        """Text of the answer."""
        if text and self._text is not None and self._start is None and self._thinking is None:
            # What ``_write`` does with nearly all text.
            self._maker.add(self._text, "text", text)
            self._text_length += len(text)
        elif self._start is not None:
            self._take(self._start.feed(text))
        elif text:
            self._write(text)

    def _release(self) -> None:
        """Text that was held back because it might have been a mark."""
        if self._start is not None:
            self._take(self._start.close())

    def _take(self, pieces: Pieces) -> None:
        for thinking, text in pieces:
            if thinking:
                self.think(text)
            else:
                self._write(text)

    def _write(self, text: str) -> None:
        if self._thinking is not None:
            self._close_thinking()
        if self._text is None:
            self._open_text()
        if self._text is not None:
            self._maker.add(self._text, "text", text)
            self._text_length += len(text)

    def _open_text(self) -> None:
        self._text_start = self._text_length
        self._text = self._maker.open(TextContent(text=""), self._index)

    def _close_text(self) -> None:
        if self._text is None:
            return
        for citation in self._citations:
            # Offsets count from the start of the whole content; a part's from its own.
            self._maker.add(self._text, "citation", _shifted(citation, -self._text_start))
        self._citations = []
        self._maker.close(self._text)
        self._text = None

    def _read_refusal(self, text: str | None) -> None:
        if not text:
            return
        self._close_thinking()
        self._close_text()
        if self._refusal is None:
            self._refusal = self._maker.open(RefusalContent(text=""), self._index)
            self._refused = True
        self._maker.add(self._refusal, "refusal", text)

    # -- the rest --------------------------------------------------------------------------------

    def _read_signature(self, raw: Raw) -> None:
        """Gemini's signature of the text, or of the first call where there is none."""
        proof = parse_extra_content(raw, self._maker.origin)
        if proof is None or (self._text is None and self._calls.sign_first(proof)):
            return
        if self._text is None:
            self._close_thinking()
            self._open_text()
        if self._text is not None:
            self._maker.add(self._text, "proof", proof)

    def _read_audio(self, audio: _Audio | None) -> None:
        if audio is None or not (audio.id or audio.data or audio.transcript or audio.expires_at):
            return
        if self._audio is None:
            self._close_text()
            self._audio = self._maker.open(AudioContent(id=audio.id), self._index)
        if audio.data:
            self._maker.add(self._audio, "audio", audio.data)
        if audio.transcript:
            self._maker.add(self._audio, "transcript", audio.transcript)
        if audio.expires_at is not None:
            self._expires = audio.expires_at

    def _close_audio(self) -> None:
        if self._audio is None:
            return
        part = self._maker.build(self._audio)
        if isinstance(part, AudioContent):
            part = replace(part, expires_at=self._expires)
        self._maker.stop(self._audio, part)
        self._audio = None

    def _read_images(self, images: list[Raw]) -> None:
        """Pictures the model made (OpenRouter): parts complete in themselves."""
        for number, raw in enumerate(images):
            try:
                part = parse_part(raw, f"images[{number}]")
            except PlexusError as problem:
                raise msgspec.ValidationError(problem.error.message) from None
            if isinstance(part, ImageContent):
                self._whole(replace(part, ext={}))

    def _whole(self, part: Content) -> None:
        self._close_thinking()
        self._close_text()
        self._maker.stop(self._maker.open(part, self._index), part)


def _plain(raw: Raw) -> str | None:
    """Reasoning as a string; some vendors wrap it in an object."""
    text: str | None = None
    try:
        text = _text(raw)
    except msgspec.ValidationError:
        found = _members(raw)
        for name in ("content", "text"):
            if name in found:
                text = text or _text(found[name])
    return text


def _shifted(citation: Citation, by: int) -> Citation:
    if not by or citation.start is None or citation.end is None:
        return citation
    start, end = citation.start + by, citation.end + by
    inside = start >= 0
    return replace(citation, start=start if inside else None, end=end if inside else None)
