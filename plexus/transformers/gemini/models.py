"""How Google's models think, by name: gemini.md §6, as of November 2026.

A model's ``capabilities`` in the config win over this; a model without a row is taken for one of
the newest family.
"""

from functools import lru_cache

from msgspec import Struct

from plexus.transformers.capabilities import Capabilities


class Thinker(Struct, frozen=True):
    """Levels, or a budget from ``low`` to ``high`` tokens; ``off``: a budget of 0 is taken.

    ``tool_media``: media may stand inside function responses (Gemini 3 and later).
    """

    levels: tuple[str, ...] = ("low", "medium", "high")
    budget: bool = False
    low: int = 0
    high: int = 0
    off: bool = False
    tool_media: bool = True


NEWEST = Thinker()
_ALL = ("minimal", "low", "medium", "high")
_ROWS: tuple[tuple[str, Thinker], ...] = (
    ("gemini-2.5-pro", Thinker(budget=True, low=128, high=32768, tool_media=False)),
    (
        "gemini-2.5-flash-lite",
        Thinker(budget=True, low=512, high=24576, off=True, tool_media=False),
    ),
    ("gemini-2.5-flash", Thinker(budget=True, low=0, high=24576, off=True, tool_media=False)),
    ("gemini-3-pro-image", Thinker(("high",))),
    ("gemini-3.1-flash-image", Thinker(("minimal", "high"))),
    ("gemini-3.1-flash-lite-image", Thinker(("minimal", "high"))),
    ("gemini-3.1-flash-lite", Thinker(_ALL)),
    ("gemini-3-flash", Thinker(_ALL)),
    ("gemini-3.5-flash", Thinker(_ALL)),
    ("gemini-3.6-flash", Thinker(_ALL)),
)
"""First match by prefix; the longer name stands first."""


def thinker(model: str, capabilities: Capabilities) -> Thinker:
    """How ``model`` is told to think."""
    found = _row(model) or NEWEST
    if capabilities.thinking == "budget" and not found.budget:
        found = Thinker(budget=True, low=0, high=24576, off=True)
    elif capabilities.thinking == "adaptive" and found.budget:
        found = NEWEST
    if capabilities.efforts is not None:
        found = Thinker(
            capabilities.efforts,
            found.budget,
            found.low,
            found.high,
            found.off,
            found.tool_media,
        )
    return found


def is_known(model: str, capabilities: Capabilities) -> bool:
    """Whether anything is known of how the model thinks."""
    return capabilities.thinking is not None or _row(model) is not None


@lru_cache(1024)
def _row(model: str) -> Thinker | None:
    name = model.rpartition("/")[2]
    return next((row for prefix, row in _ROWS if name.startswith(prefix)), None)
