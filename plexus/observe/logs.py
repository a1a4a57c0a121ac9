"""The one logger: levelled, structured, queued; never in the way of a request.

A line is text on a terminal and JSON elsewhere.  Values of types that are not plain data are shown
by their ``repr`` alone, which is how secrets stay hidden; control characters are escaped and long
values cut (reliability.md §2.3 G9, G10).
"""

import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TextIO

LEVELS = ("error", "warn", "info", "debug", "silly")
_VALUE_LIMIT = 500
_QUEUE_LIMIT = 10_000
_PAUSE_S = 0.05

Fields = Mapping[str, object]


class Log(Protocol):
    """What the rest of Plexus asks of a logger."""

    def error(self, event: str, **fields: object) -> None: ...
    def warn(self, event: str, **fields: object) -> None: ...
    def info(self, event: str, **fields: object) -> None: ...
    def debug(self, event: str, **fields: object) -> None: ...
    def silly(self, event: str, **fields: object) -> None: ...


class Logger:
    """Puts lines on a bounded queue that a thread writes out; what does not fit is counted.

    ``clock`` gives Unix seconds; ``style`` is ``text`` or ``json``, None decides by ``stream``.
    """

    def __init__(
        self,
        level: str,
        clock: Callable[[], float],
        stream: TextIO | None = None,
        style: str | None = None,
        limit: int = _QUEUE_LIMIT,
    ) -> None:
        self.dropped = 0
        self._level = LEVELS.index(level)
        self._clock = clock
        self._stream = sys.stderr if stream is None else stream
        plain = style == "text" or (style is None and self._stream.isatty())
        self._format = format_text if plain else format_json
        self._limit = limit
        self._queue: deque[tuple[float, str, str, Fields]] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._reported = 0
        self._thread: threading.Thread | None = None

    def error(self, event: str, **fields: object) -> None:
        self._put(0, event, fields)

    def warn(self, event: str, **fields: object) -> None:
        self._put(1, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._put(2, event, fields)

    def debug(self, event: str, **fields: object) -> None:
        self._put(3, event, fields)

    def silly(self, event: str, **fields: object) -> None:
        self._put(4, event, fields)

    def start(self) -> None:
        """Begin to write; not before a fork."""
        self._thread = threading.Thread(target=self._run, name="plexus-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is queued, and stop."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._flush()

    def _put(self, level: int, event: str, fields: Fields) -> None:
        if level > self._level:
            return
        if len(self._queue) >= self._limit:
            self.dropped += 1
            return
        self._queue.append((self._clock(), LEVELS[level], event, fields))
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            # One wake-up for many lines: a line a request would cost more than the request.
            self._closing.wait(_PAUSE_S)
            self._wake.clear()
            self._flush()

    def _flush(self) -> None:
        lines: list[str] = []
        while self._queue:
            lines.append(self._format(*self._queue.popleft()))
        # The total only grows, in the producer's thread, so nothing needs a lock.
        dropped = self.dropped - self._reported
        if dropped:
            self._reported += dropped
            lines.append(self._format(self._clock(), "warn", "log lines dropped", {"n": dropped}))
        if not lines:
            return
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError):
            # The reader of the log is gone; requests are still served, so this cannot be fatal.
            self._queue.clear()


def plain(value: object) -> object:
    """A value that may be written: plain data cut to size, anything else by its ``repr``."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return value if len(value) <= _VALUE_LIMIT else value[:_VALUE_LIMIT] + "..."
        case list() | tuple():
            return [plain(item) for item in value[:50]]
        case dict():
            return {str(name): plain(item) for name, item in list(value.items())[:50]}
        case _:
            return repr(value)[:_VALUE_LIMIT]


def format_json(time: float, level: str, event: str, fields: Fields) -> str:
    """One JSON object a line, ASCII only."""
    line = {"time": _time(time), "level": level, "event": event, **_plain_fields(fields)}
    return json.dumps(line, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n"


def format_text(time: float, level: str, event: str, fields: Fields) -> str:
    """``12:00:01.234 info  request id=... status=200``."""
    shown = " ".join(f"{name}={_word(value)}" for name, value in _plain_fields(fields).items())
    return _printable(f"{_time(time)[11:23]} {level:5} {event} {shown}".rstrip()) + "\n"


def _plain_fields(fields: Fields) -> dict[str, object]:
    return {name: plain(value) for name, value in fields.items()}


def _word(value: object) -> str:
    if isinstance(value, str) and value and " " not in value and '"' not in value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _printable(text: str) -> str:
    """Without control, format and bidi characters: one line stays one line."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
