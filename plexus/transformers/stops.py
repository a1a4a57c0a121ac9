"""Stop sequences for providers that have none: the visible text is cut here (mappings.md §6).

Only texts are searched, never thinking or arguments.  What could be the beginning of a sequence is
held back until the next text shows that it is not.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from plexus.unified.chunks import (
    FinishReport,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import TextContent
from plexus.unified.fold import PartBuilder, fold, unfold
from plexus.unified.response import Finish, UnifiedChatResponse


class StopCutter:
    """One answer with one choice.  ``cut``: a sequence was met, and the answer is over.

    ``patient``: the end waits for the provider's own, which brings the usage; else it comes at
    once, and nothing more of the provider is wanted.
    """

    def __init__(self, stops: Iterable[str], patient: bool = False) -> None:
        self.cut = False
        self._stops = tuple(stops)
        self._patient = patient
        self._open: dict[int, PartBuilder] = {}
        self._held: dict[int, str] = {}
        self._finish = Finish("stop_sequence")

    def feed(self, chunk: StreamChunk) -> list[StreamChunk]:
        if self.cut:
            return self._after(chunk)
        match chunk:
            case PartStart(index=index, part=part):
                self._open[index] = PartBuilder(part)
                if isinstance(part, TextContent):
                    self._held[index] = ""
                return [chunk]
            case PartDelta(index=index, kind="text", value=str(text)) if index in self._held:
                return self._text(index, text)
            case PartDelta(index=index):
                self._open[index].add(chunk)
                return [chunk]
            case PartStop(index=index):
                rest = self._held.pop(index, "")
                del self._open[index]
                return [PartDelta(index, "text", rest), chunk] if rest else [chunk]
            case _:
                return [chunk]

    def _text(self, index: int, text: str) -> list[StreamChunk]:
        text = self._held[index] + text
        at, stop = self._earliest(text)
        if stop is None:
            keep = self._beginning(text)
            self._held[index] = text[len(text) - keep :]
            return self._say(index, text[: len(text) - keep])
        out = self._say(index, text[:at])
        self.cut = True
        self._finish = replace(self._finish, stop_sequence=stop)
        out += [PartStop(number, builder.build()) for number, builder in self._open.items()]
        if not self._patient:
            out += [FinishReport(self._finish), MessageStop()]
        return out

    def _say(self, index: int, text: str) -> list[StreamChunk]:
        if not text:
            return []
        delta = PartDelta(index, "text", text)
        self._open[index].add(delta)
        return [delta]

    def _earliest(self, text: str) -> tuple[int, str | None]:
        """Where the first sequence begins, and which it is; the longest of several there."""
        found = [(text.find(stop), -len(stop), stop) for stop in self._stops if stop in text]
        if not found:
            return -1, None
        at, _, stop = min(found)
        return at, stop

    def _beginning(self, text: str) -> int:
        """Characters at the end of ``text`` that some sequence begins with."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            tail = text[len(text) - size :]
            if any(stop.startswith(tail) for stop in self._stops):
                return size
        return 0

    def _after(self, chunk: StreamChunk) -> list[StreamChunk]:
        if not self._patient:
            return []
        match chunk:
            case UsageReport() | MessageStop() | StreamError():
                return [chunk]
            case FinishReport():
                return [replace(chunk, finish=self._finish)]
            case _:
                return []


def cut_response(response: UnifiedChatResponse, stops: Iterable[str]) -> UnifiedChatResponse:
    """A whole answer up to the first stop sequence, with the usage of all of it."""
    cutter = StopCutter(stops, patient=True)
    return fold([out for chunk in unfold(response) for out in cutter.feed(chunk)])
