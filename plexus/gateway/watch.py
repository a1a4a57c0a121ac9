"""One timer for a whole request: deadlines that move, and a beat while nothing is written."""

import asyncio
from collections.abc import Callable
from math import inf
from types import TracebackType


class Expired(Exception):
    """A deadline of a Watch passed; the awaited call was cancelled."""


class Watch:
    """Cancels ``task`` when ``deadline`` passes inside ``with watch:``, raising Expired there.

    ``deadline`` (loop time) may be moved at will: moving it later costs an assignment, and a timer
    is armed anew only when it comes due.  ``beats`` asks for a call after every ``every`` seconds
    in which nothing was written.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, task: "asyncio.Task[object]", every: float = inf
    ) -> None:
        self.beat: Callable[[], None] | None = None
        self.quiet = inf
        self._loop = loop
        self._task = task
        self._every = every
        self._deadline = inf
        self._handle: asyncio.TimerHandle | None = None
        self._armed = inf
        self._inside = False
        self._expired = False

    @property
    def deadline(self) -> float:
        return self._deadline

    @deadline.setter
    def deadline(self, when: float) -> None:
        self._deadline = when
        if when < self._armed:
            self._arm()

    def __enter__(self) -> "Watch":
        self._inside = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside = False
        self._deadline = inf
        if not self._expired:
            return
        self._expired = False
        # Another reason to cancel (the client left) counts more than ours.
        if self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise Expired from None

    def beats(self, beat: Callable[[], None]) -> None:
        """Call ``beat`` when nothing was written for ``every`` seconds, and again each time."""
        self.beat = beat
        self.wrote()
        self._arm()

    def wrote(self) -> None:
        """Something went out: the next beat is due ``every`` seconds from now."""
        self.quiet = self._loop.time() + self._every

    def stop(self) -> None:
        """No timer is left behind."""
        self._deadline = self.quiet = self._armed = inf
        self.beat = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        when = min(self._deadline, self.quiet)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._armed = when
        if when < inf:
            self._handle = self._loop.call_at(when, self._due)

    def _due(self) -> None:
        self._handle = None
        now = self._loop.time()
        if now >= self._deadline:
            self._deadline = inf
            if self._inside:
                self._expired = True
                self._task.cancel()
        if now >= self.quiet and self.beat is not None:
            self.quiet = now + self._every
            self.beat()
        self._arm()
