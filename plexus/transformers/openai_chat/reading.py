"""Typed reading of JSON objects, level by level; unknown members are kept as they are.

Errors name the JSON path and what was expected, never the value (it may be a secret or a prompt).
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw

from plexus.unified.errors import PlexusError, invalid

T = TypeVar("T")

NULL = Raw(b"null")


class Kind(Generic[T]):
    """A type and its words for the error message; JSON null reads as None."""

    __slots__ = ("decode", "expected")

    def __init__(self, type_: Any, expected: str) -> None:
        self.decode: Callable[[Raw], T | None] = msgspec.json.Decoder(type_ | None).decode
        self.expected = expected


STR: Kind[str] = Kind(str, "a string")
INT: Kind[int] = Kind(int, "an integer")
FLOAT: Kind[float] = Kind(float, "a number")
BOOL: Kind[bool] = Kind(bool, "true or false")
STRINGS: Kind[list[str]] = Kind(list[str], "a list of strings")
STRING_MAP: Kind[dict[str, str]] = Kind(dict[str, str], "an object of strings")
LIST: Kind[list[Raw]] = Kind(list[Raw], "a list")
OBJECT: Kind[dict[str, Raw]] = Kind(dict[str, Raw], "an object")
TEXT_OR_LIST: Kind[str | list[Raw]] = Kind(str | list[Raw], "a string or a list of parts")
TEXT_OR_OBJECT: Kind[str | dict[str, Raw]] = Kind(str | dict[str, Raw], "a string or an object")
STRING_OR_STRINGS: Kind[str | list[str]] = Kind(str | list[str], "a string or a list of strings")


def read(raw: Raw, kind: Kind[T], path: str) -> T | None:
    """``raw`` as ``kind``.  Raises PlexusError (400) naming ``path``."""
    try:
        return kind.decode(raw)
    except msgspec.DecodeError:
        raise wrong(path, kind.expected) from None


def wrong(path: str, expected: str) -> PlexusError:
    return invalid(f"{path} must be {expected}", path, "invalid_type")


def missing(path: str) -> PlexusError:
    return invalid(f"{path} is required", path, "missing_required_parameter")


class Level:
    """One JSON object of a request: known members are taken out, ``rest`` is what nobody knows."""

    __slots__ = ("path", "rest")

    def __init__(self, fields: dict[str, Raw], path: str = "") -> None:
        self.rest = fields
        self.path = path

    @classmethod
    def of(cls, raw: Raw, path: str) -> "Level":
        """The object ``raw``.  Raises PlexusError when it is something else."""
        fields = read(raw, OBJECT, path)
        if fields is None:
            raise wrong(path, OBJECT.expected)
        return cls(fields, path)

    def at(self, name: str) -> str:
        """The JSON path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str, kind: Kind[T]) -> T | None:
        """A member, None when absent or null."""
        raw = self.rest.pop(name, None)
        if raw is None:
            return None
        try:
            return kind.decode(raw)
        except msgspec.DecodeError:
            raise wrong(self.at(name), kind.expected) from None

    def need(self, name: str, kind: Kind[T]) -> T:
        """A member that must be there."""
        value = self.take(name, kind)
        if value is None:
            raise missing(self.at(name))
        return value

    def raw(self, name: str) -> Raw | None:
        """A member as it is, None when absent or null."""
        raw = self.rest.pop(name, None)
        return None if raw is None or raw == NULL else raw

    def object(self, name: str) -> "Level | None":
        """A member that is an object."""
        raw = self.raw(name)
        return None if raw is None else Level.of(raw, self.at(name))
