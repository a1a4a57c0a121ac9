"""Embeddings between OpenAI's, Gemini's and Vertex AI's forms (models-embeddings.md §4).

A client's form is read into an ``Ask``, written in the form of the target, and its vectors come
back the same way.  Targets that know the client's own form get its bytes instead
(``operations.Forward``).
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from plexus.streaming.framing import readable
from plexus.transformers.base import (
    TRACING,
    VENDOR,
    ClientCall,
    Dialect,
    Platform,
    WireRequest,
    picked,
)
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.gemini.reader import INTEGER, STRING, Level, Malformed
from plexus.transformers.gemini.request_format import model_place
from plexus.transformers.losses import Loss, LossLog, table
from plexus.transformers.recall import Recalled
from plexus.transformers.repairs import Repair, Repairs
from plexus.transformers.translation import Answer, Failure, StreamTranslation, refuse_losses
from plexus.transformers.vectors import listed, pack, wants_packed
from plexus.unified.errors import PlexusError, UnifiedError, UpstreamDetail, invalid, unsupported
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import UnifiedUsage

OPENAI, GEMINI = "/embeddings", ":batchEmbedContents"
GEMINI_ONE = ":embedContent"
_VERTEX, _PREDICT = "vertex", ":predict"
_REFERENCE = "models-embeddings.md §4"
_KNOWN = frozenset(
    {"model", "input", "dimensions", "encoding_format", "user", "task_type", "title"}
)
_NULL = Raw(b"null")

LOSSES = table(
    [
        Loss("extra", "lost", "the target's embeddings have no member for it", _REFERENCE),
        Loss("user", "lost", "Gemini's embeddings have no end user", _REFERENCE),
        Loss("task_type", "lost", "OpenAI's embeddings have no task", _REFERENCE),
        Loss("title", "lost", "OpenAI's embeddings have no title", _REFERENCE),
    ]
)
"""What the other form of a request cannot say."""


class Item(Struct, frozen=True, kw_only=True):
    """One thing to embed: ``content`` is Gemini's, ``text`` None when it is more than text."""

    text: str | None
    content: Raw
    task: str | None = None
    title: str | None = None
    path: str = "input"


class Ask(Struct, frozen=True, kw_only=True):
    """A request in no form; ``warnings`` are in ``log``."""

    items: tuple[Item, ...]
    dimensions: int | None
    log: LossLog

    def texts(self) -> list[str]:
        """Raises PlexusError (400) for what is not text."""
        found = []
        for item in self.items:
            if item.text is None:
                raise unsupported("this target embeds text only", item.path)
            found.append(item.text)
        return found


class Vectors(Struct, frozen=True):
    """An answer in no form: a list of numbers for each item; None where nobody counted."""

    values: list[Raw]
    tokens: int | None


# -- what clients write ------------------------------------------------------------------------


def _parse_openai(call: ClientCall) -> Ask:
    """Raises PlexusError (400) for token arrays and what is no list of texts."""
    log = LossLog(LOSSES)
    fields = call.body.fields
    task, title = _member(fields, "task_type", str), _member(fields, "title", str)
    if fields.get("user", _NULL) != _NULL:
        log.note("user")
    for name in fields.keys() - _KNOWN:
        log.note("extra", name)
    items = tuple(
        Item(text=text, content=_content(text), task=task, title=title)
        for text in _texts(fields.get("input", _NULL))
    )
    return Ask(items=items, dimensions=_member(fields, "dimensions", int), log=log)


def _member(fields: Mapping[str, Raw], name: str, kind: type) -> Any:
    raw = fields.get(name, _NULL)
    try:
        return msgspec.json.decode(raw, type=kind | None)
    except msgspec.MsgspecError:
        what = "a whole number" if kind is int else "a string"
        raise invalid(f"{name} must be {what}", name, "invalid_type") from None


