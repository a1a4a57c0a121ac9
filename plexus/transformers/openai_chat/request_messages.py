"""Messages of a chat request, wire to unified (openai-chat.md §2; mappings.md §12)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from plexus.transformers.ids import base62
from plexus.transformers.openai_chat.content import (
    list_of,
    parse_cache_control,
    parse_content,
)
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.reading import (
    INT,
    NULL,
    STR,
    Level,
    missing,
    read,
    wrong,
)
from plexus.transformers.openai_chat.thinking import (
    PLAIN_FIELDS,
    UNKNOWN_FORMAT,
    Action,
    DetailsReader,
    collect,
    complete,
    parse_details,
    parse_extra_content,
)
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    Content,
    Ext,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.errors import invalid
from plexus.unified.request import Role, UnifiedMessage

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_NOBODY = Origin(UNKNOWN_FORMAT)


def parse_messages(raw: Raw) -> tuple[UnifiedMessage, ...]:
    """``messages``.  Raises PlexusError with ``param``."""
    legacy = LegacyCalls()
    return tuple(
        [
            plain_message(item) or any_message(item, f"messages[{number}]", legacy)
            for number, item in enumerate(list_of(raw, "messages"))
        ]
    )


class LegacyCalls:
    """Ids for ``function_call``, which has none: its results name the function instead."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}
        self._count = 0

    def call(self, name: str) -> str:
        self._count += 1
        found = self._open[name] = "call_" + base62(f"{self._count} {name}")
        return found

    def result(self, name: str) -> str:
        return self._open.get(name) or self.call(name)


class _Text(Struct, forbid_unknown_fields=True):
    type: Literal["text"]
    text: str


class _Function(Struct):
    name: str
    arguments: str


class _Call(Struct, forbid_unknown_fields=True, kw_only=True):
    id: Annotated[str, Meta(min_length=1)]
    type: Literal["function"] = "function"
    function: _Function


class _Message(Struct, forbid_unknown_fields=True, kw_only=True):
    """A message as nearly all are: text, calls, or a result."""

    role: Role
    content: str | list[_Text] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    refusal: None = None


_message = msgspec.json.Decoder(_Message).decode


