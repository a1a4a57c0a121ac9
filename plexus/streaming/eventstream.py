"""AWS event streams (``application/vnd.amazon.eventstream``; reference/bedrock-vertex.md §5).

A message is: total length and headers length (4 bytes each, big-endian), the CRC-32 of these eight,
the headers, the payload, and the CRC-32 of everything before it.
"""

import zlib
from struct import Struct as Layout
from struct import error as LayoutError

import msgspec

from plexus.streaming.framing import EVENT_LIMIT, Frame, FramingError, readable

EXCEPTION = "exception:"
ERROR = "error:"
"""What stands before the name of a frame that is an exception of the service, or an error."""

_PRELUDE = Layout(">III")
_CRC = Layout(">I")
_LENGTH = Layout(">H")
_OVERHEAD = _PRELUDE.size + _CRC.size
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header value by its type; 6 (bytes) and 7 (text) begin with their length."""
_BYTES, _TEXT = 6, 7


class EventStreamDecoder:
    """Messages as frames: ``event`` is the event's type, ``data`` the payload.

    An exception's name begins with ``exception:``; an error's with ``error:``, and its payload is
    ``{"message": …}``.  Both checksums are checked before anything is believed.
    """

    def __init__(self, limit: int = EVENT_LIMIT) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._broken = ""

    def feed(self, data: bytes) -> list[Frame]:
        if self._broken:
            raise FramingError(self._broken)
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        begin = 0
        try:
            while len(buffer) - begin >= _PRELUDE.size:
                total, headers = self._lengths(buffer, begin)
                if len(buffer) - begin < total:
                    break
                frames.append(_message(bytes(buffer[begin : begin + total]), headers))
                begin += total
        except FramingError as problem:
            # What came whole before it counts, however the bytes were cut.
            self._broken = str(problem)
            if not frames:
                raise
        del buffer[:begin]
        return frames

    def close(self) -> list[Frame]:
        """Nothing: half a message says nothing that could be trusted.  Raises FramingError."""
        self._buffer.clear()
        if self._broken:
            raise FramingError(self._broken)
        return []

    def _lengths(self, buffer: bytearray, begin: int) -> tuple[int, int]:
        total, headers, crc = _PRELUDE.unpack_from(buffer, begin)
        if zlib.crc32(buffer[begin : begin + 8]) != crc:
            raise FramingError("the stream is no event stream: a length has a wrong checksum")
        if total > self._limit:
            raise FramingError(f"an event of the stream is larger than {self._limit} bytes")
        if headers + _OVERHEAD > total:
            raise FramingError("an event of the stream is shorter than its headers")
        return total, headers


def _message(raw: bytes, headers_size: int) -> Frame:
    (crc,) = _CRC.unpack_from(raw, len(raw) - _CRC.size)
    if zlib.crc32(raw[: -_CRC.size]) != crc:
        raise FramingError("an event of the stream has a wrong checksum")
    end = _PRELUDE.size + headers_size
    headers = _headers(raw[_PRELUDE.size : end])
    payload = readable(raw[end : -_CRC.size])
    kind = headers.get(":message-type", "event")
    if kind == "exception":
        return Frame(EXCEPTION + headers.get(":exception-type", ""), payload, raw)
    if kind == "error":
        said = {"message": headers.get(":error-message", "")}
        return Frame(ERROR + headers.get(":error-code", ""), msgspec.json.encode(said), raw)
    return Frame(headers.get(":event-type", ""), payload, raw)


def _headers(block: bytes) -> dict[str, str]:
    """The text headers; values of other types are stepped over."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            kind, value = block[name_end], name_end + 1
            if kind in (_BYTES, _TEXT):
                (size,) = _LENGTH.unpack_from(block, value)
                value += _LENGTH.size
            else:
                size = _SIZES[kind]
            if value + size > len(block):
                raise FramingError("a header of an event is cut off")
            if kind == _TEXT:
                name = block[at + 1 : name_end].decode("utf-8", "replace")
                found[name] = block[value : value + size].decode("utf-8", "replace")
            at = value + size
    except (IndexError, KeyError, LayoutError):
        raise FramingError("the headers of an event cannot be read") from None
    return found


class EventStreamEncoder:
    """Writes frames as messages, with the names that EventStreamDecoder gives."""

    content_type = "application/vnd.amazon.eventstream"

    def encode(self, frame: Frame) -> bytes:
        if frame.event.startswith(EXCEPTION):
            named = (":exception-type", frame.event.removeprefix(EXCEPTION))
            headers = [named, (":content-type", "application/json"), (":message-type", "exception")]
        else:
            named = (":event-type", frame.event)
            headers = [named, (":content-type", "application/json"), (":message-type", "event")]
        return message(headers, frame.data)

    def keep_alive(self) -> bytes:
        """Nothing: the framing has no comments."""
        return b""

    def resume(self) -> None:
        """Every message stands for itself."""

    def end(self) -> bytes:
        return b""


def message(headers: list[tuple[str, str]], payload: bytes) -> bytes:
    """One message of text headers and a payload."""
    block = b"".join(_header(name.encode(), value.encode()) for name, value in headers)
    lengths = Layout(">II").pack(_OVERHEAD + len(block) + len(payload), len(block))
    head = lengths + _CRC.pack(zlib.crc32(lengths)) + block + payload
    return head + _CRC.pack(zlib.crc32(head))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + bytes((_TEXT,)) + _LENGTH.pack(len(value)) + value
