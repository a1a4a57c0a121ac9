"""Framing: how a dialect's stream is cut into frames.  Sans-IO; nothing above names SSE."""

from typing import Protocol

from msgspec import Struct

EVENT_LIMIT = 16 * 1024 * 1024
"""Bytes of one frame at most: encrypted reasoning and images come whole (streaming.md §1)."""


class Frame(Struct, frozen=True):
    """One event of a stream.

    ``event`` is its name ("" when the framing has none), ``data`` its payload (empty for comments
    and blank events) in valid UTF-8, ``raw`` the exact bytes it came in, for byte-exact relaying.
    """

    event: str
    data: bytes
    raw: bytes = b""


def readable(data: bytes) -> bytes:
    """``data`` with invalid UTF-8 replaced, as every SDK reads what a provider sent."""
    return data if data.isascii() else data.decode("utf-8", "replace").encode()


class FramingError(ValueError):
    """The bytes are no stream of this framing, or one event is over the limit."""


class Decoder(Protocol):
    """Bytes to frames; byte splits never change the frames."""

    def feed(self, data: bytes) -> list[Frame]:
        """Frames completed by ``data``.  Raises FramingError."""
        ...

    def close(self) -> list[Frame]:
        """The last frame, when the stream ended without its terminator."""
        ...


class Encoder(Protocol):
    """Frames to bytes."""

    content_type: str

    def encode(self, frame: Frame) -> bytes: ...

    def keep_alive(self) -> bytes:
        """Bytes every SDK of the dialect ignores, sent between events (streaming.md §1)."""
        ...

    def end(self) -> bytes:
        """Bytes that close the stream ("" for SSE; the bracket of a JSON array)."""
        ...

    def resume(self) -> None:
        """Frames of this stream went out already, written by another encoder."""
        ...
