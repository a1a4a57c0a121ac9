"""The selector protocol: a frozen Struct with ``order``; its fields are its options."""

from collections.abc import Sequence
from random import Random
from typing import ClassVar

from msgspec import Struct

from plexus.routing.target import Target, Weighted


class Selector(Struct, frozen=True):
    """Orders *all* targets of an alias, best first; failover takes the next."""

    NAME: ClassVar[str] = ""

    def order(self, targets: Sequence[Weighted], random: Random) -> tuple[Target, ...]:
        raise NotImplementedError
