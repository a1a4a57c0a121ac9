"""Client keys: who may call, and what they may ask for (reliability.md §2.3 G2, G5, G6)."""

import hmac
from collections.abc import Iterable
from hashlib import sha256

from msgspec import Struct

from plexus.accounts.secret import Secret


class Key(Struct, frozen=True, kw_only=True):
    """One client key.

    ``digest`` is the SHA-256 of its secret; ``aliases`` None allows all; ``expires`` is Unix
    seconds, None for never.
    """

    name: str
    digest: bytes
    aliases: frozenset[str] | None = None
    expires: float | None = None

    def may_use(self, alias: str) -> bool:
        return self.aliases is None or alias in self.aliases


ANYONE = Key(name="", digest=b"")
"""Who calls a server that has no client keys."""


def digest_of(secret: Secret) -> bytes:
    return sha256(secret.reveal().encode("utf-8")).digest()


class KeyRing:
    """All client keys.  Without any, everybody is let in as ANYONE."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = {key.digest: key for key in keys}

    @property
    def open(self) -> bool:
        """Whether no key is needed."""
        return not self._keys

    def find(self, presented: bytes | None, now: float) -> Key | None:
        """The key whose secret was presented; None when absent, unknown or expired.

        The time taken says nothing about a secret: only digests of fixed length are looked up, and
        the last comparison is constant-time.
        """
        if not self._keys:
            return ANYONE
        digest = sha256(presented or b"").digest()
        key = self._keys.get(digest, ANYONE)
        same = hmac.compare_digest(digest, key.digest)
        if not same or (key.expires is not None and now >= key.expires):
            return None
        return key
