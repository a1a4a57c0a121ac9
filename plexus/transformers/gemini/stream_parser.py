"""A provider's stream of GenerateContentResponses to chunks (streaming.md §7).

Each event has the new parts only.  Nothing marks the end but the end of the body: a finish reason
may be followed by grounding and usage.
"""

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.streaming.framing import Frame
from plexus.transformers.base import WireRequest
from plexus.transformers.gemini.errors import parse_stream_error, upstream_error
from plexus.transformers.gemini.finish import finish_word, parse_finish
from plexus.transformers.gemini.grounding import parse_citations
from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.partial import PartialCall
from plexus.transformers.gemini.parts import parse_parts, usual_parts
from plexus.transformers.gemini.reader import ENUM, INTEGER, OBJECT, STRING, Level, Malformed
from plexus.transformers.gemini.response import (
    block_reason,
    broken_answer,
    client_call,
    is_error,
    origin_of,
)
from plexus.transformers.gemini.usage import merge_usage, parse_usage, service_tier
from plexus.transformers.gemini.usual import UsualAnswer, usual_answer
from plexus.transformers.jsontext import compact
from plexus.unified.chunks import (
    DeltaKind,
    FinishReport,
    LogprobsDelta,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import Content, TextContent, ThinkingContent, ToolCallContent
from plexus.unified.errors import UnifiedError
from plexus.unified.fold import PartBuilder
from plexus.unified.response import Finish


class _Open:
    """A text or thought that is not over; ``index`` is its part's; ``sealed``: it was signed."""

    __slots__ = ("builder", "index", "kind", "sealed")

    def __init__(self, index: int, kind: DeltaKind, part: Content) -> None:
        self.index = index
        self.kind = kind
        self.sealed = False
        self.builder = PartBuilder(part)


class _Candidate:
    """What came of one candidate.

    ``texts`` stay open to the end, for the citations come there; ``pending`` is a signature without
    text, which waits for them.
    """

    __slots__ = (
        "calls",
        "count",
        "ext",
        "logprobs",
        "number",
        "open",
        "partial",
        "pending",
        "texts",
        "word",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.open: _Open | None = None
        self.texts: list[_Open] = []
        self.pending: TextContent | None = None
        self.partial: PartialCall | None = None
        self.calls = False
        self.count = 0
        self.word: str | None = None
        self.logprobs: Raw | None = None
        self.ext: dict[str, Raw] = {}


class GeminiStreamParser:
    """See the module text.  ``wire`` tells which names and tools Plexus changed."""

    def __init__(self, wire: WireRequest) -> None:
        self._wire = wire
        self._who = wire.target.provider
        self._origin = origin_of(wire)
        self._id = ""
        self._started = False
        self._ended = False
        self._parts = 0
        self._candidates: dict[int, _Candidate] = {}
        self._usage: dict[str, Raw] = {}
        self._blocked: str | None = None
        self._ext: dict[str, Raw] = {}

    def feed(self, frame: Frame) -> list[StreamChunk]:
        """Raises msgspec's errors for data that is no event of this dialect."""
        data = frame.data.strip()
        if self._ended or not data or data == b"[DONE]":
            return []
        try:
            return self._read(data)
        except Malformed as problem:
            return self._fail(self._bad(f"sent a wrong event: {problem}"))
        except RecursionError:
            return self._fail(self._bad("sent an event nested too deeply"))

    def close(self) -> list[StreamChunk]:
        """The upstream is at its end; without a finish reason it was cut (traps T47)."""
        if self._ended:
            return []
        candidates = [self._candidates[number] for number in sorted(self._candidates)]
        done = any(candidate.word is not None for candidate in candidates)
        if not done and self._blocked is None:
            return self._fail(self._bad("closed the stream before it was complete"))
        try:
            return self._finish(candidates)
        except Malformed as problem:
            return self._fail(self._bad(f"sent a wrong event: {problem}"))

    # -- events ----------------------------------------------------------------------------------

    def _read(self, data: bytes) -> list[StreamChunk]:
        if data.startswith(b"["):
            return self._fail(parse_stream_error(data, self._who))
        seen = usual_answer(data)
        if seen is not None and (chunks := self._usual(seen, data)) is not None:
            return chunks
        level = Level(data, "")
        if is_error(level.fields.get("error")):
            return self._fail(parse_stream_error(data, self._who))
        usage = level.take("usageMetadata", OBJECT)
        if usage:
            merge_usage(self._usage, usage)
        response_id = level.take("responseId", STRING) or ""
        out = self._start(response_id, level.take("modelVersion", STRING) or "")
        candidates = level.items("candidates")
        feedback = level.fields.get("promptFeedback")
        if not candidates:
            self._blocked = block_reason(feedback) or self._blocked
        for number, raw in enumerate(candidates):
            self._candidate(Level(raw, f"candidates[{number}]"), number, out)
        self._ext.update(level.rest())
        return self._counted(out) if usage else out

    def _usual(self, seen: UsualAnswer, data: bytes) -> list[StreamChunk] | None:
        """The chunks of an event read in one look; None for one that needs another."""
        one, usage = seen.candidates[0], seen.usage_metadata
        index = max(one.index, 0)
        known, fields = self._candidates.get(index), one.unnamed()
        parts = usual_parts(one.content.parts, self._origin, client=False)
        if parts is None or fields is None or (known is not None and known.partial is not None):
            return None
        if ToolCallContent in map(type, parts) and _is_partial(data):
            return None
        if usage:
            merge_usage(self._usage, usage)
        out = self._start(seen.response_id, seen.model_version)
        candidate = known or self._known(index)
        for part in parts:
            self._add(candidate, part, out)
        candidate.word = finish_word(one.finish_reason) or candidate.word
        candidate.ext.update(fields)
        self._ext.update(seen.unnamed())
        return self._counted(out) if usage else out

    def _counted(self, out: list[StreamChunk]) -> list[StreamChunk]:
        """The chunks of an event that had counts."""
        found = parse_usage(self._usage)
        if found is not None:
            out.append(UsageReport(found.usage))
        return out

    def _start(self, response_id: str, model: str) -> list[StreamChunk]:
        """The first event names the answer."""
        if self._started:
            return []
        self._started = True
        self._id = response_id
        found = parse_usage(self._usage)
        return [
            MessageStart(
                id=response_id,
                model=model,
                dialect=NAME,
                usage=found.usage if found is not None else None,
                service_tier=service_tier(self._usage),
            )
        ]

    def _known(self, index: int) -> _Candidate:
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate(index)
        return candidate

    def _candidate(self, level: Level, number: int, out: list[StreamChunk]) -> None:
        index = level.take("index", INTEGER)
        candidate = self._known(number if index is None or index < 0 else index)
        content = level.object("content")
        if content is not None:
            self._content(candidate, content, out)
        word = finish_word(level.take("finishReason", ENUM))
        candidate.word = word or candidate.word
        logprobs = level.raw("logprobsResult")
        if logprobs is not None:
            candidate.logprobs = Raw(compact(logprobs))
        candidate.ext.update(level.rest())

    def _content(self, candidate: _Candidate, content: Level, out: list[StreamChunk]) -> None:
        raw = content.raw("parts")
        if raw is None:
            return
        content.fields["parts"] = raw
        if candidate.partial is not None or _is_partial(raw):
            raws = content.items("parts")
            rest = [raw for raw in raws if not self._assemble(candidate, raw, out)]
            content.fields["parts"] = Raw(msgspec.json.encode(rest))
        for part in parse_parts(content, self._origin, client=False):
            self._add(candidate, part, out)

    # -- parts -----------------------------------------------------------------------------------

    def _add(self, candidate: _Candidate, part: Content, out: list[StreamChunk]) -> None:
        if type(part) is TextContent and part.proof is None and not part.ext:
            if not part.text:
                return
            current = candidate.open
            unsigned = current is not None and not current.sealed and candidate.pending is None
            if current is not None and unsigned and current.kind == "text":
                # Nearly always: more of the text.
                self._delta(current, PartDelta(current.index, "text", part.text), out)
                return
        self._flush(candidate, out)
        match part:
            case TextContent(text="") if not part.ext:
                candidate.pending = part
            case TextContent():
                self._grow(candidate, "text", part, out)
            case ThinkingContent(redacted=False):
                self._grow(candidate, "thinking", part, out)
            case ToolCallContent():
                self._call(candidate, part, out)
            case _:
                self._close_open(candidate, out)
                number = self._next(candidate)
                out += [PartStart(number, part, candidate.number), PartStop(number, part)]

    def _flush(self, candidate: _Candidate, out: list[StreamChunk]) -> None:
        part, candidate.pending = candidate.pending, None
        if part is not None:
            self._grow(candidate, "text", part, out)

    def _next(self, candidate: _Candidate) -> int:
        number = self._parts
        self._parts += 1
        candidate.count += 1
        return number

    def _grow(
        self,
        candidate: _Candidate,
        kind: DeltaKind,
        part: TextContent | ThinkingContent,
        out: list[StreamChunk],
    ) -> None:
        """More of the open part; one with a signature is a part of its own (gemini.md §5)."""
        alone = part.proof is not None or bool(part.ext)
        if not part.text and not alone:
            return
        current = candidate.open
        if current is None or current.kind != kind or current.sealed or alone:
            self._close_open(candidate, out)
            bare = replace(part, text="", proof=None)
            current = candidate.open = _Open(self._next(candidate), kind, bare)
            out.append(PartStart(current.index, bare, candidate.number))
        if part.text:
            self._delta(current, PartDelta(current.index, kind, part.text), out)
        if part.proof is not None:
            self._delta(current, PartDelta(current.index, "proof", part.proof), out)
        current.sealed = alone

    def _delta(self, part: _Open, delta: PartDelta, out: list[StreamChunk]) -> None:
        part.builder.add(delta)
        out.append(delta)

    def _close_open(self, candidate: _Candidate, out: list[StreamChunk]) -> None:
        current, candidate.open = candidate.open, None
        if current is None:
            return
        if current.kind == "text":
            candidate.texts.append(current)
        else:
            out.append(PartStop(current.index, current.builder.build()))

    def _call(self, candidate: _Candidate, part: ToolCallContent, out: list[StreamChunk]) -> None:
        """A call comes whole."""
        self._close_open(candidate, out)
        candidate.calls = True
        seed = f"{self._id} {candidate.number} {candidate.count}"
        done = client_call(part, self._wire, seed)
        number = self._next(candidate)
        # The signature is known at once: some clients must see it before the call.
        out.append(PartStart(number, replace(done, arguments=""), candidate.number))
        if done.arguments:
            out.append(PartDelta(number, "tool_args", done.arguments))
        out.append(PartStop(number, done))

    def _assemble(self, candidate: _Candidate, raw: Raw, out: list[StreamChunk]) -> bool:
        """Part of a call whose arguments come in pieces (Vertex); False for any other part."""
        level = Level(raw, "parts")
        call = level.object("functionCall")
        if call is None:
            return False
        if candidate.partial is None:
            if not _is_partial(raw):
                return False
            candidate.partial = PartialCall(raw, self._origin)
        if candidate.partial.feed(call):
            part, candidate.partial = candidate.partial.build(), None
            self._call(candidate, part, out)
        return True

    # -- the end ---------------------------------------------------------------------------------

    def _finish(self, candidates: list[_Candidate]) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        reports: list[FinishReport] = []
        for candidate in candidates:
            if candidate.partial is not None:
                self._call(candidate, candidate.partial.build(), out)
            self._close_open(candidate, out)
            self._cite(candidate, out)
            self._flush(candidate, out)
            self._close_open(candidate, out)
            for text in candidate.texts:
                out.append(PartStop(text.index, text.builder.build()))
            if candidate.logprobs is not None:
                out.append(LogprobsDelta(candidate.number, candidate.logprobs))
            finish = parse_finish(candidate.word, candidate.calls)
            ext = {NAME: candidate.ext} if candidate.ext else {}
            failed = finish.reason in ("malformed_tool_call", "error")
            if failed and not candidate.count:
                # Nothing a client could use; another target may do better (traps T70).
                return self._fail(broken_answer(finish, ext, self._who))
            reports.append(FinishReport(finish, candidate.number, ext))
        if not reports:
            reports.append(FinishReport(Finish("content_filter", raw=self._blocked)))
        found = parse_usage(self._usage)
        if found is not None:
            out.append(UsageReport(found.usage, final=True))
        self._ended = True
        return [*out, *reports, MessageStop(ext={NAME: self._ext} if self._ext else {})]

    def _cite(self, candidate: _Candidate, out: list[StreamChunk]) -> None:
        texts = candidate.texts
        words = [text.builder.text for text in texts]
        for where, citation in parse_citations(candidate.ext, words):
            text = texts[where]
            self._delta(text, PartDelta(text.index, "citation", citation), out)

    def _fail(self, error: UnifiedError) -> list[StreamChunk]:
        self._ended = True
        return [StreamError(error, partial=self._parts > 0)]

    def _bad(self, what: str) -> UnifiedError:
        return upstream_error(f"{self._who} {what}", self._who)


def _is_partial(raw: Raw | bytes) -> bool:
    data = bytes(raw)
    return b'"willContinue"' in data or b'"partialArgs"' in data
