"""What an exchange writes to (design decision 9): never Falcon's objects, never a socket."""

from typing import Protocol, TypeAlias

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
"""Header pairs as ASGI wants them: names in lower case."""


class Reply(Protocol):
    """The answer to one client request.

    Either ``send`` once, or ``start``, any number of ``write``, ``end``.  ``started`` tells that
    the status is out: from then on errors go in-band.
    """

    started: bool

    async def send(self, status: int, headers: RawHeaders, body: bytes) -> None: ...

    async def start(self, status: int, headers: RawHeaders) -> None: ...

    async def write(self, data: bytes) -> None: ...

    async def end(self) -> None: ...
