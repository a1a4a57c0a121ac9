"""Values → Python source, laid out as ``ruff format`` lays it out.

The only way a value of the config reaches generated code.  Text becomes an ASCII literal, so no
character of a name can end it, hide in it or look like another; everything else is built here from
identifiers that the plan derived.  Collections print one item a line, so that a diff touches only
what changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

WIDTH = 100
_STEP = 4
_PLAIN = re.compile(r"[ !#-\[\]-~]*")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Name(Struct, frozen=True):
    """An identifier, dotted or not, that generated code refers to."""

    text: str


class Call(Struct, frozen=True):
    """A constructor call; positional arguments first."""

    name: str
    positional: tuple[Expr, ...] = ()
    keywords: tuple[tuple[str, Expr], ...] = ()


class Spread(Struct, frozen=True):
    """``{**A, **B}``."""

    names: tuple[str, ...]


Expr: TypeAlias = (
    "bool | int | float | str | Name | Call | Spread | tuple[Expr, ...] | list[Expr]"
    " | Mapping[str, Expr] | frozenset[str] | None"
)


def py(value: Expr, lead: int = 0, indent: int = 0, tail: int = 0) -> str:
    """``value`` as source.  ``lead``: columns before it on its line; ``indent``: of that line;
    ``tail``: columns behind it.

    Raises TypeError for a value that has no literal form.
    """
    line = _flat(value)
    if line is not None and lead + len(line) + tail <= WIDTH:
        return line
    match value:
        case str():
            return _long_text(value, indent)
        case Call():
            return _call(value, indent)
        case Spread():
            return _lines("{", [f"**{name}" for name in value.names], "}", indent)
        case tuple() | list():
            opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
            items = [py(item, indent + _STEP, indent + _STEP, 1) for item in value]
            return _lines(opening, items, closing, indent)
        case frozenset():
            inner = _set(value, indent + _STEP)
            return f"frozenset(\n{' ' * (indent + _STEP)}{inner}\n{' ' * indent})"
        case Mapping():
            # In the order of the config two spellings of one meaning would differ.
            members = [_member(k, v, indent + _STEP) for k, v in sorted(value.items())]
            return _lines("{", members, "}", indent)
        case _:
            return line or _no_literal(value)


def _flat(value: Expr) -> str | None:
    """``value`` on one line, or None when it is a collection that prints one item a line."""
    match value:
        case None | bool() | int():
            return repr(value)
        case float():
            return repr(value).replace("e+", "e")
        case str():
            return text(value)
        case Name():
            return value.text
        case Spread():
            return "{" + ", ".join(f"**{name}" for name in value.names) + "}"
        case Call():
            return _flat_call(value)
        case tuple() if len(value) == 1:
            # A formatter takes the comma of a tuple of one for part of it, not for a wish.
            item = _flat(value[0])
            return None if item is None else f"({item},)"
        case frozenset() if not value:
            return "frozenset()"
        case tuple() | list() | Mapping() if not value:
            return "()" if isinstance(value, tuple) else "[]" if isinstance(value, list) else "{}"
        case tuple() | list() | Mapping() | frozenset():
            return None
        case _:
            return _no_literal(value)


def _no_literal(value: object) -> str:
    raise TypeError(f"a {type(value).__name__} has no literal form")


def _flat_call(call: Call) -> str | None:
    arguments = [_flat(item) for item in call.positional]
    for name, item in call.keywords:
        inner = _flat(item)
        arguments.append(None if inner is None else f"{name}={inner}")
    if any(item is None for item in arguments):
        return None
    return f"{call.name}({', '.join(item for item in arguments if item is not None)})"


def _call(call: Call, indent: int) -> str:
    inner = indent + _STEP
    items = [py(item, inner, inner, 1) for item in call.positional]
    items += [f"{name}={py(item, inner + len(name) + 1, inner, 1)}" for name, item in call.keywords]
    return _lines(f"{call.name}(", items, ")", indent)


def _member(key: str, value: Expr, indent: int) -> str:
    shown = text(key)
    return f"{shown}: {py(value, indent + len(shown) + 2, indent, 1)}"


def _set(value: frozenset[str], indent: int) -> str:
    return _lines("{", [text(item) for item in sorted(value)], "}", indent)


def _lines(opening: str, items: list[str], closing: str, indent: int) -> str:
    inner = " " * (indent + _STEP)
    body = "".join(f"{inner}{item},\n" for item in items)
    return f"{opening}\n{body}{' ' * indent}{closing}"


def text(value: str) -> str:
    """A text as an ASCII literal, in the quotes that need fewer escapes."""
    if _PLAIN.fullmatch(value):
        return f'"{value}"'
    quote = "'" if value.count('"') > value.count("'") else '"'
    return quote + "".join(_escaped(char, quote) for char in value) + quote


def _escaped(char: str, quote: str) -> str:
    if char == quote:
        return "\\" + char
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0x20 <= code < 0x7F:
        return char
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _long_text(value: str, indent: int) -> str:
    """A text that does not fit its line, as adjacent pieces in parentheses."""
    if not value:
        # Parentheses around nothing are a tuple.
        return text(value)
    inner = indent + _STEP
    room = WIDTH - inner - 2
    pieces: list[str] = []
    start = 0
    while start < len(value):
        end = start + room
        while len(text(value[start:end])) > room + 2:
            end -= 1
        pieces.append(text(value[start:end]))
        start = end
    body = "".join(f"{' ' * inner}{piece}\n" for piece in pieces)
    return f"(\n{body}{' ' * indent})"
