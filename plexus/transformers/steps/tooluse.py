"""``tooluse``: models that talk about tools instead of calling them."""

from typing import ClassVar

from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.base import Step, StreamStage
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.jsontext import TextMember
from plexus.transformers.stages import PartNumbers, through
from plexus.unified.chunks import FinishReport, PartDelta, PartStart, PartStop, StreamChunk
from plexus.unified.content import TextContent, ToolCallContent
from plexus.unified.errors import invalid
from plexus.unified.request import (
    CustomTool,
    FunctionTool,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)
from plexus.unified.response import UnifiedChatResponse

EXIT = "ExitTool"
ANSWER = "response"

PROMPT = f"""\
Work on the task by calling the tools you have: as long as one of them fits, call it. When the \
task is done, or none of the tools fits, call `{EXIT}` with your answer. It is the only way to \
answer."""

EXIT_TOOL = FunctionTool(
    name=EXIT,
    description="Ends the use of tools and answers the user. Call it only when no other tool "
    "brings the task further: when the task is done, or none of the tools fits it.",
    parameters=Raw(
        b'{"type":"object","properties":{"response":{"type":"string","description":'
        b'"The answer, word for word as the user will read it."}},"required":["response"]}'
    ),
)


class ToolUse(Step, frozen=True):
    """Makes a model call tools: every turn must call one, and answering is a tool, ``ExitTool``.

    A call of ``ExitTool`` reaches the client as text, while it is being written.  Requests without
    tools, with a tool choice of their own or for structured output are left alone.  Source:
    musistudio/llms ``tooluse`` (lineage §2.3 row 12).
    """

    NAME: ClassVar[str] = "tooluse"

    def request(self, request: UnifiedChatRequest, target: TargetModel) -> UnifiedChatRequest:
        """Raises PlexusError (400) for a client's own tool of that name."""
        if any(tool.name == EXIT for tool in request.tools):
            raise invalid(f"this target keeps the tool name {EXIT} for itself", "tools")
        choice = _choice(request, target)
        if choice is None:
            return request
        return replace(
            request,
            messages=_prompted(request),
            tools=(*request.tools, EXIT_TOOL),
            tool_choice=choice,
        )

    def response(self, response: UnifiedChatResponse) -> UnifiedChatResponse:
        return through(self.stream(), response)

    def stream(self) -> StreamStage:
        return _ExitStage()


def _choice(request: UnifiedChatRequest, target: TargetModel) -> ToolChoice | None:
    """The choice that makes the model call a tool, None to leave the request alone."""
    form = request.response_format
    if form is not None and form.type != "text":
        return None
    if not any(isinstance(tool, FunctionTool | CustomTool) for tool in request.tools):
        return None
    asked = request.tool_choice or ToolChoice(mode="auto")
    force = _may_force(request, target)
    if asked.mode == "auto":
        return ToolChoice(mode="required") if force else asked
    if asked.mode == "allowed" and not asked.forced:
        return replace(asked, names=(*asked.names, EXIT), forced=force)
    return None


def _may_force(request: UnifiedChatRequest, target: TargetModel) -> bool:
    """Some models refuse a demanded tool, others only beside thinking with a budget."""
    known, asked = target.capabilities, request.reasoning
    if known.forced_tool_choice is False:
        return False
    if asked is None or asked.enabled is False or asked.mode == "off" or asked.effort == "none":
        return True
    budgeted = target.family == "anthropic" and asked.max_tokens is not None
    return known.thinking != "budget" and not budgeted


def _prompted(request: UnifiedChatRequest) -> tuple[UnifiedMessage, ...]:
    """The prompt at the end of the instructions, where it spoils no cached prefix of a turn."""
    prefix = request.system_prefix()
    rest = request.messages[len(prefix) :]
    last = prefix[-1] if prefix else UnifiedMessage(role="system")
    text = last.content[-1] if last.content else None
    if not isinstance(text, TextContent):
        said = UnifiedMessage(role="system", content=(TextContent(text=PROMPT),))
        return (*prefix, said, *rest)
    longer = replace(text, text=f"{text.text}\n\n{PROMPT}")
    return (*prefix[:-1], replace(last, content=(*last.content[:-1], longer)), *rest)


class _Exit:
    """One call of ``ExitTool`` on its way to being text; a part is opened when there is some."""

    def __init__(self, choice: int, numbers: PartNumbers) -> None:
        self._choice = choice
        self._numbers = numbers
        self._answer = TextMember(ANSWER)
        self._index: int | None = None
        self._text: list[str] = []

    def add(self, fragment: str) -> list[StreamChunk]:
        return self._write(self._answer.feed(fragment))

    def stop(self) -> list[StreamChunk]:
        out = self._write(self._answer.close())
        if self._index is not None:
            out.append(PartStop(self._index, TextContent(text="".join(self._text))))
        return out

    def _write(self, text: str) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        if not text:
            return out
        if self._index is None:
            self._index = self._numbers.fresh()
            out.append(PartStart(self._index, TextContent(text=""), self._choice))
        self._text.append(text)
        return [*out, PartDelta(self._index, "text", text)]


class _ExitStage:
    """Calls of ``ExitTool`` become text; a choice that called nothing else has stopped."""

    def __init__(self) -> None:
        self._numbers = PartNumbers()
        self._exits: dict[int, _Exit] = {}
        self._exited: set[int] = set()
        self._called: set[int] = set()

    def feed(self, chunk: StreamChunk) -> list[StreamChunk]:
        match chunk:
            case PartStart(index=index, part=ToolCallContent(name=name), choice=choice):
                if name == EXIT:
                    self._exited.add(choice)
                    self._exits[index] = _Exit(choice, self._numbers)
                    return []
                self._called.add(choice)
                return [replace(chunk, index=self._numbers.opened(index))]
            case PartStart(index=index):
                return [replace(chunk, index=self._numbers.opened(index))]
            case PartDelta(index=index, value=value) if index in self._exits:
                return self._exits[index].add(value) if isinstance(value, str) else []
            case PartStop(index=index) if index in self._exits:
                return self._exits.pop(index).stop()
            case PartDelta(index=index) | PartStop(index=index):
                return [replace(chunk, index=self._numbers.of(index))]
            case FinishReport(finish=finish, choice=choice) if finish.reason == "tool_calls":
                if choice in self._exited and choice not in self._called:
                    return [replace(chunk, finish=replace(finish, reason="stop"))]
        return [chunk]

    def close(self) -> list[StreamChunk]:
        return []
