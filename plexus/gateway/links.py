"""A link: everything about reaching one provider in one dialect, made once at start."""

from collections.abc import Callable, Iterable, Mapping
from ssl import SSLContext

from msgspec import Struct

from plexus import __version__
from plexus.accounts.secret import Secret
from plexus.gateway.upstream.base import Credential, Upstream, UpstreamRequest
from plexus.gateway.upstream.credential import NoCredential, StaticCredential
from plexus.gateway.upstream.echo import EchoUpstream
from plexus.gateway.upstream.httpx import HttpxUpstream
from plexus.routing.target import Provider, SecretRef, Timeouts
from plexus.transformers.base import Dialect, Headers, WireRequest

Secrets = Mapping[SecretRef, Secret]

_HEAD: Headers = (
    ("content-type", "application/json"),
    ("accept", "*/*"),
    # An answer that must be unpacked can be a bomb (reliability.md C23).
    ("accept-encoding", "identity"),
    ("user-agent", f"plexus/{__version__}"),
)


class Link(Struct, frozen=True, kw_only=True):
    """``base`` is the provider's URL for ``dialect``, without a trailing slash.

    ``head`` goes with every request, ``bare`` (without a content type) with those that are not
    JSON; ``fixed`` names the headers the config sets, which win over
    the dialect's own.
    """

    provider: str
    dialect: str
    base: str
    head: Headers
    bare: Headers
    fixed: frozenset[str]
    upstream: Upstream
    credential: Credential

    async def request(self, wire: WireRequest, timeouts: Timeouts) -> UpstreamRequest:
        """The finished request for one attempt, credential included."""
        own = wire.headers
        if wire.content_type is not None:
            own = (*own, ("content-type", wire.content_type))
        if self.fixed:
            own = tuple(pair for pair in own if pair[0] not in self.fixed)
        plain = UpstreamRequest(
            method="POST",
            url=self.base + wire.path,
            static_head=self.head if wire.content_type is None else self.bare,
            extra_headers=own,
            body=wire.body,
            dialect=self.dialect,
            model=wire.target.model,
            timeouts=timeouts,
            stream=wire.stream,
        )
        return await self.credential.apply(plain)

    def __repr__(self) -> str:
        return f"Link({self.provider!r}, {self.dialect!r})"


Links = dict[tuple[str, str], Link]
"""By provider and upstream dialect."""


def secret_refs(providers: Iterable[Provider]) -> set[SecretRef]:
    """Every secret that any provider needs."""
    found: set[SecretRef] = set()
    for provider in providers:
        values = (provider.api_key, provider.proxy, *provider.headers.values())
        found |= {value for value in values if isinstance(value, SecretRef)}
    return found


def make_links(
    providers: Iterable[Provider],
    dialects: Mapping[str, Dialect],
    secrets: Secrets,
    contexts: Mapping[str, SSLContext],
    clock: Callable[[], float],
) -> Links:
    """One client per provider, shared by its dialects; ``contexts`` by name of the provider."""
    links: Links = {}
    for provider in providers:
        if provider.echo:
            echo = EchoUpstream(dialects, clock)
            for name in dialects:
                links[provider.name, name] = _link(provider, dialects[name], "", echo, secrets)
            continue
        upstream = HttpxUpstream(contexts.get(provider.name), _text(provider.proxy, secrets))
        for name, url in provider.urls.items():
            if name in dialects:
                links[provider.name, name] = _link(provider, dialects[name], url, upstream, secrets)
    return links


def _link(
    provider: Provider, dialect: Dialect, base: str, upstream: Upstream, secrets: Secrets
) -> Link:
    credential: Credential = NoCredential()
    own = {name.lower(): _text(value, secrets) or "" for name, value in provider.headers.items()}
    if provider.api_key is not None:
        made = StaticCredential(dialect, secrets[provider.api_key])
        # A header of the config wins over the dialect's own; two of a name would be read as one.
        credential = NoCredential() if made.names & own.keys() else made
    head = tuple({**dict(_HEAD), **own}.items())
    return Link(
        provider=provider.name,
        dialect=dialect.NAME,
        base=base.rstrip("/"),
        head=head,
        bare=tuple(pair for pair in head if pair[0] != "content-type"),
        fixed=frozenset(own),
        upstream=upstream,
        credential=credential,
    )


def _text(value: str | SecretRef | None, secrets: Secrets) -> str | None:
    return secrets[value].reveal() if isinstance(value, SecretRef) else value
