"""``extrathinktag``: models that write their thinking into the text, between ``<think>`` tags."""

from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta

from plexus.transformers.base import Step, StreamStage
from plexus.transformers.stages import through
from plexus.transformers.thinktags import TagSplitter, TagStage
from plexus.unified.response import UnifiedChatResponse

Tag = Annotated[str, Meta(min_length=1, max_length=64)]


class ExtraThinkTag(Step, frozen=True, kw_only=True):
    """Takes ``<think>…</think>`` at the start of an answer out of its text, as thinking.

    Only at the start, so that an answer may speak of tags; white space beside a tag goes with it.
    ``opened``: the model's template has written the opening tag, so the answer begins inside it
    (vendors.md §14).  Source: musistudio/llms ``extrathinktag`` (lineage §2.3 row 16).
    """

    NAME: ClassVar[str] = "extrathinktag"

    opening: Tag = "<think>"
    closing: Tag = "</think>"
    opened: bool = False

    def response(self, response: UnifiedChatResponse) -> UnifiedChatResponse:
        return through(self.stream(), response)

    def stream(self) -> StreamStage:
        make = partial(TagSplitter, self.opening, self.closing, opened=self.opened)
        return TagStage(make, first=True)
