"""Every row of the loss table has a case, and every warning is a row (design decision 8)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import bedrock_converse as converse
from plexus.transformers import fields
from plexus.transformers.capabilities import TargetModel
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    Citation,
    CompactionContent,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    ClientBuiltinTool,
    CustomTool,
    FunctionTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    ServerTool,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)
from tests.transformers.bedrock_converse.support import HI, NOVA, asked, check, target

TARGET = target()
TITAN = target("amazon.titan-text-express-v1", family="titan")
BUDGET = target(thinking="budget")
RAW = Raw(b"[1]")
CALL = ToolCallContent(id="c1", name="f")
F = FunctionTool(name="f")
PDF = MediaSource("base64", data="AAAA", media_type="application/pdf")
FOREIGN = Proof("sig", "signature", Origin("openai"))
ADDRESS = MediaSource("url", url="https://example.com/x")
FILE = MediaSource("file_id", file_id="file-1")


def with_part(*parts: Content, role: Any = "user", **more: Any) -> UnifiedChatRequest:
    return asked(HI, UnifiedMessage(role=role, content=parts), HI, **more)


def called(*content: Content, **more: Any) -> UnifiedChatRequest:
    """A round of ``f`` whose result is followed by ``content``."""
    result = ToolResultContent(tool_call_id="c1", content=(TextContent(text="x"),))
    spoken = UnifiedMessage(role="assistant", content=(CALL,))
    return asked(HI, spoken, UnifiedMessage(role="user", content=(result, *content)), **more)


def choosing(mode: Any, **more: Any) -> dict[str, Any]:
    return {"tools": (F,), "tool_choice": ToolChoice(mode=mode, **more)}


SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"string","maxLength":3}}}')
JSON_SCHEMA = ResponseFormat(type="json_schema", schema=SCHEMA)
SPOKEN = UnifiedMessage(role="assistant", content=(TextContent(text="x"),))
LATE = UnifiedMessage(role="system", content=(TextContent(text="x"),))
PICTURE = UnifiedMessage(role="system", content=(ImageContent(source=PDF),))

REQUESTS: dict[str, tuple[UnifiedChatRequest, TargetModel]] = {
    "container": (asked(HI, container=RAW), TARGET),
    "context_management": (asked(HI, context_management=RAW), TARGET),
    "extra": (asked(HI, extra={"other": {"x": RAW}}), TARGET),
    "frequency_penalty": (asked(HI, frequency_penalty=1.0), TARGET),
    "include": (asked(HI, include=("x",)), TARGET),
    "logit_bias": (asked(HI, logit_bias=RAW), TARGET),
    "logprobs": (asked(HI, logprobs=True), TARGET),
    "max_tokens": (asked(HI, max_tokens=9), target(max_output_tokens=5)),
    "max_tokens.prewarm": (asked(HI, max_tokens=0), TARGET),
    "max_tool_calls": (asked(HI, max_tool_calls=1), TARGET),
    "mcp_servers": (asked(HI, mcp_servers=RAW), TARGET),
    "message.ext": (
        asked(UnifiedMessage(role="user", content=HI.content, ext={"other": {"x": RAW}})),
        TARGET,
    ),
    "message.first_assistant": (asked(SPOKEN, HI), TARGET),
    "message.name": (asked(UnifiedMessage(role="user", content=HI.content, name="ann")), TARGET),
    "message.prefill": (asked(HI, SPOKEN), TARGET),
    "message.system_media": (asked(PICTURE, HI), TARGET),
    "message.system_mid": (asked(HI, LATE), TARGET),
    "message.system_only": (asked(LATE), TARGET),
    "metadata": (asked(HI, metadata={"k" * 300: "v"}), TARGET),
    "min_p": (asked(HI, min_p=0.1), TARGET),
    "modalities": (asked(HI, modalities=("audio",)), TARGET),
    "moderation": (asked(HI, moderation=RAW), TARGET),
    "n": (asked(HI, n=2), TARGET),
    "parallel_tool_calls": (asked(HI, tools=(F,), parallel_tool_calls=False), target(NOVA)),
    "part.audio": (with_part(AudioContent(source=ADDRESS)), TARGET),
    "part.cache_control": (
        with_part(TextContent(text="x", cache_control=CacheControl())),
        target(cache_breakpoints=False),
    ),
    "part.compaction": (
        with_part(CompactionContent(dialect="other", raw=RAW), role="assistant"),
        TARGET,
    ),
    "part.document": (
        with_part(
            DocumentContent(source=MediaSource("base64", data="AA", media_type="image/tiff"))
        ),
        TARGET,
    ),
    "part.document.file_id": (with_part(DocumentContent(source=FILE)), TARGET),
    "part.document.title": (with_part(DocumentContent(source=PDF, title="a_b.pdf")), TARGET),
    "part.document.url": (with_part(DocumentContent(source=ADDRESS)), TARGET),
    "part.ext": (with_part(TextContent(text="x", ext={"other": {"x": RAW}})), TARGET),
    "part.image.detail": (
        with_part(
            ImageContent(
                source=MediaSource("base64", data="AA", media_type="image/png"), detail="low"
            )
        ),
        TARGET,
    ),
    "part.image.file_id": (with_part(ImageContent(source=FILE)), TARGET),
    "part.image.media_type": (
        with_part(ImageContent(source=MediaSource("base64", data="AA", media_type="image/bmp"))),
        TARGET,
    ),
    "part.image.url": (with_part(ImageContent(source=ADDRESS)), TARGET),
    "part.opaque": (with_part(OpaqueContent(dialect="other", raw=RAW)), TARGET),
    "part.refusal": (with_part(RefusalContent(text="no"), role="assistant"), TARGET),
    "part.server_tool": (
        with_part(
            ServerToolCallContent(id="s", tool="web_search", name="w", dialect="other", raw=RAW),
            role="assistant",
        ),
        TARGET,
    ),
    "part.text.citations": (
        with_part(TextContent(text="x", citations=(Citation(kind="url"),)), role="assistant"),
        TARGET,
    ),
    "part.thinking": (with_part(ThinkingContent(text="hm"), role="assistant"), TARGET),
    "part.thinking.foreign": (
        with_part(ThinkingContent(text="hm", proof=FOREIGN), role="assistant"),
        TARGET,
    ),
    "part.tool_call.arguments": (
        asked(
            HI,
            UnifiedMessage(
                role="assistant", content=(ToolCallContent(id="c1", name="f", arguments="[1]"),)
            ),
            UnifiedMessage(role="user", content=(ToolResultContent(tool_call_id="c1"),)),
        ),
        TARGET,
    ),
    "part.tool_call.custom": (
        asked(
            HI,
            UnifiedMessage(
                role="assistant", content=(ToolCallContent(id="c1", name="f", kind="custom"),)
            ),
            UnifiedMessage(role="user", content=(ToolResultContent(tool_call_id="c1"),)),
        ),
        TARGET,
    ),
    "part.tool_result.media": (called(DocumentContent(source=PDF)), TARGET),
    "part.tool_result.missing": (with_part(CALL, role="assistant"), TARGET),
    "part.tool_result.orphan": (with_part(ToolResultContent(tool_call_id="gone")), TARGET),
    "part.tool_call.proof": (
        asked(
            HI,
            UnifiedMessage(
                role="assistant", content=(ToolCallContent(id="c1", name="f", proof=FOREIGN),)
            ),
            UnifiedMessage(
                role="tool", content=(ToolResultContent(tool_call_id="c1", content=HI.content),)
            ),
            tools=(F,),
        ),
        TARGET,
    ),
    "part.audio.input": (with_part(AudioContent(source=ADDRESS)), target(audio=False)),
    "part.document.input": (with_part(DocumentContent(source=PDF)), target(documents=False)),
    "part.image.input": (with_part(ImageContent(source=ADDRESS)), target(images=False)),
    "part.video.input": (with_part(VideoContent(source=ADDRESS)), target(video=False)),
    "message.phase": (asked(UnifiedMessage(role="user", content=HI.content, phase="x")), TARGET),
    "part.video.clip": (
        with_part(
            VideoContent(source=MediaSource("base64", data="AA", media_type="video/mp4"), clip=RAW)
        ),
        TARGET,
    ),
    "prompt_cache": (asked(HI, prompt_cache=PromptCache(mode="explicit")), TARGET),
    "reasoning.summary": (asked(HI, reasoning=Reasoning(effort="high", summary="auto")), TARGET),
    "part.video": (with_part(VideoContent(source=ADDRESS)), TARGET),
    "prediction": (asked(HI, prediction=RAW), TARGET),
    "presence_penalty": (asked(HI, presence_penalty=1.0), TARGET),
    "prompt_cache.key": (asked(HI, prompt_cache=PromptCache(key="k")), TARGET),
    "reasoning.budget": (asked(HI, reasoning=Reasoning(max_tokens=5000)), TARGET),
    "reasoning.effort": (asked(HI, reasoning=Reasoning(effort="high")), TITAN),
    "reasoning.forced_tool": (
        asked(HI, reasoning=Reasoning(max_tokens=2000, mode="budget"), **choosing("required")),
        BUDGET,
    ),
    "reasoning.history": (called(reasoning=Reasoning(max_tokens=2000, mode="budget")), BUDGET),
    "reasoning.off": (
        asked(HI, reasoning=Reasoning(effort="none")),
        target(thinking_off="refused"),
    ),
    "region": (asked(HI, region="eu"), TARGET),
    "repetition_penalty": (asked(HI, repetition_penalty=1.1), TARGET),
    "response_format.grammar": (
        asked(HI, response_format=ResponseFormat(type="grammar")),
        TARGET,
    ),
    "response_format.json_object": (
        asked(HI, response_format=ResponseFormat(type="json_object")),
        TARGET,
    ),
    "response_format.schema": (asked(HI, response_format=JSON_SCHEMA), TARGET),
    "response_format.tool": (asked(HI, response_format=JSON_SCHEMA), target(json_schema=False)),
    "safety_settings": (asked(HI, safety_settings=RAW), TARGET),
    "seed": (asked(HI, seed=1), TARGET),
    "server_state": (asked(HI, server_state={"conversation": RAW}), TARGET),
    "service_tier": (asked(HI, service_tier="ultrafast"), TARGET),
    "speed": (asked(HI, speed="fast"), TARGET),
    "stop": (asked(HI, stop=("a", "b")), target(stop_max=1)),
    "stop.blank": (asked(HI, stop=(" ",)), TARGET),
    "store": (asked(HI, store=True), TARGET),
    "temperature": (asked(HI, temperature=0.5), TARGET),
    "temperature.range": (asked(HI, temperature=1.5), target(NOVA)),
    "tool.builtin": (
        asked(HI, tools=(ClientBuiltinTool(kind="bash", dialect="other", raw=RAW),)),
        TARGET,
    ),
    "tool.custom": (asked(HI, tools=(CustomTool(name="f"),)), TARGET),
    "tool.ext": (asked(HI, tools=(FunctionTool(name="f", ext={"other": {"x": RAW}}),)), TARGET),
    "tool.name": (asked(HI, tools=(FunctionTool(name="a.b"),)), TARGET),
    "tool.server": (
        asked(HI, tools=(ServerTool(kind="web_search", dialect="other", raw=RAW),)),
        TARGET,
    ),
    "tool.strict": (
        asked(HI, tools=(FunctionTool(name="f", strict=True),)),
        target(strict_tools=False),
    ),
    "tool_choice.allowed": (asked(HI, **choosing("allowed", names=("f",))), TARGET),
    "tool_choice.forced": (
        asked(HI, **choosing("required")),
        target(forced_tool_choice=False),
    ),
    "tool_choice.none": (asked(HI, **choosing("none")), TARGET),
    "top_k": (asked(HI, top_k=3), TITAN),
    "top_p": (asked(HI, top_p=0.5), TARGET),
    "truncation": (asked(HI, truncation="auto"), TARGET),
    "user": (asked(HI, user="ann@example.com"), TARGET),
    "verbosity": (asked(HI, verbosity="low"), TARGET),
    "web_search": (asked(HI, web_search=RAW), TARGET),
}


def test_every_row_has_a_case() -> None:
    assert REQUESTS.keys() == converse.REQUEST_LOSSES.keys()


@pytest.mark.parametrize("field", REQUESTS)
def test_request_row(field: str) -> None:
    row = converse.REQUEST_LOSSES[field]
    request, to = REQUESTS[field]
    assert row.possible(to, False)
    if row.outcome == "refused":
        with pytest.raises(PlexusError) as caught:
            converse.format_request(request, to)
        assert caught.value.error.kind == "unsupported"
        assert caught.value.error.param
        return
    made = converse.format_request(request, to)
    check(json.loads(made.body))
    assert [warning.loss for warning in made.warnings] == ([] if row.silent else [row])


def test_the_vocabulary_is_shared() -> None:
    assert converse.REQUEST_LOSSES.keys() <= fields.REQUEST_FIELDS
    assert converse.RESPONSE_FIELDS <= fields.RESPONSE_FIELDS
