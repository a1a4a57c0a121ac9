"""Parts of a ``Content`` to canonical parts, in requests and answers (gemini.md §2)."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from plexus.transformers.gemini.media import clean_base64, is_google_file, sniff
from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.reader import (
    BOOLEAN,
    ENUM,
    NULL,
    STRING,
    Level,
    Malformed,
    is_object,
    is_string,
    snake,
    text_of,
)
from plexus.transformers.gemini.signatures import opened, read_signature
from plexus.transformers.gemini.usual import UsualPart, UsualResult
from plexus.transformers.jsontext import compact
from plexus.unified.content import (
    AudioContent,
    Content,
    DocumentContent,
    Ext,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)

SERVER_CALLS = ("executableCode", "toolCall")
SERVER_RESULTS = ("codeExecutionResult", "toolResponse")
_SERVER_TOOLS = {
    "GOOGLE_SEARCH_WEB": "web_search",
    "GOOGLE_SEARCH_IMAGE": "web_search",
    "URL_CONTEXT": "url_context",
    "GOOGLE_MAPS": "maps",
    "FILE_SEARCH": "file_search",
}
_LEVELS = {
    "MEDIA_RESOLUTION_LOW": "low",
    "MEDIA_RESOLUTION_MEDIUM": "auto",
    "MEDIA_RESOLUTION_HIGH": "high",
}
RESOLUTIONS = {detail: level for level, detail in _LEVELS.items()}
"""``detail`` of an image to the level of its ``mediaResolution``."""


def parse_part(raw: Raw, path: str, origin: Origin, client: bool = True) -> tuple[Content, ...]:
    """One part of a client; two where its signature is another family's thinking.

    Ids of calls are as given, "" for none; ``origin`` is who issued the signatures.  An answer's
    signatures (``client`` False) stay on their parts.  Raises Malformed.
    """
    level = Level(raw, path)
    if len(level.fields) == 1 and "text" in level.fields:
        # Nearly every part.
        return (TextContent(text=level.take("text", STRING) or ""),)
    signature = level.take("thoughtSignature", STRING)
    thought = level.take("thought", BOOLEAN)
    part = _data(level, raw, thought or False, origin)
    if isinstance(part, ServerToolCallContent | ServerToolResultContent | OpaqueContent):
        return (part,)
    if isinstance(part, ToolResultContent) and not client:
        # Google asked an MCP server itself.
        return (
            ServerToolResultContent(
                tool_call_id=part.tool_call_id,
                tool="mcp",
                dialect=NAME,
                raw=raw,
                is_error=part.is_error,
            ),
        )
    rest = level.rest()
    if rest:
        part = replace(part, ext={NAME: {**part.ext.get(NAME, {}), **rest}})
    return _signed(part, signature, origin, client)


def _signed(
    part: Content, signature: str | None, origin: Origin, client: bool
) -> tuple[Content, ...]:
    """The part with its signature; see ``parse_part``."""
    if not signature:
        return (part,)
    proof = read_signature(signature, origin)
    if proof is None or not client or opened(signature) is None:
        return (replace(part, proof=proof),)
    if isinstance(part, ThinkingContent):
        return (_thought(part, proof),)
    foreign = _thought(ThinkingContent(), proof)
    return (foreign,) if part == TextContent(text="") else (foreign, part)


def usual_parts(seen: list[UsualPart], origin: Origin, client: bool = True) -> list[Content] | None:
    """What ``parse_parts`` gives for parts read in one look; None for what needs another."""
    parts: list[Content] = []
    texts = True
    for one in seen:
        part = _usual(one)
        if part is None or (type(part) is ToolResultContent and not client):
            return None
        texts = texts and type(part) is TextContent and not one.thought_signature
        if one.thought_signature:
            parts += _signed(part, one.thought_signature, origin, client)
        else:
            parts.append(part)
    if texts:
        return parts
    return joined(parts) if client else _one_thought(parts)


def _usual(one: UsualPart) -> Content | None:
    """One of them without its signature; None for several in one, or none at all."""
    text, call, result = one.text, one.function_call, one.function_response
    if text is not UNSET:
        if call or result:
            return None
        return ThinkingContent(text=text) if one.thought else TextContent(text=text)
    if call:
        return None if result else _made_call(call.id, call.name, call.args)
    if not result:
        return None
    try:
        return _made_result(result, "")
    except Malformed:
        return None


def _thought(part: ThinkingContent, proof: Proof) -> ThinkingContent:
    """Thinking of another family; what is encrypted and has no text is redacted at Anthropic."""
    hidden = proof.kind == "encrypted" and not part.text and proof.origin.family == "anthropic"
    return replace(part, proof=proof, redacted=hidden)


def _data(level: Level, raw: Raw, thought: bool, origin: Origin) -> Content:
    """The one data field of a part."""
    fields = level.fields
    if "text" in fields:
        text = level.take("text", STRING) or ""
        return ThinkingContent(text=text) if thought else TextContent(text=text)
    call = level.object("functionCall")
    if call is not None:
        return _call(call)
    result = level.object("functionResponse")
    if result is not None:
        return _result(result, origin)
    inline = level.object("inlineData")
    if inline is not None:
        return _inline(inline, level)
    file = level.object("fileData")
    if file is not None:
        return _file(file, level)
    for name in SERVER_CALLS:
        if (found := level.object(name)) is not None:
            return _server_call(name, found, raw)
    for name in SERVER_RESULTS:
        if (found := level.object(name)) is not None:
            return _server_result(name, found, raw)
    if thought:
        return ThinkingContent()
    if fields.keys() <= _BESIDE:
        # A part that is only a signature.
        return TextContent(text="")
    return OpaqueContent(dialect=NAME, raw=raw)


_BESIDE = {name for base in ("mediaResolution", "partMetadata") for name in (base, snake(base))}


def _call(level: Level) -> ToolCallContent:
    name = level.take("name", STRING) or ""
    arguments = level.raw("args") or NULL
    call_id = level.take("id", STRING) or ""
    level.raw("willContinue")
    level.raw("partialArgs")
    return _made_call(call_id, name, arguments, level.rest())


def _made_call(
    call_id: str, name: str, args: Raw, rest: Mapping[str, Raw] | None = None
) -> ToolCallContent:
    """``rest``: members nobody knows."""
    arguments = "{}" if args == NULL else compact(args).decode()
    ext = {NAME: {"functionCall": Raw(msgspec.json.encode(rest))}} if rest else {}
    return ToolCallContent(id=call_id, name=name, arguments=arguments, ext=ext)


def _result(level: Level, origin: Origin) -> ToolResultContent:
    name, call_id = level.take("name", STRING), level.take("id", STRING) or ""
    raw = level.raw("response") or NULL
    media: list[Content] = []
    where = level.where("parts")
    for number, item in enumerate(level.items("parts")):
        media += parse_part(item, f"{where}[{number}]", origin)
    seen = UsualResult(name, raw, call_id)
    return _made_result(seen, level.where("response"), media, level.rest())


def _made_result(
    seen: UsualResult,
    path: str,
    media: Sequence[Content] = (),
    rest: Mapping[str, Raw] | None = None,
) -> ToolResultContent:
    """``output`` or ``error`` alone is the result, any other ``response`` is it whole.

    ``path`` is the response's.  Raises Malformed.
    """
    raw = seen.response
    text, is_error, plain = ("", False, True) if raw == NULL else _output(raw, path)
    content = (TextContent(text=text), *media) if text else tuple(media)
    if not plain:
        # As text it suits every dialect; the value itself is for Google.
        rest = {**(rest or {}), "response": Raw(compact(raw))}
    ext = {NAME: {"functionResponse": Raw(msgspec.json.encode(rest))}} if rest else {}
    return ToolResultContent(
        tool_call_id=seen.id, content=content, name=seen.name, is_error=is_error, ext=ext
    )


def _output(raw: Raw, path: str) -> tuple[str, bool, bool]:
    """The text, whether it is an error's, and whether the text says all of it."""
    level = Level(raw, path)
    value, is_error = raw, False
    if len(level.fields) == 1:
        (name, inner), *_ = level.fields.items()
        if name in ("output", "error"):
            value, is_error = inner, name == "error"
    if is_string(value):
        return text_of(value, path), is_error, True
    return compact(value).decode(), is_error, is_object(value) and not is_error


