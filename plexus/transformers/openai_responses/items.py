"""Items that a model writes: to parts, for history and for answers (openai-responses.md §2)."""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from plexus.transformers.ids import base62
from plexus.transformers.openai_chat.reading import NULL, STR, Level
from plexus.transformers.openai_responses.content import (
    EMPTY_LIST,
    arguments_of,
    encoded,
    ext_of,
    joined_texts,
)
from plexus.transformers.openai_responses.losses import NAME
from plexus.transformers.proofs import is_envelope, open_envelope
from plexus.unified.content import (
    CompactionContent,
    Content,
    Ext,
    OpaqueContent,
    Origin,
    Proof,
    ServerToolCallContent,
    TextContent,
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


class UsualText(Struct, forbid_unknown_fields=True):
    type: Literal["input_text", "output_text", "text"]
    text: str
    annotations: Raw = NULL
    logprobs: Raw = NULL


class _Summary(Struct):
    text: str | None = None


class UsualItem(Struct, forbid_unknown_fields=True):
    """A message of texts, a function call or its result, or reasoning, with nothing more."""

    type: str = ""
    role: str | None = None
    content: str | list[UsualText] | None = None
    id: Raw = NULL
    status: Raw = NULL
    phase: Raw = NULL
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[UsualText] | None = None
    summary: list[_Summary] | None = None
    encrypted_content: str | None = None


_usual = msgspec.json.Decoder(UsualItem).decode
_NOTHING = (NULL, EMPTY_LIST)
DONE = (NULL, _COMPLETED)


def usual_item(raw: Raw) -> UsualItem | None:
    """An item in one look, which is half of the cost; None when it is not a usual one."""
    try:
        return _usual(raw)
    except msgspec.DecodeError:
        return None


def usual_texts(content: str | list[UsualText]) -> tuple[Content, ...] | None:
    """The parts; None when one of them says more than its text."""
    if isinstance(content, str):
        return (TextContent(text=content),)
    found: list[Content] = []
    for part in content:
        if part.annotations not in _NOTHING or part.logprobs not in _NOTHING:
            return None
        found.append(TextContent(text=part.text))
    return tuple(found)


def is_message(seen: UsualItem) -> bool:
    """Whether it has members that only messages have."""
    return not (seen.role is None and seen.phase is NULL and seen.content in (None, []))


def is_call(seen: UsualItem) -> bool:
    """Whether it has members that only calls and their results have."""
    none = seen.call_id is None and seen.name is None and seen.arguments is None
    return not (none and seen.output is None)


def is_reasoning(seen: UsualItem) -> bool:
    """Whether it has members that only reasoning has."""
    return not (seen.summary is None and seen.encrypted_content is None)


def string(raw: Raw) -> str | None:
    """A string; None when it is anything else."""
    if raw is NULL:
        return None
    try:
        return STR.decode(raw)
    except msgspec.DecodeError:
        return None


def usual_call(seen: UsualItem) -> ToolCallContent | None:
    """What ``parse_call`` gives; None when there is more to it."""
    if not seen.call_id or seen.name is None or seen.status not in DONE:
        return None
    if is_message(seen) or is_reasoning(seen) or seen.output is not None:
        return None
    item_id = string(seen.id)
    if seen.content is not None or (item_id is None and seen.id is not NULL):
        return None
    arguments = seen.arguments or ""
    return ToolCallContent(id=seen.call_id, name=seen.name, arguments=arguments, item_id=item_id)


def usual_reasoning(seen: UsualItem, origin: Origin) -> ThinkingContent | None:
    """What ``parse_reasoning`` gives; None when there is more to it."""
    if is_message(seen) or is_call(seen) or seen.status not in DONE:
        return None
    item_id = string(seen.id)
    if item_id is None and seen.id is not NULL:
        return None
    summary = None if seen.summary is None else [piece.text or "" for piece in seen.summary]
    return _thinking("", summary, item_id, seen.encrypted_content, origin, {})


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
    return _thinking("".join(texts or ()), summary, item_id, sealed, origin, ext_of(rest))


def _thinking(
    text: str,
    summary: list[str] | None,
    item_id: str | None,
    sealed: str | None,
    origin: Origin,
    ext: Ext,
) -> ThinkingContent:
    proof: Proof | None = None
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
        ext=ext,
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
