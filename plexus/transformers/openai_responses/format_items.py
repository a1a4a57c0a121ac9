"""Messages to input items, unified to a Responses provider (mappings.md §4, §5.5, §12)."""

from typing import Any

from msgspec import Raw

from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.openai_chat.names import ToolNames, legal_id
from plexus.transformers.openai_responses.format_parts import (
    ITEM_FIELDS,
    Writing,
    breakpoint_of,
    compact,
    item_fields,
    note_text,
    write_input,
    write_output,
)
from plexus.transformers.openai_responses.items import own_name
from plexus.transformers.openai_responses.losses import NAME
from plexus.unified.content import (
    CompactionContent,
    Content,
    Ext,
    OpaqueContent,
    RefusalContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.request import UnifiedMessage

Wire = dict[str, Any]
Item = Wire | Raw
NO_RESULT = "Error: no result was provided for this call"


class ItemWriter:
    """Writes the items of one request, in order.

    Calls of other dialects that never got a result get a synthetic one; results without a call are
    left out, since the provider refuses both.
    """

    def __init__(self, writing: Writing, names: ToolNames) -> None:
        self.items: list[Item] = []
        self._writing = writing
        self._names = names
        self._waiting: dict[str, tuple[str, bool]] = {}
        self._custom: set[str] = set()

    def write(self, messages: tuple[UnifiedMessage, ...], first: int = 0) -> list[Item]:
        """``first`` is the index of the first message, for paths."""
        for number, message in enumerate(messages, first):
            content = message.content
            if len(content) != 1 or not self._plain(message, content[0]):
                self._message(message, f"messages[{number}]")
        if self._waiting:
            self._settle()
        return self.items

    def _plain(self, message: UnifiedMessage, part: Content) -> bool:
        """The most frequent message, of one text and nothing more; False for all others."""
        if type(part) is not TextContent or part.ext or part.citations:
            return False
        if part.cache_control is not None or message.ext or message.name is not None:
            return False
        if self._writing.native:
            if message.id is not None or message.status is not None or message.phase is not None:
                return False
        elif part.text.startswith(ATTRIBUTION):
            return False
        if self._waiting:
            self._settle()
        role = message.role if message.role == "assistant" else self._role(message.role)
        self.items.append({"role": role, "content": part.text})
        return True

    def _message(self, message: UnifiedMessage, path: str) -> None:
        if message.ext and has_foreign(message.ext):
            self._writing.log.note("message.ext", path)
        if message.name is not None:
            self._writing.log.note("message.name", path)
        if message.role == "assistant":
            self._settle()
            self._assistant(message, path)
            return
        said: list[tuple[str, Content]] = []
        for number, part in enumerate(message.content):
            where = f"{path}.content[{number}]"
            if isinstance(part, ToolResultContent):
                self._result(part, where)
            elif isinstance(part, OpaqueContent) and part.dialect == NAME and _is_item(message):
                self.items.append(part.raw)
            else:
                said.append((where, part))
        if said or (not message.content and message.role != "tool"):
            self._said(message, said)

    def _said(self, message: UnifiedMessage, parts: list[tuple[str, Content]]) -> None:
        """A system, developer or user message."""
        wire = [write_input(part, where, self._writing) for where, part in parts]
        content = [part for part in wire if part is not None]
        if parts and not content:
            return
        self._settle()
        self.items.append(self._item(message, self._role(message.role), compact(content)))

    def _role(self, role: str) -> str:
        if role == "tool":
            return "user"
        if role not in ("system", "developer") or self._writing.native:
            return role
        return self._writing.target.capabilities.system_role or "developer"

    def _item(self, message: UnifiedMessage, role: str, content: Any) -> Wire:
        out: Wire = {"role": role, "content": content}
        if self._writing.native:
            if message.id is not None:
                out = {"type": "message", "id": message.id, **out}
            if message.status is not None:
                out["status"] = message.status
            if message.phase is not None:
                out["phase"] = message.phase
        if message.ext:
            out.update(message.ext.get(NAME, {}))
        return out

    # -- results ---------------------------------------------------------------------------------

    def _settle(self) -> None:
        """The results are over: missing ones are made up, except for a client of this dialect,

        whose asynchronous calls may be answered later (openai-responses.md §3).
        """
        if not self._writing.native:
            for call_id, (where, custom) in self._waiting.items():
                self._writing.log.note("part.tool_result.missing", where)
                self.items.append(_output(call_id, custom, NO_RESULT))
        self._waiting = {}

    def _result(self, part: ToolResultContent, path: str) -> None:
        call_id = legal_id(part.tool_call_id)
        waiting = self._waiting.pop(call_id, None)
        if waiting is None and not self._writing.native:
            self._writing.log.note("part.tool_result.orphan", path)
            return
        self._foreign(part, path)
        content: list[Any] = []
        for number, inner in enumerate(part.content):
            wire = write_input(inner, f"{path}.content[{number}]", self._writing)
            content += [] if wire is None else [wire]
        if part.is_error:
            self._writing.log.note("part.tool_result.is_error", path)
            content = _prefixed(content)
        custom = part.kind == "custom" or call_id in self._custom
        out = _output(call_id, custom, compact(content))
        own = own_result_fields(part)
        if self._writing.native and part.name is not None:
            out["name"] = part.name
        out.update(own)
        self.items.append(out)

    # -- assistant -------------------------------------------------------------------------------

    def _assistant(self, message: UnifiedMessage, path: str) -> None:
        run: list[tuple[str, TextContent | RefusalContent]] = []
        head: UnifiedMessage | None = message
        replayed = True
        for number, part in enumerate(message.content):
            where = f"{path}.content[{number}]"
            if isinstance(part, TextContent | RefusalContent):
                if run and part.ext and ITEM_FIELDS & part.ext.get(NAME, {}).keys():
                    self._spoken(run, head)
                    run, head = [], None
                run.append((where, part))
                continue
            if run:
                self._spoken(run, head)
                run, head = [], None
            match part:
                case ThinkingContent():
                    replayed = self._thinking(part, where) and replayed
                case ToolCallContent():
                    self._call(part, where, replayed)
                case _:
                    self._other(part, where)
        if run or not message.content:
            self._spoken(run, head)

    def _spoken(
        self, run: list[tuple[str, TextContent | RefusalContent]], head: UnifiedMessage | None
    ) -> None:
        """Texts next to each other: one message item, with the fields of its first part."""
        if not self._writing.native:
            # A text of nothing beside calls is a habit of chat clients.
            kept = [(where, part) for where, part in run if part.text]
            if run and not kept and (head is None or len(head.content) > len(run)):
                return
            run = kept
        for where, part in run:
            breakpoint_of(part, where, self._writing)
        content: Any = [write_output(part, where, self._writing) for where, part in run]
        plain = _plain_text(content)
        own = item_fields(run[0][1]) if run else {}
        if head is not None:
            out = self._item(head, "assistant", content)
        else:
            out = {"role": "assistant", "content": content}
        out.update(own)
        if plain is not None and not out.keys() & {"id", "status"}:
            out["content"] = plain
        else:
            out = {"type": "message", **out}
        self.items.append(out)

    def _call(self, part: ToolCallContent, path: str, replayed: bool) -> None:
        call_id = legal_id(part.id)
        self._foreign(part, path)
        custom = part.kind == "custom"
        self._waiting[call_id] = (path, custom)
        if custom:
            self._custom.add(call_id)
        out: Wire = {"type": "custom_tool_call" if custom else "function_call"}
        # Its id is tied to the reasoning before it: both or none (traps.md T29, T30).
        if self._writing.native and replayed and part.item_id is not None:
            prefix = "ctc" if custom else "fc"
            if part.item_id.startswith(prefix):
                out["id"] = part.item_id
        out["call_id"] = call_id
        if self._writing.native and part.namespace is not None:
            out["name"] = own_name(part.name, part.namespace)
            out["namespace"] = part.namespace
        else:
            out["name"] = self._names(part.name)
        if custom:
            out["input"] = part.arguments
        else:
            out["arguments"] = part.arguments or "{}"
        out.update(part.ext.get(NAME, {}))
        self.items.append(out)

    def _foreign(self, part: Content, path: str) -> None:
        """Members of an item that only another dialect knows."""
        if part.ext.keys() - {NAME}:
            self._writing.log.note("part.ext", path)

    def _thinking(self, part: ThinkingContent, path: str) -> bool:
        """A reasoning item, only to the family that issued its proof; whether it went."""
        writing, proof = self._writing, part.proof
        if proof is not None and proof.origin.family != writing.target.family:
            writing.log.note("part.thinking.foreign", path)
            return False
        if proof is None and (not writing.native or part.id is None):
            if part.text or part.summary:
                writing.log.note("part.thinking", path)
            return False
        self._foreign(part, path)
        out: Wire = {"type": "reasoning"}
        if part.id is not None and (writing.native or part.id.startswith("rs_")):
            out["id"] = part.id
        summary = part.summary or ()
        if not summary and part.text and not writing.native:
            # Dialects with one text for thinking have the summary in it.
            summary = (part.text,)
        out["summary"] = [{"type": "summary_text", "text": text} for text in summary]
        if part.text and writing.native:
            out["content"] = [{"type": "reasoning_text", "text": part.text}]
        if proof is not None:
            out["encrypted_content"] = proof.value
        out.update(part.ext.get(NAME, {}))
        self.items.append(out)
        return True

    def _other(self, part: Content, path: str) -> None:
        """Items only this dialect knows, as they came; of other dialects a note in words."""
        match part:
            case (
                ServerToolCallContent(dialect=dialect, raw=raw)
                | ServerToolResultContent(dialect=dialect, raw=raw)
                | CompactionContent(dialect=dialect, raw=raw)
                | OpaqueContent(dialect=dialect, raw=raw)
            ) if dialect == NAME:
                self.items.append(raw)
                return
        note = note_text(part, path, self._writing)
        if note:
            self.items.append({"role": "assistant", "content": note})


def has_foreign(ext: Ext) -> bool:
    """Whether another dialect has kept something there."""
    return any(fields for dialect, fields in ext.items() if dialect != NAME)


def own_result_fields(part: ToolResultContent) -> dict[str, Raw]:
    return part.ext.get(NAME, {}) if part.ext else {}


def _is_item(message: UnifiedMessage) -> bool:
    """Opaque content of tool messages is whole items; that of the others is parts."""
    return message.role == "tool"


def _plain_text(content: list[Wire]) -> str | None:
    """The one text without anything more, which may be a string; None when there is more."""
    if not content:
        return ""
    only = content[0]
    if len(content) > 1 or only.keys() != {"type", "text", "annotations"} or only["annotations"]:
        return None
    text: str = only["text"]
    return text


def _output(call_id: str, custom: bool, output: Any) -> Wire:
    kind = "custom_tool_call_output" if custom else "function_call_output"
    return {"type": kind, "call_id": call_id, "output": output}


def _prefixed(content: list[Any]) -> list[Any]:
    """The error flag in words (mappings.md §5.5)."""
    for number, part in enumerate(content):
        if isinstance(part, dict) and part.get("type") == "input_text":
            changed = {**part, "text": "Error: " + part["text"]}
            return [*content[:number], changed, *content[number + 1 :]]
    return [{"type": "input_text", "text": "Error: "}, *content]
