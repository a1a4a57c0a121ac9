"""The start of an answer's text: a repeated prefix, blanks, reasoning in tags (vendors.md §6, §14).

Text comes in fragments; what may still turn out to be a mark is held back.
"""

from plexus.transformers.base import WireRequest
from plexus.transformers.capabilities import Capabilities
from plexus.transformers.thinktags import TagSplitter

THINK_TAGS = ("<think>", "</think>")

Pieces = list[tuple[bool, str]]
"""``(thinking, text)`` in order; text is never empty."""


def opening(closing: str) -> str:
    """``<think>`` of ``</think>``."""
    return closing.replace("/", "", 1)


class StartFilter:
    """One choice's text on its way in.

    ``prefix`` is the client's own text that the vendor repeats.
    """

    def __init__(self, capabilities: Capabilities, prefix: str = "") -> None:
        self._prefix = prefix
        self._trim = bool(capabilities.trim_start)
        self._tags = _splitter(capabilities.think_tags)
        self._held = ""

    def feed(self, text: str) -> Pieces:
        if self._prefix:
            text = self._unprefixed(self._held + text)
        if self._trim:
            text = text.lstrip()
            self._trim = not text
        if not text:
            return []
        if self._tags is None:
            return [(False, text)]
        return [(kind == "thinking", piece) for kind, piece, _ in self._tags.feed(text) if piece]

    def close(self) -> Pieces:
        """What was held back until now."""
        held, self._held, self._prefix = self._held, "", ""
        pieces = self.feed(held) if held else []
        if self._tags is not None:
            rest = self._tags.close()
            pieces += [(kind == "thinking", piece) for kind, piece, _ in rest if piece]
        return pieces

    def _unprefixed(self, text: str) -> str:
        """Without the prefix; nothing while it may still come."""
        if text.startswith(self._prefix):
            text = text[len(self._prefix) :]
        elif self._prefix.startswith(text):
            self._held = text
            return ""
        self._prefix = self._held = ""
        return text


def start_filter(wire: WireRequest) -> StartFilter | None:
    """None where nothing is to be looked for, which is nearly always."""
    known = wire.target.capabilities
    if not wire.prefix and not known.trim_start and known.think_tags is None:
        return None
    return StartFilter(known, wire.prefix)


def _splitter(tags: tuple[str, str] | None) -> TagSplitter | None:
    """Without an opening mark the model's template has written it."""
    if tags is None:
        return None
    return TagSplitter(tags[0] or opening(tags[1]), tags[1], opened=not tags[0])
