"""What stages that add, drop or replace parts of a stream share; whole answers go the same way."""

from collections.abc import Iterator

from plexus.transformers.base import StreamStage
from plexus.unified.chunks import StreamChunk
from plexus.unified.fold import fold, unfold
from plexus.unified.response import UnifiedChatResponse


class PartNumbers:
    """Indexes of the parts that go on, dense in order of opening as the grammar wants them."""

    def __init__(self) -> None:
        self._next = 0
        self._now: dict[int, int] = {}

    def fresh(self) -> int:
        """The index of a part that the stage opens itself."""
        self._next += 1
        return self._next - 1

    def opened(self, index: int) -> int:
        """The new index of part ``index``, which opens now."""
        self._now[index] = self.fresh()
        return self._now[index]

    def of(self, index: int) -> int:
        """The new index of an open part."""
        return self._now[index]


def through(stage: StreamStage, response: UnifiedChatResponse) -> UnifiedChatResponse:
    """A whole answer as ``stage`` leaves it: one truth for JSON and streams."""
    return fold(_fed(stage, response))


def _fed(stage: StreamStage, response: UnifiedChatResponse) -> Iterator[StreamChunk]:
    for chunk in unfold(response):
        yield from stage.feed(chunk)
    yield from stage.close()
