"""The upstream seam (design decision 3): one request out, status and headers and a body back."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from msgspec import Struct

from plexus.routing.target import Timeouts
from plexus.transformers.base import Headers


class UpstreamRequest(Struct, frozen=True, kw_only=True):
    """One request to a provider.

    ``url`` is the whole URL; ``static_head`` are the provider's fixed headers (made once at start),
    ``extra_headers`` those of this request.  A client's header is in neither unless the dialect
    forwards it.
    """

    method: str
    url: str
    static_head: Headers
    extra_headers: Headers
    body: bytes
    dialect: str
    model: str
    timeouts: Timeouts
    stream: bool = False

    def __repr__(self) -> str:
        # Headers carry credentials, the body a prompt, and a URL may carry either.
        return f"UpstreamRequest({self.method!r}, dialect={self.dialect!r}, model={self.model!r})"


class UpstreamFailed(Exception):
    """No answer, or an answer cut short: connect, TLS, read, protocol.

    ``stage``: ``connect`` (no byte was sent), ``send`` (no byte came back) or ``read``;
    ``timeout`` tells a passed deadline.  The text never holds a URL or a credential.
    """

    def __init__(self, stage: str, message: str, timeout: bool = False) -> None:
        super().__init__(message)
        self.stage = stage
        self.message = message
        self.timeout = timeout


class UpstreamAnswer(Protocol):
    """An open answer; ``headers`` have lower-case names.  It must be closed."""

    status: int
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Body bytes as they come.  Raises UpstreamFailed."""
        ...

    async def aclose(self) -> None:
        """Give the connection back, or close its socket when the body was not read to its end."""
        ...


class Credential(Protocol):
    """Puts a provider's credential on a finished request (musistudio's ``auth``)."""

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest: ...


class Upstream(Protocol):
    """A client for one provider.  Cancelling ``open`` or the iteration closes the socket."""

    async def open(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Send, and wait for status and headers.  Raises UpstreamFailed."""
        ...

    async def close(self) -> None: ...
