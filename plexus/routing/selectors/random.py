"""Weighted random order."""

from collections.abc import Sequence
from random import Random as RandomSource
from typing import ClassVar

from plexus.routing.selectors.base import Selector
from plexus.routing.target import Target, Weighted


class Random(Selector, frozen=True):
    """Each target comes first with a chance proportional to its weight; the rest likewise."""

    NAME: ClassVar[str] = "random"

    def order(self, targets: Sequence[Weighted], random: RandomSource) -> tuple[Target, ...]:
        if len(targets) == 1:
            return (targets[0].target,)
        # Efraimidis and Spirakis: sorting by u^(1/w) draws without replacement in one pass.
        keyed = [(random.random() ** (1.0 / entry.weight), entry.target) for entry in targets]
        keyed.sort(key=lambda pair: pair[0], reverse=True)
        return tuple(target for _, target in keyed)
