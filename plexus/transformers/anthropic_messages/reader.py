"""Typed reading of one JSON object level; members nobody took are the unknown ones."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw

T = TypeVar("T")

_members = msgspec.json.Decoder(dict[str, Raw]).decode


class Malformed(ValueError):
    """A value is not of its dialect; ``path`` is its JSON path.  Never carries the value."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: {expected}")
        self.path = path


class Kind(Generic[T]):
    """A JSON type: how to decode it (null becomes None) and what to call it in an error."""

    __slots__ = ("decode", "expected")

    def __init__(self, python_type: Any, expected: str) -> None:
        self.decode: Callable[[Raw | bytes], T | None] = msgspec.json.Decoder(
            python_type | None
        ).decode
        self.expected = expected


STRING: Kind[str] = Kind(str, "expected a string")
INTEGER: Kind[int] = Kind(int, "expected an integer")
NUMBER: Kind[float] = Kind(float, "expected a number")
BOOLEAN: Kind[bool] = Kind(bool, "expected true or false")
OBJECT: Kind[dict[str, Raw]] = Kind(dict[str, Raw], "expected an object")
LIST: Kind[list[Raw]] = Kind(list[Raw], "expected a list")
STRINGS: Kind[list[str]] = Kind(list[str], "expected a list of strings")
CONTENT: Kind[str | list[Raw]] = Kind(str | list[Raw], "expected a string or a list of blocks")


class Level:
    """The members of one object at ``path`` ("" for the whole body)."""

    __slots__ = ("fields", "path")

    def __init__(self, raw: Raw | bytes, path: str) -> None:
        try:
            self.fields = _members(raw)
        except (msgspec.MsgspecError, RecursionError):
            raise Malformed(path or "body", "expected an object") from None
        self.path = path

    @classmethod
    def of(cls, fields: dict[str, Raw], path: str) -> "Level":
        """A level whose members are known already; they are copied."""
        level = cls.__new__(cls)
        level.fields = dict(fields)
        level.path = path
        return level

    def where(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str, kind: Kind[T]) -> T | None:
        """The member's value; None when it is absent or null.  Raises Malformed."""
        raw = self.fields.pop(name, None)
        if raw is None:
            return None
        try:
            return kind.decode(raw)
        except msgspec.MsgspecError:
            raise Malformed(self.where(name), kind.expected) from None

    def need(self, name: str, kind: Kind[T]) -> T:
        """The value of a required member.  Raises Malformed."""
        value = self.take(name, kind)
        if value is None:
            raise Malformed(self.where(name), f"{kind.expected}, and the field is required")
        return value

    def raw(self, name: str) -> Raw | None:
        """The member as its bytes; None when it is absent or null."""
        raw = self.fields.pop(name, None)
        return None if raw is None or bytes(raw) == b"null" else raw

    def object(self, name: str) -> "Level | None":
        """The member as a level of its own.  Raises Malformed."""
        fields = self.take(name, OBJECT)
        return None if fields is None else Level.of(fields, self.where(name))


def edited(raw: Raw | bytes, **changes: object) -> Raw:
    """An object with members replaced, or removed (None), the others as they are.

    Raises Malformed when it is no object.
    """
    members: dict[str, object] = {**Level(raw, "").fields, **changes}
    return Raw(msgspec.json.encode({k: v for k, v in members.items() if v is not None}))
