"""Canonical messages to alternating turns, with tool results where Anthropic wants them."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Raw, Struct

from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.ids import anthropic_id
from plexus.transformers.losses import LossLog
from plexus.unified.content import (
    AudioContent,
    Content,
    DocumentContent,
    ImageContent,
    TextContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)
from plexus.unified.request import UnifiedMessage

TurnRole: TypeAlias = Literal["user", "assistant", "system"]
Item: TypeAlias = tuple[Content, str]
"""A part and its path in the request."""

NO_RESULT = "no result was provided for this call"


class Turn(Struct):
    """Merged messages of one role.  ``ids`` maps the call ids in it to the ones sent."""

    role: TurnRole
    items: list[Item]
    fields: dict[str, Raw] = {}
    ids: dict[str, str] = {}


def build_turns(
    messages: Iterable[UnifiedMessage], first: int, mid_system: bool, log: LossLog
) -> list[Turn]:
    """Turns of the messages behind the system prefix; ``first`` is the index of the first.

    Every call is answered in the next turn, results first and in the order of the calls (T68).
    """
    turns: list[Turn] = []
    for index, message in enumerate(messages, first):
        _add(turns, message, f"messages[{index}]", mid_system, log)
    return _answered(turns, log)


def without_media(turn: Turn, log: LossLog) -> None:
    """A note for each picture or file of an assistant's: only users may send them (T83)."""
    for number, (part, path) in enumerate(turn.items):
        kind = _MEDIA.get(type(part))
        if kind is not None:
            log.note("part.opaque", path)
            turn.items[number] = TextContent(text=f"[{kind}]"), path


_MEDIA: dict[type[Content], str] = {
    ImageContent: "image",
    DocumentContent: "document",
    AudioContent: "audio",
    VideoContent: "video",
}


def _add(
    turns: list[Turn], message: UnifiedMessage, path: str, mid_system: bool, log: LossLog
) -> None:
    if message.name is not None:
        log.note("message.name", f"{path}.name")
    items: list[Item] = [(part, f"{path}.content[{n}]") for n, part in enumerate(message.content)]
    fields = _fields(message, path, log) if message.ext else {}
    role: TurnRole = "assistant" if message.role == "assistant" else "user"
    if message.role in ("system", "developer"):
        last = turns[-1].role if turns else None
        if mid_system and (last == "user" or (last == "system" and not fields)):
            role = "system"
            _only_text(items, log)
        else:
            log.note("message.system_mid", path)
            items = _wrapped(items, path)
            fields = {}
    if turns and turns[-1].role == role and not (role == "system" and fields):
        turns[-1].items += items
        turns[-1].fields.update(fields)
    else:
        turns.append(Turn(role, items, fields))


def _fields(message: UnifiedMessage, path: str, log: LossLog) -> dict[str, Raw]:
    for dialect, fields in message.ext.items():
        if dialect != NAME and fields:
            log.note("message.ext", path)
    return dict(message.ext.get(NAME, {}))


def _wrapped(items: list[Item], path: str) -> list[Item]:
    """Instructions in the middle of a conversation, where the model has no role for them."""
    text = "\n".join(part.text for part, _ in items if isinstance(part, TextContent))
    others = [item for item in items if not isinstance(item[0], TextContent)]
    if not text.strip():
        return others
    return [*others, (TextContent(text=f"<system>{text}</system>"), path)]


def _only_text(items: list[Item], log: LossLog) -> None:
    for part, path in items:
        if not isinstance(part, TextContent):
            log.note("message.system_media", path)


def _answered(turns: list[Turn], log: LossLog) -> list[Turn]:
    out: list[Turn] = []
    used: set[str] = set()
    calls: list[ToolCallContent] = []
    ids: dict[str, str] = {}
    for turn in turns:
        if turn.role == "user":
            _order_results(turn, calls, ids, log)
            calls, ids = [], {}
        elif calls and turn.role == "assistant":
            out.append(_synthetic(calls, ids, log))
        out.append(turn)
        if turn.role == "assistant":
            calls = [part for part, _ in turn.items if type(part) is ToolCallContent]
            ids = turn.ids = _ids(calls, used) if calls else {}
    if calls:
        out.append(_synthetic(calls, ids, log))
    return out


def _ids(calls: list[ToolCallContent], used: set[str]) -> dict[str, str]:
    """Legal ids, new ones for an id the conversation used before (mappings.md §5.2)."""
    ids: dict[str, str] = {}
    for call in calls:
        legal = anthropic_id(call.id, "toolu_")
        turn = 0
        while legal in used:
            turn += 1
            legal = anthropic_id(call.id, "toolu_", f"#{turn}")
        used.add(legal)
        ids[call.id] = legal
    return ids


def _order_results(
    turn: Turn, calls: list[ToolCallContent], ids: dict[str, str], log: LossLog
) -> None:
    """Results of ``calls`` first, one each; a result that answers none of them is dropped."""
    turn.ids = ids
    results: dict[str, Item] = {}
    rest: list[Item] = []
    for item in turn.items:
        part, path = item
        if type(part) is not ToolResultContent:
            rest.append(item)
        elif part.tool_call_id not in ids or part.tool_call_id in results:
            log.note("part.tool_result.orphan", path)
        else:
            results[part.tool_call_id] = item
    ordered = [results.get(call.id) or _missing(call, log) for call in calls]
    turn.items = ordered + rest


def _missing(call: ToolCallContent, log: LossLog) -> Item:
    log.note("part.tool_result.missing")
    content = (TextContent(text=NO_RESULT),)
    part = ToolResultContent(tool_call_id=call.id, content=content, is_error=True)
    return part, "messages"


def _synthetic(calls: list[ToolCallContent], ids: dict[str, str], log: LossLog) -> Turn:
    return Turn("user", [_missing(call, log) for call in calls], ids=ids)