def _inline(level: Level, part: Level) -> Content:
    """Media with their bytes; text keeps its form, so that the bytes survive."""
    kind = (level.take("mimeType", STRING) or "").lower()
    kind = "image/jpeg" if kind == "image/jpg" else kind
    data = clean_base64(level.need("data", STRING), level.where("data"))
    source = MediaSource("base64", data=data, media_type=kind or sniff(data))
    return _media(source, level, part, "inlineData")


def _file(level: Level, part: Level) -> Content:
    """A URL, or a file that only Google knows."""
    uri = level.need("fileUri", STRING)
    kind = (level.take("mimeType", STRING) or "").lower()
    if is_google_file(uri):
        source = MediaSource("file_id", file_id=uri, media_type=kind, provider=NAME)
    else:
        source = MediaSource("url", url=uri, media_type=kind)
    return _media(source, level, part, "fileData")


def _media(source: MediaSource, level: Level, part: Level, field: str) -> Content:
    """A canonical part by media type; a file without one may be a video (YouTube)."""
    kind = source.media_type
    filename = level.take("displayName", STRING)
    rest = level.rest()
    ext: Ext = {NAME: {field: Raw(msgspec.json.encode(rest))}} if rest else {}
    if kind.startswith("image/"):
        return ImageContent(source=source, detail=_detail(part), ext=ext)
    if kind.startswith("audio/"):
        name = kind.partition("/")[2].partition(";")[0]
        form = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}.get(name, name)
        return AudioContent(source=source, format=form, ext=ext)
    if kind.startswith("video/") or (not kind and source.kind == "file_id"):
        return VideoContent(source=source, clip=part.raw("videoMetadata"), ext=ext)
    return DocumentContent(source=source, filename=filename, ext=ext)


