"""Canonical messages to contents (mappings.md §4, §5.5): roles, repairs, places of signatures.

A client of this dialect gets its contents back as they were; others are brought into the form
Google wants: a user first, every call answered in order in a content of its own.
"""

from collections.abc import Iterable

from msgspec import Raw, Struct

from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.writer import PartWriter, Wire, Written
from plexus.transformers.losses import LossLog
from plexus.transformers.placing import Item, placed
from plexus.transformers.proofs import SENTINEL
from plexus.unified.content import TextContent, ToolCallContent, ToolResultContent
from plexus.unified.request import UnifiedMessage

NO_RESULT = "no result was provided for this call"
BEGIN = "Begin."


class _Turn(Struct):
    """Contents in the making; ``results``: nothing but results stands in it."""

    role: str
    parts: list[Written]
    fields: dict[str, Raw] = {}
    results: bool = False


class TurnWriter:
    """Writes the contents of one request."""

    def __init__(self, writer: PartWriter, family: str, native: bool, log: LossLog) -> None:
        self._writer = writer
        self._family = family
        self._native = native
        self._log = log
        self._turns: list[_Turn] = []
        self._waiting: list[ToolCallContent] = []
        self._given: list[Item] = []
        self._calls: dict[str, str] = {}

    def write(self, messages: Iterable[UnifiedMessage], first: int) -> list[Wire]:
        """``first`` is the index of the first message, behind the system prefix."""
        for index, message in enumerate(messages, first):
            texts = self._texts(message)
            if texts is None:
                self._message(message, f"messages[{index}]")
            else:
                if not self._native and (self._given or self._waiting):
                    self._settle()
                self._add("model" if message.role == "assistant" else "user", texts, {})
        if not self._native:
            self._settle()
            if not self._turns or self._turns[0].role != "user":
                empty = not self._turns
                self._log.note(
                    "message.system_only" if empty else "message.first_assistant", "messages"
                )
                self._turns.insert(0, _Turn("user", [{"text": BEGIN}]))
        return [
            {"role": turn.role, "parts": turn.parts, **turn.fields}
            for turn in self._turns
            if turn.parts or self._native
        ]

    def _texts(self, message: UnifiedMessage) -> list[Written] | None:
        """The parts of a message that says nothing but text; None for any other."""
        if message.role not in ("user", "assistant") or message.ext or message.name is not None:
            return None
        return self._writer.texts(message.content)

    def _message(self, message: UnifiedMessage, path: str) -> None:
        if message.name is not None and message.role != "tool":
            self._log.note("message.name", f"{path}.name")
        for dialect, fields in message.ext.items():
            if dialect != NAME and fields:
                self._log.note("message.ext", path)
        fields = dict(message.ext.get(NAME, {}))
        items: list[Item] = [(p, f"{path}.content[{n}]") for n, p in enumerate(message.content)]
        if message.role == "assistant":
            self._assistant(items, fields)
            return
        if message.role in ("system", "developer"):
            self._log.note("message.system_mid", path)
            items, fields = _wrapped(items, path), {}
        results = [item for item in items if isinstance(item[0], ToolResultContent)]
        others = [item for item in items if not isinstance(item[0], ToolResultContent)]
        if self._native and results:
            wires = [self._result(item)[0] for item in results]
            self._turns.append(_Turn("user", list(wires), fields, results=True))
            fields = {}
        elif results:
            # Some dialects have a message for each result.
            self._given += results
        if others or not results:
            if not self._native:
                self._settle()
            written = [wire for part, where in others for wire in self._writer.write(part, where)]
            self._add("user", written, fields)

    def _add(self, role: str, parts: list[Written], fields: dict[str, Raw]) -> None:
        """A content, or more of the one before it where both are of one role."""
        last = self._turns[-1] if self._turns else None
        if self._native or last is None or last.role != role or last.results:
            if parts or self._native:
                self._turns.append(_Turn(role, parts, fields))
        else:
            last.parts += parts
            last.fields.update(fields)

    # -- the model -------------------------------------------------------------------------------

    def _assistant(self, items: list[Item], fields: dict[str, Raw]) -> None:
        if not self._native:
            self._settle()
        foreign = _is_foreign(items, self._family)
        items = placed(items, self._family)
        calls = [part for part, _ in items if isinstance(part, ToolCallContent)]
        if calls:
            self._waiting += calls
            self._calls.update((call.id, call.name) for call in calls)
        written: list[Written] = []
        unsigned = bool(calls) and (foreign or not self._native)
        for part, where in items:
            wires = self._writer.write(part, where)
            if unsigned and isinstance(part, ToolCallContent):
                # Only the first call of a step carries the signature (gemini.md §5).
                unsigned = False
                for wire in wires:
                    if isinstance(wire, dict):
                        wire.setdefault("thoughtSignature", SENTINEL)
            written += wires
        self._add("model", written, fields)

    # -- results ---------------------------------------------------------------------------------

    def _settle(self) -> None:
        """The results of the calls before, as many and in the same order (traps T69)."""
        given: dict[str, Item] = {}
        for item in self._given:
            part, where = item
            assert isinstance(part, ToolResultContent)
            known = any(call.id == part.tool_call_id for call in self._waiting)
            if not known or part.tool_call_id in given:
                self._log.note("part.tool_result.orphan", where)
            else:
                given[part.tool_call_id] = item
        self._given = []
        if not self._waiting:
            return
        ordered = [given.get(call.id) or self._missing(call) for call in self._waiting]
        written = [self._result(item) for item in ordered]
        self._turns.append(_Turn("user", [wire for wire, _ in written], results=True))
        self._waiting = []
        media = [item for _, items in written for item in items]
        if media:
            parts = [wire for part, where in media for wire in self._writer.write(part, where)]
            self._turns.append(_Turn("user", parts))

    def _result(self, item: Item) -> tuple[Wire, list[Item]]:
        part, where = item
        assert isinstance(part, ToolResultContent)
        name = self._calls.get(part.tool_call_id) or part.name or "unknown"
        return self._writer.result(part, name, where)

    def _missing(self, call: ToolCallContent) -> Item:
        self._log.note("part.tool_result.missing")
        content = (TextContent(text=NO_RESULT),)
        return ToolResultContent(tool_call_id=call.id, content=content, is_error=True), "messages"


def _wrapped(items: list[Item], path: str) -> list[Item]:
    """Instructions in the middle of a conversation, for which there is no role."""
    text = "\n".join(part.text for part, _ in items if isinstance(part, TextContent))
    others = [item for item in items if not isinstance(item[0], TextContent)]
    if not text.strip():
        return others
    return [*others, (TextContent(text=f"<system>{text}</system>"), path)]


def _is_foreign(items: list[Item], family: str) -> bool:
    """Something in the turn was signed by another family."""
    proofs = [part.proof for part, _ in items]
    return any(proof is not None and proof.origin.family != family for proof in proofs)
