"""Vendors' quirks as data: what ``"profile": "deepseek"`` says about a provider's models.

One JSON file a vendor, beside this module.  Each names where its facts come from (sections of
reference/vendors.md, or a page of the vendor's documentation) and the day they were written down.
A model's own ``capabilities`` win over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

from plexus.transformers.capabilities import Capabilities


class ModelQuirks(Struct, frozen=True, forbid_unknown_fields=True):
    """What is different about the models whose names match one of the patterns."""

    match: tuple[str, ...]
    capabilities: dict[str, Any]

    def fits(self, model: str) -> bool:
        return any(fnmatchcase(model.lower(), pattern) for pattern in self.match)


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """``family``: whose proofs its models take.  ``source`` and ``date``: where and when from.

    ``hosts``: whose URLs choose the profile by themselves; ``*.`` stands for any subdomain, and
    ``dialects`` are those in which they do (empty: in all).
    ``headers`` go with every request.  Of ``models`` all that fit apply, the later over the
    earlier.  ``notes`` tell people what the dialect itself takes care of.
    """

    title: str
    family: str
    source: tuple[str, ...]
    date: str
    capabilities: dict[str, Any]
    hosts: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    models: tuple[ModelQuirks, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, model: str) -> dict[str, Any]:
        """What is known about one model."""
        known = dict(self.capabilities)
        for quirks in self.models:
            if quirks.fits(model):
                known |= quirks.capabilities
        return typed(known)


_decode = msgspec.json.Decoder(Profile).decode


@cache
def profiles() -> Mapping[str, Profile]:
    """All of them by name, sorted."""
    found = {}
    for entry in sorted(files(__package__ or "").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".json"):
            found[entry.name.removesuffix(".json")] = _decode(entry.read_bytes())
    return found


def by_hosts(hosts: Mapping[str, str]) -> str | None:
    """The profile that all known hosts of a provider agree upon; None for strangers.

    ``hosts`` is by dialect.
    """
    found = {_by_host(host, dialect) for dialect, host in hosts.items()} - {None}
    return found.pop() or None if len(found) == 1 else None


def _by_host(host: str, dialect: str) -> str | None:
    """The empty string for a host that is known, but not in this dialect."""
    for name, profile in profiles().items():
        if any(fnmatchcase(host, pattern) for pattern in profile.hosts):
            return name if dialect in (profile.dialects or (dialect,)) else ""
    return None


def typed(known: Mapping[str, Any]) -> dict[str, Any]:
    """Capabilities as JSON gives them → as ``Capabilities`` holds them (lists become tuples)."""
    made = msgspec.convert(known, Capabilities)
    return {name: getattr(made, name) for name in sorted(known)}
