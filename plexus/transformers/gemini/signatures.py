"""``thoughtSignature``: Gemini's own, Google's sentinel, and envelopes of others (gemini.md §5).

The field is bytes: Google's SDK decodes it on receipt and sends it back url-safe, so what stands in
it must be base64, and is compared decoded (traps T28).
"""

import base64
import binascii

from plexus.transformers.gemini.names import FAMILY
from plexus.transformers.proofs import PREFIX, open_envelope, seal
from plexus.unified.content import Origin, Proof

ENVELOPE_MARK = b'"cGx4MS5'
"""How a JSON string with an enveloped signature begins: base64 of ``plx1.`` and a letter."""

_URL_SAFE = str.maketrans("-_", "+/")


def read_signature(value: str | None, origin: Origin) -> Proof | None:
    """The proof in a field; None for none, and for an envelope with nothing in it."""
    if not value:
        return None
    sealed = opened(value)
    if sealed is None:
        return Proof(value, "signature", origin)
    return open_envelope(sealed)


def opened(value: str) -> str | None:
    """The envelope that ``value`` is the base64 of, None when it is something else."""
    try:
        text = value.translate(_URL_SAFE).rstrip("=")
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not data.startswith(PREFIX.encode()):
        return None
    return data.decode("ascii", "replace")


def write_signature(proof: Proof) -> str:
    """A Gemini signature as it is, another's proof as base64 of its envelope."""
    if proof.origin.family == FAMILY:
        return proof.value
    return base64.b64encode(seal(proof).encode()).decode()