def _texts(raw: Raw) -> list[str]:
    """The texts of ``input``.  Raises PlexusError (400)."""
    try:
        found = msgspec.json.decode(raw, type=str | list[str | int | list[int]])
    except msgspec.MsgspecError:
        raise invalid("input must be a string or a list of strings", "input") from None
    items = [found] if isinstance(found, str) else found
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) != len(items):
        raise unsupported(
            "input is a list of token numbers, which only OpenAI's own models can read", "input"
        )
    if not texts or not all(texts):
        raise invalid("input must not be empty", "input")
    return texts


def _content(text: str) -> Raw:
    return Raw(msgspec.json.encode({"parts": [{"text": text}]}))


def _parse_one(call: ClientCall) -> Ask:
    return _parse_gemini([Level.of(call.body.fields, "")])


def _parse_batch(call: ClientCall) -> Ask:
    body = Level.of(call.body.fields, "")
    try:
        entries = [Level(raw, f"requests[{n}]") for n, raw in enumerate(body.items("requests"))]
    except Malformed as problem:
        raise invalid(str(problem), problem.path) from None
    if not entries:
        raise invalid("requests must not be empty", "requests")
    return _parse_gemini(entries)


def _parse_gemini(entries: list[Level]) -> Ask:
    log = LossLog(LOSSES)
    sizes = set()
    items = []
    try:
        for entry in entries:
            content = entry.raw("content")
            if content is None:
                raise Malformed(entry.where("content"), "expected an object")
            sizes.add(entry.take("outputDimensionality", INTEGER))
            items.append(
                Item(
                    text=_text_of(Level(content, entry.where("content"))),
                    content=content,
                    task=entry.take("taskType", STRING),
                    title=entry.take("title", STRING),
                    path=entry.where("content"),
                )
            )
            entry.raw("model")
            for name in entry.fields:
                log.note("extra", entry.where(name))
    except Malformed as problem:
        raise invalid(str(problem), problem.path) from None
    if len(sizes) > 1:
        raise unsupported(
            "this target takes one outputDimensionality for all texts",
            entries[-1].where("outputDimensionality"),
        )
    return Ask(items=tuple(items), dimensions=sizes.pop(), log=log)


def _text_of(content: Level) -> str | None:
    """The text of a content; None when there is more in it.  Raises Malformed."""
    found = []
    for number, raw in enumerate(content.items("parts")):
        part = Level(raw, f"{content.where('parts')}[{number}]")
        text = part.take("text", STRING)
        if text is None or part.fields:
            return None
        found.append(text)
    if not any(found):
        raise Malformed(content.where("parts"), "expected a text")
    return "".join(found)


# -- what targets are asked --------------------------------------------------------------------


def _write_openai(ask: Ask, model: str) -> dict[str, Any]:
    for item in ask.items:
        if item.task is not None:
            ask.log.note("task_type", "taskType")
        if item.title is not None:
            ask.log.note("title")
    body = {"model": model, "input": ask.texts(), "encoding_format": "float"}
    return body if ask.dimensions is None else {**body, "dimensions": ask.dimensions}


def _options(ask: Ask, item: Item) -> dict[str, Any]:
    found = {
        "outputDimensionality": ask.dimensions,
        "taskType": item.task,
        "title": item.title,
    }
    return {name: value for name, value in found.items() if value is not None}


def _write_gemini(ask: Ask, model: str) -> dict[str, Any]:
    """One entry for each text: a list of them in one content would be one embedding."""
    name = f"models/{model.removeprefix('models/')}"
    entries = [
        {"model": name, "content": item.content, **_options(ask, item)} for item in ask.items
    ]
    return {"requests": entries}


def _write_vertex(ask: Ask, model: str) -> dict[str, Any]:
    entries = [_entry(ask, item) for item in ask.items]
    if len(entries) == 1:
        return entries[0]
    if "maas" in model:
        raise unsupported("this model embeds one text for a request", ask.items[1].path)
    return {"requests": entries}


def _entry(ask: Ask, item: Item) -> dict[str, Any]:
    options = _options(ask, item)
    return {"content": item.content, **({"embedContentConfig": options} if options else {})}


