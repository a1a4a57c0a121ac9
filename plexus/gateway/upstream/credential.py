"""Credentials of providers (design decision 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec.structs import replace

from plexus.gateway.upstream.base import UpstreamFailed, UpstreamRequest
from plexus.transformers.base import Headers

if TYPE_CHECKING:
    from asyncio import Task

T = TypeVar("T")

RENEWAL_TIMEOUT_S = 20.0
"""How long a request waits for a new token or key."""


class CredentialError(Exception):
    """Why a credential cannot be used at all: for whoever starts the server, without any secret."""


class StaticCredential:
    """A key that goes into the provider's headers as it is."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self.names = frozenset(name for name, _ in headers)

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        return replace(request, extra_headers=request.extra_headers + self._headers)


class NoCredential:
    """For providers that ask for none."""

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        return request


class Renewal(Generic[T]):
    """One call of a blocking ``renew`` at a time, off the event loop, for everybody who waits.

    ``renew`` raises UpstreamFailed, and has time limits of its own.
    """

    def __init__(self, renew: Callable[[], T], timeout: float = RENEWAL_TIMEOUT_S) -> None:
        self._renew = renew
        self._timeout = timeout
        self._task: Task[T] | None = None

    def start(self) -> Task[T]:
        """The renewal that runs, or a new one."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(asyncio.to_thread(self._renew))
            self._task.add_done_callback(_seen)
        return self._task

    async def wait(self) -> T:
        """Raises UpstreamFailed.  A client that goes away does not end it for the others."""
        try:
            return await asyncio.wait_for(asyncio.shield(self.start()), self._timeout)
        except UpstreamFailed as failed:
            # One of its own for each who waits: a shared one would keep all of their frames.
            raise UpstreamFailed(failed.stage, failed.message, failed.timeout) from None
        except TimeoutError:
            raise UpstreamFailed("connect", "no credential came in time", timeout=True) from None


def _seen(task: Task[T]) -> None:
    """A failure that nobody waited for is no news."""
    if not task.cancelled():
        task.exception()
