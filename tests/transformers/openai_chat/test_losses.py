"""Every row of the loss tables has a case, and every warning is a row (design decision 8)."""

from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import fields
from plexus.transformers import openai_chat as chat
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
    SearchResultContent,
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
from plexus.unified.response import Choice, Finish, UnifiedChatResponse
from tests.transformers.openai_chat.support import TARGET, answered, asked, parse, target

HI = UnifiedMessage(role="user", content=(TextContent(text="hi"),))
NO_SAMPLING = target(sampling="none")
PDF = MediaSource("base64", data="AAAA", media_type="application/pdf")
SIGNED = Proof("sig", "signature", Origin("anthropic"))
CALL = ToolCallContent(id="c1", name="f")


def with_part(*parts: Content, role: Any = "user") -> UnifiedChatRequest:
    return asked(HI, UnifiedMessage(role=role, content=parts), HI)


def with_result(*content: Content, **flags: Any) -> UnifiedChatRequest:
    result = ToolResultContent(tool_call_id="c1", content=content, **flags)
    return asked(
        HI,
        UnifiedMessage(role="assistant", content=(CALL,)),
        UnifiedMessage(role="tool", content=(result,)),
    )


RAW = Raw(b"[1]")
FUNCTION = FunctionTool(name="f")
SYSTEM = UnifiedMessage(role="system", content=(TextContent(text="be brief"),))
REQUESTS: dict[str, tuple[UnifiedChatRequest, TargetModel]] = {
    "container": (asked(HI, container=RAW), TARGET),
    "context_management": (asked(HI, context_management=RAW), TARGET),
    "extra": (asked(HI, extra={"other": {"x": RAW}}), TARGET),
    "frequency_penalty": (asked(HI, frequency_penalty=1.0), NO_SAMPLING),
    "include": (asked(HI, include=("x",)), TARGET),
    "logit_bias": (asked(HI, logit_bias=RAW), NO_SAMPLING),
    "logprobs": (asked(HI, logprobs=True), NO_SAMPLING),
    "max_tokens": (asked(HI, max_tokens=9), target(max_output_tokens=5)),
    "max_tokens.prewarm": (asked(HI, max_tokens=0), TARGET),
    "max_tool_calls": (asked(HI, max_tool_calls=1), TARGET),
    "mcp_servers": (asked(HI, mcp_servers=RAW), TARGET),
    "message.prefill": (
        asked(HI, UnifiedMessage(role="assistant", content=(TextContent(text="{"),))),
        TARGET,
    ),
    "min_p": (asked(HI, min_p=0.1), TARGET),
    "parallel_tool_calls": (
        asked(HI, tools=(FUNCTION,), parallel_tool_calls=False),
        target(drop=("parallel_tool_calls",)),
    ),
    "part.cache_control": (
        with_part(TextContent(text="x", cache_control=CacheControl())),
        TARGET,
    ),
    "part.compaction": (
        with_part(CompactionContent(dialect="other", raw=RAW, summary="s"), role="assistant"),
        TARGET,
    ),
    "part.document": (
        with_part(DocumentContent(source=MediaSource("text", data="x"))),
        TARGET,
    ),
    "part.document.citations_enabled": (
        with_part(DocumentContent(source=PDF, citations_enabled=True)),
        TARGET,
    ),
    "part.document.context": (with_part(DocumentContent(source=PDF, context="c")), TARGET),
    "part.document.file_id": (
        with_part(DocumentContent(source=MediaSource("file_id", file_id="f"))),
        TARGET,
    ),
    "part.document.url": (
        with_part(DocumentContent(source=MediaSource("url", url="https://e.x"))),
        TARGET,
    ),
    "part.image.file_id": (
        with_part(ImageContent(source=MediaSource("file_id", file_id="f"))),
        TARGET,
    ),
    "part.opaque": (with_part(OpaqueContent(dialect="other", raw=RAW)), TARGET),
    "part.search_result": (with_part(SearchResultContent(source="s", title="t")), TARGET),
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
        with_part(ThinkingContent(text="hm", proof=SIGNED), role="assistant"),
        TARGET,
    ),
    "part.tool_call.order": (
        asked(
            HI,
            UnifiedMessage(role="assistant", content=(CALL, TextContent(text="late"))),
            UnifiedMessage(role="tool", content=(ToolResultContent(tool_call_id="c1"),)),
        ),
        TARGET,
    ),
    "part.tool_result.is_error": (with_result(TextContent(text="x"), is_error=True), TARGET),
    "part.tool_result.media": (
        with_result(ImageContent(source=MediaSource("url", url="https://e.x"))),
        TARGET,
    ),
    "part.tool_call.proof": (
        asked(
            HI,
            UnifiedMessage(
                role="assistant", content=(ToolCallContent(id="c1", name="f", proof=SIGNED),)
            ),
            UnifiedMessage(
                role="tool", content=(ToolResultContent(tool_call_id="c1", content=HI.content),)
            ),
            tools=(FunctionTool(name="f"),),
        ),
        TARGET,
    ),
    "part.tool_result.missing": (with_part(CALL, role="assistant"), TARGET),
    "part.tool_result.orphan": (
        with_part(ToolResultContent(tool_call_id="gone"), role="tool"),
        TARGET,
    ),
    "part.audio.input": (with_part(AudioContent(source=PDF)), target(audio=False)),
    "part.document.input": (with_part(DocumentContent(source=PDF)), target(documents=False)),
    "part.image.input": (with_part(ImageContent(source=PDF)), target(images=False)),
    "part.video.input": (with_part(VideoContent(source=PDF)), target(video=False)),
    "message.phase": (asked(UnifiedMessage(role="user", content=HI.content, phase="x")), TARGET),
    "part.video": (with_part(VideoContent(source=MediaSource("url", url="https://e.x"))), TARGET),
    "presence_penalty": (asked(HI, presence_penalty=1.0), NO_SAMPLING),
    "prompt_cache": (asked(HI, prompt_cache=PromptCache(auto=CacheControl())), TARGET),
    "reasoning.budget": (asked(HI, reasoning=Reasoning(max_tokens=5000)), TARGET),
    "reasoning.effort": (asked(HI, reasoning=Reasoning(effort="max")), target(efforts=("low",))),
    "reasoning.off": (asked(HI, reasoning=Reasoning(effort="none")), target(efforts=("low",))),
    "reasoning.summary": (asked(HI, reasoning=Reasoning(summary="auto")), TARGET),
    "region": (asked(HI, region="eu"), TARGET),
    "repetition_penalty": (asked(HI, repetition_penalty=1.1), TARGET),
    "response_format.grammar": (
        asked(HI, response_format=ResponseFormat(type="grammar")),
        TARGET,
    ),
    "response_format.schema": (
        asked(HI, response_format=ResponseFormat(type="json_schema", schema=Raw(b"{}"))),
        target(json_schema=False),
    ),
    "safety_settings": (asked(HI, safety_settings=RAW), TARGET),
    "server_state": (asked(HI, server_state={"conversation": RAW}), TARGET),
    "service_tier": (asked(HI, service_tier="ultrafast"), TARGET),
    "speed": (asked(HI, speed="fast"), TARGET),
    "stop": (asked(HI, stop=("a", "b", "c", "d", "e")), TARGET),
    "temperature": (asked(HI, temperature=0.5), NO_SAMPLING),
    "temperature.range": (asked(HI, temperature=1.9), target(temperature_max=1.0)),
    "tool.builtin": (
        asked(HI, tools=(ClientBuiltinTool(kind="bash", dialect="other", raw=RAW),)),
        TARGET,
    ),
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
    "tool_choice.forced": (
        asked(
            HI,
            tools=(FunctionTool(name="f"),),
            tool_choice=parse(tool_choice="required").tool_choice,
        ),
        target(forced_tool_choice=False),
    ),
    "top_k": (asked(HI, top_k=1), TARGET),
    "top_p": (asked(HI, top_p=0.1), NO_SAMPLING),
    "truncation": (asked(HI, truncation="auto"), TARGET),
    "user": (asked(HI, user="u"), target(drop=("user", "safety_identifier"))),
    "user.hash": (asked(HI, user="ann@example.org"), TARGET),
    "audio": (asked(HI, audio=RAW), target(drop=("audio",))),
    "extra.refused": (
        asked(HI, extra={"openai-chat": {"odd": RAW}}),
        target(drop=("odd",)),
    ),
    "message.ext": (
        asked(UnifiedMessage(role="user", content=HI.content, ext={"openai-chat": {"x": RAW}})),
        target(known_fields_only=True),
    ),
    "message.system_mid": (asked(HI, SYSTEM), target(mid_system=False)),
    "message.system_multi": (asked(SYSTEM, SYSTEM, HI), target(multi_system=False)),
    "message.system_role": (asked(SYSTEM, HI), target(system_role="user")),
    "metadata": (asked(HI, metadata={"a": "b"}), target(drop=("metadata",))),
    "modalities": (asked(HI, modalities=("audio",)), target(drop=("modalities",))),
    "moderation": (asked(HI, moderation=RAW), target(drop=("moderation",))),
    "n": (asked(HI, n=2), target(n_max=1)),
    "part.ext": (
        with_part(TextContent(text="x", ext={"openai-chat": {"x": RAW}})),
        target(known_fields_only=True),
    ),
    "prediction": (asked(HI, prediction=RAW), target(drop=("prediction",))),
    "prompt_cache.key": (
        asked(HI, prompt_cache=PromptCache(key="k")),
        target(drop=("prompt_cache_key",)),
    ),
    "reasoning": (asked(HI, reasoning=Reasoning(effort="low")), target(thinking_form="none")),
    "reasoning.tools": (
        asked(HI, tools=(FUNCTION,), reasoning=Reasoning(effort="low")),
        target(reasoning_with_tools=False),
    ),
    "tool.function": (
        asked(HI, tools=(FUNCTION,)),
        target(reasoning_with_tools="never"),
    ),
    "response_format.json_object": (
        asked(HI, response_format=ResponseFormat(type="json_object")),
        target(json_object=False),
    ),
    "seed": (asked(HI, seed=1), target(drop=("seed",))),
    "store": (asked(HI, store=True), target(drop=("store",))),
    "part.tool_call.custom": (
        asked(
            HI,
            UnifiedMessage(
                role="assistant", content=(ToolCallContent(id="c1", name="f", kind="custom"),)
            ),
            UnifiedMessage(role="tool", content=(ToolResultContent(tool_call_id="c1"),)),
        ),
        target(custom_tools=False),
    ),
    "tool.custom": (asked(HI, tools=(CustomTool(name="f"),)), target(custom_tools=False)),
    "tool.description": (
        asked(HI, tools=(FunctionTool(name="f", description="abc"),)),
        target(tool_description_max=2),
    ),
    "tool.schema": (
        asked(HI, tools=(FunctionTool(name="f", parameters=Raw(b'{"minLength": 1}')),)),
        target(schema_drop=("minLength",)),
    ),
    "tool_choice.allowed": (
        asked(
            HI,
            tools=(FUNCTION, FunctionTool(name="g")),
            tool_choice=ToolChoice(mode="allowed", names=("g",)),
        ),
        target(tool_choices=("auto",)),
    ),
    "tool_choice.none": (
        asked(HI, tools=(FUNCTION,), tool_choice=ToolChoice(mode="none")),
        target(tool_choices=("auto",)),
    ),
    "verbosity": (asked(HI, verbosity="low"), target(drop=("verbosity",))),
    "web_search": (asked(HI, web_search=RAW), target(drop=("web_search_options",))),
}


