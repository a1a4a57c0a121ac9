"""Where thinking and its proofs wait for clients that strip them (canonical.md §6, layer 2).

What is kept, and under which keys, is decided in ``transformers/recall.py``.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Protocol

from msgspec import Struct

from plexus.transformers.recall import Kept, Key, Turn

Place = tuple[str, Key]
"""A tenant and a key: nobody finds what another one's answers held."""


class Vault(Protocol):
    """``tenant`` is the name of the client's key, empty on a server without keys.

    ``calls``, ``words``: whether it may hold turns with calls, and turns without.  Nobody need look
    for what was never kept.
    """

    @property
    def calls(self) -> bool: ...

    @property
    def words(self) -> bool: ...

    async def remember(self, tenant: str, kept: Kept) -> None: ...

    async def recall(self, tenant: str, keys: Iterable[Key]) -> Mapping[Key, Turn]:
        """The turns that are known of these keys."""
        ...


class _Entry(Struct):
    turn: Turn
    places: tuple[Place, ...]
    size: int


class MemoryVault:
    """In memory, for one worker.

    At most ``turns`` of together ``size`` bytes, about: those that were not asked for longest make
    room.  Each is forgotten ``ttl`` seconds after its answer.  ``clock`` gives Unix seconds.
    """

    def __init__(self, clock: Callable[[], float], turns: int, size: int, ttl: float) -> None:
        self._clock = clock
        self._turns = turns
        self._size = size
        self._ttl = ttl
        self._held = 0
        self._calls = self._words = False
        self._numbers = count()
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._found: dict[Place, int] = {}
        self._ends: deque[tuple[float, int]] = deque()

    def __repr__(self) -> str:
        return f"MemoryVault({len(self._entries)} turns, {self._held} bytes)"

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def calls(self) -> bool:
        return self._calls and bool(self._entries)

    @property
    def words(self) -> bool:
        return self._words and bool(self._entries)

    async def remember(self, tenant: str, kept: Kept) -> None:
        self._expire()
        places = tuple((tenant, key) for key in kept.keys)
        size = kept.turn.size + _PLACE_BYTES * len(places)
        if size > self._size or self._turns < 1:
            return
        older = {self._found[place] for place in places if place in self._found}
        number = next(self._numbers)
        self._entries[number] = _Entry(kept.turn, places, size)
        self._found.update(dict.fromkeys(places, number))
        for past in older:
            if not any(self._found[place] == past for place in self._entries[past].places):
                self._forget(past)
        self._ends.append((self._clock() + self._ttl, number))
        self._held += size
        self._calls, self._words = self._calls or kept.calls, self._words or not kept.calls
        while self._held > self._size or len(self._entries) > self._turns:
            self._forget(next(iter(self._entries)))
        if len(self._ends) > 2 * len(self._entries) + _SLACK:
            self._ends = deque(end for end in self._ends if end[1] in self._entries)

    async def recall(self, tenant: str, keys: Iterable[Key]) -> Mapping[Key, Turn]:
        self._expire()
        known: dict[Key, Turn] = {}
        for key in keys:
            number = self._found.get((tenant, key))
            if number is not None:
                self._entries.move_to_end(number)
                known[key] = self._entries[number].turn
        return known

    def _expire(self) -> None:
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            self._forget(self._ends.popleft()[1])

    def _forget(self, number: int | None) -> None:
        entry = None if number is None else self._entries.pop(number, None)
        if entry is None:
            return
        self._held -= entry.size
        for place in entry.places:
            if self._found.get(place) == number:
                del self._found[place]


_PLACE_BYTES = 256
"""What a key costs, roughly."""
_SLACK = 64
