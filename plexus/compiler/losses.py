"""What translations cannot keep, read from the tables of the dialects (design decision 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from plexus.compiler import catalog, platforms

if TYPE_CHECKING:
    from plexus.compiler.plan import PlannedTarget, Route
    from plexus.transformers.capabilities import TargetModel
    from plexus.transformers.losses import Loss

ORDER = ("refused", "lost", "approximated", "converted")
LOSSES = ORDER[:-1]
"""Those that a client notices."""


class LossRow(Struct, frozen=True):
    """One row of a translation; ``part`` is ``request`` or ``response``."""

    part: str
    outcome: str
    field: str
    note: str
    condition: str | None
    reference: str


def rows(
    client: str,
    upstream: str,
    targets: Sequence[TargetModel] | None = None,
    platform: str | None = None,
    passthrough: bool = False,
) -> tuple[LossRow, ...]:
    """What a client of one dialect can lose at a provider of another, the worst first.

    Only fields that the client's dialect can say on the way out, and the provider's on the way
    back; with ``targets`` only what their capabilities let happen at one of them.  What is passed
    through loses nothing but what the cloud ``platform`` cannot take.
    """
    to, back = catalog.dialect(upstream), catalog.client_dialect(client)
    native = client == upstream

    def possible(loss: Loss) -> bool:
        if targets is None:
            return not (native and loss.foreign)
        return any(loss.possible(target, native) for target in targets)

    found: list[LossRow] = []
    if not passthrough:
        sent, answered = to.REQUEST_LOSSES.values(), back.RESPONSE_LOSSES.values()
        found += _rows("request", back.REQUEST_FIELDS, filter(possible, sent), native)
        found += _rows("response", to.RESPONSE_FIELDS, filter(possible, answered), native)
    if platform is not None:
        table = platforms.losses(platform, upstream)
        found += _rows("request", back.REQUEST_FIELDS, table.values(), native)
    return tuple(sorted(found, key=lambda row: (row.part, ORDER.index(row.outcome), row.field)))


def _rows(part: str, said: frozenset[str], table: Iterable[Loss], native: bool) -> list[LossRow]:
    return [
        LossRow(part, loss.outcome, loss.field, loss.note, _when(loss, native), loss.reference)
        for loss in table
        if loss.field in said and loss.outcome in ORDER
    ]


def _when(loss: Loss, native: bool) -> str | None:
    """What is true of every request on its way is no condition."""
    from plexus.transformers.losses import ELSEWHERE

    return None if loss.condition == ELSEWHERE and not native else loss.condition


class Tables:
    """What a route of a target can lose, each table made once for all models that are alike."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], tuple[tuple[LossRow, ...], str]] = {}

    def rows(self, target: PlannedTarget, route: Route) -> tuple[LossRow, ...]:
        return self._table(target, route)[0]

    def counts(self, target: PlannedTarget, route: Route) -> str:
        """``3 refused, 14 lost``; empty when nothing is."""
        return self._table(target, route)[1]

    def _table(self, target: PlannedTarget, route: Route) -> tuple[tuple[LossRow, ...], str]:
        known = msgspec.json.encode(target.capabilities)
        way = (route.client, route.upstream, route.platform, route.passthrough)
        key = (*way, target.family, known)
        if key not in self._made:
            to = [target.to()]
            found = rows(route.client, route.upstream, to, route.platform, route.passthrough)
            count = Counter(row.outcome for row in found)
            said = ", ".join(f"{count[outcome]} {outcome}" for outcome in LOSSES if count[outcome])
            self._made[key] = (found, said)
        return self._made[key]
