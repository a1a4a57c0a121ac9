"""Server-sent events (WHATWG HTML §9.2; quirks of vendors in reference/streaming.md §1)."""

import re

from plexus.streaming.framing import EVENT_LIMIT, Frame, FramingError, readable

# A lone CR must never be split out of a CRLF.  Without atomic groups, which Debian 12's Python
# matches wrongly in places.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class SSEDecoder:
    """Splits on CR, LF and CRLF only; dispatches at a blank line and at the end of the stream.

    An event that ends in CR alone is given with the next read, which may begin with its LF.
    Comment-only and data-less blocks come out as frames with empty ``data``, so that a relay keeps
    their bytes.  One space after the colon is stripped; several ``data`` lines are joined by LF.
    Invalid UTF-8 is replaced in ``data`` (WHATWG HTML §9.2.6), never in ``raw``.
    """

    def __init__(self, limit: int = EVENT_LIMIT) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._limit = limit
        self._started = False
        self._broken = False

    def feed(self, data: bytes) -> list[Frame]:
        if self._broken:
            raise self._too_large()
        buffer = self._buffer
        whole = data.endswith(b"\n\n") and not data.endswith(b"\n\n\n") and b"\r" not in data
        if whole and self._started and not buffer and len(data) <= self._limit:
            # The usual read: whole events, LF alone; of a paced stream, one.
            if data.find(b"\n\n") == len(data) - 2:
                return [_parse(data)]
            return [_parse(block + b"\n\n") for block in data[:-2].split(b"\n\n")]
        buffer += data
        if not self._started and not self._skip_bom():
            return []
        frames: list[Frame] = []
        begin = 0
        search = self._scanned
        while (match := _BLANK_LINE.search(buffer, search)) is not None:
            end = match.end()
            # A CR at the very end may become CRLF: wait, so that splits change nothing.
            if end == len(buffer) and match[0].endswith(b"\r"):
                break
            if end - begin > self._limit:
                break
            frames.append(_parse(bytes(buffer[begin:end])))
            begin = search = end
        if begin:
            del buffer[:begin]
        # The next terminator may have begun in the last three bytes (CR LF CR | LF).
        self._scanned = max(0, len(buffer) - 3)
        if len(buffer) > self._limit:
            # What came whole before it counts, however the bytes were cut.
            self._broken = True
            if not frames:
                raise self._too_large()
        return frames

    def close(self) -> list[Frame]:
        if self._broken:
            raise self._too_large()
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return [_parse(rest)] if rest.strip(b"\r\n") else []

    def _too_large(self) -> FramingError:
        self._buffer.clear()
        return FramingError(f"an event of the stream is larger than {self._limit} bytes")

    def _skip_bom(self) -> bool:
        """False while the first bytes may still become a byte-order mark."""
        if len(self._buffer) < 3 and _BOM.startswith(self._buffer):
            return False
        self._started = True
        if self._buffer.startswith(_BOM):
            del self._buffer[:3]
        return True


def _parse(block: bytes) -> Frame:
    # The usual forms of chat and messages streams, without the general loop: a third of its cost.
    if block.endswith(b"\n\n") and b"\r" not in block:
        ends = block.count(b"\n")
        if ends == 2 and block.startswith(b"data: "):
            return Frame("", readable(block[6:-2]), block)
        if ends == 3 and block.startswith(b"event: "):
            name, _, data = block.partition(b"\n")
            if data.startswith(b"data: "):
                return Frame(name[7:].decode("utf-8", "replace"), readable(data[6:-2]), block)
    event = ""
    lines: list[bytes] = []
    for line in _LINE_END.split(block):
        name, colon, value = line.partition(b":")
        if not name or not line:
            continue
        if colon and value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            lines.append(value)
        elif name == b"event":
            event = value.decode("utf-8", "replace")
    return Frame(event, readable(b"\n".join(lines)), block)


class SSEEncoder:
    """Writes ``event:`` when a frame has a name, one ``data:`` line, and a blank line.

    The data of every dialect is JSON (or ``[DONE]``), so line breaks in it are white space.
    """

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, keep_alive: bytes = b": keep-alive\n\n") -> None:
        self._keep_alive = keep_alive

    def encode(self, frame: Frame) -> bytes:
        data = frame.data
        if b"\n" in data or b"\r" in data:
            # White space of a pretty-printed answer; in JSON a break inside a string is escaped.
            data = data.replace(b"\r", b" ").replace(b"\n", b" ")
        if frame.event:
            return b"event: %b\ndata: %b\n\n" % (frame.event.encode(), data)
        return b"data: %b\n\n" % data

    def keep_alive(self) -> bytes:
        return self._keep_alive

    def end(self) -> bytes:
        return b""

    def resume(self) -> None:
        """Every event stands for itself."""
