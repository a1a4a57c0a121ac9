"""The start of an answer's text: a repeated prefix, blanks, reasoning in tags (vendors.md §6, §14).

Text comes in fragments; what may still turn out to be a mark is held back, never more than a mark
is long.
"""

from typing import Literal

from plexus.transformers.capabilities import Capabilities

THINK_TAGS = ("<think>", "</think>")

Pieces = list[tuple[bool, str]]
"""``(thinking, text)`` in order; text is never empty."""


def opening(closing: str) -> str:
    """``<think>`` of ``</think>``."""
    return closing.replace("/", "", 1)


class StartFilter:
    """One choice's text on its way in.

    ``prefix`` is the client's own text that the vendor repeats.
    """

    def __init__(self, capabilities: Capabilities, prefix: str = "") -> None:
        self._prefix = prefix
        self._trim = bool(capabilities.trim_start)
        self._tags = _Tags(*capabilities.think_tags) if capabilities.think_tags else None
        self._held = ""

    def feed(self, text: str) -> Pieces:
        if self._prefix:
            text = self._unprefixed(self._held + text)
            if not text:
                return []
        if self._trim:
            text = text.lstrip()
            if not text:
                return []
            self._trim = False
        if self._tags is not None:
            return self._tags.feed(text)
        return _piece(False, text)

    def close(self) -> Pieces:
        """What was held back until now."""
        held, self._held, self._prefix = self._held, "", ""
        pieces = self.feed(held) if held else []
        return pieces + (self._tags.close() if self._tags is not None else [])

    def _unprefixed(self, text: str) -> str:
        """Without the prefix; nothing while it may still come."""
        if text.startswith(self._prefix):
            text = text[len(self._prefix) :]
        elif self._prefix.startswith(text):
            self._held = text
            return ""
        self._prefix = self._held = ""
        return text


class _Tags:
    """Reasoning between marks, at the start of the text only.

    Without an opening mark (the model's template has written it) the text starts as reasoning.
    """

    def __init__(self, before: str, after: str) -> None:
        self._implied = not before
        self._before = before or opening(after)
        self._after = after
        self._state: Literal["start", "inside", "text"] = "start"
        self._fresh = False
        """Right behind a mark: line breaks there belong to it."""
        self._held = ""

    def feed(self, text: str) -> Pieces:
        text, self._held = self._held + text, ""
        if self._state == "start":
            return self._start(text)
        return self._inside(text) if self._state == "inside" else self._behind(text)

    def close(self) -> Pieces:
        held, self._held = self._held, ""
        return [(self._state == "inside", held)] if held else []

    def _start(self, text: str) -> Pieces:
        begun = text.lstrip()
        if begun.startswith(self._before):
            return self._enter(begun[len(self._before) :])
        if self._before.startswith(begun):
            self._held = text
            return []
        if self._implied:
            return self._enter(text)
        self._state = "text"
        return self._behind(text)

    def _enter(self, text: str) -> Pieces:
        self._state, self._fresh = "inside", True
        return self._inside(text)

    def _inside(self, text: str) -> Pieces:
        text = self._unbroken(text)
        thought, mark, rest = text.partition(self._after)
        if mark:
            self._state, self._fresh = "text", True
            return [*_piece(True, thought), *self._behind(rest)]
        cut = len(text) - _overlap(text, self._after)
        self._held = text[cut:]
        return _piece(True, text[:cut])

    def _behind(self, text: str) -> Pieces:
        return _piece(False, self._unbroken(text))

    def _unbroken(self, text: str) -> str:
        if self._fresh:
            text = text.lstrip("\n")
            self._fresh = not text
        return text


def _piece(thinking: bool, text: str) -> Pieces:
    return [(thinking, text)] if text else []


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of ``text`` may be the beginning of ``mark``."""
    for count in range(min(len(text), len(mark) - 1), 0, -1):
        if mark.startswith(text[-count:]):
            return count
    return 0
