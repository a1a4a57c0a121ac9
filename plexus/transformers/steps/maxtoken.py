"""``maxtoken``: a ceiling for the output limit."""

from typing import Annotated, ClassVar

from msgspec import Meta
from msgspec.structs import replace

from plexus.transformers.base import Step
from plexus.transformers.capabilities import TargetModel
from plexus.unified.request import UnifiedChatRequest


class MaxToken(Step, frozen=True):
    """Caps ``max_tokens`` when the client sent a higher one; silence stays silence.

    ``max_tokens``: tokens, at least 1.  Source: musistudio/llms ``maxtoken`` (lineage §2.3 row 17).
    """

    NAME: ClassVar[str] = "maxtoken"

    max_tokens: Annotated[int, Meta(ge=1)]

    def request(self, request: UnifiedChatRequest, target: TargetModel) -> UnifiedChatRequest:
        if request.max_tokens is None or request.max_tokens <= self.max_tokens:
            return request
        return replace(request, max_tokens=self.max_tokens)
