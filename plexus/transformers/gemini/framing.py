"""Gemini's two framings: events without names, or one JSON array (gemini.md §1, §4).

A provider is asked for events; some answer with an array all the same, and some write errors
without ``data:``.
"""

from plexus.streaming.framing import Frame, readable
from plexus.streaming.json_array import JSONArrayDecoder
from plexus.streaming.sse import SSEDecoder, SSEEncoder

BARE = "bare"
"""The name given to events that came without ``data:``: Google's SDK does not read them."""

_BOM = b"\xef\xbb\xbf"


class GeminiDecoder:
    """Reads either framing.  Frames of an array come with the bytes of an event as ``raw``."""

    def __init__(self) -> None:
        self._lead = b""
        self._inner: SSEDecoder | JSONArrayDecoder | None = None

    def feed(self, data: bytes) -> list[Frame]:
        inner = self._inner
        if inner is None:
            self._lead += data
            start = self._lead.removeprefix(_BOM).lstrip()
            if not start or _BOM.startswith(start):
                return []
            inner = self._inner = JSONArrayDecoder() if start[:1] == b"[" else SSEDecoder()
            data = start if start[:1] == b"[" else self._lead
        return self._read(inner, inner.feed(data))

    def close(self) -> list[Frame]:
        if self._inner is None:
            return []
        return self._read(self._inner, self._inner.close())

    def _read(self, inner: SSEDecoder | JSONArrayDecoder, frames: list[Frame]) -> list[Frame]:
        if isinstance(inner, JSONArrayDecoder):
            return [event(frame.data) for frame in frames if frame.data]
        return [_strict(frame) if frame.data else _bare(frame) for frame in frames]


def event(data: bytes) -> Frame:
    """One event, on one line: raw line ends are only white space in JSON."""
    line = data.replace(b"\r", b"").replace(b"\n", b"")
    return Frame("", line, b"data: %b\n\n" % line)


def _strict(frame: Frame) -> Frame:
    """The event with bytes that Google's SDK reads, whatever a proxy made of them (traps T51)."""
    data, raw = frame.data, frame.raw
    if raw.startswith(b"data: {") and raw[6:-2] == data:
        # The usual one: a line end anywhere in it would be in only one of the two.
        return frame
    if data.strip() == b"[DONE]":
        return Frame("", b"", b"\n")
    line = raw.rstrip(b"\r\n")
    one = line.startswith(b"data: ") and b"\n" not in line and b"\r" not in line
    return frame if one else event(data)


def _bare(frame: Frame) -> Frame:
    """A block that is JSON without the field's name; any other block without data is silence."""
    text = frame.raw.strip()
    if not text.startswith((b"{", b"[")):
        return Frame("", b"", b"\n") if text else frame
    return Frame(BARE, event(readable(text)).data, frame.raw)


def sse_encoder() -> SSEEncoder:
    """Google's SDK raises on comments, names and ``[DONE]``; it skips blank lines (traps T51)."""
    return SSEEncoder(b"\n")
