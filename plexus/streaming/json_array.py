"""A stream as one JSON array of objects: Google's, without ``alt=sse`` (gemini.md §1)."""

import re

from plexus.streaming.framing import EVENT_LIMIT, Frame, FramingError, readable

_STRUCTURE = re.compile(rb'[\[\]{}"]')
_IN_STRING = re.compile(rb'["\\]')
_BETWEEN = re.compile(rb"[\s,\[]*")


class JSONArrayDecoder:
    """Cuts an array into its elements; a frame's ``raw`` has what stood before its element too.

    The closing bracket is a frame without data.  What follows it is ignored.
    """

    def __init__(self, limit: int = EVENT_LIMIT) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._at = 0
        self._item = -1
        self._depth = 0
        self._in_string = False
        self._done = False
        self._broken = ""

    def feed(self, data: bytes) -> list[Frame]:
        if self._broken:
            raise FramingError(self._broken)
        if self._done:
            return []
        self._buffer += data
        frames: list[Frame] = []
        try:
            self._scan(frames)
        except FramingError as problem:
            # What came whole before it counts, however the bytes were cut.
            self._broken = str(problem)
            self._buffer.clear()
            if not frames:
                raise
        return frames

    def _scan(self, frames: list[Frame]) -> None:
        buffer = self._buffer
        begin = 0
        while not self._done:
            if self._in_string:
                if not self._skip_string():
                    break
                continue
            match = _STRUCTURE.search(buffer, self._at)
            if match is None:
                self._at = len(buffer)
                break
            self._at = match.end()
            if match[0] == b'"':
                self._in_string = True
                continue
            if match[0] in b"[{":
                self._open(match[0], match.start(), begin)
                continue
            self._depth -= 1
            if self._depth <= 1 and self._at - begin > self._limit:
                break
            if self._depth == 1 and self._item >= 0:
                element = bytes(buffer[self._item : self._at])
                frames.append(Frame("", readable(element), bytes(buffer[begin : self._at])))
                begin, self._item = self._at, -1
            elif self._depth <= 0:
                self._done = True
                frames.append(Frame("", b"", bytes(buffer[begin : self._at])))
                begin = self._at
        if self._done:
            buffer.clear()
        elif begin:
            del buffer[:begin]
            self._at -= begin
            self._item -= begin if self._item >= 0 else 0
        if len(buffer) > self._limit:
            raise FramingError(f"an element of the stream is larger than {self._limit} bytes")

    def close(self) -> list[Frame]:
        """An element that was cut is no element.  Raises FramingError."""
        if self._broken:
            raise FramingError(self._broken)
        self._buffer.clear()
        self._done = True
        return []

    def _open(self, bracket: bytes, at: int, begin: int) -> None:
        if self._depth == 0 and bracket != b"[":
            raise FramingError("the stream is no JSON array")
        if self._depth == 1 and self._item < 0:
            if _BETWEEN.fullmatch(self._buffer, begin, at) is None:
                raise FramingError("the stream is no JSON array of objects")
            self._item = at
        self._depth += 1

    def _skip_string(self) -> bool:
        """To the end of the string; False when it has not come yet."""
        match = _IN_STRING.search(self._buffer, self._at)
        if match is None:
            self._at = len(self._buffer)
            return False
        if match[0] == b'"':
            self._in_string = False
            self._at = match.end()
            return True
        if match.end() == len(self._buffer):
            # The escaped character is still to come.
            self._at = match.start()
            return False
        self._at = match.end() + 1
        return True


class JSONArrayEncoder:
    """Writes ``[`` before the first element, ``,`` before the others, ``]`` at the end."""

    content_type = "application/json; charset=UTF-8"

    def __init__(self) -> None:
        self._begun = False

    def encode(self, frame: Frame) -> bytes:
        lead = b",\r\n" if self._begun else b"["
        self._begun = True
        return lead + frame.data

    def keep_alive(self) -> bytes:
        """White space, which may stand anywhere between elements."""
        return b"\n"

    def end(self) -> bytes:
        return b"]" if self._begun else b"[]"

    def resume(self) -> None:
        self._begun = True