def _detail(part: Level) -> str | None:
    """``mediaResolution.level`` as ``detail``, where it has one."""
    whole = part.raw("mediaResolution")
    if whole is None:
        return None
    level = Level(whole, part.where("mediaResolution"))
    detail = _LEVELS.get(level.take("level", STRING) or "")
    if detail is None or level.fields:
        part.fields["mediaResolution"] = whole
    return detail


def _server_call(name: str, level: Level, raw: Raw) -> ServerToolCallContent:
    call_id = level.take("id", STRING) or ""
    if name == "executableCode":
        arguments = compact(msgspec.json.encode(level.rest())).decode()
        return ServerToolCallContent(
            id=call_id,
            tool="code_execution",
            name="code_execution",
            dialect=NAME,
            raw=raw,
            arguments=arguments,
        )
    kind = str(level.take("toolType", ENUM) or "")
    tool = _SERVER_TOOLS.get(kind, kind.lower())
    arguments = compact(level.raw("args") or b"{}").decode()
    return ServerToolCallContent(
        id=call_id, tool=tool, name=tool, dialect=NAME, raw=raw, arguments=arguments
    )


def _server_result(name: str, level: Level, raw: Raw) -> ServerToolResultContent:
    call_id = level.take("id", STRING) or ""
    if name == "codeExecutionResult":
        outcome = str(level.take("outcome", ENUM) or "OUTCOME_OK")
        return ServerToolResultContent(
            tool_call_id=call_id,
            tool="code_execution",
            dialect=NAME,
            raw=raw,
            is_error=outcome not in ("OUTCOME_OK", "1"),
        )
    kind = str(level.take("toolType", ENUM) or "")
    tool = _SERVER_TOOLS.get(kind, kind.lower())
    return ServerToolResultContent(tool_call_id=call_id, tool=tool, dialect=NAME, raw=raw)


def parse_parts(level: Level, origin: Origin, client: bool = True) -> list[Content]:
    """``parts`` of a Content, in order.  Raises Malformed."""
    where = level.where("parts")
    parts: list[Content] = []
    for number, raw in enumerate(level.items("parts")):
        parts += parse_part(raw, f"{where}[{number}]", origin, client)
    return joined(parts) if client else _one_thought(parts)


def _one_thought(parts: list[Content]) -> list[Content]:
    """Unsigned thoughts next to each other are one, as they are in a stream."""
    out: list[Content] = []
    for part in parts:
        last = out[-1] if out else None
        if (
            isinstance(part, ThinkingContent)
            and isinstance(last, ThinkingContent)
            and last == ThinkingContent(text=last.text)
            and part == ThinkingContent(text=part.text)
        ):
            out[-1] = ThinkingContent(text=last.text + part.text)
        else:
            out.append(part)
    return out


def joined(parts: list[Content]) -> list[Content]:
    """Thoughts of another family whole: fragments of a stream, and the proof that ended them."""
    out: list[Content] = []
    for part in parts:
        if isinstance(part, ThinkingContent) and _ends_thought(part):
            text = ""
            while out and isinstance(last := out[-1], ThinkingContent) and last.proof is None:
                text = last.text + text
                out.pop()
            part = replace(part, text=text, redacted=part.redacted and not text)
        out.append(part)
    return out


def _ends_thought(part: ThinkingContent) -> bool:
    """A proof of another family that came without text."""
    proof = part.proof
    return proof is not None and not part.text and proof.origin.family != NAME
