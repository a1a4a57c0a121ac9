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
        return [kept for frame in frames if (kept := _kept(frame)) is not None]


def event(data: bytes) -> Frame:
    """One event, on one line: raw line ends are only white space in JSON."""
    line = data.replace(b"\r", b"").replace(b"\n", b"")
    return Frame("", line, b"data: %b\n\n" % line)


def _kept(frame: Frame) -> Frame | None:
    """The frame as Google's SDK can read it: it raises on comments and names (traps T51)."""
    if not frame.data:
        return _bare(frame)
    # JSON holds no raw line end, so what follows one is another line of the event.
    if frame.event or b"\n:" in frame.raw or not frame.raw.startswith(b"data:"):
        return event(frame.data)
    return frame


def _bare(frame: Frame) -> Frame | None:
    """A block that is JSON without the field's name; comments alone are left out."""
    text = frame.raw.strip()
    if text.startswith((b"{", b"[")):
        return Frame(BARE, event(readable(text)).data, frame.raw)
    return None if text.startswith(b":") else frame


def sse_encoder() -> SSEEncoder:
    """Google's SDK raises on comments, names and ``[DONE]``; it skips blank lines (traps T51)."""
    return SSEEncoder(b"\n")
