"""What the log says of an error that is our own."""

from traceback import extract_tb
from types import TracebackType

from plexus.gateway.record import Record
from plexus.observe.logs import Log

_FRAMES = 12


def note_bug(log: Log, record: Record, problem: BaseException) -> None:
    """Type and place.  The message may quote a prompt or a secret: it is left out."""
    trace = [f"{f.filename}:{f.lineno} {f.name}" for f in extract_tb(problem.__traceback__)]
    log.error("internal error", id=record.id, type=type(problem).__name__, trace=trace[-_FRAMES:])


class BugsEndHere:
    """The outermost block of what no error handler stands around: a bug in it is noted.

    The server behind it would say nothing of it.
    """

    def __init__(self, log: Log, record: Record) -> None:
        self._log = log
        self._record = record

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(problem, Exception):
            return False
        self._record.outcome = "server"
        note_bug(self._log, self._record, problem)
        return True
