"""Prompt-cache markers of a request: how many, how long, where (mappings.md §9)."""

from typing import Literal, TypeAlias

from plexus.transformers.losses import LossLog
from plexus.unified.content import CacheControl

Block: TypeAlias = dict[str, object]
Section: TypeAlias = Literal["prefix", "messages"]

LIMIT = 4
"""Markers per request; the top-level one counts (anthropic-messages.md §4)."""

_TTL = {None: None, "5m": "5m", "30m": "5m", "1h": "1h", "12h": "1h"}


class CacheMarkers:
    """Collects the marked blocks in prompt order, then writes the markers that may stay."""

    def __init__(self, enabled: bool, log: LossLog) -> None:
        self._enabled = enabled
        self._log = log
        self.found: list[tuple[Section, Block, CacheControl]] = []
        self.last: Block | None = None
        """The block that can carry a marker and came last."""

    def mark(self, section: Section, block: Block, cache: CacheControl | None) -> None:
        """``block`` can carry a marker, and carries ``cache``."""
        self.last = block
        if cache is not None:
            self.found.append((section, block, cache))

    def move(self, section: Section, cache: CacheControl | None) -> None:
        """The block of this marker was left out: the one before it takes it."""
        if cache is None or self.last is None:
            return
        if not self.found or self.found[-1][1] is not self.last:
            self.found.append((section, self.last, cache))

    def write(self, auto: CacheControl | None) -> Block | None:
        """Set ``cache_control`` on the blocks; gives the top-level marker."""
        if not self._enabled:
            if self.found or auto is not None:
                self._log.note("part.cache_control")
            return None
        kept = self._kept(LIMIT if auto is None else LIMIT - 1)
        if len(kept) < len(self.found):
            self._log.note("part.cache_control")
        short = False
        for _, block, cache in kept:
            marker, short = self._marker(cache, short)
            block["cache_control"] = marker
        return None if auto is None else self._marker(auto, short)[0]

    def _kept(self, limit: int) -> list[tuple[Section, Block, CacheControl]]:
        """The last one of tools and system, the last ones of the messages, then earlier ones."""
        found = self.found
        if len(found) <= limit:
            return found
        prefix = [n for n, (section, _, _) in enumerate(found) if section == "prefix"]
        later = list(range(len(prefix), len(found)))
        first = prefix[-1:]
        chosen = first + later[len(later) - min(len(later), limit - len(first)) :]
        spare = prefix[-2::-1][: limit - len(chosen)]
        return [found[n] for n in sorted(chosen + spare)]

    def _marker(self, cache: CacheControl, short: bool) -> tuple[Block, bool]:
        """Times are never lengthened, and no 1h may follow a 5m."""
        ttl = _TTL.get(cache.ttl)
        if ttl == "1h" and short:
            self._log.note("part.cache_control")
            ttl = "5m"
        marker: Block = {"type": "ephemeral"}
        if ttl is not None:
            marker["ttl"] = ttl
        return marker, short or ttl != "1h"
