"""``sampling``: fixed sampling parameters."""

from typing import Annotated, ClassVar

from msgspec import Meta
from msgspec.structs import replace

from plexus.transformers.base import Step
from plexus.transformers.capabilities import TargetModel
from plexus.unified.request import UnifiedChatRequest


class Sampling(Step, frozen=True, kw_only=True):
    """Caps ``max_tokens`` and overrides the other parameters with the configured values.

    A parameter without a configured value is left as the client sent it.  Source: musistudio/llms
    ``sampling`` (lineage §2.3 row 19).
    """

    NAME: ClassVar[str] = "sampling"

    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0)] | None = None

    def request(self, request: UnifiedChatRequest, target: TargetModel) -> UnifiedChatRequest:
        limit = request.max_tokens
        if self.max_tokens is not None and limit is not None:
            limit = min(limit, self.max_tokens)

        names = ("temperature", "top_p", "top_k", "repetition_penalty")
        fixed = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(request, max_tokens=limit, **fixed)
