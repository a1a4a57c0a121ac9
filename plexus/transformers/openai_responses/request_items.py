"""``input`` of a request: items to messages (openai-responses.md §2).

Items of the model that follow each other are one assistant turn, so that parallel calls stay
together; results that follow each other are one tool message.
"""

from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.openai_chat.reading import NULL, STR, TEXT_OR_LIST, Level, missing, read
from plexus.transformers.openai_responses.content import (
    EMPTY_LIST,
    encoded,
    ext_of,
    members,
    parse_content,
)
from plexus.transformers.openai_responses.items import (
    DONE,
    UsualItem,
    is_call,
    is_message,
    is_reasoning,
    parse_call,
    parse_other,
    parse_reasoning,
    rest_of,
    string,
    usual_call,
    usual_item,
    usual_reasoning,
    usual_texts,
)
from plexus.transformers.openai_responses.losses import FAMILY, NAME
from plexus.unified.content import (
    Content,
    Ext,
    OpaqueContent,
    Origin,
    RefusalContent,
    TextContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.errors import invalid
from plexus.unified.request import Role, UnifiedMessage

_ORIGIN = Origin(FAMILY)
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
}
_RESULTS = ("function_call_output", "custom_tool_call_output")
_BETWEEN = ("additional_tools", "configuration_update", "compaction_trigger", "item_reference")
"""Items that belong to no turn: they stand alone, as results do."""


class _Item:
    """What a ``message`` item says beside its content."""

    __slots__ = ("ext", "id", "phase", "status")

    def __init__(self, id: str | None, phase: str | None, status: str | None, ext: Ext) -> None:
        self.id = id
        self.phase = phase
        self.status = status
        self.ext = ext

    @classmethod
    def of(cls, level: Level) -> "_Item":
        """What is left of ``level`` when its content was taken."""
        item_id, phase, status = (level.take(name, STR) for name in ("id", "phase", "status"))
        return cls(item_id, phase, status, ext_of(level.rest))

    def fields(self) -> Ext:
        """As members of the first part of the item."""
        said = {"id": self.id, "phase": self.phase, "status": self.status}
        kept = {name: encoded(value) for name, value in said.items() if value is not None}
        kept |= self.ext.get(NAME, {})
        return {NAME: kept} if kept else {}


