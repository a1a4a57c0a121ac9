"""Names of the config → names of modules, classes and constants.

A name reaches Python as a literal or through these functions, whose result is always
``[a-z][a-z0-9_]*``: nothing a name holds can become code or leave the output folder.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256

_LONGEST = 60
_OTHER = re.compile(r"[^a-z0-9]+")
# File names that Windows keeps for devices, whatever their suffix.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)
_RESERVED = frozenset([*map(str.lower, keyword.kwlist), *_DEVICES])


def fold(name: str) -> str:
    """What two names must not share: NFKC, then case-folded."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def collisions(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different names with one fold, each with the first of its kind."""
    first: dict[str, str] = {}
    pairs = []
    for name in names:
        other = first.setdefault(fold(name), name)
        if other != name:
            pairs.append((other, name))
    return pairs


def slug(name: str) -> str:
    """``gpt-4.1`` → ``gpt_4_1``; a name without a letter in front gets one."""
    if name == "*":
        return "any_other"
    text = _OTHER.sub("_", fold(name)).strip("_")
    if not text or text[0].isdigit():
        text = f"m_{text}".rstrip("_")
    return text


def assign(
    names: Iterable[str], base: Callable[[str], str] = slug, reserved: Collection[str] = ()
) -> dict[str, str]:
    """A module name for each name.

    Where slugs meet, are too long or mean something to Python, Windows or the generated code
    (``reserved``), each gets 6 hex digits of its SHA-256 (more in the unlikely case that these
    meet too).  A name's slug depends on the set of names, not on their order.
    """
    given = {name: base(name) for name in names}
    kept = _RESERVED.union(reserved)
    crowded = {
        name for name, text in given.items() if text in kept or len(text) > _LONGEST
    } | _sharing(given)
    chosen = given
    for digits in (6, 16, 64):
        chosen = {name: _hashed(name, text, digits, crowded) for name, text in given.items()}
        if not (again := _sharing(chosen)):
            break
        crowded |= again
    return chosen


def _sharing(given: Mapping[str, str]) -> set[str]:
    """The names whose text another one has too."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for name, text in given.items():
        owners[text].append(name)
    return {name for group in owners.values() if len(group) > 1 for name in group}


def _hashed(name: str, text: str, digits: int, crowded: set[str]) -> str:
    if name not in crowded:
        return text
    digest = sha256(name.encode("utf-8")).hexdigest()
    return f"{text[: max(1, _LONGEST - digits - 1)].rstrip('_')}_{digest[:digits]}"


def class_name(module: str, end: str) -> str:
    """``gpt_4_1`` → ``Gpt41Resource``."""
    return "".join(part.capitalize() for part in module.split("_")) + end


def constant(module: str) -> str:
    """``open_router`` → ``OPEN_ROUTER``."""
    return module.upper()
