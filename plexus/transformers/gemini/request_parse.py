"""A client's generateContent body to the canonical request (gemini.md §2, mappings.md §2-§8)."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.base import ClientCall
from plexus.transformers.gemini.names import FAMILY, NAME
from plexus.transformers.gemini.parts import joined, parse_parts, usual_parts
from plexus.transformers.gemini.reader import (
    BOOLEAN,
    ENUM,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    STRING_MAP,
    STRINGS,
    Level,
    Malformed,
    is_object,
    is_string,
    items_of,
    text_of,
)
from plexus.transformers.gemini.schema import json_schema
from plexus.transformers.gemini.thinking import parse_thinking, usual_thinking
from plexus.transformers.gemini.tools import parse_choice, parse_tools
from plexus.transformers.gemini.usual import (
    UsualConfig,
    usual_config,
    usual_content,
    usual_contents,
)
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
from plexus.unified.request import (
    Reasoning,
    ResponseFormat,
    Role,
    UnifiedChatRequest,
    UnifiedMessage,
)

_ORIGIN = Origin(FAMILY)
_ROLES: dict[str, Role] = {"user": "user", "function": "user", "model": "assistant", "": "user"}
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
    keep: dict[str, Raw] = {}
    choice, validated = parse_choice(body.object("toolConfig"), keep)
    tools = parse_tools(body.items("tools"), "tools", validated)
    messages = _system(body) + _messages(body)
    config, reasoning, unknown = _config(body.raw("generationConfig"))
    keep.update(unknown)
    stops = config.stop_sequences
    request = UnifiedChatRequest(
        model=call.model,
        messages=tuple(messages),
        source=call.source,
        stream=call.stream,
        tools=tools,
        tool_choice=choice,
        response_format=_format(config),
        max_tokens=config.max_output_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=None if config.top_k is None else int(config.top_k),
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        seed=config.seed,
        n=config.candidate_count or 1,
        stop=tuple(stops) if stops else (),
        logprobs=config.response_logprobs,
        top_logprobs=config.logprobs,
        reasoning=reasoning,
        modalities=_modalities(config.response_modalities or ()),
        **(_rare(body) if body.fields else {}),
    )
    keep.update(body.rest())
    return replace(request, extra={NAME: keep}) if keep else request


def _rare(body: Level) -> dict[str, Any]:
    """Members of the body that most requests have none of."""
    tier = body.take("serviceTier", STRING)
    state = {name: body.raw(name) for name in ("cachedContent", "continuationToken")}
    return {
        "service_tier": None if tier is None else _TIERS.get(tier.lower(), tier.lower()),
        "store": body.take("store", BOOLEAN),
        "metadata": body.take("labels", STRING_MAP),
        "safety_settings": body.raw("safetySettings"),
        "server_state": {name: raw for name, raw in state.items() if raw is not None},
    }


def _config(raw: Raw | None) -> tuple[UsualConfig, Reasoning | None, dict[str, Raw]]:
    """``generationConfig``: its members with a canonical name, and by their paths the others."""
    if raw is None:
        return _NO_CONFIG, None, {}
    seen = usual_config(raw)
    if seen is not None and seen.response_mime_type in _FORMS:
        thinking = seen.thinking_config
        return seen, None if thinking is None else usual_thinking(thinking), {}
    config = Level(raw, "generationConfig")
    sampling: dict[str, Any] = {
        "max_output_tokens": config.take("maxOutputTokens", INTEGER),
        "temperature": config.take("temperature", NUMBER),
        "top_p": config.take("topP", NUMBER),
        "top_k": config.take("topK", NUMBER),
        "candidate_count": config.take("candidateCount", INTEGER),
        "stop_sequences": config.take("stopSequences", STRINGS),
        "presence_penalty": config.take("presencePenalty", NUMBER),
        "frequency_penalty": config.take("frequencyPenalty", NUMBER),
        "seed": config.take("seed", INTEGER),
        "response_logprobs": config.take("responseLogprobs", BOOLEAN),
        "logprobs": config.take("logprobs", INTEGER),
        "response_modalities": _words(config),
    }
    seen = UsualConfig(**sampling, **_form(config))
    reasoning = parse_thinking(config.object("thinkingConfig"))
    return seen, reasoning, {config.where(name): raw for name, raw in config.rest().items()}


def _form(config: Level) -> dict[str, Any]:
    """What says the answer's form; ``text/x.enum`` is no JSON, and stays Google's own."""
    given = config.fields.get("responseMimeType") or config.fields.get("response_mime_type")
    mime = config.take("responseMimeType", STRING)
    if mime not in _FORMS:
        config.fields["responseMimeType"] = given or NULL
        return {}
    return {
        "response_mime_type": mime,
        "response_json_schema": config.raw("responseJsonSchema") or NULL,
        "response_schema": config.raw("responseSchema") or NULL,
    }


_NO_CONFIG = UsualConfig()
_FORMS = (None, "application/json", "text/plain")


def _words(config: Level) -> list[str | int]:
    """``responseModalities``, or the one word that stands there."""
    where = config.where("responseModalities")
    words: list[str | int] = []
    for number, raw in enumerate(config.items("responseModalities")):
        try:
            words.append(str(ENUM.decode(raw)))
        except msgspec.MsgspecError:
            raise Malformed(f"{where}[{number}]", ENUM.expected) from None
    return words


def _modalities(words: Iterable[str | int]) -> tuple[str, ...]:
    return tuple(_MODALITIES.get(word, word.lower()) for word in map(str, words))


_MODALITIES = {"1": "text", "2": "image", "3": "audio"}


def _format(config: UsualConfig) -> ResponseFormat | None:
    """The answer's form."""
    mime, schema = config.response_mime_type, config.response_json_schema
    if schema != NULL:
        schema = _object(schema, "generationConfig.responseJsonSchema")
        return ResponseFormat(type="json_schema", schema=schema)
    if config.response_schema != NULL:
        openapi = _object(config.response_schema, "generationConfig.responseSchema")
        return ResponseFormat(type="json_schema", schema=json_schema(openapi))
    if mime is None:
        return None
    return ResponseFormat(type="json_object" if mime == "application/json" else "text")