class InputReader:
    """Items in order to messages.  ``references`` are items that only the provider has, by path."""

    def __init__(self) -> None:
        self.messages: list[UnifiedMessage] = []
        self.references: dict[str, Raw] = {}
        self._turn: list[Content] = []
        self._head: _Item | None = None
        self._results: list[Content] = []

    def read(self, raw: Raw) -> list[UnifiedMessage]:
        """``input``.  Raises PlexusError with ``param``."""
        value = read(raw, TEXT_OR_LIST, "input")
        if isinstance(value, str):
            return [UnifiedMessage(role="user", content=(TextContent(text=value),))]
        for number, item in enumerate(value or ()):
            if not self._read_usual(item):
                self._item(item, f"input[{number}]")
        self._flush()
        return self.messages

    def _read_usual(self, raw: Raw) -> bool:
        """A usual item in one look; False leaves it to ``_item``."""
        seen = usual_item(raw)
        if seen is None:
            return False
        part: Content | None = None
        match seen.type:
            case "message" | "":
                return self._usual_message(seen)
            case "function_call_output":
                return self._usual_result(seen)
            case "function_call":
                part = usual_call(seen)
            case "reasoning":
                part = usual_reasoning(seen, _ORIGIN)
        if part is None:
            return False
        self._model(part)
        return True

    def _usual_message(self, seen: UsualItem) -> bool:
        role = _ROLES.get(seen.role or "")
        if role is None or seen.content is None or is_call(seen) or is_reasoning(seen):
            return False
        content = usual_texts(seen.content)
        if content is None:
            return False
        item = _Item(string(seen.id), string(seen.phase), string(seen.status), {})
        if item.id is None and seen.id is not NULL:
            return False
        if item.phase is None and seen.phase is not NULL:
            return False
        if item.status is None and seen.status is not NULL:
            return False
        self._say(role, content, item)
        return True

    def _usual_result(self, seen: UsualItem) -> bool:
        content = () if seen.output is None else usual_texts(seen.output)
        if content is None or is_message(seen) or is_reasoning(seen) or seen.call_id is None:
            return False
        if seen.content is not None or seen.arguments is not None or seen.status not in DONE:
            return False
        self._end_turn()
        result = ToolResultContent(
            tool_call_id=seen.call_id,
            content=content,
            name=seen.name,
            ext={} if seen.id in (NULL, EMPTY_LIST) else {NAME: {"id": seen.id}},
        )
        self._results.append(result)
        return True

    def _item(self, raw: Raw, path: str) -> None:
        level = Level(members(raw, path), path)
        kind = level.take("type", STR) or ("message" if "role" in level.rest else "")
        match kind:
            case "":
                raise missing(level.at("type"))
            case "message":
                self._message(level)
            case "function_call" | "custom_tool_call":
                self._model(parse_call(level))
            case "reasoning":
                self._model(parse_reasoning(level, _ORIGIN))
            case _ if kind in _RESULTS:
                self._end_turn()
                self._results.append(_result(level, kind))
            case _ if kind in _BETWEEN:
                self._flush()
                if kind == "item_reference":
                    self.references[path] = raw
                part = OpaqueContent(dialect=NAME, raw=raw)
                self.messages.append(UnifiedMessage(role="tool", content=(part,)))
            case _ if kind.endswith("_output") and kind not in _MODEL_OUTPUTS:
                self._end_turn()
                self._results.append(OpaqueContent(dialect=NAME, raw=raw))
            case "mcp_approval_response":
                self._end_turn()
                self._results.append(OpaqueContent(dialect=NAME, raw=raw))
            case _:
                self._model(parse_other(kind, raw, level))

    def _message(self, level: Level) -> None:
        role = _ROLES.get(level.need("role", STR))
        if role is None:
            where = level.at("role")
            raise invalid(f"{where} must be one of {', '.join(_ROLES)}", where, "invalid_value")
        content_raw = level.raw("content")
        if content_raw is None:
            raise missing(level.at("content"))
        content = parse_content(content_raw, level.at("content"))
        self._say(role, content, _Item.of(level))

    def _say(self, role: Role, content: tuple[Content, ...], item: _Item) -> None:
        if role == "assistant":
            self._spoken(content, item)
            return
        self._flush()
        self.messages.append(
            UnifiedMessage(
                role=role,
                content=content,
                id=item.id,
                phase=item.phase,
                status=item.status,
                ext=item.ext,
            )
        )

    def _spoken(self, content: tuple[Content, ...], item: _Item) -> None:
        """A message of the model.  A second one in a turn with calls stays there, marked."""
        self._end_results()
        if self._head is not None and not any(isinstance(p, ToolCallContent) for p in self._turn):
            self._end_turn()
        if self._head is None:
            self._head = item
        elif content:
            content = (marked(content[0], item.fields()), *content[1:])
        self._turn += content

    def _model(self, part: Content) -> None:
        self._end_results()
        self._turn.append(part)

    def _flush(self) -> None:
        self._end_turn()
        self._end_results()

    def _end_turn(self) -> None:
        if not self._turn and self._head is None:
            return
        head = self._head
        self.messages.append(
            UnifiedMessage(
                role="assistant",
                content=tuple(self._turn),
                id=None if head is None else head.id,
                phase=None if head is None else head.phase,
                status=None if head is None else head.status,
                ext={} if head is None else head.ext,
            )
        )
        self._turn, self._head = [], None

    def _end_results(self) -> None:
        if self._results:
            self.messages.append(UnifiedMessage(role="tool", content=tuple(self._results)))
            self._results = []


_MODEL_OUTPUTS = frozenset({"program_output", "tool_search_output"})
"""Outputs that the provider's own tools wrote: part of the model's turn."""


def marked(part: Content, fields: Ext) -> Content:
    """The first part of a message item carries what the item says (its id, phase, status)."""
    if not fields or not isinstance(part, TextContent | RefusalContent):
        return part
    own = {**part.ext.get(NAME, {}), **fields[NAME]}
    return replace(part, ext={**part.ext, NAME: own})


def _result(level: Level, kind: str) -> ToolResultContent:
    call_id = level.need("call_id", STR)
    output = level.raw("output")
    content = () if output is None else parse_content(output, level.at("output"))
    return ToolResultContent(
        tool_call_id=call_id,
        content=content,
        name=level.take("name", STR),
        kind="custom" if kind.startswith("custom") else "function",
        ext=ext_of(rest_of(level)),
    )
