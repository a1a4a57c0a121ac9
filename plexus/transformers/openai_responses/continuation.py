"""The conversations of one WebSocket: what its response ids stand for.

OpenAI keeps the state of a connection in memory, also with ``store: false``; a client sends only
new items and the id of the response before them.  The same is kept here, so that a target without
state can be asked.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

COUNT = 64
"""Response ids at most that one connection remembers."""

_ENDS = (b'"response.completed"', b'"response.incomplete"', b'"response.done"')
_ITEM_DONE = b'"response.output_item.done"'


class Node(Struct, frozen=True, eq=False):
    """One turn: its input and output items as JSON, after those of ``before``.

    ``size`` counts the bytes of the whole conversation.
    """

    before: "Node | None"
    items: tuple[bytes, ...]
    size: int

    def whole(self) -> list[bytes]:
        """All items of the conversation, oldest first."""
        turns: list[tuple[bytes, ...]] = []
        node: Node | None = self
        while node is not None:
            turns.append(node.items)
            node = node.before
        return [item for turn in reversed(turns) for item in turn]


def turn(before: Node | None, items: Sequence[bytes]) -> Node:
    own = sum(len(item) + 1 for item in items)
    return Node(before, tuple(items), own + (0 if before is None else before.size))


class History:
    """The latest COUNT responses, of ``limit`` bytes together at most: the oldest go first.

    A conversation that is larger by itself is not remembered; it could not be sent either.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._found: dict[str, Node] = {}

    def find(self, response_id: str) -> Node | None:
        return self._found.get(response_id)

    def remember(self, response_id: str, node: Node) -> None:
        self._found.pop(response_id, None)
        self._found[response_id] = node
        while self._found and (len(self._found) > COUNT or self._size() > self._limit):
            del self._found[next(iter(self._found))]

    def _size(self) -> int:
        """Bytes held: what conversations share is there once."""
        seen: set[int] = set()
        size = 0
        for found in self._found.values():
            node: Node | None = found
            while node is not None and id(node) not in seen:
                seen.add(id(node))
                size += node.size - (0 if node.before is None else node.before.size)
                node = node.before
        return size


class _Response(Struct):
    id: str
    output: list[Raw] | None = None


class _Event(Struct):
    type: str
    output_index: Annotated[int, Meta(ge=0)] = 0
    item: Raw = Raw()
    response: _Response | None = None


_event = msgspec.json.Decoder(_Event).decode


class Collector:
    """Watches the events of one response; ``response_id`` and ``items`` are there at its end.

    Vendors that leave the output out of the last event have said its items one by one.
    """

    def __init__(self, stored: bool) -> None:
        self.response_id: str | None = None
        self.items: tuple[bytes, ...] = ()
        self._stored = stored
        self._done: dict[int, bytes] = {}

    def see(self, event: bytes) -> None:
        """Never raises: an event that cannot be read shows nothing."""
        ends = any(mark in event for mark in _ENDS)
        if not ends and _ITEM_DONE not in event:
            return
        try:
            found = _event(event)
        except msgspec.MsgspecError:
            return
        if found.type == "response.output_item.done":
            self._done[found.output_index] = bytes(found.item)
        elif found.response is not None and b'"%b"' % found.type.encode() in _ENDS:
            said = [bytes(item) for item in found.response.output or ()]
            items = said or [self._done[index] for index in sorted(self._done)]
            self.items = tuple(items if self._stored else _replayable(items))
            self.response_id = found.response.id


class _Item(Struct):
    type: str = ""
    encrypted_content: str | None = None


_item = msgspec.json.Decoder(_Item).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode


def _replayable(items: Sequence[bytes]) -> list[bytes]:
    """Items that nobody has stored, as they can be sent again (openai-responses.md §2).

    Reasoning without its encrypted content cannot; the items it belongs to lose their ids then,
    which would ask for it.
    """
    kept = [item for item in items if not _is_bare_reasoning(item)]
    return kept if len(kept) == len(items) else [_without_id(item) for item in kept]


def _is_bare_reasoning(raw: bytes) -> bool:
    try:
        item = _item(raw)
    except msgspec.MsgspecError:
        return False
    return item.type == "reasoning" and not item.encrypted_content


def _without_id(raw: bytes) -> bytes:
    try:
        fields = _members(raw)
    except msgspec.MsgspecError:
        return raw
    fields.pop("id", None)
    return msgspec.json.encode(fields)
