"""A JSON object as bytes with its top-level members located: checked once, edited in place.

Edits keep every other byte: key order, number formats and white space survive (canonical.md §8).
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

DEPTH_LIMIT = 200
"""Nesting levels at most; real tool schemas stay under 40."""

TOKEN_LIMIT = 1_000_000
"""Structural characters at most: decoding 10 MB of ``[],`` would block the loop for 0.8 s."""

_SMALL = 256 * 1024
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_KEY = re.compile(rb'[ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_NEXT = re.compile(rb"[ \t\r\n]*([,}])")
_OPEN = re.compile(rb"[ \t\r\n]*\{")
_NOT_STRUCTURE = bytes(c for c in range(256) if c not in b"[]{}")
_NOT_TOKENS = bytes(c for c in range(256) if c not in b"[]{},:")
_members = msgspec.json.Decoder(dict[str, Raw]).decode


class DocumentError(ValueError):
    """The bytes are not one acceptable JSON object; ``param`` names the field at fault, if any."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class JsonBody:
    """One JSON object.

    ``raw`` are its bytes, ``fields`` its top-level members as raw JSON (Raw views of ``raw``).
    """

    __slots__ = ("_spans", "fields", "raw")

    def __init__(
        self, raw: bytes, fields: dict[str, Raw], spans: dict[str, tuple[int, int, int]]
    ) -> None:
        self.raw = raw
        self.fields = fields
        self._spans = spans

    @classmethod
    def parse(cls, raw: bytes) -> "JsonBody":
        """Check ``raw`` (UTF-8, one object, depth, token count, no duplicate top-level key).

        Raises DocumentError.  Values deeper down are checked only for syntax.
        """
        _check_text(raw)
        _check_structure(raw)
        try:
            fields = _members(raw)
        except msgspec.ValidationError:
            raise DocumentError("the request body must be a JSON object") from None
        except msgspec.DecodeError as problem:
            raise DocumentError(f"the request body is not valid JSON: {problem}") from None
        except RecursionError:
            raise DocumentError("the request body is nested too deeply") from None
        return cls(raw, fields, _locate(raw, fields))

    def check_numbers(self) -> None:
        """Raises DocumentError on a number no float can hold; for bodies that are translated.

        The decoder finds it: any search by pattern is ten times slower.
        """
        try:
            msgspec.json.decode(self.raw)
        except msgspec.DecodeError as problem:
            raise DocumentError(f"the request body cannot be read: {problem}") from None

    def edit(self, changes: Mapping[str, bytes | None]) -> bytes:
        """Bytes with members replaced, added at the end, or removed (None); other bytes stay."""
        raw, spans = self.raw, self._spans
        first, last = raw.find(b"{") + 1, raw.rfind(b"}")
        pieces: list[bytes] = []
        before = first
        for position, (name, (key, value, end)) in enumerate(spans.items()):
            separator, before = raw[before:key], end
            new = changes.get(name, b"")
            if new is None:
                continue
            # When the first member is removed, the comma behind it must go too.
            lead = separator if pieces or position == 0 else b""
            pieces.append(lead + raw[key:value] + (new or raw[value:end]))
        tail = raw[before:last]
        for name, new in changes.items():
            if new is not None and name not in spans:
                comma = b"," if pieces else b""
                pieces.append(comma + msgspec.json.encode(name) + b":" + new)
        return raw[:first] + b"".join(pieces) + tail + raw[last:]


def _check_text(raw: bytes) -> None:
    if raw.isascii():
        return
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise DocumentError(f"the request body is not valid UTF-8 (byte {problem.start})") from None


def _check_structure(raw: bytes) -> None:
    """Depth and token count, in C-speed passes; nothing is decoded."""
    if len(raw) < _SMALL and raw.count(b"[") + raw.count(b"{") <= DEPTH_LIMIT:
        return
    skeleton = _STRING.sub(b"", raw)
    if len(skeleton.translate(None, _NOT_TOKENS)) > TOKEN_LIMIT:
        raise DocumentError("the request body has too many JSON tokens")
    brackets = skeleton.translate(None, _NOT_STRUCTURE)
    depth = 0
    for byte in brackets:
        if byte in b"[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                raise DocumentError(f"the request body is nested deeper than {DEPTH_LIMIT} levels")
        else:
            depth -= 1


def _locate(raw: bytes, fields: dict[str, Raw]) -> dict[str, tuple[int, int, int]]:
    """Spans (key start, value start, value end) of all members.  Raises on a duplicate key.

    Every value is compared with what the decoder saw, so a duplicate cannot hide a member.
    """
    spans: dict[str, tuple[int, int, int]] = {}
    opening = _OPEN.match(raw)
    if opening is None:
        raise DocumentError("the request body must be a JSON object")
    at = opening.end()
    while fields:
        match = _KEY.match(raw, at)
        if match is None:
            break
        name: str = msgspec.json.decode(match[1], type=str)
        value = bytes(fields[name])
        begin = match.end()
        end = begin + len(value)
        if name in spans or not raw.startswith(value, begin):
            raise DocumentError(f"the request body has the key {name!r} twice", name)
        spans[name] = (match.start(1), begin, end)
        separator = _NEXT.match(raw, end)
        if separator is None:
            raise DocumentError(f"the request body has the key {name!r} twice", name)
        at = separator.end()
        if separator[1] == b"}":
            return spans
    return spans
