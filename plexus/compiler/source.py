"""JSON text → data and the place of every key and item.

The standard reader has no places, keeps the last of two equal keys in silence and accepts
``NaN``; this one reports them.  What a person plainly meant (comments, trailing commas, equal
keys) is reported and read on, so that one run finds every mistake; real syntax errors end it.
"""

from __future__ import annotations

import errno
import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import TypeAlias

from plexus.compiler.diagnostics import Diagnostic, printable, quote
from plexus.compiler.secrets import mask
from plexus.manifest import canonical, digest
from plexus.plain_files import plain_bytes

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Step: TypeAlias = "str | int"

LIMIT = 8 * 1024 * 1024
DEPTH = 64
_DIGITS = 300

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"-?[A-Za-z_]+")
_COMMENT = re.compile(r"//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS: dict[str, bool | None] = {"null": None, "true": True, "false": False}
_NOT_FINITE = ("NaN", "Infinity", "-Infinity", "-NaN", "nan", "inf", "-inf")
_MEANT = {"None": "null", "True": "true", "False": "false", "undefined": "null"}


class Node:
    """One value's place: offsets of its start and of its key, and the same for what it holds."""

    __slots__ = ("children", "key", "start")

    def __init__(self, start: int, key: int) -> None:
        self.start = start
        self.key = key
        self.children: dict[str, Node] | list[Node] | None = None

    def child(self, step: Step) -> Node | None:
        if isinstance(self.children, dict) and isinstance(step, str):
            return self.children.get(step)
        if isinstance(self.children, list) and isinstance(step, int):
            return self.children[step] if step < len(self.children) else None
        return None


class Document:
    """A read config: ``data`` as plain Python values, and the place of each of them."""

    def __init__(self, file: str, text: str, data: Json, root: Node) -> None:
        self.file = file
        self.text = text
        self.data = data
        self.root = root

    def value_at(self, path: Iterable[Step]) -> tuple[int, int]:
        """Line and column of a value; of the nearest thing around it when it is not there."""
        return self.place(self._find(path).start)

    def key_at(self, path: Iterable[Step]) -> tuple[int, int]:
        """Line and column of the key a value stands under; an item of a list is its own key."""
        node = self._find(path)
        return self.place(node.key if node.key >= 0 else node.start)

    def has(self, path: Iterable[Step]) -> bool:
        """Whether the config writes anything at ``path``, right or wrong."""
        node: Node | None = self.root
        for step in path:
            node = node.child(step) if node is not None else None
        return node is not None

    def place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def shown(self, line: int) -> str:
        """A source line as it may be printed: secrets starred out, control characters replaced."""
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return printable(self._masked[self._starts[line - 1] : end].rstrip("\r\n"))

    def scrub(self, text: str) -> str:
        """``text`` without any of the secrets this document holds."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _find(self, path: Iterable[Step]) -> Node:
        node = self.root
        for step in path:
            inner = node.child(step)
            if inner is None:
                break
            node = inner
        return node

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", self.text))]

    @cached_property
    def _mask(self) -> tuple[str, tuple[str, ...]]:
        return mask(self.text)

    @property
    def _masked(self) -> str:
        return self._mask[0]

    @property
    def _secrets(self) -> tuple[str, ...]:
        return self._mask[1]


class _SyntaxError(Exception):
    """The text is no JSON from ``offset`` on."""

    def __init__(self, offset: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.code = code
        self.message = message
        self.hint = hint


def read(path: Path, file: str) -> tuple[Document | None, list[Diagnostic]]:
    """Read and parse a config file; ``file`` is how diagnostics name it."""
    try:
        raw = plain_bytes(path, LIMIT)
    except OSError as error:
        if error.errno == errno.EFBIG:
            return None, [_too_large(file)]
        hint = "run `plexus init` to write one" if isinstance(error, FileNotFoundError) else ""
        message = f"cannot read the file: {error.strerror or type(error).__name__}"
        return None, [Diagnostic(file, 0, 0, "P100", message, hint)]
    return parse(raw, file)


def config_digest(path: Path) -> str | None:
    """The digest that a build of this file would carry, or None when it cannot be read."""
    document, _ = read(path, str(path))
    return None if document is None else digest(canonical(document.data))


def parse(raw: bytes, file: str) -> tuple[Document | None, list[Diagnostic]]:
    """Bytes → document and what is wrong with them; no document when it cannot be read on."""
    if len(raw) > LIMIT:
        return None, [_too_large(file)]
    found: list[Diagnostic] = []
    if raw.startswith(b"\xef\xbb\xbf"):
        raw = raw[3:]
        hint = "save the file as UTF-8 without BOM"
        found.append(Diagnostic(file, 1, 1, "P108", "the file starts with a byte order mark", hint))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        line, column = Document(file, before, None, Node(0, -1)).place(len(before))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        return None, [*found, Diagnostic(file, line, column, "P108", message)]
    return _parse_text(text, file, found)


def _too_large(file: str) -> Diagnostic:
    return Diagnostic(file, 0, 0, "P107", f"the file is larger than {LIMIT // 1024 // 1024} MiB")


def _parse_text(
    text: str, file: str, found: list[Diagnostic]
) -> tuple[Document | None, list[Diagnostic]]:
    reader = _Reader(text)
    blank = Document(file, text, None, Node(0, -1))
    try:
        data, root = reader.document()
    except _SyntaxError as error:
        reader.remarks.append(error)
        document = None
    else:
        document = Document(file, text, data, root)
    for remark in reader.remarks:
        line, column = blank.place(remark.offset)
        found.append(Diagnostic(file, line, column, remark.code, remark.message, remark.hint))
    return document, found


class _Reader:
    """Recursive descent over the text, at most ``DEPTH`` deep."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.remarks: list[_SyntaxError] = []
        self.commented = False

    def document(self) -> tuple[Json, Node]:
        start = self.gap(0)
        if start == len(self.text):
            raise _SyntaxError(start, "P101", "the file is empty", "run `plexus init --force`")
        data, node, end = self.value(start, -1, 0)
        end = self.gap(end)
        if end != len(self.text):
            raise _SyntaxError(end, "P101", "there is more text after the end of the config")
        return data, node

    def gap(self, at: int) -> int:
        """Skip white space and (reported) comments."""
        while True:
            at = _SPACE.match(self.text, at).end()  # type: ignore[union-attr]
            comment = _COMMENT.match(self.text, at)
            if comment is None:
                return at
            self.comment(at)
            at = comment.end()

    def comment(self, at: int) -> None:
        if not self.commented:
            self.commented = True
            hint = 'write "$comment": "…" as a key'
            self.note(at, "P104", "JSON has no comments", hint)

    def note(self, at: int, code: str, message: str, hint: str = "") -> None:
        self.remarks.append(_SyntaxError(at, code, message, hint))

    def value(self, at: int, key: int, depth: int) -> tuple[Json, Node, int]:
        node = Node(at, key)
        char = self.text[at : at + 1]
        data: Json
        if char == '"':
            data, end = self.string(at)
        elif char in ("{", "["):
            if depth == DEPTH:
                raise _SyntaxError(at, "P106", f"nested more than {DEPTH} levels deep")
            data, end = (self.object if char == "{" else self.array)(at, node, depth + 1)
        else:
            data, end = self.scalar(at)
        return data, node, end

    def string(self, at: int) -> tuple[str, int]:
        try:
            text, end = scanstring(self.text, at + 1, True)
        except JSONDecodeError as error:
            raise _SyntaxError(*_string_problem(error, at)) from None
        if _SURROGATE.search(text):
            self.note(at, "P108", "the text holds half a surrogate pair, which is no character")
            text = _SURROGATE.sub("\ufffd", text)
        return text, end

    def scalar(self, at: int) -> tuple[Json, int]:
        word = _WORD.match(self.text, at)
        if word is not None:
            return self.word(at, word.group()), word.end()
        number = _NUMBER.match(self.text, at)
        if number is None:
            raise _SyntaxError(at, "P101", self.unexpected(at, "a value"), self.value_hint(at))
        end = number.end()
        if self.text[end : end + 1].isalnum() or self.text[end : end + 1] in ("+", ".", "_"):
            raise _SyntaxError(at, "P101", "this is not a JSON number")
        return self.number(at, number), end

    def word(self, at: int, word: str) -> Json:
        if word in _WORDS:
            return _WORDS[word]
        if word in _NOT_FINITE:
            self.note(at, "P103", f"{word} is not a JSON number")
            return 0
        if word in _MEANT:
            raise _SyntaxError(at, "P101", f"{word} is not JSON", f"write {_MEANT[word]}")
        raise _SyntaxError(at, "P101", f"{quote(word)} is not in quotes", f'write "{word[:40]}"')

    def number(self, at: int, match: re.Match[str]) -> Json:
        text = match.group()
        if len(text) > _DIGITS:
            self.note(at, "P103", f"a number of {len(text)} digits cannot be meant")
            return 0
        if match.group(1) is None and match.group(2) is None:
            return int(text)
        number = float(text)
        if number in (float("inf"), float("-inf")):
            self.note(at, "P103", f"{quote(text)} is too large for a number".replace('"', ""))
            return 0
        return number

    def array(self, at: int, node: Node, depth: int) -> tuple[Json, int]:
        items: list[Json] = []
        nodes: list[Node] = []
        node.children = nodes
        here = self.gap(at + 1)
        while self.text[here : here + 1] != "]":
            item, inner, end = self.value(here, -1, depth)
            items.append(item)
            nodes.append(inner)
            here = self.separator(end, "]", at)
        return items, here + 1

    def object(self, at: int, node: Node, depth: int) -> tuple[Json, int]:
        members: dict[str, Json] = {}
        nodes: dict[str, Node] = {}
        node.children = nodes
        here = self.gap(at + 1)
        while self.text[here : here + 1] != "}":
            name, key, end = *self.key(here), self.gap(self.key_end)
            if self.text[end : end + 1] != ":":
                raise _SyntaxError(end, "P101", self.unexpected(end, 'a ":" after the key'))
            value, inner, end = self.value(self.gap(end + 1), key, depth)
            if name in members:
                self.repeated(name, key, nodes[name].key)
            else:
                members[name], nodes[name] = value, inner
            here = self.separator(end, "}", at)
        return members, here + 1

    def key(self, at: int) -> tuple[str, int]:
        if self.text[at : at + 1] != '"':
            raise _SyntaxError(at, "P101", self.unexpected(at, "a key in quotes"), "")
        name, self.key_end = self.string(at)
        return name, at

    def repeated(self, name: str, at: int, first: int) -> None:
        line = self.text.count("\n", 0, first) + 1
        self.note(at, "P102", f"key {quote(name)} is already on line {line}", "keep one of the two")

    def separator(self, at: int, close: str, opened: int) -> int:
        """After an item: the closing bracket, or past a comma to the next item."""
        at = self.gap(at)
        char = self.text[at : at + 1]
        if char == close:
            return at
        if char != ",":
            expected = f'"," or "{close}"'
            if not char:
                line = self.text.count("\n", 0, opened) + 1
                expected = f'"{close}" for the bracket of line {line}'
            raise _SyntaxError(at, "P101", self.unexpected(at, expected))
        after = self.gap(at + 1)
        if self.text[after : after + 1] == close:
            self.note(at, "P105", f'there is a comma before "{close}"', "remove it")
        return after

    def unexpected(self, at: int, expected: str) -> str:
        char = self.text[at : at + 1]
        got = "a text" if char == '"' else quote(char) if char else "the end of the file"
        return f"expected {expected}, found {got}"

    def value_hint(self, at: int) -> str:
        return 'text stands in double quotes ("…")' if self.text[at : at + 1] == "'" else ""


def _string_problem(error: JSONDecodeError, at: int) -> tuple[int, str, str, str]:
    if error.msg.startswith("Unterminated"):
        return at, "P101", "this text has no closing quote", ""
    if error.msg.startswith("Invalid control"):
        message = "a line break or control character inside a text"
        return error.pos, "P101", message, "close the quote, or write \\n"
    return error.pos, "P101", "unknown escape in a text", "write \\\\ for a backslash"