def other(response: UnifiedChatResponse, **choice: Any) -> UnifiedChatResponse:
    message = UnifiedMessage(role="assistant", content=(TextContent(text="x"),))
    changed = Choice(message=message, finish=Finish("stop"), **choice)
    return UnifiedChatResponse(id="i", model="m", dialect="other", choices=(changed,))


SERVER_CALL = ServerToolCallContent(id="s", tool="w", name="w", dialect="other", raw=RAW)
RESPONSES: dict[str, UnifiedChatResponse] = {
    "response.citations": answered(
        TextContent(text="x", citations=(Citation(kind="document_page"),))
    ),
    "response.compaction": answered(CompactionContent(dialect="other", raw=RAW)),
    "response.container": answered(ext={"other": {"container": RAW}}),
    "response.extra": answered(ext={"other": {"x": RAW}}),
    "response.finish": answered(finish="pause"),
    "response.logprobs": other(answered(), logprobs=RAW),
    "response.opaque": answered(OpaqueContent(dialect="other", raw=RAW)),
    "response.order": answered(CALL, TextContent(text="late"), finish="tool_calls"),
    "response.server_tools": answered(SERVER_CALL),
    "response.service_tier": answered(service_tier="ultrafast"),
    "response.stop_sequence": answered(finish=Finish("stop_sequence", stop_sequence="x")),
    "response.thinking.proof": answered(ThinkingContent(text="hm", proof=SIGNED)),
}


