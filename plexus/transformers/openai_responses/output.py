"""Items of an answer to parts (openai-responses.md §4): the same for JSON answers and streams."""

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.base import WireRequest
from plexus.transformers.ids import base62
from plexus.transformers.openai_chat.reading import LIST, NULL, STR, Level
from plexus.transformers.openai_responses.content import encoded, parse_part
from plexus.transformers.openai_responses.items import (
    UsualItem,
    is_answered_by_client,
    own_name,
    parse_call,
    parse_other,
    parse_reasoning,
    usual_call,
    usual_item,
    usual_reasoning,
    usual_texts,
)
from plexus.transformers.openai_responses.losses import NAME
from plexus.transformers.openai_responses.request_items import marked
from plexus.unified.content import (
    Content,
    Ext,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    RefusalContent,
    TextContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError

_MESSAGE = ("id", "phase", "status")
_INCOMPLETE = Raw(b'"incomplete"')
_IMAGE_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


class ItemParser:
    """The items of one answer.

    ``calls``: the client has something to answer.  ``refused``: a refusal was seen.  ``seed`` makes
    ids for calls that have none.
    """

    def __init__(self, wire: WireRequest) -> None:
        self.calls = False
        self.refused = False
        self.seed = ""
        self._target = wire.target
        self._names = wire.tool_names
        self._ids: set[str] = set()

    def usual_parts(self, raw: Raw) -> tuple[Content, ...] | None:
        """``parts`` of a usual item, in one look; None for all others."""
        seen = usual_item(raw)
        if seen is None:
            return None
        part: Content | None = None
        match seen.type:
            case "message":
                return self._usual_message(seen)
            case "function_call":
                call = usual_call(seen)
                part = None if call is None else self._call(call, False)
            case "reasoning":
                part = usual_reasoning(seen, self._origin())
        return None if part is None else (part,)

    def _usual_message(self, seen: UsualItem) -> tuple[Content, ...] | None:
        if not isinstance(seen.content, list):
            return None
        parts = usual_texts(seen.content)
        if not parts:
            return parts
        own = {"id": seen.id, "phase": seen.phase, "status": seen.status}
        ext = self.message_ext(own)
        return (TextContent(text=seen.content[0].text, ext=ext), *parts[1:]) if ext else parts

    def parts(
        self, kind: str, fields: dict[str, Raw], announced: bool = False
    ) -> tuple[Content, ...]:
        """The parts of one item.  ``announced``: its call id was given out already.

        Raises msgspec.ValidationError for an item that is not of this dialect.
        """
        try:
            return self._parts(kind, fields, announced)
        except PlexusError as problem:
            raise msgspec.ValidationError(problem.error.message) from None

    def _parts(self, kind: str, fields: dict[str, Raw], announced: bool) -> tuple[Content, ...]:
        level = Level(dict(fields), "output")
        level.rest.pop("type", None)
        match kind:
            case "message":
                return self._message(level)
            case "function_call" | "custom_tool_call":
                return (self._call(parse_call(level), announced),)
            case "reasoning":
                return (parse_reasoning(level, self._origin()),)
            case "image_generation_call" if _has_text(level, "result"):
                return (_image(level),)
            case _:
                raw = encoded(fields)
                part = parse_other(kind, raw, level)
                if isinstance(part, OpaqueContent) and is_answered_by_client(kind, raw):
                    self.calls = True
                return (part,)

    def message_ext(self, fields: dict[str, Raw]) -> Ext:
        """What a message item says about itself, for its first part."""
        own: dict[str, Raw] = {}
        for name in _MESSAGE:
            raw = fields.get(name, NULL)
            if raw is not NULL and bytes(memoryview(raw)[:1]) == b'"':
                own[name] = raw
        if "status" in own and own["status"] != _INCOMPLETE:
            del own["status"]
        return {NAME: own} if own else {}

    def _origin(self) -> Origin:
        return Origin(self._target.family, self._target.provider, self._target.model)

    def _message(self, level: Level) -> tuple[Content, ...]:
        ext = self.message_ext(level.rest)
        items = level.take("content", LIST) or []
        parts = [parse_part(item, f"content[{number}]") for number, item in enumerate(items)]
        if any(isinstance(part, RefusalContent) for part in parts):
            self.refused = True
        if parts:
            parts[0] = marked(parts[0], ext)
        return tuple(parts)

    def _call(self, part: ToolCallContent, announced: bool) -> ToolCallContent:
        """In the client's words; ids are unique within an answer (canonical.md §2 rule 4).

        A client that knows no namespaces gave the function its plain name.
        """
        self.calls = True
        call_id = part.id
        if not announced:
            while not call_id or call_id in self._ids:
                call_id = "call_" + base62(f"{self.seed} {len(self._ids)} {call_id}")
            self._ids.add(call_id)
        name = own_name(part.name, part.namespace)
        name = self._names.get(name, name)
        if name == part.name and call_id == part.id:
            return part
        return replace(part, id=call_id, name=name)


def _has_text(level: Level, name: str) -> bool:
    raw = level.rest.get(name)
    return raw is not None and bytes(memoryview(raw)[:1]) == b'"'


def _image(level: Level) -> ImageContent:
    """A picture the model made; what else the item says is kept."""
    data = level.take("result", STR) or ""
    form = level.rest.get("output_format", Raw(b'"png"'))
    kind = _IMAGE_TYPES.get(bytes(form).decode().strip('"'), "image/png")
    return ImageContent(
        source=MediaSource("base64", data=data, media_type=kind),
        ext={NAME: level.rest},
    )
