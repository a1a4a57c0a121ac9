"""A chat provider's stream to chunks (streaming.md §3; traps.md D).  Also reads whole answers.

A finished answer is read as one chunk whose deltas are its messages, so JSON and streams cannot
drift apart.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from plexus.streaming.framing import Frame
from plexus.transformers.base import WireRequest
from plexus.transformers.openai_chat.call_parser import Fragment
from plexus.transformers.openai_chat.choice_parser import ChoiceParser, PartMaker
from plexus.transformers.openai_chat.errors import choice_error, error_in
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.request_parse import TIERS
from plexus.transformers.openai_chat.usage import parse_usage
from plexus.transformers.translation import truncated
from plexus.unified.chunks import (
    FinishReport,
    MessageStart,
    MessageStop,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.errors import UnifiedError, UpstreamDetail
from plexus.unified.response import UnifiedUsage

CHOICE_LIMIT = 128
"""OpenAI's highest ``n``; a wilder index is no chat answer."""

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_choices = msgspec.json.Decoder(list[dict[str, Raw]] | None).decode
_text = msgspec.json.Decoder(str | None).decode
_index = msgspec.json.Decoder(Annotated[int, Meta(ge=0, lt=CHOICE_LIMIT)] | None).decode
_time = msgspec.json.Decoder(int | float | str | None).decode
_known = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "service_tier", "error"}
)
_NOISE = frozenset({"obfuscation", "p"})
"""Padding that hides token lengths; it means nothing (traps.md T63)."""


class _PlainDelta(Struct, forbid_unknown_fields=True, kw_only=True):
    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: None = None
    tool_calls: list[Fragment] | None = None


class _PlainChoice(Struct, forbid_unknown_fields=True, kw_only=True):
    index: Annotated[int, Meta(ge=0, lt=CHOICE_LIMIT)] = 0
    delta: _PlainDelta
    logprobs: None = None
    finish_reason: None = None


class _PlainChunk(Struct, forbid_unknown_fields=True, kw_only=True):
    """A chunk that says some text, reasoning or calls only; it needs one look instead of six.

    Members stand in OpenAI's order, in which they are found at once.
    """

    id: Raw = NULL
    object: Raw = NULL
    created: Raw = NULL
    model: Raw = NULL
    service_tier: Raw = NULL
    system_fingerprint: Raw = NULL
    choices: tuple[_PlainChoice]
    usage: None = None
    obfuscation: Raw = NULL


_plain = msgspec.json.Decoder(_PlainChunk).decode


