"""Tool names and call ids that OpenAI accepts (canonical.md §3.2, mappings.md §5.2).

Everything is a function of the old name alone, so call and result agree without any state.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

from plexus.transformers.ids import base62, openai_id

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME_LIMIT = 64


def legal_id(call_id: str, length: int | None = None) -> str:
    """A tool-call id of at most 64 characters; a legal one is not touched.

    ``length``: the vendor wants exactly so many letters and digits (Mistral: nine).
    """
    if length is not None:
        fits = len(call_id) == length and call_id.isascii() and call_id.isalnum()
        return call_id if fits else base62(call_id, length)
    return openai_id(call_id)


class ToolNames:
    """Client names to provider names: ``[A-Za-z0-9_-]{1,64}``, never two for one."""

    def __init__(self, names: Iterable[str]) -> None:
        self._forward = {name: name for name in names if _LEGAL.fullmatch(name)}
        self._taken = set(self._forward)

    def __call__(self, name: str) -> str:
        known = self._forward.get(name)
        if known is None:
            known = self._forward[name] = self._choose(name)
        return known

    @property
    def back(self) -> Mapping[str, str]:
        """Changed names only, provider to client."""
        return {new: old for old, new in self._forward.items() if new != old}

    def _choose(self, name: str) -> str:
        if _LEGAL.fullmatch(name):
            return name
        clean = _ILLEGAL.sub("_", name)
        if not clean or len(clean) > _NAME_LIMIT or clean in self._taken:
            # Truncating without the hash would let two names meet (traps.md T75).
            clean = clean[:55] + "_" + hashlib.sha256(name.encode()).hexdigest()[:8]
        self._taken.add(clean)
        return clean
