"""The only loop over a stream's bytes: hold until content, then pass on (reliability.md §3.1)."""

import asyncio
from collections.abc import AsyncIterator, Callable

from plexus.gateway.attempt import AttemptFailed, bad_answer, upstream_error
from plexus.gateway.channel import ClientGone
from plexus.gateway.downstream import Downstream
from plexus.gateway.limits import Limits
from plexus.gateway.reply import RawHeaders
from plexus.gateway.upstream.base import UpstreamFailed
from plexus.gateway.watch import Expired, Watch
from plexus.routing.target import Target, Timeouts
from plexus.transformers.translation import StreamTranslation


class Relay:
    """One attempt's stream on its way to the client.

    Until ``stream.committed`` everything is held and a failure raises AttemptFailed or
    UpstreamFailed; after it a failure is said in-band and there is no second call.  ``headers``
    makes the answer's headers at the moment they are needed; ``words`` makes an error fit for the
    client.
    """

    def __init__(
        self,
        body: AsyncIterator[bytes],
        stream: StreamTranslation,
        target: Target,
        down: Downstream,
        watch: Watch,
        limits: Limits,
        headers: Callable[[], RawHeaders],
    ) -> None:
        self._body = body
        self._stream = stream
        self._target = target
        self._down = down
        self._watch = watch
        self._limits = limits
        self._headers = headers
        self._now = asyncio.get_running_loop().time
        self._held: list[bytes] = []
        self._size = 0
        self._open = False

    async def run(self, first: bytes, timeouts: Timeouts, until: float) -> None:
        """``first`` are the bytes read already; ``until`` is when content must have come."""
        self._idle = timeouts.idle
        watch = self._watch
        failed: UpstreamFailed | None = None
        watch.deadline = until
        try:
            with watch:
                await self._read(first)
        except UpstreamFailed as problem:
            failed = problem
        except Expired:
            if self._down.writing:
                raise ClientGone from None
            what = "data" if self._open else "content"
            failed = UpstreamFailed("read", f"no {what} in time", timeout=True)
        watch.deadline = self._now() + self._limits.stalled
        try:
            with watch:
                await self._conclude(failed)
        except Expired:
            raise ClientGone from None

    async def _read(self, data: bytes) -> None:
        stream = self._stream
        await self._take(stream.feed(data))
        if stream.failure is None and not stream.enough:
            async for data in self._body:
                await self._take(stream.feed(data))
                if stream.failure is not None or stream.enough:
                    break

    async def _take(self, out: bytes) -> None:
        """Bytes for the client: held, or written when there is content."""
        stream, watch = self._stream, self._watch
        if not self._open:
            if not stream.committed:
                self._hold(out)
                return
            self._open = True
            await self._down.begin(self._headers())
            out = b"".join(self._held) + out
            self._held.clear()
        if out:
            watch.deadline = self._now() + self._limits.stalled
            await self._down.write(out)
        wait = min(self._idle, self._limits.tail) if stream.finished else self._idle
        watch.deadline = self._now() + wait

    def _hold(self, out: bytes) -> None:
        if self._stream.failure is not None:
            raise AttemptFailed(self._target, self._stream.failure, failure=self._stream.verbatim)
        self._held.append(out)
        self._size += len(out)
        if self._size > self._limits.held:
            message = f"it sent more than {self._limits.held} bytes without content"
            raise bad_answer(self._target, message)

    async def _conclude(self, failed: UpstreamFailed | None) -> None:
        """The upstream is at its end, or gone: what is still to say, or what went wrong.

        A message that was whole before its connection broke is a success; some are with the reason
        why they finished, before the end of their stream.
        """
        stream = self._stream
        if failed is not None and not (self._open or stream.finished):
            # The dispatcher decides whether the request may be sent again.
            raise failed
        if stream.failure is None:
            out = stream.close(cut=failed is not None)
            if failed is not None and stream.failure is not None:
                out = stream.fail(upstream_error(self._target, failed))
            await self._take(out)
        if not self._open:
            # Neither content nor a finish nor an error: no dialect calls that an answer.
            raise bad_answer(self._target, "it sent an empty stream")
        await self._down.end()
