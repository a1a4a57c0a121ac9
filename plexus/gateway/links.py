"""A link: everything about reaching one provider in one dialect, made once at start."""

from collections.abc import Callable, Iterable, Mapping
from ssl import SSLContext

import msgspec
from msgspec import Struct

from plexus import __version__
from plexus.accounts.secret import Secret
from plexus.gateway.tls import trust
from plexus.gateway.upstream.base import Credential, Upstream, UpstreamRequest
from plexus.gateway.upstream.credential import CredentialError, NoCredential, StaticCredential
from plexus.gateway.upstream.echo import EchoUpstream
from plexus.gateway.upstream.httpx import HttpxUpstream
from plexus.routing.target import AwsSignature, GoogleToken, Provider, SecretRef, Timeouts
from plexus.transformers.base import Dialect, Headers, ProviderDialect, WireRequest

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
        if provider.credential is not None:
            own = msgspec.structs.asdict(provider.credential).values()
            found |= {value for value in own if isinstance(value, SecretRef)}
    return found


def document_refs(providers: Iterable[Provider]) -> set[SecretRef]:
    """The secrets among them that are whole files."""
    tokens = [p.credential for p in providers if isinstance(p.credential, GoogleToken)]
    return {token.key for token in tokens if token.key is not None}


def make_links(
    providers: Iterable[Provider],
    dialects: Mapping[str, ProviderDialect],
    secrets: Secrets,
    contexts: Mapping[str, SSLContext],
    clock: Callable[[], float],
    clients: Mapping[str, Dialect],
) -> Links:
    """One client per provider, shared by its dialects; ``contexts`` by name of the provider;
    ``clients`` are the dialects that the echo speaks.

    Raises CredentialError.
    """
    links: Links = {}
    for provider in providers:
        if provider.echo:
            echo = EchoUpstream(clients, clock)
            for name in clients:
                head = _head(provider, secrets)
                links[provider.name, name] = _link(provider, name, "", echo, NoCredential(), head)
            continue
        upstream = HttpxUpstream(contexts.get(provider.name), _text(provider.proxy, secrets))
        head = _head(provider, secrets)
        shared_credential = _credential(provider, secrets, clock)
        for name, url in provider.urls.items():
            if name not in dialects:
                continue
            credential = shared_credential or _static(provider, dialects[name], secrets, head)
            links[provider.name, name] = _link(provider, name, url, upstream, credential, head)
    return links


def _credential(
    provider: Provider,
    secrets: Secrets,
    clock: Callable[[], float],
) -> Credential | None:
    """What needs a library, which is imported here; None for a plain key."""
    wanted = provider.credential
    try:
        match wanted:
            case AwsSignature():
                from plexus.gateway.upstream.aws import SignedCredential

                return SignedCredential(wanted, secrets)
            case GoogleToken():
                from plexus.gateway.upstream.google import TokenCredential

                key = None if wanted.key is None else secrets[wanted.key]
                # A provider's own ``ca_file`` says nothing about Google's token service.
                return TokenCredential(key, trust(), clock)
            case _:
                return None
    except ModuleNotFoundError:
        library, extra = _EXTRAS[type(wanted)]
        raise CredentialError(
            f"provider {provider.name!r} needs {library}, which is not installed here:\n"
            f"  pip install 'plexus-gateway[{extra}]'"
        ) from None
    except CredentialError as problem:
        raise CredentialError(f"the credential of provider {provider.name!r} {problem}") from None


_EXTRAS: dict[object, tuple[str, str]] = {
    AwsSignature: ("botocore", "bedrock"),
    GoogleToken: ("google-auth", "vertex"),
}


def _static(
    provider: Provider, dialect: ProviderDialect, secrets: Secrets, own: Mapping[str, str]
) -> Credential:
    if provider.api_key is None:
        return NoCredential()
    key = secrets[provider.api_key].reveal()
    made = StaticCredential(provider.platform.authorize(dialect, key))
    # A header of the config wins over the dialect's own; two of a name would be read as one.
    return NoCredential() if made.names & own.keys() else made


def _head(provider: Provider, secrets: Secrets) -> dict[str, str]:
    """The headers the config sets, names in lower case."""
    return {name.lower(): _text(value, secrets) or "" for name, value in provider.headers.items()}


def _link(
    provider: Provider,
    dialect: str,
    base: str,
    upstream: Upstream,
    credential: Credential,
    own: Mapping[str, str],
) -> Link:
    head = tuple({**dict(_HEAD), **own}.items())
    return Link(
        provider=provider.name,
        dialect=dialect,
        base=base.rstrip("/"),
        head=head,
        bare=tuple(pair for pair in head if pair[0] != "content-type"),
        fixed=frozenset(own),
        upstream=upstream,
        credential=credential,
    )


def _text(value: str | SecretRef | None, secrets: Secrets) -> str | None:
    return secrets[value].reveal() if isinstance(value, SecretRef) else value