def plain_message(raw: Raw) -> UnifiedMessage | None:
    """What ``any_message`` reads, in one look; None for a message that says anything else."""
    try:
        seen = _message(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    role, said, calls, answers = seen.role, seen.content, seen.tool_calls, seen.tool_call_id
    content: tuple[Content, ...] = ()
    if isinstance(said, str):
        content = (TextContent(text=said),)
    elif said is not None:
        content = tuple([TextContent(text=part.text) for part in said])
    elif role != "assistant" and role != "tool":
        return None
    if role == "tool":
        if calls is not None or answers is None:
            return None
        content = (ToolResultContent(tool_call_id=answers, content=content),)
    elif answers is not None:
        return None
    elif calls is not None:
        if role != "assistant":
            return None
        content += tuple(map(_called, calls))
    return UnifiedMessage(role=role, content=content)


def _called(call: _Call) -> ToolCallContent:
    function = call.function
    return ToolCallContent(id=call.id, name=function.name, arguments=function.arguments)


def any_message(raw: Raw, path: str, legacy: LegacyCalls) -> UnifiedMessage:
    """Raises PlexusError with ``param``."""
    level = Level.of(raw, path)
    role = _ROLES.get(level.need("role", STR))
    if role is None:
        raise invalid(
            f"{level.at('role')} must be one of {', '.join(_ROLES)}",
            level.at("role"),
            "invalid_value",
        )
    form = level.rest.get("cache_control")
    cache = parse_cache_control(level)
    name = level.take("name", STR)
    match role:
        case "assistant":
            content = _parse_assistant(level, legacy)
        case "tool":
            content, name = _parse_result(level, name, legacy), None
        case _:
            content_raw = level.raw("content")
            if content_raw is None:
                raise missing(level.at("content"))
            content = parse_content(content_raw, level.at("content"))
    if cache is not None:
        content = _mark_last(content, cache, form)
    return UnifiedMessage(role=role, content=content, name=name, ext=_ext(level))


def _ext(level: Level) -> Ext:
    rest = {name: value for name, value in level.rest.items() if value != NULL}
    return {NAME: rest} if rest else {}


def _mark_last(
    content: tuple[Content, ...], cache: CacheControl, form: Raw | None
) -> tuple[Content, ...]:
    """A message-level marker belongs to the last part (canonical.md §2), in its own ``form``."""
    if not content:
        return content
    last, ext = content[-1], content[-1].ext
    if form is not None:
        ext = {NAME: {**ext.get(NAME, {}), "cache_control": form}}
    return (*content[:-1], replace(last, cache_control=cache, ext=ext))


def _parse_result(
    level: Level, name: str | None, legacy: LegacyCalls
) -> tuple[ToolResultContent, ...]:
    raw = level.raw("content")
    content = () if raw is None else parse_content(raw, level.at("content"))
    call_id = level.take("tool_call_id", STR)
    if call_id is None:
        if name is None:
            raise missing(level.at("tool_call_id"))
        call_id = legacy.result(name)
    return (ToolResultContent(tool_call_id=call_id, content=content, name=name),)


def _parse_assistant(level: Level, legacy: LegacyCalls) -> tuple[Content, ...]:
    """Thinking first, then text, refusal and audio, then the calls (canonical.md §2 rule 6)."""
    thinking, proofs = _parse_reasoning(level)
    raw = level.raw("content")
    content = () if raw is None else parse_content(raw, level.at("content"))
    parts: list[Content] = [*thinking, *content]
    refusal = level.take("refusal", STR)
    if refusal:
        parts.append(RefusalContent(text=refusal))
    audio = level.object("audio")
    if audio is not None:
        parts.append(AudioContent(id=audio.need("id", STR)))
    parts += _parse_calls(level, legacy, proofs)
    signature = level.raw("extra_content")
    proof = None if signature is None else parse_extra_content(signature, _NOBODY)
    return tuple(parts if proof is None else _sign(parts, proof))


def _parse_reasoning(level: Level) -> tuple[list[ThinkingContent], dict[str, Proof]]:
    """``reasoning_details`` where present, else the plain field (canonical.md §6 layer 1).

    What nobody has signed keeps the members it came in: a vendor without a profile gets them back.
    """
    plain = None
    came: dict[str, Raw] = {}
    for name in PLAIN_FIELDS:
        raw = level.raw(name)
        if raw is None:
            continue
        came[name] = raw
        if plain is None:
            plain = _plain_text(raw, level.at(name))
    details = level.raw("reasoning_details")
    reader = DetailsReader(_NOBODY)
    actions: list[Action] = []
    if details is not None:
        try:
            entries = parse_details(details)
        except msgspec.DecodeError:
            raise wrong(level.at("reasoning_details"), "a list of reasoning details") from None
        if not complete(entries):
            return [], {}
        if plain and not any(entry.readable for entry in entries):
            actions += reader.plain(plain)
        for entry in entries:
            actions += reader.entry(entry)
    elif plain is not None:
        # An empty reasoning_content is kept: DeepSeek wants it back (traps.md T80).
        actions += reader.plain(plain)
    if details is not None:
        came["reasoning_details"] = details
    parts, proofs = collect(actions)
    if parts and not proofs and all(part.proof is None for part in parts):
        parts[0] = replace(parts[0], ext={NAME: came})
    return parts, proofs


def _plain_text(raw: Raw, path: str) -> str:
    """A string; vendors' objects are read for their text."""
    try:
        text = STR.decode(raw)
    except msgspec.DecodeError:
        level = Level.of(raw, path)
        text = level.take("content", STR) or level.take("text", STR)
    return text or ""


def _sign(parts: list[Content], proof: Proof) -> list[Content]:
    """A message-level Gemini signature is its text's, else its first call's (traps.md T26)."""
    texts = [number for number, part in enumerate(parts) if isinstance(part, TextContent)]
    calls = [number for number, part in enumerate(parts) if isinstance(part, ToolCallContent)]
    if not texts and not calls:
        return [*parts, TextContent(text="", proof=proof)]
    signed = texts[-1] if texts else calls[0]
    parts[signed] = replace(parts[signed], proof=proof)
    return parts


def _parse_calls(
    level: Level, legacy: LegacyCalls, proofs: dict[str, Proof]
) -> list[ToolCallContent]:
    raw = level.raw("tool_calls")
    path = level.at("tool_calls")
    calls: list[ToolCallContent] = []
    for number, item in enumerate(() if raw is None else list_of(raw, path)):
        calls.append(_parse_call(item, f"{path}[{number}]", proofs))
    function = level.object("function_call")
    if function is not None:
        name = function.need("name", STR)
        arguments = function.take("arguments", STR) or ""
        calls.append(ToolCallContent(id=legacy.call(name), name=name, arguments=arguments))
    return calls


def _parse_call(raw: Raw, path: str, proofs: dict[str, Proof]) -> ToolCallContent:
    level = Level.of(raw, path)
    kind = level.take("type", STR) or "function"
    if kind not in ("function", "custom"):
        where = level.at("type")
        raise invalid(f"{where} must be function or custom", where, "invalid_value")
    call_id = level.take("id", STR)
    level.take("index", INT)
    extra = level.raw("extra_content")
    proof = None if extra is None else parse_extra_content(extra, _NOBODY)
    inner = level.object(kind)
    if inner is None:
        raise missing(level.at(kind))
    call_id = call_id or "call_" + base62(path)
    name = inner.need("name", STR)
    proof = proof or proofs.get(call_id)
    if kind == "custom":
        text = inner.take("input", STR) or ""
        return ToolCallContent(id=call_id, name=name, arguments=text, kind="custom", proof=proof)
    arguments = _parse_arguments(inner)
    return ToolCallContent(id=call_id, name=name, arguments=arguments, proof=proof, ext=_ext(level))


def _parse_arguments(level: Level) -> str:
    """JSON text; an object (vendors) is taken as its own text (traps.md T58, T71)."""
    raw = level.raw("arguments")
    if raw is None:
        return ""
    if bytes(memoryview(raw)[:1]) == b"{":
        return bytes(raw).decode()
    return read(raw, STR, level.at("arguments")) or ""
