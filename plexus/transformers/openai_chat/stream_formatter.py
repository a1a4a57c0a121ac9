"""Chunks to a chat client's stream (streaming.md §3, §9; openai-chat.md §5)."""

from typing import Any

import msgspec
from msgspec import Raw

from plexus.streaming.framing import Frame
from plexus.transformers.openai_chat.annotations import format_annotation
from plexus.transformers.openai_chat.answer_message import (
    TOKENS,
    extra_content,
    format_audio,
    format_call,
    proof_detail,
    wants_reasoning,
)
from plexus.transformers.openai_chat.content import format_image
from plexus.transformers.openai_chat.errors import format_stream_error
from plexus.transformers.openai_chat.finish import format_finish
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.response import answer_id, format_tier
from plexus.transformers.openai_chat.thinking import format_part
from plexus.transformers.openai_chat.usage import format_usage
from plexus.unified.chunks import (
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
from plexus.unified.content import (
    AudioContent,
    Content,
    ImageContent,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import UnifiedUsage

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode
DONE = Frame("", b"[DONE]")
_NOTHING = Raw(b"{}")
_TEXT = b'%b,"choices":[{"index":%d,"delta":{"content":%b},"logprobs":null,"finish_reason":null}]%b'
_MOST_CHOICES = 128
"""``n`` is no larger; a provider may name any choice."""


class _Choice:
    """What was written of one choice."""

    __slots__ = (
        "annotations",
        "calls",
        "details",
        "images",
        "logprobs",
        "pending",
        "refused",
        "text_length",
    )

    def __init__(self) -> None:
        self.annotations = 0
        self.images = 0
        self.calls = 0
        self.details = 0
        self.pending: list[dict[str, object]] = []
        self.refused = False
        self.text_length = 0
        self.logprobs: Raw | None = None


class _Part:
    """An open part: where it goes, and how far it got."""

    __slots__ = ("detail", "labelled", "length", "number", "offset", "part", "sub")

    def __init__(self, part: Content, choice: int) -> None:
        self.part = part
        self.number = choice
        self.offset = 0
        self.length = 0
        self.detail: int | None = None
        self.labelled = False
        self.sub = 0


class ChatStreamFormatter:
    """One stream.  ``usage`` is null on every chunk but the last when the client asked for it."""

    def __init__(self, request: UnifiedChatRequest) -> None:
        self._request = request
        options = request.stream_options
        self._with_usage = options is not None and bool(options.include_usage)
        self._reasoning = wants_reasoning(request)
        self._legacy = request.source.legacy_functions
        self._head = b""
        self._tail = b',"usage":null}' if self._with_usage else b"}"
        self._first_extra = b""
        self._dialect = ""
        self._native = False
        self._choices: dict[int, _Choice] = {}
        self._parts: dict[int, _Part] = {}
        self._calls: dict[int, int] = {}
        self._usage: UnifiedUsage | None = None
        self._ext: dict[str, Raw] = {}
        self._frames: list[Frame] = []

    def feed(self, chunk: StreamChunk) -> list[Frame]:
        if type(chunk) is PartDelta and chunk.kind == "text" and not self._ext:
            state = self._parts[chunk.index]
            choice = self._choices[state.number]
            if choice.logprobs is None and isinstance(chunk.value, str):
                # Nearly all chunks are these: ``_say`` would do the same in four calls.
                choice.text_length += len(chunk.value)
                words = (self._head, state.number, _encode(chunk.value), self._tail)
                return [Frame("", _TEXT % words)]
        self._frames = []
        match chunk:
            case PartDelta():
                self._delta(self._parts[chunk.index], chunk)
            case MessageStart():
                self._start(chunk)
            case PartStart():
                self._open(chunk)
            case PartStop():
                self._close(chunk)
            case LogprobsDelta(choice=number, raw=raw):
                self._logprobs(number, raw)
            case UsageReport(usage=usage):
                self._usage = usage
            case FinishReport():
                self._finish(chunk)
            case MessageStop():
                self._stop(chunk)
            case StreamError(error=error):
                request_id = self._request.source.request_id
                self._frames.append(format_stream_error(error, request_id))
            case _:
                pass
        return self._frames

    # -- the envelope ----------------------------------------------------------------------------

    def _start(self, start: MessageStart) -> None:
        self._dialect = start.dialect
        self._native = start.dialect == NAME
        self._usage = start.usage
        head: dict[str, Any] = {
            "id": answer_id(start.id, start.dialect, self._request.source.request_id),
            "object": "chat.completion.chunk",
            "created": start.created or self._request.source.received,
            "model": start.model or self._request.model,
        }
        tier = format_tier(start.service_tier, start.dialect)
        if tier is not None:
            head["service_tier"] = tier
        if self._native:
            self._ext = dict(start.ext.get(NAME, {}))
            if "system_fingerprint" in self._ext:
                head["system_fingerprint"] = self._ext.pop("system_fingerprint")
        self._head = _encode(head)[:-1]

    def _write(self, number: int, delta: bytes, finish: bytes = b"null") -> None:
        choice = self._choices[number]
        logprobs = b"null"
        if choice.logprobs is not None:
            logprobs, choice.logprobs = bytes(choice.logprobs), None
        extra = self._extra()
        self._frames.append(
            Frame(
                "",
                b'%b%b,"choices":[{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}]%b'
                % (self._head, extra, number, delta, logprobs, finish, self._tail),
            )
        )

    def _extra(self) -> bytes:
        """What only chat providers say about the whole answer: once, on the first chunk."""
        if not self._ext:
            return b""
        fields, self._ext = self._ext, {}
        return b"," + _encode(fields)[1:-1]

    def _choice(self, number: int, content: bytes) -> _Choice:
        """The choice, after the chunk that gives its role."""
        choice = self._choices.get(number)
        if choice is None:
            for earlier in range(min(number, _MOST_CHOICES)):
                # OpenAI's SDK raises when choice 1 comes before choice 0.
                if earlier not in self._choices:
                    self._choice(earlier, b'""')
            choice = self._choices[number] = _Choice()
            self._write(number, b'{"role":"assistant","content":%b}' % content)
        return choice

    def _logprobs(self, number: int, raw: Raw) -> None:
        """They ride on the next chunk of the choice, as OpenAI sends them."""
        if self._dialect in TOKENS:
            choice = self._choice(number, b'""')
            if choice.logprobs is not None:
                self._write(number, b"{}")
            choice.logprobs = raw

    # -- parts -----------------------------------------------------------------------------------

    def _open(self, start: PartStart) -> None:
        part, number = start.part, start.choice
        if not (isinstance(part, ThinkingContent) and part.redacted):
            self._write_details(number)
        calls_only = isinstance(part, ToolCallContent)
        choice = self._choice(number, b"null" if calls_only else b'""')
        state = self._parts[start.index] = _Part(part, number)
        match part:
            case TextContent(text=text):
                state.offset = choice.text_length
                if text:
                    self._say(state, text)
            case ThinkingContent():
                self._open_thinking(state, part)
            case ToolCallContent(kind="function"):
                self._open_call(start.index, state, part)
            case RefusalContent(text=text) if text:
                self._refuse(state, text)
            case AudioContent(id=audio_id):
                whole = format_audio(part) if part.source is not None else {"id": audio_id or ""}
                self._write(number, _encode({"audio": whole}))
            case ImageContent(source=source):
                image = {**format_image(source, None), "index": choice.images}
                choice.images += 1
                self._write(number, _encode({"images": [image]}))
            case _:
                pass

    def _delta(self, state: _Part, delta: PartDelta) -> None:
        value, number = delta.value, state.number
        match delta.kind:
            case "text" if isinstance(value, str):
                self._say(state, value)
            case "tool_args" if isinstance(value, str):
                self._arguments(delta.index, state, value)
            case "thinking" if isinstance(value, str):
                self._think(state, value)
            case "thinking_summary" if isinstance(value, str):
                self._summarise(state, value, delta.sub)
            case "proof" if isinstance(value, Proof):
                self._prove(delta.index, state, value)
            case "refusal" if isinstance(value, str):
                self._refuse(state, value)
            case "audio" if isinstance(value, str):
                self._write(number, b'{"audio":{"data":%b}}' % _encode(value))
            case "transcript" if isinstance(value, str):
                self._write(number, b'{"audio":{"transcript":%b}}' % _encode(value))
            case _:
                pass

    def _close(self, stop: PartStop) -> None:
        state = self._parts.pop(stop.index)
        part, number = stop.part, state.number
        match part:
            case TextContent():
                wires = [
                    format_annotation(citation, state.offset, len(part.text))
                    for citation in part.citations
                ]
                self._annotate(number, [wire for wire in wires if wire is not None])
            case ThinkingContent():
                self._close_thinking(number, part)
            case ToolCallContent(kind="custom"):
                self._custom(number, part)
            case ToolCallContent() if state.length == 0:
                # Clients read the arguments as JSON (traps T58).
                self._arguments(stop.index, state, "{}")
            case AudioContent(expires_at=expires) if expires is not None:
                if not isinstance(state.part, AudioContent) or state.part.source is None:
                    self._write(number, b'{"audio":{"expires_at":%d}}' % expires)
            case _:
                pass

    def _annotate(self, number: int, wires: list[Any]) -> None:
        """OpenAI's SDK wants an ``index`` in every list of a delta (traps.md T66)."""
        choice = self._choices[number]
        numbered = []
        for wire in wires:
            fields = _members(wire) if isinstance(wire, Raw) else wire
            numbered.append({**fields, "index": choice.annotations})
            choice.annotations += 1
        if numbered:
            self._write(number, _encode({"annotations": numbered}))

    def _say(self, state: _Part, text: str) -> None:
        self._choices[state.number].text_length += len(text)
        self._write(state.number, b'{"content":%b}' % _encode(text))

    def _refuse(self, state: _Part, text: str) -> None:
        self._choices[state.number].refused = True
        self._write(state.number, b'{"refusal":%b}' % _encode(text))

    # -- reasoning -------------------------------------------------------------------------------

    def _open_thinking(self, state: _Part, part: ThinkingContent) -> None:
        """Parts that come whole are written at once."""
        if part.text:
            self._think(state, part.text)
        for sub, summary in enumerate(part.summary or ()):
            self._summarise(state, summary, sub)

    def _think(self, state: _Part, text: str) -> None:
        if self._reasoning:
            self._write(state.number, b'{"reasoning_content":%b}' % _encode(text))

    def _summarise(self, state: _Part, text: str, sub: int) -> None:
        if not self._reasoning:
            return
        shown = text
        if sub != state.sub:
            state.detail, state.labelled = None, False
            state.sub = sub
            shown = "\n\n" + text
        entry = self._summary_entry(state)
        delta = {"reasoning_content": shown, "reasoning_details": [{**entry, "summary": text}]}
        self._write(state.number, _encode(delta))

    def _summary_entry(self, state: _Part) -> dict[str, Any]:
        """The entry's head; fragments of one entry share the index (traps.md T66)."""
        if state.detail is None:
            choice = self._choices[state.number]
            state.detail = choice.details
            choice.details += 1
        entry: dict[str, Any] = {"type": "reasoning.summary", "index": state.detail}
        part_id = state.part.id if isinstance(state.part, ThinkingContent) else None
        if part_id and not state.labelled:
            # Once per index: openai-python's helper joins repeated strings.
            entry["id"] = part_id
            state.labelled = True
        return entry

    def _close_thinking(self, number: int, part: ThinkingContent) -> None:
        """Its entries wait for those of the parts next to it: see ``_write_details``."""
        if not self._reasoning:
            return
        choice = self._choices[number]
        whole = format_part(part, 0)
        entries = [entry for entry in whole if entry["type"] != "reasoning.summary"]
        for entry in entries:
            entry["index"] = choice.details
            choice.details += 1
        choice.pending += entries

    def _write_details(self, number: int) -> None:
        """Whole entries, all of a run of thinking in one list.

        openai-node's helper keeps only the last list, so that fragments, or a signature after them,
        would come back as thinking without its text, which Anthropic refuses.
        """
        choice = self._choices.get(number)
        if choice is not None and choice.pending:
            entries, choice.pending = choice.pending, []
            self._write(number, _encode({"reasoning_details": entries}))

    def _prove(self, index: int, state: _Part, proof: Proof) -> None:
        part = state.part
        if not self._reasoning or isinstance(part, ThinkingContent):
            return
        if not isinstance(part, ToolCallContent):
            self._write(state.number, _encode({"extra_content": extra_content(proof)}))
            return
        choice = self._choices[state.number]
        detail = proof_detail(proof, part.id, choice.details)
        choice.details += 1
        delta: dict[str, Any] = {"reasoning_details": [detail]}
        if proof.origin.family == "gemini" and index in self._calls and not self._legacy:
            # OpenAI's helper demands a function in every fragment.
            call = {"index": self._calls[index], "function": {"arguments": ""}}
            delta["tool_calls"] = [{**call, "extra_content": extra_content(proof)}]
        self._write(state.number, _encode(delta))

    # -- calls -----------------------------------------------------------------------------------

    def _open_call(self, index: int, state: _Part, part: ToolCallContent) -> None:
        choice = self._choices[state.number]
        self._calls[index] = choice.calls
        choice.calls += 1
        arguments = _encode(part.arguments)
        if self._legacy:
            if self._calls[index] == 0:
                function = b'{"name":%b,"arguments":%b}' % (_encode(part.name), arguments)
                self._write(state.number, b'{"function_call":%b}' % function)
            return
        self._write(
            state.number,
            b'{"tool_calls":[{"index":%d,"id":%b,"type":"function","function":'
            b'{"name":%b,"arguments":%b}}]}'
            % (self._calls[index], _encode(part.id), _encode(part.name), arguments),
        )
        state.length = len(part.arguments)
        if part.proof is not None:
            self._prove(index, state, part.proof)

    def _arguments(self, index: int, state: _Part, text: str) -> None:
        number = self._calls.get(index)
        if number is None:
            return  # A custom call is written whole, when it is complete.
        state.length += len(text)
        if not self._legacy:
            delta = b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}'
            self._write(state.number, delta % (number, _encode(text)))
        elif number == 0:
            self._write(state.number, b'{"function_call":{"arguments":%b}}' % _encode(text))

    def _custom(self, number: int, part: ToolCallContent) -> None:
        choice = self._choices[number]
        wire = {"index": choice.calls, **format_call(part)}
        choice.calls += 1
        self._write(number, _encode({"tool_calls": [wire]}))

    # -- the end ---------------------------------------------------------------------------------

    def _finish(self, report: FinishReport) -> None:
        number = report.choice
        choice = self._choice(number, b'""')
        self._write_details(number)
        word = format_finish(report.finish, choice.calls > 0, choice.refused, self._legacy)
        delta, finish = b"{}", _encode(word)
        if self._native:
            # What else the provider said about the choice and its message.
            ext = dict(report.ext.get(NAME, {}))
            delta = bytes(ext.pop("message", _NOTHING))
            if ext:
                finish += b"," + _encode(ext)[1:-1]
        self._write(number, delta, finish)

    def _stop(self, stop: MessageStop) -> None:
        if self._with_usage and self._usage is not None:
            late = stop.ext.get(NAME, {}) if self._native else {}
            usage = _encode(format_usage(self._usage))
            extra = b"".join(
                b",%b:%b" % (_encode(name), bytes(value))
                for name, value in late.items()
                if name not in _IN_HEAD and value != NULL
            )
            self._frames.append(
                Frame("", b'%b,"choices":[],"usage":%b%b}' % (self._head, usage, extra))
            )
        self._frames.append(DONE)


_IN_HEAD = frozenset({"system_fingerprint", "service_tier"})