class ChatStreamParser:
    """One stream.  After the end or an error nothing comes out any more."""

    def __init__(self, wire: WireRequest) -> None:
        self._wire = wire
        self._out: list[StreamChunk] = []
        self._maker = PartMaker(wire.target, wire.tool_names)
        self._choices: dict[int, ChoiceParser] = {}
        self._started = False
        self._done = False
        self._id = self._model = ""
        self._usage: UnifiedUsage | None = None
        self._ext: dict[str, Raw] = {}
        self._start_ext: dict[str, Raw] = {}

    def feed(self, frame: Frame) -> list[StreamChunk]:
        """Raises msgspec.DecodeError on data that is not a JSON object."""
        data = frame.data.strip()
        if self._done or not data:
            return []
        if data[:1] != b"{" and data.strip(b'"').upper() == b"[DONE]":
            return self.finish()
        if self._started:
            try:
                plain = _plain(data)
            except msgspec.DecodeError:
                # The reader below says what is wrong, if anything is.
                pass
            else:
                return self._say(plain)
        return self.read(_members(data))

    def close(self) -> list[StreamChunk]:
        if self._done:
            return []
        if any(choice.finished for choice in self._choices.values()):
            return self.finish()
        return self._fail(truncated(self._wire.target))

    def read(self, fields: dict[str, Raw], whole: bool = False) -> list[StreamChunk]:
        """One chunk, or a ``whole`` answer: Perplexity puts ``message`` and ``delta`` in both."""
        error = error_in(fields, self._wire.target.provider)
        if error is not None:
            return self._fail(error)
        self._out = self._maker.out = []
        for name, value in fields.items():
            if name not in _known and name not in _NOISE and value != NULL:
                self._ext[name] = value
        self._read_usage(fields.get("usage"))
        groq = fields.get("x_groq")
        if groq is not None and groq != NULL:
            self._read_usage(_members(groq).get("usage"))
        choices = _choices(fields["choices"]) if "choices" in fields else None
        if not self._started:
            self._note_head(fields)
            if choices:
                self._start(fields)
        for choice in choices or ():
            failed = self._choice(choice, whole)
            if failed is not None:
                return self._fail(failed)
        return self._out

    def finish(self) -> list[StreamChunk]:
        """The end: open parts closed, final usage, why each choice ended."""
        if not self._choices:
            return self._fail(empty(self._wire.target.provider))
        self._done = True
        self._out = self._maker.out = []
        for choice in self._choices.values():
            choice.close()
            if choice.malformed:
                return self._fail(malformed_call(self._wire.target.provider))
        out = self._out
        if self._usage is not None:
            out.append(UsageReport(self._usage, final=True))
        for index, choice in sorted(self._choices.items()):
            ext = {NAME: choice.ext} if choice.ext else {}
            out.append(FinishReport(choice.finish(), index, ext))
        late = self._ext != self._start_ext
        out.append(MessageStop({NAME: self._ext}) if late else MessageStop())
        return out

    # ------------------------------------------------------------------------------------------

    def _say(self, chunk: _PlainChunk) -> list[StreamChunk]:
        """What ``read`` does with such a chunk."""
        self._out = self._maker.out = []
        if chunk.system_fingerprint != NULL:
            self._ext["system_fingerprint"] = chunk.system_fingerprint
        seen = chunk.choices[0]
        choice = self._choices.get(seen.index) or self._choice_parser(seen.index)
        delta = seen.delta
        reasoning = delta.reasoning_content or delta.reasoning
        if reasoning:
            choice.think(reasoning)
        if delta.content is not None:
            choice.say(delta.content)
        if delta.tool_calls:
            choice.call(delta.tool_calls)
            if choice.malformed:
                return self._fail(malformed_call(self._wire.target.provider))
        return self._out

    def _choice_parser(self, index: int) -> ChoiceParser:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = ChoiceParser(index, self._maker, self._wire)
        return choice

    def _fail(self, error: UnifiedError) -> list[StreamChunk]:
        self._done = True
        return [StreamError(error, partial=self._maker.opened > 0)]

    def _note_head(self, fields: dict[str, Raw]) -> None:
        """Azure's first chunk has empty names; the first one that says something counts."""
        if not self._id and "id" in fields:
            self._id = _text(fields["id"]) or ""
        if not self._model and "model" in fields:
            self._model = _text(fields["model"]) or ""

    def _start(self, fields: dict[str, Raw]) -> None:
        self._started = True
        self._maker.seed = self._id
        self._start_ext = dict(self._ext)
        tier = _text(fields["service_tier"]) if "service_tier" in fields else None
        self._out.append(
            MessageStart(
                id=self._id,
                model=self._model or self._wire.target.model,
                created=_created(fields.get("created")),
                dialect=NAME,
                service_tier=None if tier is None else TIERS.get(tier, tier),
                ext={NAME: self._start_ext} if self._start_ext else {},
            )
        )

    def _read_usage(self, raw: Raw | None) -> None:
        if raw is None or raw == NULL:
            return
        usage = parse_usage(raw)
        if usage is not None and usage != self._usage:
            self._usage = usage
            if self._started:
                self._out.append(UsageReport(usage))

    def _choice(self, fields: dict[str, Raw], whole: bool) -> UnifiedError | None:
        """One choice's delta; the error it reports, if any."""
        index = (_index(fields["index"]) or 0) if "index" in fields else 0
        choice = self._choice_parser(index)
        if "usage" in fields:
            self._read_usage(fields.pop("usage"))
        finish = _text(fields["finish_reason"]) if "finish_reason" in fields else None
        error = choice_error(fields, finish, self._wire.target.provider)
        if error is None:
            choice.read(fields, finish, whole)
            if choice.malformed:
                return malformed_call(self._wire.target.provider)
        return error


def _created(raw: Raw | None) -> int:
    if raw is None:
        return 0
    value = _time(raw)
    return int(value) if isinstance(value, int | float) else 0


def malformed_call(provider: str) -> UnifiedError:
    """The error for a tool call that the provider could not read out of the model's answer."""
    return UnifiedError(
        kind="upstream",
        message=f"{provider or 'the provider'} sent a malformed tool call",
        code="malformed_tool_call",
        upstream=UpstreamDetail(provider=provider),
    )


def empty(provider: str) -> UnifiedError:
    """The error for an answer without any choice (reliability C17)."""
    return UnifiedError(
        kind="upstream",
        message=f"{provider or 'the provider'} sent an answer without any content",
        code="upstream_empty",
        upstream=UpstreamDetail(provider=provider),
    )
