"""Loss is data (design decision 8): what a dialect cannot say is a row of a table, and a warning.

A row is found by its ``field``, a name of ``fields.py``.  Formatters report through a LossLog, so
no warning can exist without its row.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from plexus.transformers.capabilities import TargetModel
from plexus.unified.errors import unsupported

Outcome: TypeAlias = Literal["kept", "converted", "approximated", "lost", "refused"]


class Need(Struct, frozen=True):
    """A capability of the target, or its family, is (or has) one of ``values``.

    Without any: it is known.
    """

    capability: str
    values: tuple[str | bool | None, ...] = ()

    def met(self, target: TargetModel) -> bool:
        known = target if self.capability == "family" else target.capabilities
        found = getattr(known, self.capability)
        if not self.values:
            return found is not None
        if isinstance(found, tuple):
            return any(value in found for value in self.values)
        return found in self.values


ELSEWHERE = "the client speaks another dialect"
"""A condition that is met on every way from one dialect to another."""


class Loss(Struct, frozen=True):
    """One row: what becomes of ``field`` in a dialect.

    ``condition`` says when (None: always); ``silent`` rows are documented but not reported per
    request; ``reference`` is a section of the protocol reference.  Of the condition, ``needs`` is
    what is known before there is a request (of those in a tuple one is enough), and ``foreign``
    that the other side speaks another dialect.
    """

    field: str
    outcome: Outcome
    note: str
    reference: str
    condition: str | None = None
    silent: bool = False
    needs: tuple[Need | tuple[Need, ...], ...] = ()
    foreign: bool = False

    def possible(self, target: TargetModel, native: bool) -> bool:
        """Whether any request to ``target`` can meet this row; ``native``: in its own dialect."""
        return not (native and self.foreign) and all(
            any(one.met(target) for one in (need if isinstance(need, tuple) else (need,)))
            for need in self.needs
        )


class LossWarning(Struct, frozen=True):
    """A row that happened to one request; ``path`` is the JSON path in the client's words."""

    loss: Loss
    path: str


def table(rows: Iterable[Loss]) -> Mapping[str, Loss]:
    """Rows keyed by field.  Raises ValueError on a field named twice."""
    found: dict[str, Loss] = {}
    for row in rows:
        if row.field in found:
            raise ValueError(f"loss row {row.field!r} stands twice")
        found[row.field] = row
    return found


class LossLog:
    """Collects the warnings of one formatting; each field is reported once."""

    def __init__(self, rows: Mapping[str, Loss]) -> None:
        self._rows = rows
        self._seen: dict[str, LossWarning] = {}

    def note(self, field: str, path: str | None = None) -> None:
        """Report that ``field`` was changed or left out.  KeyError if the table has no such row.

        Raises PlexusError (400, ``param``) when the row's outcome is ``refused``.
        """
        row = self._rows[field]
        where = path or field
        if row.outcome == "refused":
            raise unsupported(row.note, where)
        if not row.silent:
            self._seen.setdefault(field, LossWarning(row, where))

    @property
    def warnings(self) -> tuple[LossWarning, ...]:
        return tuple(self._seen.values())
