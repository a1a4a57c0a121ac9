"""What the refusals of targets taught, for the requests to come (design decision 16).

Kept in memory, per worker, never written back: the config stays the only source of truth.
"""

from collections.abc import Callable

from plexus.transformers.repairs import Repair, Repairs

TARGET_LIMIT = 1024
FACT_LIMIT = 16
"""Facts about one target at most: a provider that refuses more is no such provider."""
LIFETIME_S = 3600.0
"""A provider may learn, too; and a fact read wrongly must not stay."""

Place = tuple[str, str]
"""The name of a target and the dialect it was asked in."""


class Overlay:
    """Facts by target.  ``clock`` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._facts: dict[Place, dict[str, tuple[Repair, float]]] = {}

    def known(self, target: str, dialect: str) -> Repairs:
        """What still holds of a target, in the order of learning."""
        if not self._facts:
            return ()
        facts = self._facts.get((target, dialect))
        if facts is None:
            return ()
        now = self._clock()
        return tuple(repair for repair, until in facts.values() if until > now)

    def learn(self, target: str, dialect: str, repair: Repair) -> None:
        """Keep a lasting fact; the oldest make room."""
        if not repair.lasting:
            return
        place = (target, dialect)
        facts = self._facts.pop(place, {})
        facts.pop(repair.name, None)
        facts[repair.name] = (repair, self._clock() + LIFETIME_S)
        if len(facts) > FACT_LIMIT:
            del facts[next(iter(facts))]
        self._facts[place] = facts
        if len(self._facts) > TARGET_LIMIT:
            del self._facts[next(iter(self._facts))]
