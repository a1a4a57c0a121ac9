"""Token counting: a chat request asked how large it is (models-embeddings.md §3).

A request goes to a target's counter the way a chat goes to the target: passed through, or through
the canonical form with the target's steps.  What only a chat has (limits, sampling) is left out.
Where nobody counts, ``estimated`` says what the request comes to, if that can be said.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.framing import readable
from plexus.transformers.base import (
    VENDOR,
    ClientCall,
    Dialect,
    Platform,
    ProviderDialect,
    WireRequest,
)
from plexus.transformers.bedrock_converse.models import base_model
from plexus.transformers.bedrock_converse.models import model_path as converse_path
from plexus.transformers.estimate import NoEstimate, estimate
from plexus.transformers.gemini.reader import NULL
from plexus.transformers.gemini.request_format import model_place
from plexus.transformers.recall import Recalled
from plexus.transformers.repairs import Repair, Repairs
from plexus.transformers.translation import (
    Answer,
    Failure,
    Passthrough,
    StreamTranslation,
    Translate,
    Translation,
    bad_json,
    or_unreadable,
    passed_failure,
)
from plexus.unified.errors import PlexusError, UnifiedError, UpstreamDetail, invalid
from plexus.unified.request import UnifiedChatRequest

ANTHROPIC, RESPONSES = "anthropic-messages", "openai-responses"
GEMINI, CONVERSE = "gemini", "bedrock-converse"
WRAPPERS = ("generateContentRequest", "generate_content_request")
"""Where a Gemini client puts a whole request instead of its contents."""

NO_COUNTER = "plexus_no_counter"
_ROOM = 64_000


class Counter(Struct, frozen=True):
    """How a dialect counts: where, and what of a chat body goes there."""

    path: Callable[[str], str]
    body: Callable[[WireRequest], bytes]


def _kept(names: Iterable[str]) -> Callable[[WireRequest], bytes]:
    known = frozenset(names)

    def body(wire: WireRequest) -> bytes:
        chat = JsonBody.parse(wire.body)
        return chat.edit(dict.fromkeys(chat.fields.keys() - known))

    return body


def _wrapped(wire: WireRequest) -> bytes:
    """AI Studio reads instructions and tools only here, and wants the model beside them."""
    model = f"models/{wire.target.model.removeprefix('models/')}"
    inner = JsonBody.parse(wire.body).edit({"model": msgspec.json.encode(model)})
    return b'{"generateContentRequest":%b}' % inner


_CONVERSE = _kept(("additionalModelRequestFields", "messages", "system", "toolConfig"))

COUNTERS: dict[str, Counter] = {
    ANTHROPIC: Counter(
        lambda model: "/messages/count_tokens",
        _kept(
            (
                "cache_control",
                "context_management",
                "mcp_servers",
                "messages",
                "model",
                "output_config",
                "speed",
                "system",
                "thinking",
                "tool_choice",
                "tools",
            )
        ),
    ),
    RESPONSES: Counter(
        lambda model: "/responses/input_tokens",
        _kept(
            (
                "conversation",
                "input",
                "instructions",
                "model",
                "parallel_tool_calls",
                "personality",
                "previous_response_id",
                "reasoning",
                "text",
                "tool_choice",
                "tools",
                "truncation",
            )
        ),
    ),
    GEMINI: Counter(lambda model: model_place(model) + ":countTokens", _wrapped),
    CONVERSE: Counter(
        lambda model: converse_path(base_model(model), "count-tokens"),
        lambda wire: b'{"input":{"converse":%b}}' % _CONVERSE(wire),
    ),
}
"""By the provider's dialect."""

ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    ANTHROPIC: ("input_tokens", {}),
    RESPONSES: ("input_tokens", {"object": "response.input_tokens"}),
    GEMINI: ("totalTokens", {}),
}
"""The figure's name in the answer to a client, and what stands beside it."""


def find_counter(
    client: str,
    chat: Translation | None,
    spoken: Iterable[str],
    dialects: Mapping[str, Dialect],
    platform: Platform,
) -> "Counted | None":
    """Who counts what ``chat`` would send: the dialect it goes to, or another one that the provider
    speaks (``spoken``); None when nobody does.
    """
    if not isinstance(chat, Passthrough | Translate):
        return None
    if chat.upstream.NAME in COUNTERS:
        return Counted(dialects[client], chat, platform)
    steps = chat.steps if isinstance(chat, Translate) else ()
    for name in COUNTERS:
        if name in spoken and name in dialects:
            asked = Translate(dialects[client], dialects[name], chat.target, steps)
            return Counted(dialects[client], asked, platform)
    return None


class Counted(Struct, frozen=True):
    """A count for a ``client`` of this dialect, of what ``chat`` would have sent."""

    client: Dialect
    chat: Passthrough | Translate
    platform: Platform = VENDOR

    @property
    def upstream(self) -> ProviderDialect:
        return self.chat.upstream

    def parse(self, call: ClientCall) -> UnifiedChatRequest | None:
        return None

    def prepare(
        self, call: ClientCall, repairs: Repairs = (), recalled: Recalled | None = None
    ) -> "CountPrepared":
        """Raises PlexusError (400) as the chat would."""
        passed = isinstance(self.chat, Passthrough)
        whole = unwrapped(call)
        chat = replace(self.chat, platform=VENDOR)
        if not passed:
            whole = with_room(whole, self.chat.target.capabilities.max_output_tokens)
        wire = chat.prepare(whole, repairs).wire
        counter = COUNTERS[self.upstream.NAME]
        body = counter.body(wire)
        if passed and not self.chat.wire_steps:
            body = _as_it_came(call, wire)
        wire = replace(wire, path=counter.path(wire.target.model), body=body, hide_usage=False)
        return CountPrepared(self, self.platform.count(wire, self.upstream.NAME))

    def repair_for(self, call: ClientCall, error: UnifiedError) -> Repair | None:
        """A count is not worth a second request."""
        return None


