"""Typed reading of protobuf JSON, one object level at a time (gemini.md, head).

Field names may come in camelCase or snake_case; 64-bit integers may come as strings, enum values as
numbers.  Members nobody took are the unknown ones, and keep the names they came with.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw

from plexus.transformers.jsontext import compact

T = TypeVar("T")

_members = msgspec.json.Decoder(dict[str, Raw]).decode
NULL = Raw(b"null")


class Malformed(ValueError):
    """A value is not of its dialect; ``path`` is its JSON path.  Never carries the value."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: {expected}")
        self.path = path


class Kind(Generic[T]):
    """A JSON type: how to decode it (null becomes None) and what to call it in an error.

    ``lax`` takes numbers and booleans that come as strings, as protobuf JSON allows.
    """

    __slots__ = ("decode", "expected")

    def __init__(self, python_type: Any, expected: str, lax: bool = False) -> None:
        self.decode: Callable[[Raw | bytes], T | None] = msgspec.json.Decoder(
            python_type | None, strict=not lax
        ).decode
        self.expected = expected


STRING: Kind[str] = Kind(str, "expected a string")
INTEGER: Kind[int] = Kind(int, "expected an integer", lax=True)
NUMBER: Kind[float] = Kind(float, "expected a number", lax=True)
BOOLEAN: Kind[bool] = Kind(bool, "expected true or false", lax=True)
OBJECT: Kind[dict[str, Raw]] = Kind(dict[str, Raw], "expected an object")
LIST: Kind[list[Raw]] = Kind(list[Raw], "expected a list")
STRINGS: Kind[list[str]] = Kind(list[str], "expected a list of strings")
STRING_MAP: Kind[dict[str, str]] = Kind(dict[str, str], "expected an object of strings")
ENUM: Kind[str | int] = Kind(str | int, "expected the name of an enum value")


@cache
def snake(name: str) -> str:
    """``maxOutputTokens`` → ``max_output_tokens``; for names of this module's callers, not data."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


class Level:
    """The members of one object at ``path`` ("" for the whole body); names are asked in camelCase.

    Where both spellings are present, camelCase wins, as it does at Google.
    """

    __slots__ = ("_snaked", "fields", "path")

    def __init__(self, raw: Raw | bytes, path: str) -> None:
        try:
            self.fields = _members(raw)
        except (msgspec.MsgspecError, RecursionError):
            raise Malformed(path or "body", "expected an object") from None
        self.path = path
        self._snaked = "_" in "".join(self.fields)

    @classmethod
    def of(cls, fields: dict[str, Raw], path: str) -> "Level":
        """A level whose members are known already; they are copied."""
        level = cls.__new__(cls)
        level.fields = dict(fields)
        level.path = path
        level._snaked = "_" in "".join(fields)
        return level

    def where(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def raw(self, name: str) -> Raw | None:
        """The member as its bytes; None when it is absent or null."""
        raw = self.fields.pop(name, None)
        if raw is not None and raw != NULL:
            return raw
        if not self._snaked:
            return None
        raw = self.fields.pop(snake(name), None)
        return None if raw is None or raw == NULL else raw

    def take(self, name: str, kind: Kind[T]) -> T | None:
        """The member's value; None when it is absent or null.  Raises Malformed."""
        raw = self.raw(name)
        if raw is None:
            return None
        try:
            return kind.decode(raw)
        except (msgspec.MsgspecError, RecursionError):
            raise Malformed(self.where(name), kind.expected) from None

    def need(self, name: str, kind: Kind[T]) -> T:
        """The value of a required member.  Raises Malformed."""
        value = self.take(name, kind)
        if value is None:
            raise Malformed(self.where(name), f"{kind.expected}, and the field is required")
        return value

    def object(self, name: str) -> "Level | None":
        """The member as a level of its own.  Raises Malformed."""
        fields = self.take(name, OBJECT)
        return None if fields is None else Level.of(fields, self.where(name))

    def items(self, name: str) -> list[Raw]:
        """A list, or the one thing that some clients put there instead.  Raises Malformed."""
        raw = self.raw(name)
        return [] if raw is None else items_of(raw, self.where(name))

    def rest(self) -> dict[str, Raw]:
        """What nobody took, nulls left out, without white space: events stand on one line."""
        if not self.fields:
            return {}
        return {name: Raw(compact(raw)) for name, raw in self.fields.items() if raw != NULL}


def is_string(raw: Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b'"'


def is_object(raw: Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"{"


def items_of(raw: Raw, path: str) -> list[Raw]:
    """A list, or the one thing that some clients put there instead.  Raises Malformed."""
    if bytes(memoryview(raw)[:1]) != b"[":
        return [raw]
    try:
        return LIST.decode(raw) or []
    except (msgspec.MsgspecError, RecursionError):
        raise Malformed(path, LIST.expected) from None


def text_of(raw: Raw, path: str) -> str:
    """A string.  Raises Malformed."""
    try:
        return STRING.decode(raw) or ""
    except msgspec.MsgspecError:
        raise Malformed(path, STRING.expected) from None
