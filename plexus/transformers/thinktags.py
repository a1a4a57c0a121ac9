"""Thinking that a model writes into its text between two tags, taken apart while it streams.

``TagSplitter`` works on one text, ``TagStage`` on the parts of a stream.  What they give does not
depend on how the text was cut.
"""

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from msgspec.structs import replace

from plexus.transformers.stages import PartNumbers
from plexus.unified.chunks import (
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    StreamError,
)
from plexus.unified.content import Citation, Content, Proof, TextContent, ThinkingContent
from plexus.unified.fold import PartBuilder

BLANKS = 16
"""White space beside a tag that belongs to it, in characters: more would have to be held back."""

Kind = Literal["text", "thinking"]


class Piece(NamedTuple):
    """A run of text or thinking; ``at`` is where it began in the whole text, in characters.

    An empty thinking piece ends a block: what follows, thinking too, is another part.
    """

    kind: Kind
    text: str
    at: int


class TagSplitter:
    """Splits one text at ``opening`` and ``closing``.

    Only a tag at the start of the text counts, so that an answer may speak of tags; with
    ``anywhere`` each one does.  ``opened``: the text begins inside the block, because the model's
    template has written the tag.  White space beside a tag belongs to the tag.
    """

    def __init__(
        self, opening: str, closing: str, *, anywhere: bool = False, opened: bool = False
    ) -> None:
        self._opening = opening
        self._closing = closing
        self._opened = opened
        self._outside = self._search if anywhere else self._rest
        self._state: Callable[[bool], Iterator[Piece]] = self._start
        self._held = ""
        self._pos = 0
        self._dropped = 0

    def feed(self, text: str) -> list[Piece]:
        return self._run(text, last=False)

    def close(self) -> list[Piece]:
        """The text is over: what was held back, as what it turned out to be."""
        return self._run("", last=True)

    def _run(self, text: str, last: bool) -> list[Piece]:
        """States take from the front of what is held until none of them takes any more."""
        self._dropped += self._pos
        self._held, self._pos = self._held[self._pos :] + text, 0
        out: list[Piece] = []
        while True:
            state, pos = self._state, self._pos
            out += state(last)
            if self._state == state and self._pos == pos:
                return out

    def _piece(self, kind: Kind, end: int) -> Iterator[Piece]:
        """What is held up to ``end``."""
        begin, self._pos = self._pos, end
        if end > begin:
            yield Piece(kind, self._held[begin:end], self._dropped + begin)

    def _skip_blanks(self) -> bool:
        """Whether something is left after the white space."""
        self._pos = _blanks(self._held, self._pos)
        return self._pos < len(self._held)

    # States; ``last``: nothing comes after what is held.

    def _start(self, last: bool) -> Iterator[Piece]:
        begin = _blanks(self._held, self._pos)
        near = begin - self._pos <= BLANKS
        if near and self._held.startswith(self._opening, begin):
            self._pos = begin + len(self._opening)
            self._state = self._lead
        elif last or not near or not self._opening.startswith(self._held[begin:]):
            self._state = self._lead if self._opened else self._outside
        yield from ()

    def _search(self, last: bool) -> Iterator[Piece]:
        """Text in which a block may begin."""
        yield from self._up_to("text", self._opening, last)
        if self._held.startswith(self._opening, self._pos):
            self._pos += len(self._opening)
            self._state = self._lead

    def _rest(self, last: bool) -> Iterator[Piece]:
        """Text in which no tag counts any more."""
        yield from self._piece("text", len(self._held))

    def _lead(self, last: bool) -> Iterator[Piece]:
        """White space before the thinking."""
        if self._skip_blanks():
            self._state = self._inside
        yield from ()

    def _inside(self, last: bool) -> Iterator[Piece]:
        yield from self._up_to("thinking", self._closing, last)
        if self._held.startswith(self._closing, self._pos):
            self._pos += len(self._closing)
            self._state = self._after
            yield Piece("thinking", "", self._dropped + self._pos)

    def _after(self, last: bool) -> Iterator[Piece]:
        """White space after a block."""
        if self._skip_blanks():
            self._state = self._outside
        yield from ()

    def _up_to(self, kind: Kind, tag: str, last: bool) -> Iterator[Piece]:
        """What stands before ``tag``; without one, all that cannot belong to it."""
        held = self._held
        at = held.find(tag, self._pos)
        if at >= 0:
            yield from self._piece(kind, _before(held, self._pos, at))
            self._pos = at
        elif last:
            yield from self._piece(kind, len(held))
        else:
            yield from self._piece(kind, _safe(held, self._pos, tag))


_SPACE = re.compile(r"\s*")


def _blanks(text: str, pos: int) -> int:
    """The end of the white space at ``pos``."""
    found = _SPACE.match(text, pos)
    return pos if found is None else found.end()


