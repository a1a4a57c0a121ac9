"""Prints docs/matrix.md, made from the dialects' own tables; `make regen` writes the page.

``MEANT`` says which rows of the tables each field of the canonical types is about.  A test walks
the types, so that no field can be without a line, and tries every field, so that what is called
kept here is really sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from plexus.compiler import catalog
from plexus.transformers.fields import REQUEST_FIELDS

Rows: TypeAlias = tuple[str, ...]

ORDER = ("refused", "lost", "approximated", "converted", "kept")
SIGNS = {"kept": "=", "converted": "⇄", "approximated": "≈", "lost": "-", "refused": "✗"}

ENDS: Mapping[str, str] = {
    "UnifiedChatRequest.model": "the alias; every target has its own name for it",
    "UnifiedChatRequest.messages": "see the messages",
    "UnifiedChatRequest.source": "who asked, for the answer",
    "UnifiedChatRequest.stream": "how the answer comes",
    "UnifiedChatRequest.stream_options": "what the client wants to see of the stream",
    "UnifiedChatRequest.tools": "see the tools",
    "UnifiedMessage.content": "see the parts",
    "UnifiedMessage.id": "an id of the client's dialect; it means nothing elsewhere",
    "UnifiedMessage.status": "an answer that was cut short, for its own dialect",
    "ThinkingContent.id": "an id of its own dialect",
    "ToolCallContent.id": "pairs the call with its result; legal and equal on both",
    "ToolCallContent.item_id": "an id of its own dialect",
    "ToolCallContent.namespace": "stands in the name",
    "ToolResultContent.tool_call_id": "pairs the result with its call",
    "ToolResultContent.name": "the name of its call",
    "ToolResultContent.kind": "the kind of its call",
    "FunctionTool.namespace": "stands in the name",
    "CustomTool.namespace": "stands in the name",
    "ServerTool.dialect": "whose tool it is",
    "ClientBuiltinTool.dialect": "whose tool it is",
    "ServerToolCallContent.dialect": "whose tool it is",
    "ServerToolResultContent.dialect": "whose tool it is",
    "ServerToolResultContent.tool_call_id": "pairs the result with its call",
    "CompactionContent.dialect": "whose compaction it is",
    "OpaqueContent.dialect": "who knows it",
    "Citation.dialect": "whose citation it is",
    "MediaSource.provider": "where a file id is valid",
    "RefusalContent.category": "read in answers only",
    "AudioContent.expires_at": "read in answers only",
    "AudioContent.transcript": "read in answers only",
}
"""Fields that say nothing to a provider, and why."""

_MEDIA = {
    "ImageContent": "image",
    "AudioContent": "audio",
    "VideoContent": "video",
    "DocumentContent": "document",
}

MEANT: Mapping[str, Rows] = {
    # What is asked for
    **{
        f"UnifiedChatRequest.{name}": (name,)
        for name in (
            "container",
            "context_management",
            "frequency_penalty",
            "include",
            "logit_bias",
            "logprobs",
            "max_tool_calls",
            "mcp_servers",
            "metadata",
            "min_p",
            "modalities",
            "moderation",
            "n",
            "parallel_tool_calls",
            "prediction",
            "presence_penalty",
            "region",
            "repetition_penalty",
            "safety_settings",
            "seed",
            "server_state",
            "service_tier",
            "speed",
            "store",
            "top_k",
            "top_p",
            "truncation",
            "verbosity",
            "web_search",
        )
    },
    "UnifiedChatRequest.audio": ("audio", "modalities"),
    "UnifiedChatRequest.extra": ("extra", "extra.refused", "betas", "platform.fields"),
    "UnifiedChatRequest.max_tokens": ("max_tokens", "max_tokens.prewarm"),
    "UnifiedChatRequest.prompt_cache": ("prompt_cache",),
    "UnifiedChatRequest.reasoning": ("reasoning", "reasoning.tools", "reasoning.forced_tool"),
    "UnifiedChatRequest.response_format": ("response_format.schema", "response_format.tool"),
    "UnifiedChatRequest.safety_identifier": ("user", "user.hash"),
    "UnifiedChatRequest.stop": ("stop", "stop.blank"),
    "UnifiedChatRequest.temperature": ("temperature", "temperature.range"),
    "UnifiedChatRequest.tool_choice": ("tool_choice.forced", "tool_choice.none"),
    "UnifiedChatRequest.top_logprobs": ("logprobs",),
    "UnifiedChatRequest.user": ("user", "user.hash"),
    "Reasoning.effort": ("reasoning.effort",),
    "Reasoning.enabled": ("reasoning.off", "reasoning.effort"),
    "Reasoning.ext": ("extra",),
    "Reasoning.include": ("reasoning.include",),
    "Reasoning.max_tokens": ("reasoning.budget",),
    "Reasoning.mode": ("reasoning.off", "reasoning.effort"),
    "Reasoning.summary": ("reasoning.summary",),
    "ResponseFormat.description": ("response_format.description",),
    "ResponseFormat.name": ("response_format.name",),
    "ResponseFormat.schema": ("response_format.schema", "response_format.tool"),
    "ResponseFormat.strict": ("response_format.schema",),
    "ResponseFormat.type": ("response_format.json_object", "response_format.grammar"),
    "PromptCache.auto": ("prompt_cache", "part.cache_control"),
    "PromptCache.key": ("prompt_cache.key", "prompt_cache"),
    "PromptCache.mode": ("prompt_cache",),
    "PromptCache.retention": ("prompt_cache",),
    "PromptCache.ttl": ("prompt_cache",),
    "CacheControl.ttl": ("part.cache_control",),
    "CacheControl.type": ("part.cache_control",),
    # Tools
    "FunctionTool.cache_control": ("part.cache_control",),
    "FunctionTool.description": ("tool.description",),
    "FunctionTool.ext": ("tool.ext",),
    "FunctionTool.name": ("tool.name", "tool.function"),
    "FunctionTool.parameters": ("tool.schema",),
    "FunctionTool.strict": ("tool.strict",),
    "CustomTool.description": ("tool.custom", "tool.description"),
    "CustomTool.ext": ("tool.ext",),
    "CustomTool.format": ("tool.custom",),
    "CustomTool.name": ("tool.custom", "tool.name"),
    "ServerTool.kind": ("tool.server", "tool.code_execution", "web_search"),
    "ServerTool.name": ("tool.server",),
    "ServerTool.raw": ("tool.server",),
    "ClientBuiltinTool.kind": ("tool.builtin",),
    "ClientBuiltinTool.name": ("tool.builtin",),
    "ClientBuiltinTool.raw": ("tool.builtin",),
    "ToolChoice.forced": ("tool_choice.allowed", "tool_choice.forced"),
    "ToolChoice.mode": ("tool_choice.forced", "tool_choice.none", "tool_choice.allowed"),
    "ToolChoice.name": ("tool_choice.forced",),
    "ToolChoice.names": ("tool_choice.allowed",),
    # Messages
    "UnifiedMessage.ext": ("message.ext", "extra"),
    "UnifiedMessage.name": ("message.name",),
    "UnifiedMessage.phase": ("message.phase",),
    "UnifiedMessage.role": (
        "message.system_mid",
        "message.system_multi",
        "message.system_only",
        "message.system_role",
        "message.system_media",
        "message.first_assistant",
        "message.prefill",
        "message.order",
        "message.empty",
    ),
    # Parts
    **{
        f"{kind}Content.{name}": rows
        for kind in (
            "Text",
            "Image",
            "Audio",
            "Video",
            "Document",
            "SearchResult",
            "Thinking",
            "ToolCall",
            "ToolResult",
            "ServerToolCall",
            "ServerToolResult",
            "Refusal",
            "Compaction",
            "Opaque",
        )
        for name, rows in (
            ("cache_control", ("part.cache_control",)),
            ("ext", ("part.ext", "extra")),
            ("proof", ("part.thinking.foreign",)),
        )
    },
    "TextContent.citations": ("part.text.citations",),
    "TextContent.text": (),
    **{
        f"{part}.source": tuple(
            row
            for end in ("", ".input", ".media_type", ".url", ".file_id")
            if (row := f"part.{kind}{end}") in REQUEST_FIELDS
        )
        for part, kind in _MEDIA.items()
    },
    "ImageContent.detail": ("part.image.detail",),
    "AudioContent.format": ("part.audio",),
    "AudioContent.id": ("part.audio", "part.opaque"),
    "VideoContent.clip": ("part.video.clip", "part.video"),
    "DocumentContent.blocks": ("part.document",),
    "DocumentContent.citations_enabled": ("part.document.citations_enabled",),
    "DocumentContent.context": ("part.document.context", "part.document.title"),
    "DocumentContent.filename": ("part.document.filename", "part.document.title"),
    "DocumentContent.title": ("part.document.title",),
    **{
        f"SearchResultContent.{name}": ("part.search_result",)
        for name in ("blocks", "citations_enabled", "source", "title")
    },
    "SearchResultContent.ext": ("part.ext", "extra", "part.search_result"),
    "ThinkingContent.proof": ("part.thinking", "part.thinking.foreign"),
    "ThinkingContent.redacted": ("part.thinking", "part.thinking.foreign"),
    "ThinkingContent.summary": ("part.thinking", "part.thinking.foreign", "reasoning.history"),
    "ThinkingContent.text": ("part.thinking", "part.thinking.foreign", "reasoning.history"),
    "ToolCallContent.arguments": ("part.tool_call.arguments", "part.tool_call.order"),
    "ToolCallContent.kind": ("part.tool_call.custom",),
    "ToolCallContent.proof": ("part.tool_call.proof", "part.thinking.foreign"),
    "ToolCallContent.name": ("tool.name",),
    "ToolResultContent.content": (
        "part.tool_result.media",
        "part.tool_result.missing",
        "part.tool_result.orphan",
    ),
    "ToolResultContent.is_error": ("part.tool_result.is_error",),
    **{
        f"ServerToolCallContent.{name}": ("part.server_tool",)
        for name in ("arguments", "id", "name", "raw", "tool")
    },
    **{
        f"ServerToolResultContent.{name}": ("part.server_tool",)
        for name in ("is_error", "raw", "tool")
    },
    "RefusalContent.text": ("part.refusal",),
    "CompactionContent.raw": ("part.compaction",),
    "CompactionContent.summary": ("part.compaction",),
    "OpaqueContent.raw": ("part.opaque",),
    # What parts are made of
    "MediaSource.data": (),
    "MediaSource.file_id": ("part.image.file_id", "part.document.file_id"),
    "MediaSource.kind": (),
    "MediaSource.media_type": ("part.image.media_type",),
    "MediaSource.url": ("part.image", "part.image.url", "part.document.url"),
    **{
        f"Citation.{name}": ("part.text.citations",)
        for name in (
            "cited_text",
            "document_index",
            "encrypted_index",
            "end",
            "file_id",
            "kind",
            "raw",
            "source",
            "start",
            "title",
            "url",
        )
    },
    "Proof.kind": ("part.thinking.foreign",),
    "Proof.origin": ("part.thinking.foreign",),
    "Proof.value": ("part.thinking.foreign",),
}
"""Field of a canonical type → the rows that can be about it."""

ANSWERED: Mapping[str, Rows] = {
    "UnifiedChatResponse.choices": ("response.choices",),
    "UnifiedChatResponse.ext": ("response.extra", "response.container"),
    "UnifiedChatResponse.service_tier": ("response.service_tier",),
    "Choice.ext": ("response.extra",),
    "Choice.finish": ("response.finish",),
    "Choice.index": ("response.choices",),
    "Choice.logprobs": ("response.logprobs",),
    "Choice.message": ("response.order",),
    "Finish.reason": ("response.finish",),
    "Finish.stop_sequence": ("response.stop_sequence",),
    "TextContent.citations": ("response.citations",),
    "ImageContent.source": ("response.image",),
    "AudioContent.source": ("response.audio",),
    "ThinkingContent.proof": ("response.thinking.proof",),
    "ToolCallContent.arguments": ("response.tool_call.arguments",),
    "ToolCallContent.kind": ("response.tool_call.custom",),
    "ServerToolCallContent.raw": ("response.server_tools",),
    "ServerToolResultContent.raw": ("response.server_tools",),
    "RefusalContent.text": ("response.refusal",),
    "CompactionContent.raw": ("response.compaction",),
    "OpaqueContent.raw": ("response.opaque",),
}
"""The same for answers; parts in them that are not named here are told or kept as in requests."""

ANSWER_ENDS: Mapping[str, str] = {
    "UnifiedChatResponse.id": "made for the client's dialect",
    "UnifiedChatResponse.model": "the target's, or the alias",
    "UnifiedChatResponse.created": "made for the client's dialect",
    "UnifiedChatResponse.dialect": "who answered",
    "UnifiedChatResponse.usage": "each dialect shows the counts that it has fields for",
    "Finish.raw": "the provider's own word for the reason",
    "Finish.detail": "belongs to the reason",
}
"""Fields of an answer that have no line, and why."""

HEAD = f"""\
# The matrix

