"""Embeddings between OpenAI's and Gemini's forms (models-embeddings.md §4)."""

import base64
import binascii
import sys
from array import array
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from plexus.streaming.document import JsonBody
from plexus.streaming.framing import readable
from plexus.transformers.base import TRACING, ClientCall, Dialect, WireRequest, picked
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import Loss, LossLog, table
from plexus.transformers.recall import Recalled
from plexus.transformers.repairs import Repair, Repairs
from plexus.transformers.translation import Answer, Failure, StreamTranslation
from plexus.unified.errors import PlexusError, UnifiedError, UpstreamDetail, invalid, unsupported
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import UnifiedUsage

GEMINI = "gemini"
_REFERENCE = "models-embeddings.md §4"
_KNOWN = frozenset(
    {"model", "input", "dimensions", "encoding_format", "user", "task_type", "title"}
)
_FIT_LIMIT = 16 * 1024 * 1024
_NULL = Raw(b"null")

LOSSES = table(
    [
        Loss("extra", "lost", "Gemini's embeddings have no member for it", _REFERENCE),
        Loss("user", "lost", "Gemini's embeddings have no end user", _REFERENCE),
    ]
)
"""What Gemini's form of the request cannot say."""


class GeminiEmbeddings(Struct, frozen=True):
    """OpenAI's embeddings asked of Gemini: one entry of a batch per text."""

    upstream: Dialect
    target: TargetModel

    def parse(self, call: ClientCall) -> UnifiedChatRequest | None:
        return None

    def prepare(
        self, call: ClientCall, repairs: Repairs = (), recalled: Recalled | None = None
    ) -> "GeminiPrepared":
        """Raises PlexusError (400) for token arrays and what is no list of texts."""
        log = LossLog(LOSSES)
        fields = call.body.fields
        options = _options(fields, log)
        texts = _texts(fields.get("input", _NULL))
        model = f"models/{self.target.model}"
        path = f"/models/{quote(self.target.model, safe='/')}:batchEmbedContents"
        entries = [
            {"model": model, "content": {"parts": [{"text": text}]}, **options} for text in texts
        ]
        wire = WireRequest(
            target=self.target,
            path=path,
            body=msgspec.json.encode({"requests": entries}),
            headers=picked(call.source, TRACING),
            warnings=log.warnings,
        )
        return GeminiPrepared(self.upstream, call, wire, texts)

    def repair_for(self, call: ClientCall, error: UnifiedError) -> Repair | None:
        """Its few members are all that Gemini has."""
        return None


class GeminiPrepared:
    opaque = False

    def __init__(
        self, upstream: Dialect, call: ClientCall, wire: WireRequest, texts: list[str]
    ) -> None:
        self.wire = wire
        self._upstream = upstream
        self._call = call
        self._texts = texts

    def answer(self, body: bytes, content_type: str) -> Answer:
        found = _read(body, self.wire.target)
        if found is None or len(found.embeddings) != len(self._texts):
            raise PlexusError(_unreadable(self.wire.target))
        usage = found.usage or _estimate(self._texts)
        packed = _wanted(self._call.body) == "base64"
        vectors = [_pack(item.values) if packed else item.values for item in found.embeddings]
        model = self._call.show_model or self.wire.target.model
        out = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in enumerate(vectors)
            ],
            "model": model,
            "usage": {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.total_tokens},
        }
        return Answer(body=msgspec.json.encode(out), content_type="application/json", usage=usage)

    def stream(self) -> StreamTranslation:
        raise PlexusError(_unreadable(self.wire.target))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        error = self._upstream.parse_error(status, headers, readable(body))
        return Failure(error=error, status=status)


def fit(body: bytes, asked: JsonBody) -> bytes:
    """The answer in the ``encoding_format`` that was asked for; as it came when it fits.

    The official SDKs ask for base64 and read both.  Others read what they asked for alone, and not
    every vendor listens.
    """
    if len(body) > _FIT_LIMIT:
        return body
    try:
        answer = JsonBody.parse(body)
        data = _objects(answer.fields.get("data", _NULL))
        first = bytes(data[0]["embedding"])[:1] if data else b""
        packed = _wanted(asked) == "base64"
        if first != (b"[" if packed else b'"'):
            return body
        for item in data:
            vector = item["embedding"]
            made = _pack(vector) if packed else _unpack(vector)
            item["embedding"] = Raw(msgspec.json.encode(made))
        return answer.edit({"data": msgspec.json.encode(data)})
    except (ValueError, KeyError):
        # No vectors, or none that can be read: the client's own reader shall say so.
        return body


class _Embedding(Struct):
    values: Raw


class _UsageMetadata(Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Batch(Struct, rename="camel"):
    embeddings: list[_Embedding]
    usage_metadata: _UsageMetadata | None = None

    @property
    def usage(self) -> UnifiedUsage | None:
        count = None if self.usage_metadata is None else self.usage_metadata.prompt_token_count
        return None if count is None else UnifiedUsage(prompt_tokens=count, total_tokens=count)


_batch = msgspec.json.Decoder(_Batch).decode
_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_floats = msgspec.json.Decoder(list[float]).decode
_text = msgspec.json.Decoder(str).decode


def _read(body: bytes, target: TargetModel) -> _Batch | None:
    try:
        return _batch(readable(body))
    except msgspec.MsgspecError:
        return None


def _options(fields: Mapping[str, Raw], log: LossLog) -> dict[str, Any]:
    """``outputDimensionality``, ``taskType`` and ``title`` of every entry."""
    options: dict[str, Any] = {}
    for name, theirs, kind in (
        ("dimensions", "outputDimensionality", int),
        ("task_type", "taskType", str),
        ("title", "title", str),
    ):
        raw = fields.get(name, _NULL)
        if raw == _NULL:
            continue
        try:
            options[theirs] = msgspec.json.decode(raw, type=kind)
        except msgspec.MsgspecError:
            what = "a whole number" if kind is int else "a string"
            raise invalid(f"{name} must be {what}", name, "invalid_type") from None
    if fields.get("user", _NULL) != _NULL:
        log.note("user")
    for name in fields.keys() - _KNOWN:
        log.note("extra", name)
    return options


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


def _wanted(body: JsonBody) -> str:
    raw = body.fields.get("encoding_format", _NULL)
    return "base64" if bytes(raw) == b'"base64"' else "float"


def _pack(values: Raw) -> str:
    """Little-endian float32 in base64, as OpenAI writes them."""
    numbers = array("f", _floats(values))
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")


def _unpack(packed: Raw) -> list[float]:
    try:
        numbers = array("f", base64.b64decode(_text(packed), validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("no float32 in base64") from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def _estimate(texts: list[str]) -> UnifiedUsage:
    """A quarter of the characters (mappings.md §14): Gemini's batches report no count."""
    count = max(1, sum(map(len, texts)) // 4)
    return UnifiedUsage(prompt_tokens=count, total_tokens=count, estimated=True)


def _unreadable(target: TargetModel) -> UnifiedError:
    return UnifiedError(
        kind="upstream",
        message="it sent no embedding for every text",
        code="upstream_error",
        upstream=UpstreamDetail(provider=target.provider),
    )