class CountPrepared:
    opaque = False

    def __init__(self, counted: Counted, wire: WireRequest) -> None:
        self.wire = wire
        self._counted = counted

    @or_unreadable
    def answer(self, body: bytes, content_type: str) -> Answer:
        """The provider's own bytes where they have the client's form; no usage: nothing ran."""
        client = self._counted.client.NAME
        found = _read(body)
        if found is None:
            raise PlexusError(
                UnifiedError(
                    kind="upstream",
                    message="it sent no count of tokens",
                    code="upstream_error",
                    upstream=UpstreamDetail(provider=self.wire.target.provider),
                )
            )
        if found.name != ANSWERS[client][0] or client != self._counted.upstream.NAME:
            body = count_body(client, found.tokens)
        return Answer(body=body, content_type="application/json")

    def stream(self) -> StreamTranslation:
        raise PlexusError(UnifiedError(kind="upstream", message="it streamed a count of tokens"))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        counted, platform = self._counted, self._counted.platform
        if isinstance(counted.chat, Passthrough):
            failure = passed_failure(counted.chat.upstream, platform, status, headers, body)
        else:
            error = platform.parse_error(counted.upstream, status, headers, readable(body))
            failure = Failure(error=error, status=status)
        if status in _ABSENT or (status == 400 and _UNCOUNTED.search(body[:4096])):
            error = replace(failure.error, kind="not_found", code=NO_COUNTER)
            failure = replace(failure, error=error)
        return failure


_ABSENT = frozenset({404, 405, 501})
_UNCOUNTED = re.compile(
    rb"(?i)n(?:o|')t (?:currently )?support(?:ed)?[^\"]{0,40}count|"
    rb"count[^\"]{0,40}n(?:o|')t (?:currently )?support"
)
"""Bedrock says with a 400 that it does not count for a model."""


def unwrapped(call: ClientCall) -> ClientCall:
    """The request that is to be counted, as a chat of the same dialect.  Raises PlexusError."""
    name = _wrapper(call)
    if name is None:
        return call
    try:
        return replace(call, body=JsonBody.parse(bytes(call.body.fields[name])))
    except DocumentError as problem:
        raise invalid(str(problem), name) from None


def _wrapper(call: ClientCall) -> str | None:
    """The member that holds the whole request, where there is one; null is none."""
    names = WRAPPERS if call.source.dialect == GEMINI else ()
    fields = call.body.fields
    return next((name for name in names if fields.get(name, NULL) != NULL), None)


def with_room(call: ClientCall, most: int | None = None) -> ClientCall:
    """Messages with a limit of the answer, ``most`` if that is known: a count has none, but a chat
    cannot be read without one.
    """
    if call.source.dialect != ANTHROPIC or "max_tokens" in call.body.fields:
        return call
    room = b"%d" % min(most or _ROOM, _ROOM)
    return replace(call, body=JsonBody.parse(call.body.edit({"max_tokens": room})))


def _as_it_came(call: ClientCall, wire: WireRequest) -> bytes:
    """The client's bytes with the edits of a pass-through."""
    name = _wrapper(call)
    return wire.body if name is None else call.body.edit({name: wire.body})


class _Figure(Struct, frozen=True):
    name: str
    tokens: int


_NAMES = ("input_tokens", "totalTokens", "inputTokens")
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_count = msgspec.json.Decoder(Annotated[int, Meta(ge=0)]).decode


def _read(body: bytes) -> _Figure | None:
    """The figure, whatever the provider calls it."""
    try:
        fields = _members(readable(body))
        name = next((name for name in _NAMES if name in fields), None)
        return None if name is None else _Figure(name, _count(fields[name]))
    except (msgspec.MsgspecError, RecursionError):
        return None


def count_body(client: str, tokens: int) -> bytes:
    """``tokens`` as clients of a dialect read them."""
    name, beside = ANSWERS[client]
    return msgspec.json.encode({**beside, name: tokens})


def estimated(client: Dialect, call: ClientCall) -> bytes:
    """The body of an estimate.

    Raises PlexusError: 400 for a body that is not of the dialect, 404 for a request whose size
    cannot be told.
    """
    whole = with_room(unwrapped(call))
    try:
        whole.body.check_deep()
    except DocumentError as problem:
        raise bad_json(problem) from None
    try:
        return count_body(client.NAME, estimate(client.parse_request(whole)))
    except NoEstimate as unknown:
        why = f"{unknown} has no size that Plexus could estimate"
        raise PlexusError(_uncounted(why)) from None


def not_estimated(call: ClientCall) -> bytes:
    """Raises PlexusError (404): estimates are not wanted."""
    raise PlexusError(_uncounted("server.estimate_tokens is off"))


def _uncounted(why: str) -> UnifiedError:
    return UnifiedError(
        kind="not_found",
        message=f"nobody counts tokens for this model, and {why}",
        code=NO_COUNTER,
        should_retry=False,
    )
