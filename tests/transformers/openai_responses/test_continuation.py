"""What a connection remembers: items of events, what can be sent again, and how much of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexus.transformers.openai_responses.continuation import (
    COUNT,
    Collector,
    History,
    Node,
    turn,
)

MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
SEALED = {**THOUGHT, "encrypted_content": "secret"}


def collected(stored: bool, *events: dict[str, Any]) -> Collector:
    found = Collector(stored)
    for event in events:
        found.see(json.dumps(event).encode())
    return found


def ended(*output: dict[str, Any], kind: str = "response.completed") -> dict[str, Any]:
    return {"type": kind, "response": {"id": "resp_1", "output": list(output)}}


def items(found: Collector) -> list[Any]:
    return [json.loads(item) for item in found.items]


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.done"])
def test_the_end_names_the_response(kind: str) -> None:
    found = collected(False, {"type": "response.created"}, ended(MESSAGE, kind=kind))
    assert (found.response_id, items(found)) == ("resp_1", [MESSAGE])


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.failed", "response": {"id": "resp_1", "output": []}},
        {"type": "response.output_text.delta", "delta": '"response.completed"'},
        {"type": "response.completed", "response": {"id": 7}},
        {"type": "response.completed"},
        {"type": "response.completed", "response": {"id": "r", "output": "none"}},
    ],
)
def test_what_is_no_end(event: dict[str, Any]) -> None:
    assert collected(False, event).response_id is None


def test_what_cannot_be_read_shows_nothing() -> None:
    found = Collector(False)
    for raw in (b"", b'{"type":"response.completed"', b'["response.completed"]'):
        found.see(raw)
    assert found.response_id is None


def test_items_said_one_by_one() -> None:
    """Codex's own backend leaves the output of the last event empty."""
    done = [
        {"type": "response.output_item.done", "output_index": 1, "item": CALL},
        {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE},
    ]
    for end in (ended(), {"type": "response.completed", "response": {"id": "resp_1"}}):
        assert items(collected(False, *done, end)) == [MESSAGE, CALL]
    assert items(collected(False, *done, ended(SEALED, CALL))) == [SEALED, CALL]


def test_reasoning_that_nobody_has_stored() -> None:
    bare = {name: value for name, value in CALL.items() if name != "id"}
    assert items(collected(False, ended(THOUGHT, CALL))) == [bare]
    assert items(collected(False, ended(SEALED, CALL))) == [SEALED, CALL]
    assert items(collected(True, ended(THOUGHT, CALL))) == [THOUGHT, CALL]
    odd = collected(False, {"type": "response.completed", "response": {"id": "r", "output": [1]}})
    assert items(odd) == [1]


def test_a_conversation_is_whole() -> None:
    root = turn(None, [b"1", b"2"])
    left, right = turn(root, [b"3"]), turn(root, [b"4"])
    assert (root.whole(), left.whole(), right.whole()) == (
        [b"1", b"2"],
        [b"1", b"2", b"3"],
        [b"1", b"2", b"4"],
    )
    assert (root.size, left.size) == (4, 6)


def kept(history: History, count: int) -> list[int]:
    return [number for number in range(count) if history.find(str(number)) is not None]


def test_the_oldest_are_forgotten() -> None:
    history = History(1000)
    for number in range(COUNT + 3):
        history.remember(str(number), turn(None, [b"1"]))
    assert kept(history, COUNT + 3) == list(range(3, COUNT + 3))


def test_bytes_count_once_for_all_that_share_them() -> None:
    history = History(100)
    node: Node | None = None
    for number in range(9):
        node = turn(node, [b"x" * 9])
        history.remember(str(number), node)
    assert kept(history, 9) == list(range(9))
    history.remember("9", turn(None, [b"x" * 59]))
    # To forget the older ones frees nothing as long as the youngest, which holds it all, is there.
    assert history.find("9") is not None
    assert kept(history, 9) == []


def test_what_is_too_large_is_not_kept() -> None:
    history = History(10)
    history.remember("a", turn(None, [b"x" * 10]))
    assert history.find("a") is None


def test_an_id_given_twice_is_the_later_one() -> None:
    history = History(100)
    for text in (b"old", b"new"):
        history.remember("a", turn(None, [text]))
    found = history.find("a")
    assert found is not None
    assert found.whole() == [b"new"]


def test_a_very_long_conversation() -> None:
    node: Node | None = None
    history = History(10**6)
    for number in range(5000):
        node = turn(node, [b"%d" % number])
        history.remember(str(number), node)
    found = history.find("4999")
    assert found is not None
    assert found.whole() == [b"%d" % number for number in range(5000)]
