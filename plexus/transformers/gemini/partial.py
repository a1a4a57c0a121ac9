"""A call whose arguments come in pieces: Vertex' ``streamFunctionCallArguments`` (gemini.md §4)."""

import re
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.gemini.parts import parse_part
from plexus.transformers.gemini.reader import (
    BOOLEAN,
    OBJECT,
    STRING,
    Level,
    Malformed,
)
from plexus.unified.content import Origin, ToolCallContent

DEPTH_LIMIT = 100
"""Steps of a path, and places of a list, at most."""

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,4})\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")


class PartialCall:
    """Collects the pieces; ``raw`` is the part the call began with."""

    def __init__(self, raw: Raw, origin: Origin) -> None:
        part = parse_part(raw, "parts", origin, client=False)[0]
        if not isinstance(part, ToolCallContent):
            raise Malformed("parts", "expected a function call")
        self._part = part
        self._args: Any = msgspec.json.decode(part.arguments)
        self._open: set[str] = set()

    def feed(self, call: Level) -> bool:
        """One more ``functionCall``; True when it was the last."""
        more = call.take("willContinue", BOOLEAN) or False
        for number, raw in enumerate(call.items("partialArgs")):
            self._set(Level(raw, f"{call.where('partialArgs')}[{number}]"))
        whole = call.take("args", OBJECT)
        if whole and isinstance(self._args, dict):
            self._args.update({name: msgspec.json.decode(value) for name, value in whole.items()})
        return not more

    def build(self) -> ToolCallContent:
        return replace(self._part, arguments=msgspec.json.encode(self._args).decode())

    def _set(self, piece: Level) -> None:
        path = piece.need("jsonPath", STRING)
        text = piece.take("stringValue", STRING)
        more = piece.take("willContinue", BOOLEAN) or False
        value: Any = text
        if text is None:
            value = None
            for name in ("numberValue", "boolValue"):
                raw = piece.raw(name)
                if raw is not None:
                    value = msgspec.json.decode(raw)
        holder, key = self._place(path, piece)
        # A string goes on as long as it was said to.
        if path in self._open and isinstance(text, str):
            before = holder[key]
            value = before + text if isinstance(before, str) else text
        holder[key] = value
        if more:
            self._open.add(path)
        else:
            self._open.discard(path)

    def _place(self, path: str, piece: Level) -> tuple[Any, Any]:
        """The container and key a path leads to; containers on the way are made."""
        steps = list(_STEP.finditer(path, 1))
        spelt = "".join(step[0] for step in steps)
        if not path.startswith("$") or spelt != path[1:] or not 0 < len(steps) <= DEPTH_LIMIT:
            raise Malformed(piece.where("jsonPath"), "expected a path to a member")
        holder: Any = self._args
        for number, step in enumerate(steps):
            key: Any = int(step[2]) if step[2] is not None else step[1] or step[3] or step[4] or ""
            if isinstance(key, int) != isinstance(holder, list):
                raise Malformed(piece.where("jsonPath"), "expected a path that fits the arguments")
            if isinstance(holder, list):
                if key > len(holder) or key >= DEPTH_LIMIT * 10:
                    raise Malformed(piece.where("jsonPath"), "expected the next place of a list")
                if key == len(holder):
                    holder.append(None)
            if number == len(steps) - 1:
                if isinstance(holder, dict):
                    holder.setdefault(key, None)
                return holder, key
            inner = holder[key] if isinstance(holder, list) else holder.get(key)
            if not isinstance(inner, dict | list):
                inner = holder[key] = [] if steps[number + 1][2] is not None else {}
            holder = inner
        raise Malformed(piece.where("jsonPath"), "expected a path to a member")
