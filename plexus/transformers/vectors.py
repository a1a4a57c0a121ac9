"""Vectors of embeddings: lists of numbers, or little-endian float32 in base64 (traps T94)."""

import base64
import binascii
import sys
from array import array

import msgspec
from msgspec import Raw

from plexus.streaming.document import JsonBody

_FIT_LIMIT = 16 * 1024 * 1024
_NULL = Raw(b"null")

_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_floats = msgspec.json.Decoder(list[float]).decode
_text = msgspec.json.Decoder(str).decode


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
        packed = wants_packed(asked)
        if first != (b"[" if packed else b'"'):
            return body
        for item in data:
            vector = item["embedding"]
            made = pack(vector) if packed else unpack(vector)
            item["embedding"] = Raw(msgspec.json.encode(made))
        return answer.edit({"data": msgspec.json.encode(data)})
    except (ValueError, KeyError):
        # No vectors, or none that can be read: the client's own reader shall say so.
        return body


def wants_packed(asked: JsonBody) -> bool:
    return bytes(asked.fields.get("encoding_format", _NULL)) == b'"base64"'


def pack(values: Raw) -> str:
    """A list of numbers in base64, as OpenAI writes them.  Raises ValueError."""
    numbers = array("f", _floats(values))
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")


def unpack(packed: Raw) -> list[float]:
    """The numbers of a base64 string.  Raises ValueError."""
    try:
        numbers = array("f", base64.b64decode(_text(packed), validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("no float32 in base64") from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def listed(vector: Raw) -> Raw:
    """A vector of either form as a list of numbers.  Raises ValueError."""
    if bytes(memoryview(vector)[:1]) == b'"':
        return Raw(msgspec.json.encode(unpack(vector)))
    _floats(vector)
    return vector