def _write_predict(ask: Ask, model: str) -> dict[str, Any]:
    instances = []
    for text, item in zip(ask.texts(), ask.items, strict=True):
        own = {"task_type": item.task, "title": item.title}
        instances.append({"content": text} | {k: v for k, v in own.items() if v is not None})
    if ask.dimensions is None:
        return {"instances": instances}
    return {"instances": instances, "parameters": {"outputDimensionality": ask.dimensions}}


# -- what they answer --------------------------------------------------------------------------


class _Numbers(Struct):
    values: Raw


class _UsageMetadata(Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Batch(Struct, rename="camel"):
    embeddings: list[_Numbers] = []
    embedding: _Numbers | None = None
    usage_metadata: _UsageMetadata | None = None


class _Datum(Struct):
    embedding: Raw
    index: int


class _Usage(Struct):
    prompt_tokens: int | None = None


class _Data(Struct):
    data: list[_Datum]
    usage: _Usage | None = None


class _Statistics(Struct, frozen=True):
    token_count: float = 0


class _Predicted(Struct):
    values: Raw
    statistics: _Statistics = _Statistics()


class _Prediction(Struct):
    embeddings: _Predicted


class _Predictions(Struct):
    predictions: list[_Prediction]


_batch = msgspec.json.Decoder(_Batch).decode
_data = msgspec.json.Decoder(_Data).decode
_predictions = msgspec.json.Decoder(_Predictions).decode


def _read_openai(body: bytes) -> Vectors:
    found = _data(body)
    data = sorted(found.data, key=lambda datum: datum.index)
    if [datum.index for datum in data] != list(range(len(data))):
        raise ValueError("an index is missing")
    tokens = None if found.usage is None else found.usage.prompt_tokens
    return Vectors([listed(datum.embedding) for datum in data], tokens)


def _read_gemini(body: bytes) -> Vectors:
    found = _batch(body)
    numbers = found.embeddings if found.embedding is None else [found.embedding]
    usage = found.usage_metadata
    tokens = None if usage is None else usage.prompt_token_count
    return Vectors([listed(item.values) for item in numbers], tokens)


def _read_predict(body: bytes) -> Vectors:
    found = [prediction.embeddings for prediction in _predictions(body).predictions]
    tokens = int(sum(one.statistics.token_count for one in found))
    return Vectors([listed(one.values) for one in found], tokens)


# -- what clients read -------------------------------------------------------------------------


def _format_openai(call: ClientCall, model: str, vectors: Vectors, tokens: int) -> dict[str, Any]:
    packed = wants_packed(call.body)
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": pack(values) if packed else values,
            }
            for index, values in enumerate(vectors.values)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _format_one(call: ClientCall, model: str, vectors: Vectors, tokens: int) -> dict[str, Any]:
    return {"embedding": {"values": vectors.values[0]}, **_usage_metadata(vectors)}


def _format_batch(call: ClientCall, model: str, vectors: Vectors, tokens: int) -> dict[str, Any]:
    found = [{"values": values} for values in vectors.values]
    return {"embeddings": found, **_usage_metadata(vectors)}


def _usage_metadata(vectors: Vectors) -> dict[str, Any]:
    if vectors.tokens is None:
        return {}
    return {"usageMetadata": {"promptTokenCount": vectors.tokens}}


class ClientForm(Struct, frozen=True):
    """How a client asks, and what it reads."""

    parse: Callable[[ClientCall], Ask]
    format: Callable[[ClientCall, str, Vectors, int], dict[str, Any]]


class TargetForm(Struct, frozen=True):
    """How a target is asked for a model, and what it answers.

    ``path`` gets the model and the number of texts.  ``read`` raises ValueError.
    """

    path: Callable[[str, int], str]
    write: Callable[[Ask, str], dict[str, Any]]
    read: Callable[[bytes], Vectors]


CLIENTS: dict[str, ClientForm] = {
    OPENAI: ClientForm(_parse_openai, _format_openai),
    GEMINI_ONE: ClientForm(_parse_one, _format_one),
    GEMINI: ClientForm(_parse_batch, _format_batch),
}
"""By the path of the operation."""

