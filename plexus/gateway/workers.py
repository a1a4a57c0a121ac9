"""Several workers on one socket: fork, watch over, replace (reliability.md E4)."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import FrameType

_FAST_DEATH_S = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def supervise(count: int, work: Callable[[], int], stop: Callable[[], None]) -> int:
    """Run ``work`` in ``count`` child processes until a signal; the exit code.

    A child that dies is replaced, unless it died within a second of its start: then something is
    wrong that a new one would not mend.  Signals go to all children; with the first one ``stop`` is
    called here, which no child sees.
    """
    children: dict[int, float] = {}
    stopping: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        stopping.append(number)
        stop()
        tell(children, number)

    for number in _SIGNALS:
        signal.signal(number, forward)
    for _ in range(count):
        _start(children, work, stopping)
    code = 0
    while children:
        pid, status = os.wait()
        born = children.pop(pid, 0.0)
        if stopping:
            code = code or os.waitstatus_to_exitcode(status)
        elif time.monotonic() - born < _FAST_DEATH_S:
            say("a worker died at once; giving up")
            code = 1
            forward(signal.SIGTERM, None)
        else:
            say(f"worker {pid} died; starting another")
            _start(children, work, stopping)
    return code


def tell(children: Iterable[int], number: int) -> None:
    """Send a signal to every child that is still there."""
    for child in children:
        # One that has just ended may still stand in the table: a handler runs at any moment.
        with suppress(ProcessLookupError):
            os.kill(child, number)


def _start(children: dict[int, float], work: Callable[[], int], stopping: Sequence[int]) -> None:
    # A signal between the fork and its entry in the table would miss the child.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    if not stopping:
        pid = os.fork()
        if pid == 0:
            _child(work)
        children[pid] = time.monotonic()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _child(work: Callable[[], int]) -> None:
    code = 1
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        code = work()
    finally:
        sys.stderr.flush()
        os._exit(code)