def _before(text: str, pos: int, at: int) -> int:
    """Where the white space that belongs to a tag at ``at`` begins."""
    begin = at
    while begin > max(pos, at - BLANKS) and text[begin - 1].isspace():
        begin -= 1
    return begin


def _safe(text: str, pos: int, tag: str) -> int:
    """The end of what cannot belong to ``tag``, which may go on in what comes next."""
    end = len(text)
    at = text.find(tag[0], max(pos, end - len(tag) + 1))
    while at >= 0:
        if tag.startswith(text[at:]):
            end = at
            break
        at = text.find(tag[0], at + 1)
    return _before(text, pos, end)


class TagStage:
    """Splits the text parts of a stream; ``make`` gives the splitter of one.

    ``first``: only the first text part of a choice is looked at.
    """

    def __init__(self, make: Callable[[], TagSplitter], *, first: bool) -> None:
        self._make = make
        self._first = first
        self._numbers = PartNumbers()
        self._texts: dict[int, _Text] = {}
        self._begun: set[int] = set()

    def feed(self, chunk: StreamChunk) -> list[StreamChunk]:
        match chunk:
            case PartStart(index=index, part=TextContent() as part, choice=choice) if (
                not self._first or choice not in self._begun
            ):
                self._begun.add(choice)
                self._texts[index] = _Text(self._make(), part, choice, self._numbers)
                return []
            case PartStart(index=index):
                return [replace(chunk, index=self._numbers.opened(index))]
            case PartDelta(index=index) if index in self._texts:
                return self._texts[index].add(chunk)
            case PartStop(index=index, part=TextContent() as part) if index in self._texts:
                return self._texts.pop(index).stop(part)
            case PartDelta(index=index) | PartStop(index=index):
                return [replace(chunk, index=self._numbers.of(index))]
            case StreamError():
                held = [out for text in self._texts.values() for out in text.flush()]
                return [*held, chunk]
        return [chunk]

    def close(self) -> list[StreamChunk]:
        return []


class _Text:
    """One text part of the provider, and the parts that become of it, one open at a time."""

    def __init__(
        self, splitter: TagSplitter, skeleton: TextContent, choice: int, numbers: PartNumbers
    ) -> None:
        self._splitter = splitter
        self._skeleton = skeleton
        self._choice = choice
        self._numbers = numbers
        self._kind: Kind | None = None
        self._index = 0
        self._begin = 0
        self._builder = PartBuilder(skeleton)
        self._waiting: list[Citation | Proof] = []
        """What belongs to the text, while none is open."""

    def add(self, delta: PartDelta) -> list[StreamChunk]:
        value = delta.value
        if isinstance(value, str):
            return self._write(self._splitter.feed(value))
        self._waiting.append(value)
        return self._attach() if self._kind == "text" else []

    def flush(self) -> list[StreamChunk]:
        """What was held back; parts stay open."""
        return self._write(self._splitter.close())

    def stop(self, part: TextContent) -> list[StreamChunk]:
        out = self.flush()
        if not part.text:
            return [*out, *self._open("text", 0), self._stop(part)]
        if self._kind == "text" and self._builder.text == part.text:
            return [*out, self._stop(part)]
        if any(isinstance(value, Proof) for value in self._waiting):
            out += [*self._close(), *self._open("text", 0)]
        return [*out, *self._close()]

    def _write(self, pieces: list[Piece]) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        for kind, text, at in pieces:
            if not text:
                out += self._close()
                continue
            if self._kind != kind:
                out += [*self._close(), *self._open(kind, at)]
            delta = PartDelta(self._index, kind, text)
            self._builder.add(delta)
            out.append(delta)
        return out

    def _open(self, kind: Kind, at: int) -> list[StreamChunk]:
        part: Content = ThinkingContent()
        if kind == "text":
            # A provider's own members of the part go with the first text that is left of it.
            part, self._skeleton = self._skeleton, TextContent(text="")
        self._kind, self._begin, self._index = kind, at, self._numbers.fresh()
        self._builder = PartBuilder(part)
        start = PartStart(self._index, part, self._choice)
        return [start, *(self._attach() if kind == "text" else [])]

    def _attach(self) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        for value in self._waiting:
            if isinstance(value, Proof):
                delta = PartDelta(self._index, "proof", value)
            else:
                delta = PartDelta(self._index, "citation", self._moved(value))
            self._builder.add(delta)
            out.append(delta)
        self._waiting = []
        return out

    def _moved(self, citation: Citation) -> Citation:
        """The citation with its offsets into the text that is left."""
        if citation.kind != "url" or self._begin == 0:
            return citation
        start, end = citation.start, citation.end
        return replace(
            citation,
            start=None if start is None else max(0, start - self._begin),
            end=None if end is None else max(0, end - self._begin),
        )

    def _close(self) -> list[StreamChunk]:
        return [] if self._kind is None else [self._stop(self._builder.build())]

    def _stop(self, part: Content) -> StreamChunk:
        self._kind = None
        return PartStop(self._index, part)