TARGETS: dict[str, TargetForm] = {
    OPENAI: TargetForm(lambda model, count: OPENAI, _write_openai, _read_openai),
    GEMINI: TargetForm(
        lambda model, count: model_place(model) + GEMINI, _write_gemini, _read_gemini
    ),
    _VERTEX: TargetForm(
        lambda model, count: model_place(model) + (GEMINI_ONE if count == 1 else GEMINI),
        _write_vertex,
        _read_gemini,
    ),
    _PREDICT: TargetForm(
        lambda model, count: model_place(model) + _PREDICT, _write_predict, _read_predict
    ),
}


def gemini_form(platform: Platform, model: str) -> str:
    """Vertex AI has two of its own: newer models take contents, older ones instances."""
    if platform.NAME != _VERTEX:
        return GEMINI
    name = model.rpartition("/")[2]
    return _VERTEX if "gemini" in name or "maas" in name else _PREDICT


class Embeddings(Struct, frozen=True):
    """Embeddings asked for in the form ``client`` of a target that has the form ``form``."""

    upstream: Dialect
    target: TargetModel
    client: str
    form: str
    platform: Platform = VENDOR

    def parse(self, call: ClientCall) -> UnifiedChatRequest | None:
        return None

    def prepare(
        self, call: ClientCall, repairs: Repairs = (), recalled: Recalled | None = None
    ) -> "EmbeddingsPrepared":
        """Raises PlexusError (400) for what is not of the form, or more than the target embeds."""
        ask = CLIENTS[self.client].parse(call)
        form, model = TARGETS[self.form], self.target.model
        body = form.write(ask, model)
        wire = WireRequest(
            target=self.target,
            path=form.path(model, len(ask.items)),
            body=msgspec.json.encode(body),
            headers=picked(call.source, TRACING),
            warnings=ask.log.warnings,
        )
        if call.strict:
            refuse_losses(wire.warnings)
        wire = self.platform.request(wire, self.upstream.NAME)
        return EmbeddingsPrepared(self, call, wire, ask)

    def repair_for(self, call: ClientCall, error: UnifiedError) -> Repair | None:
        """Its few members are all that there is."""
        return None


class EmbeddingsPrepared:
    opaque = False

    def __init__(
        self, embeddings: Embeddings, call: ClientCall, wire: WireRequest, ask: Ask
    ) -> None:
        self.wire = wire
        self._embeddings = embeddings
        self._call = call
        self._ask = ask

    def answer(self, body: bytes, content_type: str) -> Answer:
        own, call = self._embeddings, self._call
        try:
            vectors = TARGETS[own.form].read(readable(body))
        except ValueError:
            raise PlexusError(_unreadable(self.wire.target)) from None
        if len(vectors.values) != len(self._ask.items):
            raise PlexusError(_unreadable(self.wire.target))
        usage = _usage(vectors, self._ask)
        model = call.show_model or self.wire.target.model
        out = CLIENTS[own.client].format(call, model, vectors, usage.prompt_tokens)
        return Answer(body=msgspec.json.encode(out), content_type="application/json", usage=usage)

    def stream(self) -> StreamTranslation:
        raise PlexusError(_unreadable(self.wire.target))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        own = self._embeddings
        error = own.platform.parse_error(own.upstream, status, headers, readable(body))
        if status == 404:
            # A model that does not embed is nothing that the client could not find.
            error = replace(error, kind="unsupported", status=None, param="model")
        return Failure(error=error, status=status)


def _usage(vectors: Vectors, ask: Ask) -> UnifiedUsage:
    """A quarter of the characters (mappings.md §14) where nobody counted, as Gemini's batches."""
    count = vectors.tokens
    if count is not None:
        return UnifiedUsage(prompt_tokens=count, total_tokens=count)
    count = max(1, sum(len(item.text or "") for item in ask.items) // 4)
    return UnifiedUsage(prompt_tokens=count, total_tokens=count, estimated=True)


def _unreadable(target: TargetModel) -> UnifiedError:
    return UnifiedError(
        kind="upstream",
        message="it sent no embedding for every text",
        code="upstream_error",
        upstream=UpstreamDetail(provider=target.provider),
    )
