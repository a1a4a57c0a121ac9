"""The targets as the config lists them."""

from collections.abc import Sequence
from random import Random
from typing import ClassVar

from plexus.routing.selectors.base import Selector
from plexus.routing.target import Target, Weighted


class InOrder(Selector, frozen=True):
    """Always the first target; the others are its fallbacks, in order."""

    NAME: ClassVar[str] = "in_order"

    def order(self, targets: Sequence[Weighted], random: Random) -> tuple[Target, ...]:
        return tuple(entry.target for entry in targets)
