"""A client's generateContent body to the canonical request (gemini.md §2, mappings.md §2-§8)."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.base import ClientCall
from plexus.transformers.gemini.names import FAMILY, NAME
from plexus.transformers.gemini.parts import joined, parse_parts
from plexus.transformers.gemini.reader import (
    BOOLEAN,
    ENUM,
    INTEGER,
    NUMBER,
    STRING,
    STRING_MAP,
    STRINGS,
    Level,
    Malformed,
    is_object,
    is_string,
    text_of,
)
from plexus.transformers.gemini.schema import json_schema
from plexus.transformers.gemini.thinking import parse_thinking
from plexus.transformers.gemini.tools import parse_choice, parse_tools
from plexus.transformers.ids import made_id
from plexus.unified.content import (
    Content,
    Ext,
    OpaqueContent,
    Origin,
    TextContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.errors import invalid
from plexus.unified.request import ResponseFormat, UnifiedChatRequest, UnifiedMessage

_ORIGIN = Origin(FAMILY)
_ROLES = {"user": "user", "function": "user", "model": "assistant", "": "user"}
_TIERS = {"unspecified": "auto", "service_tier_unspecified": "auto"}


def parse_request(call: ClientCall) -> UnifiedChatRequest:
    """Raises PlexusError: 400 with the JSON path as ``param``, never with the value."""
    try:
        return _parse(call)
    except Malformed as problem:
        raise invalid(str(problem), problem.path) from None
    except msgspec.MsgspecError as problem:
        # A number that nothing can hold, inside a schema.
        raise invalid(f"the request body cannot be read: {problem}") from None


def _parse(call: ClientCall) -> UnifiedChatRequest:
    body = Level.of(call.body.fields, "")
    body.raw("model")
    config = body.object("generationConfig") or Level.of({}, "generationConfig")
    keep: dict[str, Raw] = {}
    choice, validated = parse_choice(body.object("toolConfig"), keep)
    tools = parse_tools(body.items("tools"), "tools", validated)
    messages = (*_system(body), *_messages(body))
    tier = body.take("serviceTier", STRING)
    fields: dict[str, Any] = dict(_sampling(config))
    fields["response_format"] = _format(config)
    fields["reasoning"] = parse_thinking(config.object("thinkingConfig"))
    keep.update({config.where(name): raw for name, raw in config.rest().items()})
    state = {name: body.raw(name) for name in ("cachedContent", "continuationToken")}
    request = UnifiedChatRequest(
        model=call.model,
        messages=messages,
        source=call.source,
        stream=call.stream,
        tools=tools,
        tool_choice=choice,
        service_tier=None if tier is None else _TIERS.get(tier.lower(), tier.lower()),
        store=body.take("store", BOOLEAN),
        metadata=body.take("labels", STRING_MAP),
        safety_settings=body.raw("safetySettings"),
        server_state={name: raw for name, raw in state.items() if raw is not None},
        **fields,
    )
    keep.update(body.rest())
    return replace(request, extra={NAME: keep}) if keep else request


def _sampling(config: Level) -> Iterator[tuple[str, Any]]:
    """Members of ``generationConfig`` that have a canonical name."""
    yield "max_tokens", config.take("maxOutputTokens", INTEGER)
    yield "temperature", config.take("temperature", NUMBER)
    yield "top_p", config.take("topP", NUMBER)
    top_k = config.take("topK", NUMBER)
    yield "top_k", None if top_k is None else int(top_k)
    yield "n", config.take("candidateCount", INTEGER) or 1
    stops = config.take("stopSequences", STRINGS)
    yield "stop", tuple(stops or ())
    yield "presence_penalty", config.take("presencePenalty", NUMBER)
    yield "frequency_penalty", config.take("frequencyPenalty", NUMBER)
    yield "seed", config.take("seed", INTEGER)
    yield "logprobs", config.take("responseLogprobs", BOOLEAN)
    yield "top_logprobs", config.take("logprobs", INTEGER)
    where = config.where("responseModalities")
    words = []
    for number, raw in enumerate(config.items("responseModalities")):
        try:
            words.append(str(ENUM.decode(raw)))
        except msgspec.MsgspecError:
            raise Malformed(f"{where}[{number}]", ENUM.expected) from None
    yield "modalities", tuple(_MODALITIES.get(word, word.lower()) for word in words)


_MODALITIES = {"1": "text", "2": "image", "3": "audio"}


def _format(config: Level) -> ResponseFormat | None:
    """The answer's form; ``text/x.enum`` is no JSON and stays Google's own."""
    kind = config.fields.get("responseMimeType") or config.fields.get("response_mime_type")
    mime = config.take("responseMimeType", STRING)
    if mime is not None and mime not in ("application/json", "text/plain"):
        config.fields["responseMimeType"] = kind or Raw(b"null")
        return None
    schema = config.raw("responseJsonSchema")
    openapi = config.raw("responseSchema")
    if schema is None and openapi is not None:
        schema = json_schema(_object(openapi, config.where("responseSchema")))
    if schema is not None:
        schema = _object(schema, config.where("responseJsonSchema"))
        return ResponseFormat(type="json_schema", schema=schema)
    if mime == "application/json":
        return ResponseFormat(type="json_object")
    return None if mime is None else ResponseFormat(type="text")


def _object(raw: Raw, path: str) -> Raw:
    if not is_object(raw):
        raise Malformed(path, "expected an object")
    return raw


def _system(body: Level) -> Iterator[UnifiedMessage]:
    """``systemInstruction``: a Content whose role means nothing, or a plain string."""
    raw = body.raw("systemInstruction")
    if raw is None:
        return
    if is_string(raw):
        content: list[Content] = [TextContent(text=text_of(raw, "systemInstruction"))]
    else:
        level = Level(raw, "systemInstruction")
        content = parse_parts(level, _ORIGIN)
    if content:
        yield UnifiedMessage(role="system", content=tuple(content))


def _messages(body: Level) -> Iterator[UnifiedMessage]:
    raws = body.items("contents")
    if not raws:
        raise Malformed("contents", "expected a list, and the field is required")
    pairing = _Pairing()
    spoken: UnifiedMessage | None = None
    for number, raw in enumerate(raws):
        for message in _message(_content(raw, f"contents[{number}]"), pairing):
            # Google's SDK keeps the events of a stream as a content each.
            if spoken is not None and message.role == "assistant" and not message.ext:
                spoken = replace(spoken, content=_continued(spoken.content, message.content))
                continue
            if spoken is not None:
                yield spoken
                spoken = None
            if message.role == "assistant":
                spoken = message
            else:
                yield message
    if spoken is not None:
        yield spoken


def _continued(before: tuple[Content, ...], after: tuple[Content, ...]) -> tuple[Content, ...]:
    """A stream's next event: text goes on, and the empty text of the last one says nothing."""
    parts = list(before)
    for part in after:
        if not (isinstance(part, TextContent) and _plain(part)):
            parts.append(part)
        elif parts and isinstance(last := parts[-1], TextContent) and _plain(last):
            parts[-1] = TextContent(text=last.text + part.text)
        elif part.text:
            parts.append(part)
    return tuple(joined(parts))


