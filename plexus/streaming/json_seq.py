"""A stream as JSON texts one after the other (RFC 7464): what a WebSocket's frames are cut from."""

from plexus.streaming.framing import Frame

SEPARATOR = b"\x1e"
"""In front of every text.  It stands in no JSON: within strings it must be escaped."""


class JSONSequenceEncoder:
    """A record separator, the frame's data, a line feed."""

    content_type = "application/json-seq"

    def encode(self, frame: Frame) -> bytes:
        return SEPARATOR + frame.data + b"\n"

    def keep_alive(self) -> bytes:
        """Nothing: a WebSocket has pings of its own."""
        return b""

    def end(self) -> bytes:
        return b""

    def resume(self) -> None:
        return


def texts(data: bytes) -> list[bytes]:
    """The texts in whole frames of this encoder."""
    return [text for piece in data.split(SEPARATOR) if (text := piece.strip())]
