"""Everything a request needs, built once (aesthetics.md §3.6): no globals, no singletons."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol

from plexus.accounts.keys import Key, KeyRing, digest_of
from plexus.accounts.secret import Secret
from plexus.gateway.errors import DIALECTS, PROVIDER_DIALECTS
from plexus.gateway.limits import Limits
from plexus.gateway.links import Link, Links, document_refs, make_links, secret_refs
from plexus.gateway.overlay import Overlay
from plexus.gateway.secrets import MissingSecrets, read_secrets, refuse_twins
from plexus.gateway.settings import ClientKey, Settings
from plexus.gateway.table import Entry, RouteTable
from plexus.gateway.tls import contexts
from plexus.gateway.vault import MemoryVault, Vault
from plexus.observe.logs import Log
from plexus.routing.router import Router
from plexus.routing.target import Provider, SecretRef
from plexus.transformers.base import Dialect
from plexus.transformers.recall import Kept

_WRITES = 1024
"""Turns under way to the vault at most: more are forgotten, for no request waits for them."""

if TYPE_CHECKING:
    from plexus.gateway.channel import Channel, Task
    from plexus.gateway.resource import ModelResource


class Generation(Protocol):
    """A loaded generated package."""

    digest: str
    base: Path
    table: RouteTable
    settings: Settings
    keys: tuple[ClientKey, ...]
    providers: tuple[Provider, ...]

    def resource(self, entry: Entry) -> "type[ModelResource]": ...


class Services:
    """Built in ``build``; one per worker.

    ``clock`` gives Unix seconds; ``random`` draws targets and request ids.
    """

    def __init__(
        self,
        generation: Generation,
        *,
        keys: KeyRing,
        links: Links,
        dialects: Mapping[str, Dialect],
        log: Log,
        clock: Callable[[], float],
        random: Random,
        limits: Limits,
        vault: Vault,
    ) -> None:
        self.generation = generation
        self.settings = generation.settings
        self.router: Router[Entry] = Router(generation.table.models, generation.table.wildcard)
        self.keys = keys
        self.links = links
        self.dialects = dialects
        self.log = log
        self.clock = clock
        self.random = random
        self.limits = limits
        self.overlay = Overlay(clock)
        self.vault = vault
        self._writes: set[asyncio.Task[None]] = set()
        self.config = generation.digest[:12].encode("ascii")
        self.draining = False
        self.open: dict[Channel, Task] = {}
        self._resources: dict[tuple[str, str], ModelResource] = {}
        forward = self.settings.forward_rate_limits
        self.forward_rate_limits = keys.open if forward is None else forward

    def resource(self, entry: Entry) -> "ModelResource":
        """The generated resource of a table row; its module is imported on first use."""
        place = (entry.module, entry.resource)
        found = self._resources.get(place)
        if found is None:
            found = self._resources[place] = self.generation.resource(entry)(self)
        return found

    def link(self, provider: str, dialect: str) -> Link:
        return self.links[provider, dialect]

    def remember(self, tenant: str, kept: Kept) -> None:
        """Put a turn into the vault, beside the request that it belongs to.

        The write begins before anything the client does next can be read.
        """
        if len(self._writes) < _WRITES:
            write = asyncio.get_running_loop().create_task(self.vault.remember(tenant, kept))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    def stop(self) -> None:
        """End every open exchange with its dialect's error."""
        for task in self.open.values():
            task.cancel()

    async def close(self) -> None:
        for write in self._writes:
            write.cancel()
        upstreams = {id(link.upstream): link.upstream for link in self.links.values()}
        for upstream in upstreams.values():
            await upstream.close()


def build(
    generation: Generation,
    *,
    environment: Mapping[str, str],
    log: Log,
    clock: Callable[[], float],
    random: Random,
    limits: Limits | None = None,
    vault: Vault | None = None,
) -> Services:
    """The services of a generation; without a ``vault`` of its own, with one in memory.

    Raises MissingSecrets with all that are missing or bad, CredentialError.
    """
    providers = generation.providers
    secrets, tls = needed(generation, environment)
    ring = KeyRing(
        Key(
            name=key.name,
            digest=(
                bytes.fromhex(key.sha256 or "")
                if key.secret is None
                else digest_of(secrets[key.secret])
            ),
            aliases=key.aliases,
            expires=key.expires,
        )
        for key in generation.keys
    )
    limits = limits or Limits()
    if vault is None:
        vault = MemoryVault(clock, limits.vault_turns, limits.vault_bytes, limits.vault_ttl)
    return Services(
        generation,
        keys=ring,
        links=make_links(providers, PROVIDER_DIALECTS, secrets, tls, clock, DIALECTS),
        dialects=DIALECTS,
        log=log,
        clock=clock,
        random=random,
        limits=limits,
        vault=vault,
    )


def needed(
    generation: Generation, environment: Mapping[str, str]
) -> tuple[dict[SecretRef, Secret], dict[str, ssl.SSLContext]]:
    """Its secrets, and the TLS contexts of its providers.

    Raises MissingSecrets with all that are missing or bad.
    """
    client = {key.secret for key in generation.keys if key.secret is not None}
    providers = generation.providers
    proxies = {p.proxy for p in providers if isinstance(p.proxy, SecretRef)}
    secrets, problems = read_secrets(
        secret_refs(providers) | client,
        environment,
        generation.base,
        proxies,
        document_refs(providers),
    )
    tls, more = contexts(providers, generation.base)
    if problems or more:
        raise MissingSecrets((*problems, *more))
    refuse_twins(generation.keys, secrets)
    return secrets, tls
