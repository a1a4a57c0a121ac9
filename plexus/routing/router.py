"""Model name → what serves it (design §3): one look into a table, then the alias ``"*"``."""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Generic, Protocol, TypeVar

from plexus.unified.errors import PlexusError, UnifiedError

_SHOWN = 128
_CANDIDATES = 300
"""Names compared for a hint at most: a wrong guess must stay cheap beside 10,000 aliases."""


class Routed(Protocol):
    """A row of the table: the name, the alias it belongs to, and whether lists show it."""

    @property
    def name(self) -> str: ...
    @property
    def alias(self) -> str: ...
    @property
    def listed(self) -> bool: ...


E = TypeVar("E", bound=Routed)


class Router(Generic[E]):
    """Finds rows by the name a client asked for.

    ``models`` holds aliases, additional aliases and direct names; ``wildcard`` takes the rest.
    """

    def __init__(self, models: Mapping[str, E], wildcard: E | None = None) -> None:
        self._models = models
        self._wildcard = wildcard
        self._listed = sorted(
            (entry for entry in models.values() if entry.listed), key=lambda entry: entry.name
        )

    def find(self, name: str, allowed: Callable[[str], bool]) -> E:
        """The row for ``name``; ``allowed`` tells whether the caller may use an alias.

        Raises PlexusError (404), the very same for an unknown and for a forbidden name.
        """
        entry = self._models.get(name, self._wildcard)
        if entry is None or not allowed(entry.alias):
            raise self.unknown(name, allowed)
        return entry

    def visible(self, allowed: Callable[[str], bool]) -> Iterator[E]:
        """The listed rows the caller may use, sorted by name."""
        return (entry for entry in self._listed if allowed(entry.alias))

    def unknown(self, name: str, allowed: Callable[[str], bool]) -> PlexusError:
        """The 404; hints come only from what the caller may see."""
        names = [entry.name for entry in self.visible(allowed)]
        shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
        close = get_close_matches(shown, _near(shown, names), n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        count = f"{len(names)} model{'' if len(names) == 1 else 's'}"
        return PlexusError(
            UnifiedError(
                kind="not_found",
                message=f"unknown model {shown!r}.{hint} GET /v1/models lists {count}.",
                param="model",
                code="model_not_found",
                should_retry=False,
            )
        )


def _near(name: str, names: list[str]) -> list[str]:
    """A cheap choice of candidates: of a similar length."""
    return [other for other in names if abs(len(other) - len(name)) <= 4][:_CANDIDATES]
