"""``forcereasoning``: asks any model for its reasoning in tags, and takes it out of the answer."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from msgspec.structs import replace

from plexus.transformers.base import Step, StreamStage
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.stages import through
from plexus.transformers.thinktags import TagSplitter, TagStage
from plexus.unified.content import Content, TextContent, ThinkingContent
from plexus.unified.request import UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import UnifiedChatResponse

OPENING = "<reasoning_content>"
CLOSING = "</reasoning_content>"

PROMPT = f"""\
Think before you answer, and write your reasoning down, however simple the task is. Begin with:
{OPENING}
your whole reasoning
{CLOSING}
After the closing tag comes the answer itself, or the tool call."""

MOST_TURNS = 10
"""Earlier turns whose reasoning is shown to the model again, the newest first."""


class ForceReasoning(Step, frozen=True):
    """Makes a model without thinking think aloud: a prompt at the end, tagged reasoning back.

    The reasoning becomes thinking, wherever in the answer it stands; earlier turns get theirs back
    in the same tags.  Requests for structured output are left alone: tags would spoil it.  Source:
    musistudio/llms ``forcereasoning`` (lineage §2.3 row 15).
    """

    NAME: ClassVar[str] = "forcereasoning"

    def request(self, request: UnifiedChatRequest, target: TargetModel) -> UnifiedChatRequest:
        messages = tuple(_with_reasoning(request.messages, target.family))
        if request.response_format is None or request.response_format.type == "text":
            messages = _prompted(messages)
        return replace(request, messages=messages)

    def response(self, response: UnifiedChatResponse) -> UnifiedChatResponse:
        return through(self.stream(), response)

    def stream(self) -> StreamStage:
        return TagStage(partial(TagSplitter, OPENING, CLOSING, anywhere=True), first=False)


def _prompted(messages: tuple[UnifiedMessage, ...]) -> tuple[UnifiedMessage, ...]:
    """The prompt as the user's last words; a prefilled answer is begun already."""
    prompt = TextContent(text=PROMPT)
    last = messages[-1] if messages else None
    if last is None or last.role == "assistant":
        return messages
    if last.role == "user":
        return (*messages[:-1], replace(last, content=(*last.content, prompt)))
    return (*messages, UnifiedMessage(role="user", content=(prompt,)))


def _with_reasoning(messages: tuple[UnifiedMessage, ...], family: str) -> Iterator[UnifiedMessage]:
    """Earlier reasoning in tags where it stood; that of turns long ago is left out."""
    turns = [n for n, message in enumerate(messages) if any(_shown(message, family))]
    recent = set(turns[-MOST_TURNS:])
    for number, message in enumerate(messages):
        if number in turns:
            message = _retold(message, family, kept=number in recent)
        yield message


def _retold(message: UnifiedMessage, family: str, kept: bool) -> UnifiedMessage:
    others = tuple(part for part in message.content if not _is_shown(part, family))
    if not kept and others:
        return replace(message, content=others)
    content: list[Content] = []
    tagged = ""
    for part in message.content:
        if isinstance(part, ThinkingContent) and _is_shown(part, family):
            tagged += f"{OPENING}{_readable(part)}{CLOSING}\n"
        elif tagged and isinstance(part, TextContent) and not part.citations:
            # One text: many chat templates take no list of them from an assistant.
            content.append(replace(part, text=tagged + part.text))
            tagged = ""
        else:
            content += [TextContent(text=tagged), part] if tagged else [part]
            tagged = ""
    if tagged:
        content.append(TextContent(text=tagged))
    return replace(message, content=tuple(content))


def _shown(message: UnifiedMessage, family: str) -> Iterator[bool]:
    if message.role == "assistant":
        yield from (True for part in message.content if _is_shown(part, family))


def _is_shown(part: Content, family: str) -> bool:
    """Readable reasoning, unless it is the target's own: that goes back as it came."""
    if not isinstance(part, ThinkingContent) or not _readable(part):
        return False
    return part.proof is None or part.proof.origin.family != family


def _readable(part: ThinkingContent) -> str:
    return part.text or "\n\n".join(part.summary or ())
