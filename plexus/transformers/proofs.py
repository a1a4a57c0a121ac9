"""The envelope that carries a foreign proof through a dialect's own proof field (canonical.md §6).

``plx1.`` + base64url of ``{"origin": {"family"}, "kind", "value"}``.  Of the origin only the family
travels: it alone decides where the proof may go, and the rest would tell a client which provider
stands behind an alias.
"""

import base64
import binascii

import msgspec
from msgspec import Struct

from plexus.unified.content import Origin, Proof, ProofKind

PREFIX = "plx1."

SENTINEL = "skip_thought_signature_validator"
"""What Google documents for calls that have no signature; sent raw (design, settled points)."""

ROUTERS = frozenset({"openrouter", "vercel"})
"""Families whose ``reasoning_details`` hold proofs of many vendors (vendors.md §5, §9)."""


class _Family(Struct):
    family: str


class _Envelope(Struct):
    origin: _Family
    kind: ProofKind
    value: str


_decode = msgspec.json.Decoder(_Envelope).decode


def is_envelope(value: str) -> bool:
    return value.startswith(PREFIX)


def seal(proof: Proof) -> str:
    """The envelope of a proof.  Deterministic; its alphabet is legal in every dialect."""
    content = _Envelope(_Family(proof.origin.family), proof.kind, proof.value)
    return PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(content)).decode().rstrip("=")


def open_envelope(value: str) -> Proof | None:
    """The proof inside, or None when there is none: damaged, or sealed without a value."""
    text = value.removeprefix(PREFIX)
    try:
        found = _decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
    if not found.value:
        return None
    return Proof(found.value, found.kind, Origin(found.origin.family))
