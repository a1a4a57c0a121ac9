"""Credentials of providers (design decision 3)."""

from msgspec.structs import replace

from plexus.accounts.secret import Secret
from plexus.gateway.upstream.base import UpstreamRequest
from plexus.transformers.base import Dialect, Headers


class StaticCredential:
    """A key that goes into the dialect's headers as it is."""

    def __init__(self, dialect: Dialect, secret: Secret) -> None:
        self._headers: Headers = dialect.authorize(secret.reveal())
        self.names = frozenset(name for name, _ in self._headers)

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        return replace(request, extra_headers=request.extra_headers + self._headers)


class NoCredential:
    """For providers that ask for none."""

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        return request
