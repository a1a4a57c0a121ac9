"""The built-in echo provider (design decision 14): in process, every dialect, no key.

It answers with the text of the last user message.  Lines of that message that begin with ``echo:``
are commands and are left out of the answer:

- ``echo:tool NAME {"json": "arguments"}``: call a tool (several lines: parallel calls);
- ``echo:think TEXT``: think before answering;
- ``echo:error STATUS MESSAGE``: answer with an HTTP error;
- ``echo:pace MILLISECONDS``: pause before each frame of a stream;
- ``echo:cut FRAMES``: drop the connection after that many frames (0: before any).

A forced tool choice calls the tool, a JSON schema is answered with an instance of it, and tool
results are answered with their text.  A text of more words than the request's limit of tokens is
cut there.  Embeddings are vectors made from their text; words are counted for tokens.
"""

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import msgspec
from msgspec import Raw, Struct

from plexus.gateway.upstream.base import UpstreamFailed, UpstreamRequest
from plexus.streaming.document import DocumentError, JsonBody
from plexus.transformers.base import ClientCall, Dialect
from plexus.transformers.counting import count_body, unwrapped, with_room
from plexus.transformers.embeddings import CLIENTS, Vectors
from plexus.transformers.operations import OPERATIONS, VERBS, Operation
from plexus.unified.chunks import PartDelta, StreamChunk
from plexus.unified.content import (
    Content,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.errors import ErrorKind, PlexusError, UnifiedError, invalid
from plexus.unified.fold import unfold
from plexus.unified.request import FunctionTool, Source, UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, Finish, FinishReason, UnifiedChatResponse, UnifiedUsage

_COMMAND = re.compile(r"^echo:(tool|think|error|pace|cut)(?:[ \t]+(.*))?$", re.MULTILINE)
_WORD = re.compile(r"\S+\s*|\s+")
_KINDS: dict[int, ErrorKind] = {
    400: "invalid_request",
    401: "authentication",
    402: "billing",
    403: "permission",
    404: "not_found",
    413: "too_large",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_PACE_LIMIT = 60_000.0


class _Script(Struct, frozen=True):
    """What the commands of a message say."""

    text: str
    thinking: str | None = None
    tools: tuple[tuple[str, str], ...] = ()
    error: tuple[int, str] | None = None
    pace: float = 0.0
    cut: int | None = None


class EchoUpstream:
    """An Upstream that needs no network.  ``dialects`` by name; ``clock`` gives Unix seconds."""

    def __init__(self, dialects: Mapping[str, Dialect], clock: Callable[[], float]) -> None:
        self._dialects = dialects
        self._clock = clock

    async def open(self, request: UpstreamRequest) -> "EchoAnswer":
        dialect = self._dialects[request.dialect]
        operation = _BY_PATH.get(request.url) or VERBS.get(request.url.rpartition(":")[2])
        if operation is not None and not operation.counts:
            return _beside(dialect, operation, request)
        try:
            call = _call(request, int(self._clock()))
            if operation is not None:
                call = with_room(unwrapped(call))
            asked = dialect.parse_request(call)
            script = _read_script(asked)
        except PlexusError as problem:
            return _refusal(dialect, problem.error)
        if script.cut == 0:
            raise UpstreamFailed("send", "the echo provider was told to drop the connection")
        if script.error is not None:
            status, message = script.error
            kind = _KINDS.get(status, "server" if status >= 500 else "invalid_request")
            return _refusal(dialect, UnifiedError(kind=kind, message=message, status=status))
        if operation is not None:
            body = count_body(request.dialect, _words_asked(asked))
            return EchoAnswer(200, "application/json", [body], script)
        response = _respond(asked, script, request, int(self._clock()))
        if not asked.stream:
            body, _ = dialect.format_response(response, asked)
            return EchoAnswer(200, "application/json", [body], script)
        formatter, encoder = dialect.stream_formatter(asked), dialect.encoder()
        frames = [f for chunk in _by_word(unfold(response)) for f in formatter.feed(chunk)]
        pieces = [encoder.encode(frame) for frame in frames]
        return EchoAnswer(200, encoder.content_type, [*pieces, encoder.end()], script)

    async def close(self) -> None:
        """Nothing to give back."""


class EchoAnswer:
    """A scripted answer, one piece at a time."""

    def __init__(self, status: int, content_type: str, pieces: list[bytes], script: _Script):
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": content_type}
        self._pieces = pieces
        self._script = script

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number, piece in enumerate(self._pieces):
            if self._script.cut is not None and number >= self._script.cut:
                raise UpstreamFailed("read", "the echo provider was told to drop the connection")
            if self._script.pace:
                await asyncio.sleep(self._script.pace / 1000)
            if piece:
                yield piece

    async def aclose(self) -> None:
        """Nothing to give back."""


_BY_PATH = {operation.path: operation for operation in OPERATIONS.values()}
_DIMENSIONS = 8
_DIMENSIONS_LIMIT = 4096


def _beside(dialect: Dialect, operation: Operation, request: UpstreamRequest) -> EchoAnswer:
    """Embeddings: the same text, the same vector of length 1.  Nothing else beside chat."""
    form = CLIENTS.get(operation.path)
    if form is None:
        message = f"the echo provider answers chat and embeddings, not {request.url}"
        answer = _refusal(dialect, UnifiedError(kind="not_found", message=message))
        # Asked again it has no other answer (design decision 15).
        answer.headers = {**answer.headers, "x-should-retry": "false"}
        return answer
    try:
        call = _call(request, 0)
        asked = form.parse(call)
        texts = asked.texts()
    except PlexusError as problem:
        return _refusal(dialect, problem.error)
    size = min(max(asked.dimensions or _DIMENSIONS, 1), _DIMENSIONS_LIMIT)
    count = sum(len(text.split()) for text in texts)
    vectors = Vectors([Raw(msgspec.json.encode(_vector(text, size))) for text in texts], count)
    body = form.format(call, request.model, vectors, count)
    return EchoAnswer(200, "application/json", [msgspec.json.encode(body)], _Script(""))


def _vector(text: str, size: int) -> list[float]:
    drawn = hashlib.shake_256(text.encode()).digest(2 * size)
    values = [int.from_bytes(drawn[at : at + 2], "big") - 32767.5 for at in range(0, 2 * size, 2)]
    length = math.hypot(*values)
    return [value / length for value in values]


def _call(request: UpstreamRequest, now: int) -> ClientCall:
    try:
        body = JsonBody.parse(request.body)
    except DocumentError as problem:
        raise invalid(str(problem), problem.param) from None
    headers = dict(request.extra_headers)
    source = Source(dialect=request.dialect, received=now, headers=headers)
    return ClientCall(model=request.model, stream=request.stream, body=body, source=source)


def _refusal(dialect: Dialect, error: UnifiedError) -> EchoAnswer:
    status, body = dialect.format_error(error, "req_echo")
    return EchoAnswer(status, "application/json", [body], _Script(""))


def _read_script(request: UnifiedChatRequest) -> _Script:
    """The last user text with its commands taken out.  Raises PlexusError on a bad command."""
    last = request.messages[-1] if request.messages else UnifiedMessage(role="user")
    results = [part for part in last.content if isinstance(part, ToolResultContent)]
    if results:
        return _Script("\n".join(_text(part.content) for part in results))
    users = [message for message in request.messages if message.role == "user"]
    said = users[-1].text if users else ""
    thinking: list[str] = []
    tools: list[tuple[str, str]] = []
    error: tuple[int, str] | None = None
    pace, cut = 0.0, None
    for name, argument in _COMMAND.findall(said):
        match name:
            case "tool":
                tool, _, arguments = argument.partition(" ")
                tools.append((tool, arguments.strip() or "{}"))
            case "think":
                thinking.append(argument)
            case "error":
                status, _, message = argument.partition(" ")
                error = (
                    int(_number(status, name, 599)),
                    message or "echo was asked to fail",
                )
            case "pace":
                pace = _number(argument, name, _PACE_LIMIT)
            case _:
                cut = int(_number(argument or "0", name, 1e6))
    text = _COMMAND.sub("", said).strip("\n")
    return _Script(text, "\n".join(thinking) or None, tuple(tools), error, pace, cut)


def _number(text: str, command: str, limit: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= limit or (command == "error" and value < 400):
        raise invalid(f"echo:{command} needs a number up to {limit:g}, as in echo:{command} 429")
    return value


def _respond(
    asked: UnifiedChatRequest, script: _Script, request: UpstreamRequest, now: int
) -> UnifiedChatResponse:
    # The same body gives the same ids: recorded answers stay comparable.
    digest = hashlib.sha256(request.body).hexdigest()[:20]
    tools = script.tools or _forced(asked)
    finish: FinishReason = "tool_calls" if tools else "stop"
    parts: list[Content] = []
    if script.thinking is not None:
        parts.append(ThinkingContent(text=script.thinking))
    if text := _answer_text(asked, script, bool(tools)):
        words = _WORD.findall(text)
        if asked.max_tokens is not None and len(words) > asked.max_tokens:
            text, tools, finish = "".join(words[: asked.max_tokens]).rstrip(), (), "length"
        parts.append(TextContent(text=text))
    parts += [
        ToolCallContent(id=f"call_{digest}{number}", name=name, arguments=arguments)
        for number, (name, arguments) in enumerate(tools)
    ]
    prompt = _words_asked(asked)
    completion = sum(len(_words(part)) for part in parts)
    return UnifiedChatResponse(
        id=f"echo-{digest}",
        model=request.model,
        created=now,
        choices=(
            Choice(
                message=UnifiedMessage(role="assistant", content=tuple(parts)),
                finish=Finish(finish),
            ),
        ),
        usage=UnifiedUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
        ),
    )


def _words_asked(asked: UnifiedChatRequest) -> int:
    return sum(len(message.text.split()) for message in asked.messages)


def _answer_text(asked: UnifiedChatRequest, script: _Script, calls: bool) -> str:
    wanted = asked.response_format
    if wanted is not None and wanted.schema is not None and not calls:
        return msgspec.json.encode(_instance(_schema(wanted.schema))).decode()
    if wanted is not None and wanted.type == "json_object" and not calls:
        return msgspec.json.encode({"echo": script.text}).decode()
    return script.text or ("" if calls else "(empty)")


def _forced(asked: UnifiedChatRequest) -> tuple[tuple[str, str], ...]:
    """The call a forced tool choice demands, with arguments made from its schema."""
    choice = asked.tool_choice
    if choice is None or asked.messages[-1].role == "tool":
        return ()
    for tool in asked.tools:
        if isinstance(tool, FunctionTool) and (
            choice.mode == "required" or (choice.mode == "function" and choice.name == tool.name)
        ):
            value = _instance(_schema(tool.parameters)) if tool.parameters else {}
            return ((tool.name, msgspec.json.encode(value).decode()),)
    return ()


def _schema(raw: Raw) -> object:
    decoded: object = msgspec.json.decode(raw)
    return decoded


def _instance(schema: object, depth: int = 0) -> object:
    """A small value of a JSON Schema; references and combinations are not followed."""
    if not isinstance(schema, dict) or depth > 8:
        return None
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties")
            if not isinstance(properties, dict):
                return {}
            return {name: _instance(inner, depth + 1) for name, inner in properties.items()}
        case "array":
            return [_instance(schema.get("items"), depth + 1)]
        case "string":
            return "echo"
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case _:
            return None


def _text(parts: tuple[Content, ...]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextContent))


def _words(part: Content) -> list[str]:
    match part:
        case TextContent(text=text) | ThinkingContent(text=text):
            return text.split()
        case ToolCallContent(arguments=arguments):
            return arguments.split()
        case _:
            return []


def _by_word(chunks: Iterator[StreamChunk]) -> Iterator[StreamChunk]:
    """Text and thinking word by word, so that a stream looks like one."""
    for chunk in chunks:
        if isinstance(chunk, PartDelta) and chunk.kind in ("text", "thinking"):
            for word in _WORD.findall(str(chunk.value)):
                yield PartDelta(chunk.index, chunk.kind, word)
        else:
            yield chunk
