"""``cleancache``: no prompt-cache markers for the provider."""

from typing import ClassVar

from msgspec.structs import replace

from plexus.transformers.base import Step
from plexus.transformers.capabilities import TargetModel
from plexus.unified.content import (
    Content,
    DocumentContent,
    SearchResultContent,
    ToolResultContent,
)
from plexus.unified.request import FunctionTool, UnifiedChatRequest


class CleanCache(Step, frozen=True):
    """Removes every ``cache_control``: on parts at any depth, on tools, and on the request.

    The parent left markers of tools and of nested results.  Source: musistudio/llms ``cleancache``
    (lineage §2.3 row 21).
    """

    NAME: ClassVar[str] = "cleancache"

    def request(self, request: UnifiedChatRequest, target: TargetModel) -> UnifiedChatRequest:
        cache = request.prompt_cache
        return replace(
            request,
            messages=tuple(
                replace(message, content=tuple(map(_clean, message.content)))
                for message in request.messages
            ),
            tools=tuple(
                replace(tool, cache_control=None) if isinstance(tool, FunctionTool) else tool
                for tool in request.tools
            ),
            prompt_cache=None if cache is None else replace(cache, auto=None),
        )


def _clean(part: Content) -> Content:
    if isinstance(part, ToolResultContent):
        part = replace(part, content=tuple(map(_clean, part.content)))
    elif isinstance(part, DocumentContent | SearchResultContent):
        part = replace(part, blocks=tuple(map(_clean, part.blocks)))
    return part if part.cache_control is None else replace(part, cache_control=None)
