"""Items that a model writes: to parts, for history and for answers (openai-responses.md §2)."""

import msgspec
from msgspec import Raw

from plexus.transformers.ids import base62
from plexus.transformers.openai_chat.reading import NULL, STR, Level
from plexus.transformers.openai_responses.content import arguments_of, encoded, ext_of, joined_texts
from plexus.transformers.openai_responses.losses import NAME
from plexus.transformers.proofs import is_envelope, open_envelope
from plexus.unified.content import (
    CompactionContent,
    Content,
    OpaqueContent,
    Origin,
    Proof,
    ServerToolCallContent,
    ThinkingContent,
    ToolCallContent,
)

HOSTED = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_execution",
    "image_generation_call": "image_generation",
    "mcp_call": "mcp",
    "mcp_list_tools": "mcp",
}
"""Items of calls the provider ran itself, and their canonical kinds (canonical.md §3.2)."""

CLIENT_RUN = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
    }
)
"""Calls that the client must answer although no function is named: the turn ends with them."""

_COMPLETED = Raw(b'"completed"')


def is_answered_by_client(level_type: str, raw: Raw) -> bool:
    """Whether an item waits for the client, as function calls do (openai-responses.md §4)."""
    if level_type == "tool_search_call":
        return b'"client"' in bytes(raw)
    return level_type in CLIENT_RUN


def flat_name(name: str, namespace: str | None) -> str:
    """A function's name outside its namespace (mappings.md §5.1)."""
    return f"{namespace}__{name}" if namespace else name


def own_name(name: str, namespace: str | None) -> str:
    """A function's name inside its namespace."""
    return name.removeprefix(f"{namespace}__") if namespace else name


def rest_of(level: Level) -> dict[str, Raw]:
    """What is left of an item; ``completed`` is what an item without a status is."""
    rest = dict(level.rest)
    if rest.get("status") == _COMPLETED:
        del rest["status"]
    return rest


def parse_call(level: Level) -> ToolCallContent:
    """``function_call`` or ``custom_tool_call``; ``type`` is taken already."""
    namespace = level.take("namespace", STR)
    item_id = level.take("id", STR)
    call_id = level.take("call_id", STR) or item_id or "call_" + base62(level.path)
    name = flat_name(level.need("name", STR), namespace)
    custom = "input" in level.rest and "arguments" not in level.rest
    if custom:
        text = level.take("input", STR) or ""
    else:
        text = arguments_of(level.rest.pop("arguments", None), level.at("arguments"))
    return ToolCallContent(
        id=call_id,
        name=name,
        arguments=text,
        kind="custom" if custom else "function",
        namespace=namespace,
        item_id=item_id,
        ext=ext_of(rest_of(level)),
    )


def parse_reasoning(level: Level, origin: Origin) -> ThinkingContent:
    """``reasoning``; ``origin`` issued what is not in an envelope.

    An envelope is one of Plexus: its item's id means nothing to any provider.
    """
    summary = joined_texts(level.raw("summary"), level.at("summary"))
    whole = level.rest.get("content")
    texts = joined_texts(level.raw("content"), level.at("content"))
    item_id = level.take("id", STR)
    sealed = level.take("encrypted_content", STR)
    rest = rest_of(level)
    if whole is not None and texts is not None and len(texts) > 1:
        rest["content"] = whole
    proof: Proof | None = None
    text = "".join(texts or ())
    if sealed and is_envelope(sealed):
        proof, item_id = open_envelope(sealed), None
        if not text and (proof is None or proof.kind == "signature"):
            # No summary of anything: a text, and the signature of it, have no other place here.
            text, summary = "\n\n".join(summary or ()), None
    elif sealed:
        proof = Proof(sealed, "encrypted", origin)
    return ThinkingContent(
        text=text,
        summary=tuple(summary) if summary else None,
        id=item_id,
        proof=proof,
        ext=ext_of(rest),
    )


def parse_other(kind: str, raw: Raw, level: Level) -> Content:
    """Items that are kept as they are: hosted calls, compaction, and what nobody knows."""
    if kind in HOSTED:
        return ServerToolCallContent(
            id=level.take("id", STR) or "",
            tool=HOSTED[kind],
            name=kind.removesuffix("_call"),
            dialect=NAME,
            raw=raw,
            arguments=_query(level),
        )
    if kind == "compaction":
        return CompactionContent(dialect=NAME, raw=raw)
    return OpaqueContent(dialect=NAME, raw=raw)


def _query(level: Level) -> str:
    """What a hosted call asked for, as JSON text."""
    for name in ("action", "arguments", "queries", "code"):
        found = level.rest.get(name)
        if found is not None and found != NULL:
            return bytes(msgspec.json.format(encoded({name: found}), indent=-1)).decode()
    return "{}"