What becomes of every field of the canonical form, for each client dialect and each provider
dialect. The columns are clients: `C` openai-chat, `R` openai-responses, `A` anthropic-messages, `G`
gemini; each group of four is one provider dialect.

| sign | the field is |
|---|---|
{"".join(f"| `{SIGNS[outcome]}` | {outcome} |{chr(10)}" for outcome in reversed(ORDER))}\
| `·` | nothing that this client can say |

A sign is the worst that can happen; most depend on the value or on what is known of the model, and
[losses](losses.md) says when. A client of the provider's own dialect is passed through unless a
step ends that, and then loses nothing at all. Fields that say nothing to a provider (ids, who
asked, how the answer comes) have no line. Usage has none either: each dialect shows the counts that
it has fields for.

`make regen` writes this page from the tables that the code itself uses.
"""

CLIENTS = {
    "C": "openai-chat",
    "R": "openai-responses",
    "A": "anthropic-messages",
    "G": "gemini",
}
_LETTERS = " ".join(CLIENTS)


def outcome(rows: Iterable[str], client: str, provider: str) -> str | None:
    """The worst outcome of these rows on one way; None when the side that speaks has none of them.

    A field that no row of the other side is about is kept.
    """
    names = set(rows)
    to, back = catalog.dialect(provider), catalog.client_dialect(client)
    answer = any(name.startswith("response.") for name in names)
    said = to.RESPONSE_FIELDS if answer else back.REQUEST_FIELDS
    table = back.RESPONSE_LOSSES if answer else to.REQUEST_LOSSES
    if names and said.isdisjoint(names):
        return None
    found = (table[name] for name in names & said & table.keys())
    meant = (row.outcome for row in found if not (row.foreign and client == provider))
    return min(meant, key=ORDER.index, default="kept")


def page() -> str:
    """The whole page, final newline included."""
    lines = ["", "## Requests"]
    for name, fields in by_type(MEANT):
        lines += ["", f"### {name}", "", *_table(fields)]
    lines += ["", "## Answers"]
    for name, fields in by_type(ANSWERED):
        lines += ["", f"### {name} of an answer", "", *_table(fields)]
    return HEAD + "\n".join(lines) + "\n"


def by_type(meant: Mapping[str, Rows]) -> Iterator[tuple[str, dict[str, Rows]]]:
    """The fields of each type, the types of the whole first."""
    types: dict[str, dict[str, Rows]] = {}
    for path, rows in sorted(meant.items()):
        kind, _, field = path.partition(".")
        types.setdefault(kind, {})[field] = rows
    yield from sorted(types.items(), key=lambda item: (not item[0].startswith("Unified"), item[0]))


def _table(fields: Mapping[str, Rows]) -> Iterator[str]:
    providers = list(catalog.dialects())
    yield f"| field | {' | '.join(providers)} |"
    yield f"|---|{'---|' * len(providers)}"
    yield f"| | {' | '.join([f'`{_LETTERS}`'] * len(providers))} |"
    for field, rows in fields.items():
        yield f"| `{field}` | {' | '.join(_signs(rows, name) for name in providers)} |"


def _signs(rows: Rows, provider: str) -> str:
    found = (outcome(rows, client, provider) for client in CLIENTS.values())
    return f"`{' '.join('·' if one is None else SIGNS[one] for one in found)}`"


if __name__ == "__main__":
    print(page(), end="")
