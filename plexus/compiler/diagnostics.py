"""What the compiler has to say: one finding with its place, and the three ways to print it.

A diagnostic never contains a secret: :func:`quote` shortens and escapes every value that is
echoed, and the source line is printed through the mask its document made (``Document.shown``).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

Severity = Literal["error", "warning"]

_WINDOW = 110
_ECHO = 80


class Lines(Protocol):
    """Where the renderer takes source lines from."""

    def shown(self, line: int) -> str:
        """Line ``line`` (1-based) with secrets and unprintable characters masked."""
        ...


class Diagnostic(Struct, frozen=True, order=True):
    """One finding.  ``line`` and ``column`` are 1-based, columns in characters; 0 is no place."""

    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str = ""
    severity: Severity = "error"

    def head(self) -> str:
        """``plexus.json:12:9: error P302: message``, on one line."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}: {self.severity} {self.code}: {self.message}{hint}"


def errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether one of them is an error (warnings do not stop a build)."""
    return any(item.severity == "error" for item in diagnostics)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorted by place, without repetitions."""
    return tuple(sorted(set(diagnostics)))


def quote(value: object) -> str:
    """A value from the config as a message may show it: JSON, one line, at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else f'"{value}"'
    text = printable(text)
    return text if len(text) <= _ECHO else f"{text[: _ECHO - 1]}…"


def printable(text: str) -> str:
    """``text`` with every control, bidi or unassigned character replaced by U+FFFD."""
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char == "\t":
        return " "
    if char == " " or unicodedata.category(char)[0] not in "CZ":
        return char
    return "\ufffd"


def suggest(name: str, known: Iterable[str]) -> str:
    """``did you mean "x"?`` for the nearest known name, or the empty string."""
    near = nearest(name, known)
    return f"did you mean {quote(near)}?" if near is not None else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one known name a typing slip away from ``name``."""
    from difflib import get_close_matches

    by_fold = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    found = get_close_matches(name[:_ECHO].casefold(), sorted(by_fold), n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def as_text(diagnostics: Sequence[Diagnostic], lines: Lines | None, *, colour: bool) -> str:
    """Head line, source line and caret for each, then a count."""
    blocks = [_text(item, lines, colour) for item in diagnostics]
    return "".join(f"{block}\n" for block in blocks) + (
        f"{_count(diagnostics)}\n" if blocks else ""
    )


def _text(item: Diagnostic, lines: Lines | None, colour: bool) -> str:
    head = item.head()
    if colour:
        paint = "\033[31m" if item.severity == "error" else "\033[33m"
        word = f"{item.severity} {item.code}"
        head = head.replace(word, f"{paint}{word}\033[0m", 1)
    if not item.line or lines is None:
        return head
    text, caret = _window(lines.shown(item.line), item.column)
    return f"{head}\n    {text}\n    {' ' * caret}^"


def _window(text: str, column: int) -> tuple[str, int]:
    """The part of a long line around ``column``, and the caret's offset in it."""
    if len(text) <= _WINDOW:
        return text, min(column - 1, len(text))
    start = max(0, min(column - 1 - _WINDOW // 2, len(text) - _WINDOW))
    return text[start : start + _WINDOW], min(column - 1, len(text)) - start


def _count(diagnostics: Sequence[Diagnostic]) -> str:
    bad = sum(item.severity == "error" for item in diagnostics)
    soft = len(diagnostics) - bad
    parts = [(bad, "error"), (soft, "warning")]
    return ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for n, word in parts if n)


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    """A JSON array with one object per diagnostic, for other programs."""
    rows = [
        {
            "file": item.file,
            "line": item.line,
            "column": item.column,
            "severity": item.severity,
            "code": item.code,
            "message": item.message,
            "hint": item.hint,
        }
        for item in diagnostics
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def as_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Workflow commands: GitHub shows them beside the changed line of a pull request."""
    return "".join(_github(item) for item in diagnostics)


def _github(item: Diagnostic) -> str:
    place = f",line={item.line},col={item.column}" if item.line else ""
    hint = f"; {item.hint}" if item.hint else ""
    title = f"title=plexus {item.code}"
    return (
        f"::{item.severity} file={_property(item.file)}{place},{title}"
        f"::{_escape(item.message + hint)}\n"
    )


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
