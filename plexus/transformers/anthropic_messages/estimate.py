"""Token counts where the provider gave none: a quarter of the characters (mappings.md §14)."""

from collections.abc import Iterable

from plexus.unified.content import (
    Content,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.request import FunctionTool, UnifiedChatRequest

CHARACTERS_PER_TOKEN = 4


def estimate_prompt(request: UnifiedChatRequest) -> int:
    """Tokens of the prompt, at least 1; media are not counted."""
    size = sum(_characters(message.content) for message in request.messages)
    for tool in request.tools:
        if isinstance(tool, FunctionTool):
            size += len(tool.name) + len(tool.description or "")
            size += len(bytes(tool.parameters)) if tool.parameters is not None else 0
    return max(1, size // CHARACTERS_PER_TOKEN)


def estimate_output(parts: Iterable[Content]) -> int:
    """Tokens of an answer."""
    size = _characters(parts)
    return -(-size // CHARACTERS_PER_TOKEN)


def _characters(parts: Iterable[Content]) -> int:
    size = 0
    for part in parts:
        match part:
            case TextContent() | ThinkingContent() | RefusalContent():
                size += len(part.text)
            case ToolCallContent():
                size += len(part.name) + len(part.arguments)
            case ToolResultContent():
                size += _characters(part.content)
            case _:
                pass
    return size
