"""The client's end of a stream: late headers, signs of life, in-band errors (decision 10)."""

import asyncio

from plexus.gateway.channel import Channel
from plexus.gateway.headers import STREAM
from plexus.gateway.reply import RawHeaders
from plexus.transformers.base import ClientCall, Dialect, client_encoder
from plexus.unified.errors import UnifiedError


class Downstream:
    """Writes one stream to a Channel; lives as long as the exchange, over all its attempts.

    ``writing`` tells that the client is what the exchange waits for.
    """

    def __init__(self, channel: Channel, dialect: Dialect, call: ClientCall) -> None:
        encoder = client_encoder(dialect, call)
        self.writing = False
        self.content_type = encoder.content_type
        self._channel = channel
        self._dialect = dialect
        self._encoder = encoder
        self._beating: asyncio.Task[None] | None = None
        channel.on_error = self.error
        channel.watch.beats(self._beat)

    async def begin(self, headers: RawHeaders) -> None:
        """Send 200 and the headers, unless a sign of life has done so."""
        if self._beating is not None:
            await self._beating
        if not self._channel.started:
            await self._start(headers)

    async def write(self, data: bytes) -> None:
        """Whole frames only: signs of life go between them."""
        self.writing = True
        if self._beating is not None:
            await self._beating
        await self._channel.write(data)
        self._encoder.resume()
        self._channel.watch.wrote()
        self.writing = False

    async def end(self) -> None:
        if self._beating is not None:
            await self._beating
        await self._channel.end()

    async def error(self, error: UnifiedError) -> None:
        """The dialect's in-band error, and the end (reliability.md §2.2)."""
        frame = self._dialect.format_stream_error(error, self._channel.record.id)
        await self.write(self._encoder.encode(frame) + self._encoder.end())
        await self.end()

    async def _start(self, headers: RawHeaders) -> None:
        kind = (b"content-type", self.content_type.encode("ascii"))
        await self._channel.start(200, [kind, *STREAM, *headers])

    def _beat(self) -> None:
        """Called by the watch after a while of silence; a client that does not read gets none."""
        if self._beating is None and not self.writing and not self._channel.ended:
            self._beating = asyncio.get_running_loop().create_task(self._sign_of_life())

    async def _sign_of_life(self) -> None:
        try:
            if not self._channel.started:
                await self._start([])
            if data := self._encoder.keep_alive():
                await self._channel.write(data)
        finally:
            self._beating = None
