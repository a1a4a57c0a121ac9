"""A Responses provider's stream to chunks (streaming.md §4).  Also reads whole answers.

Deltas are passed on as they come; what an item says when it is done is authoritative, so the part
that closes is the one a JSON answer would have given.
"""

from typing import TypeAlias

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.streaming.framing import Frame
from plexus.transformers.base import WireRequest
from plexus.transformers.openai_chat.choice_parser import PartMaker
from plexus.transformers.openai_chat.evidence import truthy
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.request_parse import TIERS
from plexus.transformers.openai_responses.content import parse_citation
from plexus.transformers.openai_responses.errors import failed_error
from plexus.transformers.openai_responses.events import TERMINAL, Event, decode_event, given
from plexus.transformers.openai_responses.finish import parse_finish
from plexus.transformers.openai_responses.losses import NAME
from plexus.transformers.openai_responses.output import ItemParser
from plexus.transformers.openai_responses.usage import parse_usage
from plexus.transformers.translation import truncated
from plexus.unified.chunks import (
    DeltaKind,
    FinishReport,
    LogprobsDelta,
    MessageStart,
    MessageStop,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    Citation,
    Content,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import UnifiedError
from plexus.unified.response import Finish

DeltaValue: TypeAlias = str | Proof | Citation

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_objects = msgspec.json.Decoder(list[dict[str, Raw]] | None).decode
_text = msgspec.json.Decoder(str | None).decode
_time = msgspec.json.Decoder(int | float | str | None).decode
_logprobs = msgspec.json.Decoder(list[Raw] | None).decode
_HEAD = frozenset(
    {"id", "object", "created_at", "status", "model", "output", "output_text", "usage", "error"}
) | {"incomplete_details"}
_PART_DELTAS: dict[str, tuple[DeltaKind, bool]] = {
    "response.output_text.delta": ("text", False),
    "response.output_text.done": ("text", True),
    "response.refusal.delta": ("refusal", False),
    "response.refusal.done": ("refusal", True),
    "response.reasoning_text.delta": ("thinking", False),
    "response.reasoning_text.done": ("thinking", True),
    "response.reasoning_summary_text.delta": ("thinking_summary", False),
    "response.reasoning_summary_text.done": ("thinking_summary", True),
    "response.function_call_arguments.delta": ("tool_args", False),
    "response.function_call_arguments.done": ("tool_args", True),
    "response.custom_tool_call_input.delta": ("tool_args", False),
    "response.custom_tool_call_input.done": ("tool_args", True),
}
_ABSENT, _NO_TOKENS = Raw(), Raw(b"[]")
_CALLS = ("function_call", "custom_tool_call")
_ITEM_OF: dict[DeltaKind, str] = {
    "text": "message",
    "refusal": "message",
    "thinking": "reasoning",
    "thinking_summary": "reasoning",
    "tool_args": "function_call",
}


class _Item:
    """An output item on its way.

    ``parts``: content index → part number (calls and reasoning: 0).  ``seen``: what was passed on
    of each text, by kind and index.  ``called``: its part 0 is a call.
    """

    __slots__ = ("called", "done", "head", "id", "kind", "logprobs", "parts", "refusals", "seen")

    def __init__(self, kind: str, item_id: str | None, head: dict[str, Raw]) -> None:
        self.kind = kind
        self.id = item_id
        self.head = head
        self.parts: dict[int, int] = {}
        self.refusals: set[int] = set()
        self.seen: dict[tuple[DeltaKind, int], list[str]] = {}
        self.called = False
        self.done = False
        self.logprobs = False

    def said(self, kind: DeltaKind, index: int) -> str:
        """One text as far as it was passed on."""
        return "".join(self.seen.get((kind, index), ()))


def _misplaced(item: _Item) -> msgspec.ValidationError:
    """The error for arguments that are of no call."""
    return msgspec.ValidationError(f"arguments of a call for a {item.kind[:40]!r}")


Place: TypeAlias = tuple[int | None, str | None, int]


class _OpenText:
    """The text that got the last fragment: its part's ``number``, and its ``pieces`` so far.

    ``place``: the output index, item id and index that events give for it.
    """

    __slots__ = ("item", "kind", "number", "pieces", "place", "sub")

    def __init__(
        self,
        item: _Item,
        kind: DeltaKind,
        place: Place,
        number: int,
        sub: int,
        pieces: list[str],
    ) -> None:
        self.item = item
        self.kind = kind
        self.place = place
        self.number = number
        self.sub = sub
        self.pieces = pieces


class ResponsesStreamParser:
    """One stream.  After the end or an error nothing comes out any more."""

    def __init__(self, wire: WireRequest) -> None:
        self._wire = wire
        self._maker = PartMaker(wire.target, wire.tool_names)
        self._parser = ItemParser(wire)
        self._items: dict[int, _Item] = {}
        self._by_id: dict[str, int] = {}
        self._started = False
        self._done = False
        self._text: _OpenText | None = None
        self._start_ext: dict[str, Raw] = {}

    def feed(self, frame: Frame) -> list[StreamChunk]:
        """Raises msgspec.DecodeError on data that is no event."""
        data = frame.data
        if self._done or (data[:1] != b"{" and _says_nothing(data)):
            return []
        event = decode_event(data)
        self._maker.out = []
        kind = event.type or frame.event
        known = _PART_DELTAS.get(kind)
        if known is not None:
            if not self._more(event, *known):
                self._delta(event, *known)
            return self._maker.out
        match kind:
            case "response.created" | "response.in_progress" | "response.queued":
                self._start(event.response or {})
            case "response.output_item.added":
                self._ensure_started()
                self._added(event)
            case "response.output_item.done":
                self._ensure_started()
                self._item_done(self._at(event), event.item or {})
            case "response.content_part.added":
                self._ensure_started()
                self._content_part(event)
            case "response.output_text.annotation.added":
                self._annotation(event)
            case "response.failed":
                provider = self._wire.target.provider
                error = failed_error(event.response or {}, provider, _members(data))
                return self._fail(error)
            case _ if kind in TERMINAL:
                return self.finish(event.response or {})
            case _ if kind == "error" or given(event.error):
                return self._fail(failed_error(_members(data), self._wire.target.provider))
            case _:
                pass
        return self._maker.out

    def close(self) -> list[StreamChunk]:
        """A terminal event is the only end; anything else was cut (traps.md T47, T48)."""
        self._maker.out = []
        return [] if self._done else self._fail(truncated(self._wire.target))

    def finish(self, response: dict[str, Raw]) -> list[StreamChunk]:
        """The end: what was not said yet, usage, and why it ended."""
        status = text_of(response.get("status")) or "completed"
        if status == "failed" or truthy(response.get("error")):
            return self._fail(failed_error(response, self._wire.target.provider))
        if not self._started:
            self._start(response)
        self._settle(response)
        self._done = True
        out = self._maker.out
        usage = parse_usage(response.get("usage"))
        if usage is not None:
            out.append(UsageReport(usage, final=True))
        out.append(FinishReport(finish_of(response, status, self._parser)))
        ext = ext_of_response(response)
        out.append(MessageStop({NAME: ext}) if ext != self._start_ext and ext else MessageStop())
        return out

    # -- the envelope ----------------------------------------------------------------------------

    def _fail(self, error: UnifiedError) -> list[StreamChunk]:
        self._done = True
        return [*self._maker.out, StreamError(error, partial=self._maker.opened > 0)]

    def _start(self, response: dict[str, Raw]) -> None:
        if self._started:
            return
        self._started = True
        self._maker.seed = self._parser.seed = text_of(response.get("id"))
        self._start_ext = ext_of_response(response)
        tier = text_of(response.get("service_tier"))
        self._maker.out.append(
            MessageStart(
                id=self._maker.seed,
                model=text_of(response.get("model")) or self._wire.target.model,
                created=created_of(response.get("created_at")),
                dialect=NAME,
                service_tier=TIERS.get(tier, tier) if tier else None,
                ext={NAME: self._start_ext} if self._start_ext else {},
            )
        )

    def _ensure_started(self) -> None:
        """A response without ``response.created`` is still a response."""
        if not self._started:
            self._start({})

    # -- items -----------------------------------------------------------------------------------

    def _at(self, event: Event, kind: str = "") -> _Item:
        """The item an event is about: by its place, else by its id; a new one if it was never
        announced."""
        place = event.output_index
        item_id = event.item_id
        if item_id is None and event.item is not None:
            item_id = text_of(event.item.get("id")) or None
        if place is None and item_id is not None:
            place = self._by_id.get(item_id)
        if place is None:
            place = self._last_open(kind) if event.item is None else None
        if place is None:
            place = max(self._items, default=-1) + 1
        found = self._items.get(place)
        if found is None:
            found = self._items[place] = _Item(kind, item_id, {})
        if found.id is None:
            found.id = item_id
        if found.id is not None:
            self._by_id.setdefault(found.id, place)
        return found

    def _last_open(self, kind: str) -> int | None:
        open_ = [p for p, item in self._items.items() if item.kind == kind and not item.done]
        return open_[-1] if open_ else None

    def _added(self, event: Event) -> None:
        fields = event.item or {}
        kind = text_of(fields.get("type"))
        item = self._at(event, kind)
        item.kind, item.head = kind or item.kind, fields
        if item.done or item.parts:
            return
        if kind == "reasoning":
            self._open(item, 0, ThinkingContent(id=item.id))
        elif kind in _CALLS and text_of(fields.get("name")):
            self._open_call(item)

    def _open(self, item: _Item, index: int, part: Content) -> int:
        number = item.parts[index] = self._maker.open(part, 0)
        return number

    def _open_call(self, item: _Item) -> int:
        if item.kind not in _CALLS:
            raise _misplaced(item)
        item.called = True
        bare = {**item.head}
        bare.pop("arguments", None)
        if item.kind == "custom_tool_call":
            bare["input"] = Raw(b'""')
        (part,) = self._parser.parts(item.kind, bare)
        item.head = {**item.head, "call_id": Raw(msgspec.json.encode(part_id(part)))}
        return self._open(item, 0, part)

    def _content_part(self, event: Event) -> None:
        part = _members(event.part) if given(event.part) else {}
        kind = text_of(part.get("type"))
        if kind == "reasoning_text":
            return
        item = self._at(event, "message")
        if item.done or event.content_index in item.parts:
            return
        self._open_text(item, event.content_index, kind == "refusal")

    def _open_text(self, item: _Item, index: int, refusal: bool) -> int:
        """A part of a message; the first one carries what the item says."""
        ext = self._parser.message_ext(item.head) if not item.parts else {}
        if not ext and not item.parts and item.id is not None:
            ext = {NAME: {"id": Raw(msgspec.json.encode(item.id))}}
        if refusal:
            item.refusals.add(index)
            return self._open(item, index, RefusalContent(text="", ext=ext))
        return self._open(item, index, TextContent(text="", ext=ext))

    # -- deltas ----------------------------------------------------------------------------------

    def _more(self, event: Event, kind: DeltaKind, whole: bool) -> bool:
        """The most frequent events, a text that goes on, at once; False for all others."""
        open_ = self._text
        if open_ is None or whole or open_.kind != kind or open_.item.done:
            return False
        index = event.summary_index if kind == "thinking_summary" else event.content_index
        if (event.output_index, event.item_id, index) != open_.place:
            return False
        if event.logprobs != _NO_TOKENS and given(event.logprobs):
            return False
        if event.delta == _ABSENT or not (text := _text(event.delta)):
            return False
        open_.pieces.append(text)
        self._maker.add(open_.number, kind, text, open_.sub)
        return True

    def _delta(self, event: Event, kind: DeltaKind, whole: bool) -> None:
        """A fragment, or the whole text of which only what is missing is passed on."""
        self._ensure_started()
        item = self._at(event, _ITEM_OF[kind])
        if item.done:
            return
        text = _whole_text(event, kind) if whole else _fragment(event.delta)
        if text is None:
            return
        index = event.summary_index if kind == "thinking_summary" else event.content_index
        if kind in ("text", "refusal"):
            number = item.parts.get(index)
            if number is None:
                number = self._open_text(item, index, kind == "refusal")
            if (index in item.refusals) != (kind == "refusal"):
                return
        elif kind == "tool_args":
            index = 0
            if not item.called:
                if item.parts:
                    raise _misplaced(item)
                # A call whose name is not known yet: all of it comes with its end.
                if not text_of(item.head.get("name")):
                    return
                self._open_call(item)
            number = item.parts[0]
        else:
            number = item.parts.get(0)
            if number is None:
                number = self._open(item, 0, ThinkingContent(id=item.id))
        if kind == "text" and not whole and self._note_logprobs(event.logprobs):
            item.logprobs = True
        self._say(item, number, kind, index, text, whole)
        if text and event.output_index is not None:
            summary = kind == "thinking_summary"
            sub = index if summary else 0
            place = (event.output_index, event.item_id, sub if summary else event.content_index)
            self._text = _OpenText(item, kind, place, number, sub, item.seen[kind, index])

    def _note_logprobs(self, raw: Raw) -> bool:
        found = logprobs_of(raw)
        if found:
            self._maker.out.append(LogprobsDelta(0, chat_logprobs(found)))
        return bool(found)

    def _say(
        self, item: _Item, number: int, kind: DeltaKind, index: int, text: str, whole: bool
    ) -> None:
        if whole:
            seen = item.said(kind, index)
            if not text.startswith(seen):
                return
            text = text[len(seen) :]
        if not text:
            return
        # Pieces: joining them at each delta would be quadratic.
        item.seen.setdefault((kind, index), []).append(text)
        sub = index if kind == "thinking_summary" else 0
        self._maker.add(number, kind, text, sub)

    def _annotation(self, event: Event) -> None:
        item = self._at(event, "message")
        number = item.parts.get(event.content_index)
        if number is None or item.done or not given(event.annotation):
            return
        self._maker.add(number, "citation", parse_citation(event.annotation, "annotation"))
        self._count_citation(item, event.content_index)

    def _count_citation(self, item: _Item, index: int) -> None:
        item.seen.setdefault(("citation", index), []).append("")

    # -- ends ------------------------------------------------------------------------------------

    def _item_done(self, item: _Item, fields: dict[str, Raw]) -> None:
        """The item as it is now; what of it was not passed on yet follows first."""
        if item.done:
            return
        item.done = True
        kind = text_of(fields.get("type")) or item.kind
        if kind in _CALLS and "call_id" in item.head:
            fields = {**fields, "call_id": item.head["call_id"]}
        if kind == "message" and "id" in item.head:
            # Copilot gives an item another id in every event.
            fields = {**fields, "id": item.head["id"]}
        parts = self._parser.parts(kind, fields, announced=bool(item.parts))
        for index, part in enumerate(parts):
            number = item.parts.pop(index, None)
            if number is None:
                self._emit(part)
            else:
                self._complete(item, number, index, part)
        for number in item.parts.values():
            self._maker.close(number)

    def _complete(self, item: _Item, number: int, index: int, part: Content) -> None:
        """Close an open part with its authoritative form.

        A part whose text is another than the one that was passed on stays what the client saw.
        """
        match part:
            case TextContent(text=text) if index not in item.refusals:
                part, tokens = without_tokens(part)
                if not item.logprobs:
                    self._note_logprobs(tokens)
                self._say(item, number, "text", index, text, True)
                for citation in part.citations[len(item.seen.get(("citation", index), ())) :]:
                    self._maker.add(number, "citation", citation)
                agrees = item.said("text", index) == text
            case RefusalContent(text=text) if index in item.refusals:
                self._say(item, number, "refusal", index, text, True)
                agrees = item.said("refusal", index) == text
            case ToolCallContent(arguments=text):
                self._say(item, number, "tool_args", 0, text, True)
                agrees = item.said("tool_args", 0) == text
            case ThinkingContent():
                agrees = self._complete_thinking(item, number, part)
            case _:
                agrees = False
        if agrees:
            self._maker.stop(number, part)
        else:
            self._maker.close(number)

    def _complete_thinking(self, item: _Item, number: int, part: ThinkingContent) -> bool:
        for sub, text in enumerate(part.summary or ()):
            self._say(item, number, "thinking_summary", sub, text, True)
        streamed = "".join(
            item.said(kind, index) for kind, index in sorted(item.seen) if kind == "thinking"
        )
        if part.text.startswith(streamed) and part.text != streamed:
            self._maker.add(number, "thinking", part.text[len(streamed) :])
            streamed = part.text
        if part.proof is not None:
            # Only here: in ``output_item.added`` it may be half of it (traps.md T60).
            self._maker.add(number, "proof", part.proof)
        summary = tuple(
            item.said("thinking_summary", sub)
            for sub in range(
                1 + max((s for k, s in item.seen if k == "thinking_summary"), default=-1)
            )
        )
        return streamed == part.text and summary == (part.summary or ())

    def _emit(self, part: Content) -> None:
        """A part that was never announced, in one go."""
        if isinstance(part, TextContent):
            part, tokens = without_tokens(part)
            self._note_logprobs(tokens)
        skeleton, deltas = opened(part)
        number = self._maker.open(skeleton, 0)
        for kind, value, sub in deltas:
            self._maker.add(number, kind, value, sub)
        self._maker.stop(number, part)

    def _settle(self, response: dict[str, Raw]) -> None:
        """Items of the final output that were not done, or never announced; then what is open."""
        output = response.get("output")
        items = [] if output is None else _objects(output) or []
        taken: set[int] = set()
        for number, fields in enumerate(items):
            item_id = text_of(fields.get("id"))
            place = self._by_id.get(item_id, number) if item_id else number
            found = self._items.get(place)
            if found is None or (place in taken and place != number):
                place = place if found is None else max(self._items) + 1
                found = _Item(text_of(fields.get("type")), item_id or None, {})
                self._items[place] = found
            taken.add(place)
            self._item_done(found, fields)
        for item in self._items.values():
            if not item.done:
                self._abandon(item)

    def _abandon(self, item: _Item) -> None:
        """An item that never came to its end."""
        item.done = True
        for number in item.parts.values():
            self._maker.close(number)


def part_id(part: Content) -> str:
    return part.id if isinstance(part, ToolCallContent) else ""


def opened(part: Content) -> tuple[Content, list[tuple[DeltaKind, DeltaValue, int]]]:
    """A skeleton of ``part`` and the deltas that build it."""
    deltas: list[tuple[DeltaKind, DeltaValue, int]] = []
    match part:
        case TextContent(text=text):
            deltas += [("text", text, 0)] if text else []
            deltas += [("citation", citation, 0) for citation in part.citations]
            return replace(part, text="", citations=()), deltas
        case RefusalContent(text=text):
            return replace(part, text=""), [("refusal", text, 0)] if text else []
        case ToolCallContent(arguments=text):
            return replace(part, arguments=""), [("tool_args", text, 0)] if text else []
        case ThinkingContent():
            deltas += [("thinking", part.text, 0)] if part.text else []
            for sub, text in enumerate(part.summary or ()):
                deltas.append(("thinking_summary", text, sub))
            if part.proof is not None:
                deltas.append(("proof", part.proof, 0))
            return replace(part, text="", summary=None, proof=None), deltas
        case _:
            return part, []


def without_tokens(part: TextContent) -> tuple[TextContent, Raw]:
    """The part, and its log-probabilities: in the canonical form the whole answer has them."""
    own = dict(part.ext.get(NAME, {}))
    tokens = own.pop("logprobs", NULL)
    if tokens == NULL:
        return part, NULL
    return replace(part, ext={NAME: own} if own else {}), tokens


def chat_logprobs(tokens: list[Raw]) -> Raw:
    """Log-probabilities in chat's form, which has the same entries."""
    return Raw(msgspec.json.encode({"content": tokens, "refusal": None}))


def _says_nothing(data: bytes) -> bool:
    """A frame without data, or the ``[DONE]`` of vendors."""
    data = data.strip()
    return not data or data.strip(b'"').upper() == b"[DONE]"


def logprobs_of(raw: Raw) -> list[Raw]:
    """Log-probabilities of a text, token by token; none when it has none."""
    return (_logprobs(raw) or []) if given(raw) else []


def _fragment(raw: Raw) -> str | None:
    return _text(raw) if given(raw) else None


def _whole_text(event: Event, kind: DeltaKind) -> str | None:
    if kind == "refusal":
        return event.refusal
    if kind != "tool_args":
        return event.text
    if event.input is not None:
        return event.input
    raw = event.arguments
    if not given(raw):
        return None
    return bytes(raw).decode() if bytes(memoryview(raw)[:1]) == b"{" else _text(raw)


def text_of(raw: Raw | None) -> str:
    """A string member, "" when it is absent, null or something else."""
    if raw is None:
        return ""
    try:
        return _text(raw) or ""
    except msgspec.ValidationError:
        return ""


def finish_of(response: dict[str, Raw], status: str, parser: ItemParser) -> Finish:
    """Why a response ended whose items ``parser`` has read."""
    detail = response.get("incomplete_details")
    if detail == NULL:
        detail = None
    reason = None if detail is None else text_of(_members(detail).get("reason")) or None
    return parse_finish(status, reason, detail, parser.calls, parser.refused)


def created_of(raw: Raw | None) -> int:
    value = None if raw is None else _time(raw)
    return int(value) if isinstance(value, int | float) else 0


def ext_of_response(response: dict[str, Raw]) -> dict[str, Raw]:
    """What only Responses says about an answer; nulls say nothing."""
    return {k: raw for k, raw in response.items() if k not in _HEAD and raw != NULL}