def _object(raw: Raw, path: str) -> Raw:
    if not is_object(raw):
        raise Malformed(path, "expected an object")
    return raw


def _system(body: Level) -> list[UnifiedMessage]:
    """``systemInstruction``: a Content whose role means nothing, or a plain string."""
    raw = body.raw("systemInstruction")
    if raw is None:
        return []
    seen = usual_content(raw)
    content = None if seen is None else usual_parts(seen.parts, _ORIGIN)
    if content is None:
        if is_string(raw):
            content = [TextContent(text=text_of(raw, "systemInstruction"))]
        else:
            content = parse_parts(Level(raw, "systemInstruction"), _ORIGIN)
    return [UnifiedMessage(role="system", content=tuple(content))] if content else []


def _messages(body: Level) -> list[UnifiedMessage]:
    raw = body.raw("contents")
    seen = None if raw is None else usual_contents(raw)
    raws = [] if seen or raw is None else items_of(raw, "contents")
    if raw is None or not (seen or raws):
        raise Malformed("contents", "expected a list, and the field is required")
    pairing = _Pairing()
    out: list[UnifiedMessage] = []
    for number in range(len(seen or raws)):
        one = seen[number] if seen else usual_content(raws[number])
        role = None if one is None else _ROLES.get(one.role)
        parts = None if one is None or role is None else usual_parts(one.parts, _ORIGIN)
        ext: Ext = {}
        if role is None or parts is None:
            raws = raws or items_of(raw, "contents")
            role, parts, ext = _content(raws[number], f"contents[{number}]")
        for message in _turn(role, parts, ext, number, pairing):
            # Google's SDK keeps the events of a stream as a content each.
            before = out[-1] if message.role == "assistant" and not message.ext and out else None
            if before is not None and before.role == "assistant":
                out[-1] = replace(before, content=_continued(before.content, message.content))
            else:
                out.append(message)
    return out


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


def _content(raw: Raw, path: str) -> tuple[Role, list[Content], Ext]:
    """Role, parts and unknown members of a Content; a bare string stands for one text part."""
    if is_string(raw):
        return "user", [TextContent(text=text_of(raw, path))], {}
    level = Level(raw, path)
    role = _ROLES.get(level.take("role", STRING) or "")
    if role is None:
        raise Malformed(level.where("role"), "expected user or model")
    parts = parse_parts(level, _ORIGIN)
    rest = level.rest()
    return role, parts, {NAME: rest} if rest else {}


_PAIRED = frozenset({ToolCallContent, ToolResultContent})


def _turn(
    role: Role, parts: list[Content], ext: Ext, number: int, pairing: "_Pairing"
) -> Iterable[UnifiedMessage]:
    """One Content; results and the rest of a user's turn are messages of their own."""
    if _PAIRED.isdisjoint(map(type, parts)):
        return (UnifiedMessage(role=role, content=tuple(parts), ext=ext),)
    if role == "assistant":
        return _spoken(parts, ext, f"contents[{number}]", pairing)
    return _asked(parts, ext, f"contents[{number}]", pairing)


def _asked(
    parts: list[Content], ext: Ext, path: str, pairing: "_Pairing"
) -> Iterator[UnifiedMessage]:
    results = [part for part in parts if isinstance(part, ToolResultContent)]
    others = [part for part in parts if not isinstance(part, ToolResultContent)]
    if results:
        answered = tuple(pairing.answered(results, path))
        yield UnifiedMessage(role="tool", content=answered, ext=ext)
        ext = {}
    if others:
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
