"""Mutations of JSON documents and event streams, deterministic for a given ``Random``."""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

# Python's encoder cannot write these, so a placeholder string stands for each until the end.
_LITERALS = (
    "1e999",
    "-1e999",
    "1" * 400,
    "0." + "1" * 400,
    "-0",
    "1E400",
    "1e-999",
    "NaN",
    "01",
    # Valid, but deeper than msgspec goes: Python's limit of recursion, of 997 on Python 3.11.
    "[" * 3000 + "]" * 3000,
)
_PLACE = "@@literal-%d@@"
_TWICE = "@@twice@@"

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    -(2**63) - 1,
    0.5,
    1e308,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"type": None},
    [{"type": "text"}],
    *(_PLACE % number for number in range(len(_LITERALS))),
)
ODD_STRINGS = (
    "",
    " ",
    "\x00",
    "\ud800",
    "\udc00\ud800",
    "\u2028\u2029",
    "\U0001f4a5" * 3,
    "\u202e\u200b",
    "\r\n\r\n",
    "data: [DONE]\n\n",
    "a" * 5000,
    "null",
    "{}",
    "[",
    '{"a": ',
    '{"a":' * 3000 + "1" + "}" * 3000,
    "-1",
    "1e999",
    "data:image/png;base64,",
    "data:;base64,@@@",
    "data:image/png;base64,iVBORw0KGgo=",
    "http://",
    "file:///etc/passwd",
    "__proto__",
    "../../x",
    "call_\u00e9\u4e16" * 40,
)

Place = tuple[Any, Any]
"""A container and the key or index of a value in it."""


