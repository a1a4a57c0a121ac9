"""A JSON object as bytes with its top-level members located: checked once, edited in place.

Edits keep every other byte: key order, number formats and white space survive (canonical.md §8).
"""

import json
import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

DEPTH_LIMIT = 200
"""Nesting levels at most; real tool schemas stay under 40."""

TOKEN_LIMIT = 400_000
"""Structural characters at most: decoding 10 MB of ``[],`` would block the loop for 0.8 s.

The largest body that anybody sends, embeddings of 300,000 token numbers, has 300,000.
"""

TRANSLATED_LIMIT = 150_000
"""The same for bodies that are translated: what each token costs there keeps the loop 50 ms at
most (reliability.md A15).  A thousand turns of an agent with a hundred tools have 60,000."""

MEMBER_LIMIT = 1_000
"""Members of the body itself at most; no dialect has 100."""

_LEVELS = 8
"""Containers around the longest texts: a tool's result is in the eighth."""

_VALUES = 2_000
"""Values looked at on one level; a body with more is measured."""

_KEY = re.compile(rb'[ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_NEXT = re.compile(rb"[ \t\r\n]*([,}])")
_OPEN = re.compile(rb"[ \t\r\n]*\{")
_NOT_STRUCTURE = bytes(c for c in range(256) if c not in b"[]{}")
_NOT_TOKENS = bytes(c for c in range(256) if c not in b"[]{},:")
Spans = dict[str, tuple[int, int, int]]
"""Where members stand: key start, value start, value end."""

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_items = msgspec.json.Decoder(list[Raw]).decode


class DocumentError(ValueError):
    """The bytes are not one acceptable JSON object; ``param`` names the field at fault, if any."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class JsonBody:
    """One JSON object.

    ``raw`` are its bytes, ``fields`` its top-level members as raw JSON (Raw views of ``raw``).
    """

    __slots__ = ("_deep", "_keys", "_spans", "fields", "raw")

    def __init__(
        self,
        raw: bytes,
        fields: dict[str, Raw],
        keys: int | None = None,
    ) -> None:
        self.raw = raw
        self.fields = fields
        self._spans: Spans | None = None
        self._keys = keys
        self._deep = False

    @classmethod
    def parse(cls, raw: bytes) -> "JsonBody":
        """As ``read``, and located.  Raises DocumentError."""
        body = cls.read(raw)
        body.locate()
        return body

    @classmethod
    def read(cls, raw: bytes) -> "JsonBody":
        """Check ``raw`` (UTF-8, one object, depth, token count); values only for syntax.

        Raises DocumentError.  Whether a key stands twice, ``locate`` and ``check_deep`` say.
        """
        _check_text(raw)
        # So few bytes cannot be too many tokens.
        few = len(raw) <= TOKEN_LIMIT or _tokens(raw) <= TOKEN_LIMIT
        keys = None if few else _measure(raw)
        try:
            fields = _decode(raw)
        except DocumentError:
            _measure(raw)
            raise
        if len(fields) > MEMBER_LIMIT:
            raise DocumentError(f"the request body has more than {MEMBER_LIMIT} members")
        if few and not _is_flat(fields):
            keys = _measure(raw)
        return cls(raw, fields, keys)

    def locate(self) -> None:
        """Find the top-level members; raises DocumentError on a key that stands twice."""
        self._located()

    def _located(self) -> Spans:
        if self._spans is None:
            self._spans = _locate(self.raw, self.fields)
        return self._spans

    def check_deep(self) -> None:
        """Raises DocumentError on a key that stands twice in one object, at any depth, on a number
        no float can hold, and on more than TRANSLATED_LIMIT tokens; for bodies that are translated
        (reliability.md A15, A18, A19).

        All passes are the decoder's or as fast: a search in Python is ten times slower.
        """
        if self._deep:
            return
        if _tokens(self.raw) > TRANSLATED_LIMIT and _tokens(_skeleton(self.raw)) > TRANSLATED_LIMIT:
            raise _too_many(TRANSLATED_LIMIT)
        try:
            value = msgspec.json.decode(self.raw)
        except (msgspec.DecodeError, RecursionError) as problem:
            raise DocumentError(f"the request body cannot be read: {problem}") from None
        # Most clients write JSON as compactly as our encoder: then nothing is missing (1.4 us).
        self._deep = msgspec.json.encode(value) == self.raw
        if self._deep:
            return
        if self._keys is None:
            self._keys = _skeleton(self.raw).count(b":")
        # A key that stood twice is in the decoded value once.
        if _keys(value) != self._keys:
            name = _duplicate(self.raw)
            raise DocumentError(f"the request body has the key {name!r} twice in one object", name)
        self._deep = True

    def edit(self, changes: Mapping[str, bytes | None]) -> bytes:
        """Bytes with members replaced, added at the end, or removed (None); other bytes stay.

        Raises DocumentError on a key that stands twice.
        """
        raw, spans = self.raw, self._located()
        # Prompts are long: everything between two changes is copied once.
        view = memoryview(raw)
        pieces: list[bytes | memoryview] = []
        copied, before = 0, raw.find(b"{") + 1
        kept = False
        for position, (name, (key, value, end)) in enumerate(spans.items()):
            if name in changes and changes[name] is None:
                pieces.append(view[copied:before])
                copied = end
            else:
                if not kept and position > 0:
                    # All before it was removed, so the comma in front of it must go too.
                    copied = key
                kept = True
                new = changes.get(name)
                if new is not None:
                    pieces += (view[copied:value], new)
                    copied = end
            before = end
        pieces.append(view[copied:before])
        for name, new in changes.items():
            if new is not None and name not in spans:
                comma = b"," if kept else b""
                kept = True
                pieces.append(comma + msgspec.json.encode(name) + b":" + new)
        pieces.append(view[before:])
        return b"".join(pieces)


def _check_text(raw: bytes) -> None:
    if raw.isascii():
        return
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise DocumentError(f"the request body is not valid UTF-8 (byte {problem.start})") from None


def _decode(raw: bytes) -> dict[str, Raw]:
    try:
        return _members(raw)
    except msgspec.ValidationError:
        raise DocumentError("the request body must be a JSON object") from None
    except msgspec.DecodeError as problem:
        raise DocumentError(f"the request body is not valid JSON: {problem}") from None
    except RecursionError:
        raise DocumentError("the request body is nested too deeply") from None


def _measure(raw: bytes) -> int:
    """Depth and token count, in C-speed passes over what is left without the strings.

    That takes 4 ms per MB.  Gives the number of keys.
    """
    # Between two strings there is a token: that many strings need no closer look.
    if raw.count(b'"') - raw.count(b'\\"') > 2 * TOKEN_LIMIT:
        raise _too_many()
    skeleton = _skeleton(raw)
    if _tokens(skeleton) > TOKEN_LIMIT:
        raise _too_many()
    depth = 0
    for byte in skeleton.translate(None, _NOT_STRUCTURE):
        if byte in b"[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                raise DocumentError(f"the request body is nested deeper than {DEPTH_LIMIT} levels")
        else:
            depth -= 1
    return skeleton.count(b":")


def _is_flat(fields: Mapping[str, Raw]) -> bool:
    """Whether valid JSON shows at little cost that it is not too deep; False decides nothing.

    A value is no deeper than it has brackets.  Those of most bodies are in long texts, which this
    finds by opening the values with many of them, level by level.
    """
    level = list(fields.values())
    for _ in range(1, _LEVELS):
        deeper: list[Raw] = []
        for value in map(bytes, level):
            if _brackets(value) > DEPTH_LIMIT - _LEVELS and not value.startswith(b'"'):
                deeper += _members(value).values() if value.startswith(b"{") else _items(value)
        if not deeper or len(deeper) > _VALUES:
            return not deeper
        level = deeper
    return False


def _brackets(raw: bytes) -> int:
    """How many opening brackets there are, counted up to a limit.

    ``count`` looks at every byte, ``replace`` for the next one: 20 times faster in a text.
    """
    rest = len(raw.replace(b"[", b"", DEPTH_LIMIT)) + len(raw.replace(b"{", b"", DEPTH_LIMIT))
    return 2 * len(raw) - rest


def _tokens(raw: bytes) -> int:
    """Structural characters, those in strings included: a bound from above."""
    return len(raw.translate(None, _NOT_TOKENS))


def _too_many(limit: int = TOKEN_LIMIT) -> DocumentError:
    return DocumentError(f"the request body has more than {limit} JSON tokens")


def _skeleton(raw: bytes) -> bytes:
    """JSON without its strings."""
    return b"".join(raw.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])


def _keys(value: object) -> int:
    """The keys of a decoded value, at all depths."""
    count, left = 0, [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            count += len(item)
            left += item.values()
        elif isinstance(item, list):
            left += item
    return count


def _duplicate(raw: bytes) -> str | None:
    """The first key that stands twice in one object."""
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                found.append(name)
            seen.add(name)

    json.loads(raw, object_pairs_hook=look)
    return found[0] if found else None


def _locate(raw: bytes, fields: dict[str, Raw]) -> Spans:
    """Spans of all members.  Raises on a duplicate key.

    Every value is compared with what the decoder saw, so a duplicate cannot hide a member.
    """
    spans: Spans = {}
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