def _plain(part: TextContent) -> bool:
    """Nothing but its text: neither a signature nor fields of its own."""
    return part == TextContent(text=part.text)


def _content(raw: Raw, path: str) -> Level:
    """A Content; a bare string stands for one text part."""
    if is_string(raw):
        return Level.of({"parts": Raw(msgspec.json.encode({"text": raw}))}, path)
    return Level(raw, path)


def _message(level: Level, pairing: "_Pairing") -> Iterator[UnifiedMessage]:
    """One Content; results and the rest of a user's turn are messages of their own."""
    word = level.take("role", STRING) or ""
    role = _ROLES.get(word)
    if role is None:
        raise Malformed(level.where("role"), "expected user or model")
    parts = parse_parts(level, _ORIGIN)
    rest = level.rest()
    ext = {NAME: rest} if rest else {}
    if role == "assistant":
        yield from _spoken(parts, ext, level.path, pairing)
        return
    results = [part for part in parts if isinstance(part, ToolResultContent)]
    others = [part for part in parts if not isinstance(part, ToolResultContent)]
    if results:
        answered = tuple(pairing.answered(results, level.path))
        yield UnifiedMessage(role="tool", content=answered, ext=ext)
        ext = {}
    if others or not results:
        yield UnifiedMessage(role="user", content=tuple(map(_said, others)), ext=ext)


def _spoken(
    parts: list[Content], ext: Ext, path: str, pairing: "_Pairing"
) -> Iterator[UnifiedMessage]:
    """The model's turn; results in it are of calls that Google ran itself (MCP servers)."""
    for answered, run in groupby(parts, lambda part: isinstance(part, ToolResultContent)):
        if answered:
            results = [part for part in run if isinstance(part, ToolResultContent)]
            content: tuple[Content, ...] = tuple(pairing.answered(results, path))
            mark = {NAME: {**ext.get(NAME, {}), "role": Raw(b'"model"')}}
            yield UnifiedMessage(role="tool", content=content, ext=mark)
        else:
            content = tuple(pairing.called(list(run)))
            yield UnifiedMessage(role="assistant", content=content, ext=ext)
    if not parts:
        yield UnifiedMessage(role="assistant", ext=ext)


def _said(part: Content) -> Content:
    """A call in a user's turn is nothing anybody else could understand."""
    if not isinstance(part, ToolCallContent):
        return part
    whole = {"functionCall": {"name": part.name, "args": Raw(part.arguments.encode())}}
    return OpaqueContent(dialect=NAME, raw=Raw(msgspec.json.encode(whole)))


class _Pairing:
    """Ids for calls without one, and which call a result without id answers (traps T69).

    By id where both have it, else by name, in the order of the calls.
    """

    def __init__(self) -> None:
        self._waiting: list[ToolCallContent] = []
        self._count = 0
        self._over = False
        """The user spoke since the last call: what is still unanswered stays so."""

    def called(self, parts: list[Content]) -> Iterator[Content]:
        for part in parts:
            if isinstance(part, ToolCallContent):
                if self._over:
                    self._waiting, self._over = [], False
                self._count += 1
                if not part.id:
                    part = replace(part, id=made_id(f"{self._count} {part.name}"))
                self._waiting.append(part)
            yield part

    def answered(self, results: list[ToolResultContent], path: str) -> Iterator[ToolResultContent]:
        self._over = True
        # Results that say whom they answer go first.
        known = {call.id for call in self._waiting}
        named = {part.tool_call_id for part in results if part.tool_call_id in known}
        free = [call for call in self._waiting if call.id not in named]
        for number, part in enumerate(results):
            if part.tool_call_id not in known:
                found = next((call for call in free if call.name == part.name), None)
                if found is not None:
                    free.remove(found)
                    part = replace(part, tool_call_id=found.id)
                elif not part.tool_call_id:
                    part = replace(part, tool_call_id=made_id(f"{path} {number}"))
            self._waiting = [call for call in self._waiting if call.id != part.tool_call_id]
            yield part