def copied(value: Any) -> Any:
    """A copy of JSON data that shares no container."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def places(document: Any) -> list[Place]:
    """Every value of ``document`` but the root, as containers and keys."""
    found: list[Place] = []
    todo = [document]
    while todo:
        container = todo.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], (dict, list)):
                todo.append(container[key])
    return found


class Vocabulary:
    """Keys, short strings and values of all seeds: what mutations are made of."""

    def __init__(self, seeds: Sequence[Any]) -> None:
        keys: set[str] = set()
        words: set[str] = set()
        self.values: list[Any] = []
        for seed in seeds:
            for container, key in places(seed):
                value = container[key]
                if isinstance(key, str):
                    keys.add(key)
                if isinstance(value, str) and len(value) <= 40:
                    words.add(value)
                if len(json.dumps(value)) < 600:
                    self.values.append(value)
        # Sorted: the order of a set of strings differs from process to process.
        self.keys = sorted(keys)
        self.words = sorted(words)


class Mutator:
    def __init__(self, seeds: Sequence[Any], random: Random) -> None:
        self._seeds = seeds
        self._random = random
        self._words = Vocabulary(seeds)
        self._deep = False

    def document(self) -> bytes:
        """A seed with one to four structural changes; one in eight damaged as bytes as well."""
        self._deep = False
        document = copied(self._random.choice(self._seeds))
        for _ in range(self._random.choice((1, 1, 1, 2, 2, 3, 4))):
            self.change(document)
        raw = written(document, self._random.random() < 0.5)
        return self.damaged(raw) if self._random.random() < 0.125 else raw

    def change(self, document: Any) -> None:
        """One structural change, in place."""
        found = places(document)
        if not found:
            return
        container, key = self._random.choice(found)
        kind = self._random.randrange(12)
        if kind < 3:
            container[key] = self._odd(container[key])
        elif kind < 5:
            self._structure(container, key)
        elif kind == 5:
            container[key] = copied(self._random.choice(self._words.values))
        elif kind == 6:
            container[key] = self._nested(container[key])
        elif kind == 7:
            other, where = self._random.choice(found)
            container[key], other[where] = copied(other[where]), copied(container[key])
        elif kind == 8 and isinstance(container, dict):
            container[self._random.choice(self._words.keys)] = container.pop(key)
        elif kind == 9 and isinstance(container, dict):
            value = copied(self._random.choice(self._words.values))
            container[self._random.choice(self._words.keys)] = value
        elif isinstance(container[key], str):
            container[key] = self._random.choice(self._words.words)
        else:
            container[key] = self._odd(container[key])

    def _odd(self, value: Any) -> Any:
        """Another type, an odd string or an odd number in place of ``value``."""
        kind = self._random.randrange(4)
        if kind == 0:
            return self._random.choice(ODD_STRINGS)
        if kind == 1:
            return copied(self._random.choice(ODD_VALUES))
        if isinstance(value, dict):
            return self._random.choice((list(value.values()), list(value), [value]))
        if isinstance(value, list):
            return value[0] if value else {}
        if isinstance(value, str):
            return self._random.choice(([value], {"type": value}, {"text": value}, len(value)))
        return self._random.choice((str(value), [value], {"value": value}))

    def _structure(self, container: Any, key: Any) -> None:
        """Drop or repeat a member."""
        drop = self._random.random() < 0.5
        if drop:
            del container[key]
        elif isinstance(container, list):
            value = container[key]
            for _ in range(self._random.choice((1, 2, 30))):
                container.insert(key, copied(value))
        else:
            container[_TWICE + key] = copied(self._random.choice(self._words.values))

    def _nested(self, value: Any) -> Any:
        # Deep once a document: the mutations themselves must stay within Python's recursion.  What
        # is deeper than readers go is among the literals.
        depth = self._random.choice((1, 1, 2, 5, 40, 40 if self._deep else 210))
        self._deep = self._deep or depth > 40
        word = self._random.choice(self._words.keys)
        for _ in range(depth):
            value = [value] if self._random.random() < 0.5 else {word: value}
        return value

    def damaged(self, raw: bytes) -> bytes:
        """One to three byte-level changes."""
        out = bytearray(raw)
        for _ in range(self._random.randint(1, 3)):
            if not out:
                break
            at = self._random.randrange(len(out))
            kind = self._random.randrange(7)
            if kind == 0:
                out[at] ^= 1 << self._random.randrange(8)
            elif kind == 1:
                out[at] = self._random.choice(b'{}[],:"\\\x00\xff\xc0\x80\xed\n ')
            elif kind == 2:
                del out[at : at + self._random.randint(1, 20)]
            elif kind == 3:
                del out[at:]
            elif kind == 4:
                out[at:at] = out[at : at + self._random.randint(1, 60)]
            elif kind == 5:
                out[at:at] = self._random.choice((b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xff", b"\r"))
            else:
                out += self._random.choice((b"{}", b",", b"\x00", b"]", b"garbage"))
        return bytes(out)


class StreamMutator:
    """Changes recorded streams: lists of (event name, data) with the data as JSON where it is."""

    def __init__(self, streams: Sequence[Sequence[tuple[str, Any]]], random: Random) -> None:
        self._streams = streams
        self._random = random
        documents = [data for frames in streams for _, data in frames if isinstance(data, dict)]
        self._change = Mutator(documents, random)
        self._frames = [frame for frames in streams for frame in frames]

    def stream(self) -> bytes:
        frames = [(event, copied(data)) for event, data in self._random.choice(self._streams)]
        for _ in range(self._random.choice((1, 1, 2, 3))):
            self._mutate(frames)
        raw = b"".join(framed(event, data, self._random) for event, data in frames)
        return self._change.damaged(raw) if self._random.random() < 0.1 else raw

    def _mutate(self, frames: list[tuple[str, Any]]) -> None:
        if not frames:
            return
        at = self._random.randrange(len(frames))
        kind = self._random.randrange(10)
        if kind < 5:
            data = frames[at][1]
            if isinstance(data, (dict, list)):
                self._change.change(data)
        elif kind == 5:
            del frames[at]
        elif kind == 6:
            frames.insert(at, (frames[at][0], copied(frames[at][1])))
        elif kind == 7:
            other = self._random.randrange(len(frames))
            frames[at], frames[other] = frames[other], frames[at]
        elif kind == 8:
            event, data = self._random.choice(self._frames)
            frames.insert(at, (event, copied(data)))
        else:
            del frames[at:]


def written(document: Any, ascii_only: bool) -> bytes:
    """JSON bytes; lone surrogates become invalid UTF-8 unless escapes are asked for."""
    text = json.dumps(document, ensure_ascii=ascii_only)
    if "@@" in text:
        text = text.replace(_TWICE, "")
        for number, literal in enumerate(_LITERALS):
            text = text.replace(f'"{_PLACE % number}"', literal)
    return text.encode("utf-8", "surrogatepass")


def framed(event: str, data: Any, random: Random) -> bytes:
    """One server-sent event, as one of the vendors writes it."""
    payload = data.encode() if isinstance(data, str) else written(data, random.random() < 0.5)
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + payload + b"\n\n"


def pieces(raw: bytes, random: Random) -> Iterator[bytes]:
    """``raw`` cut at up to twenty random places."""
    cuts = sorted(random.randrange(len(raw) + 1) for _ in range(random.randint(0, 20)))
    for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        yield raw[begin:end]