def test_every_row_has_a_case() -> None:
    assert REQUESTS.keys() == chat.REQUEST_LOSSES.keys()
    assert RESPONSES.keys() == chat.RESPONSE_LOSSES.keys()


@pytest.mark.parametrize("field", sorted(REQUESTS))
def test_request_row(field: str) -> None:
    row = chat.REQUEST_LOSSES[field]
    request, to = REQUESTS[field]
    assert row.possible(to, request.source.dialect == chat.NAME)
    if row.outcome == "refused":
        with pytest.raises(PlexusError) as caught:
            chat.format_request(request, to)
        assert caught.value.error.kind == "unsupported"
        return
    warnings = chat.format_request(request, to).warnings
    assert [warning.loss for warning in warnings] == ([] if row.silent else [row])


@pytest.mark.parametrize("field", sorted(RESPONSES))
def test_response_row(field: str) -> None:
    row = chat.RESPONSE_LOSSES[field]
    _, warnings = chat.format_response(RESPONSES[field], parse())
    assert [warning.loss for warning in warnings] == ([] if row.silent else [row])


def test_the_vocabulary_is_shared() -> None:
    assert chat.REQUEST_FIELDS | chat.REQUEST_LOSSES.keys() <= fields.REQUEST_FIELDS
    assert chat.RESPONSE_FIELDS | chat.RESPONSE_LOSSES.keys() <= fields.RESPONSE_FIELDS


@pytest.mark.parametrize("rows", [chat.REQUEST_LOSSES, chat.RESPONSE_LOSSES])
def test_rows_name_their_reference(rows: Any) -> None:
    assert all(".md" in row.reference and row.note for row in rows.values())
