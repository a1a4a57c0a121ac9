"""What a formatter passes over is not set; a field nobody thought of is looked at."""

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import fields, replace

from plexus.transformers.usual import is_usual
from plexus.unified.content import TextContent
from plexus.unified.request import (
    FunctionTool,
    Reasoning,
    ResponseFormat,
    Source,
    StreamOptions,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)

USUAL: dict[str, Any] = {
    "model": "m",
    "messages": (UnifiedMessage(role="user", content=(TextContent(text="hi"),)),),
    "source": Source(dialect="gemini", headers={"traceparent": "x"}),
    "stream": True,
    "stream_options": StreamOptions(include_usage=True),
    "tools": (FunctionTool(name="f"),),
    "tool_choice": ToolChoice(mode="auto"),
    "parallel_tool_calls": False,
    "response_format": ResponseFormat(type="text"),
    "max_tokens": 1,
    "temperature": 0.0,
    "top_p": 0.5,
    "top_k": 3,
    "stop": ("x",),
    "reasoning": Reasoning(effort="low"),
    "user": "ann",
}
REQUEST = UnifiedChatRequest(**USUAL)
OTHERS = sorted({field.name for field in fields(UnifiedChatRequest)} - USUAL.keys())


def test_usual_fields() -> None:
    assert is_usual(REQUEST)


@pytest.mark.parametrize("field", OTHERS)
def test_any_other_field(field: str) -> None:
    assert not is_usual(replace(REQUEST, **{field: Raw(b"0")}))
