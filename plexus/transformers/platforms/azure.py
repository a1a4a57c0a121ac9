"""Azure OpenAI and Foundry (reference/vendors.md §10, bedrock-vertex.md §1)."""

from typing import ClassVar
from urllib.parse import quote

from msgspec.structs import replace

from plexus.transformers.base import Headers, Platform, ProviderDialect, WireRequest


class Azure(Platform, frozen=True):
    """A model's name is that of its deployment.

    ``api_version`` goes into the query; ``deployments`` is the older form of address, which has
    the deployment in its path and cannot do without a version.
    """

    NAME: ClassVar[str] = "azure"
    DIALECTS: ClassVar[frozenset[str]] = frozenset(
        {"anthropic-messages", "openai-chat", "openai-responses"}
    )

    api_version: str | None = None
    deployments: bool = False

    def request(self, wire: WireRequest, dialect: str) -> WireRequest:
        path = wire.path
        if self.deployments:
            path = f"/deployments/{quote(wire.target.model, safe='')}{path}"
        if self.api_version is not None:
            path = f"{path}?api-version={quote(self.api_version, safe='')}"
        return wire if path == wire.path else replace(wire, path=path)

    def authorize(self, dialect: ProviderDialect, secret: str) -> Headers:
        return (("api-key", secret),)
