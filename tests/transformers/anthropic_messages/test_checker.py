"""The checker finds what it is for: one broken stream for each rule."""

from typing import Any

import pytest

from tests.transformers.anthropic_messages.checker import StreamProblem, check_stream
from tests.transformers.anthropic_messages.support import block, end, frames, start, text

TEXT = {"type": "text", "text": ""}
TOOL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
GOOD = [start(stop_reason=None), *block(0, TEXT, text("a")), *end()]


def piece(value: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": value}


def test_good_stream() -> None:
    assert check_stream(frames(*GOOD)) == [{"type": "text", "text": "a"}]


HEAD = start(stop_reason=None)
BROKEN: dict[str, list[dict[str, Any]]] = {
    "no end": GOOD[:-1],
    "no delta": [HEAD, {"type": "message_stop"}],
    "after the end": [*GOOD, {"type": "message_stop"}],
    "two starts": [HEAD, *GOOD],
    "content in the start": [start(stop_reason=None, content=[TEXT]), *end()],
    "two open": [HEAD, *block(0, TEXT, text("a"))[:2], *block(1, TEXT, text("b")), *end()],
    "index from one": [HEAD, *block(1, TEXT, text("a")), *end()],
    "index twice": [HEAD, *block(0, TEXT, text("a")), *block(0, TEXT, text("a")), *end()],
    "left open": [HEAD, *block(0, TEXT, text("a"))[:2], *end()],
    "text in a tool": [HEAD, *block(0, TOOL, text("a")), *end()],
    "empty text": [HEAD, *block(0, TEXT), *end()],
    "broken input": [HEAD, *block(0, TOOL, piece("{")), *end()],
    "two inputs": [HEAD, *block(0, TOOL, piece('{"a":1}{"b":2}')), *end()],
    "input no object": [HEAD, *block(0, TOOL, piece("[1]")), *end()],
    "unsigned": [HEAD, *block(0, THOUGHT, {"type": "thinking_delta", "thinking": "a"}), *end()],
    "unknown event": [HEAD, {"type": "response.created"}, *end()],
    "no stop reason": [HEAD, *end(None)],
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_broken_stream(broken: list[dict[str, Any]]) -> None:
    with pytest.raises(StreamProblem):
        check_stream(frames(*broken))
