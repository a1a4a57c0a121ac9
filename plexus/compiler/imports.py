"""Import statements of generated modules, sorted as ``ruff`` sorts them."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache

from plexus.compiler.literal import WIDTH

_TOKEN = re.compile(r"[0-9]+|[^0-9]")


class Imports:
    """What one generated module imports; relative imports come last, in a section of their own."""

    def __init__(self) -> None:
        self._members: defaultdict[str, set[str]] = defaultdict(set)
        self._renamed: dict[tuple[str, str], str] = {}
        self._owners: dict[str, str] = {}

    def add(self, module: str, name: str) -> str:
        """The local name of ``name`` from ``module``; a second one of that name gets a number."""
        owner = self._owners.setdefault(name, module)
        if owner == module:
            self._members[module].add(name)
            return name
        if (module, name) not in self._renamed:
            number = 2
            while f"{name}{number}" in self._owners:
                number += 1
            self._owners[f"{name}{number}"] = module
            self._renamed[module, name] = f"{name}{number}"
        return self._renamed[module, name]

    def text(self) -> str:
        """The statements, with a line break after each."""
        absolute = sorted((m for m in self._modules() if not m.startswith(".")), key=_natural)
        relative = sorted((m for m in self._modules() if m.startswith(".")), key=_natural)
        sections = ["".join(map(self._statements, part)) for part in (absolute, relative) if part]
        return "\n".join(sections)

    def _modules(self) -> set[str]:
        return {*self._members, *(module for module, _ in self._renamed)}

    def _statements(self, module: str) -> str:
        names = sorted(self._members.get(module, ()), key=_member_order)
        text = _from(module, names) if names else ""
        for (owner, name), local in sorted(self._renamed.items()):
            if owner == module:
                text += f"from {module} import {name} as {local}\n"
        return text


def _from(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return f"{line}\n"
    body = "".join(f"    {name},\n" for name in names)
    return f"from {module} import (\n{body})\n"


def _member_order(name: str) -> tuple[int, tuple[tuple[int, int, int, str], ...]]:
    """Constants, then classes, then the rest; natural order within each."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, _natural(name)


@cache
def _natural(name: str) -> tuple[tuple[int, int, int, str], ...]:
    """Digits compare by their value; a run with a leading zero like a fraction."""
    return tuple(_token(token) for token in _TOKEN.findall(name.lower()))


def _token(token: str) -> tuple[int, int, int, str]:
    if not token.isdigit():
        return ord(token), 0, 0, ""
    if token.startswith("0"):
        return ord("0"), 0, 0, token
    return ord("0"), 1, int(token), ""
