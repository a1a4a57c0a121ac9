"""What a body says, in a form that two gateways can be compared in, and how two of them differ.

Streams are folded into whole answers, by the grammar of the client's dialect; what breaks the
grammar is noted under ``faults``.  Ids that a gateway made and times are replaced.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

MISSING = "<missing>"
"""Stands for a member or item that only the other side has."""

_TIMES = ("created", "created_at")
_IDS = ("id", "tool_use_id", "tool_call_id", "call_id", "request_id")


@dataclass(frozen=True)
class Difference:
    """At ``path``, where list places are written ``[]``; ``parent`` and ``plexus`` hold JSON
    values or MISSING.  ``side`` is ``ask`` or ``answer``."""

    side: str
    path: str
    parent: Any
    plexus: Any


def normal(value: Any, given: str) -> Any:
    """``value`` without times; ids that do not stand in ``given`` are one id."""
    if isinstance(value, list):
        return [normal(item, given) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, item in value.items():
        if name in _TIMES and isinstance(item, int):
            continue
        if name in _IDS and isinstance(item, str) and item not in given:
            item = "<made>"
        made[name] = normal(item, given)
    return made


def answer(client: str, kind: str, body: bytes, ended: bool, one: bool = False) -> Any:
    """An answer as one value, JSON or stream.

    With ``one``, all choices of a chat stream are read as the first, and a fault says so.
    """
    if kind.startswith("text/event-stream") or body.startswith((b"data:", b"event:")):
        made = _chat(body, one) if client == "chat" else _messages(body)
    else:
        try:
            made = json.loads(body)
        except ValueError:
            made = {"text": body.decode("utf-8", "replace")}
    return made if ended else {**made, "ended": False}


def said(answer: dict[str, Any]) -> str:
    """The text of the first choice, or of all text blocks; white space does not count."""
    if "choices" in answer:
        message = (answer["choices"] or [{}])[0].get("message", {})
        content = message.get("content") or message.get("refusal") or ""
        if isinstance(content, dict):
            content = json.dumps(content)
        parts = [content] if isinstance(content, str) else content
    else:
        parts = answer.get("content", [])
    texts = [part if isinstance(part, str) else part.get("text", "") for part in parts]
    return "".join("".join(texts).split())


def events(body: bytes) -> Iterator[tuple[str, str]]:
    """Name and data of each event; comments are left out."""
    text = body.decode("utf-8", "replace").replace("\r\n", "\n")
    for block in text.split("\n\n"):
        name, data = "", []
        for line in block.split("\n"):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
        if data:
            yield name, "\n".join(data)


def _chat(body: bytes, one: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"choices": [], "faults": []}
    choices: dict[int, dict[str, Any]] = {}
    done = False
    for name, data in events(body):
        if name:
            made["faults"].append(f"event {name}")
        if data == "[DONE]":
            done = True
            continue
        try:
            chunk = json.loads(data)
        except ValueError:
            made["faults"].append("no JSON")
            continue
        for key, value in chunk.items():
            if key != "choices":
                if not (key == "usage" and value is None):
                    made[key] = value
                continue
            for item in value or []:
                if one and item.get("index", 0) != 0:
                    made["faults"].append("choices of one answer")
                    item = {**item, "index": 0}
                _merge_choice(choices, item)
    made["faults"] = sorted(set(made["faults"]))
    made["choices"] = [choices[index] for index in sorted(choices)]
    made["done"] = done
    return made


def _merge_choice(choices: dict[int, dict[str, Any]], item: dict[str, Any]) -> None:
    index = item.get("index", 0)
    choice = choices.setdefault(index, {"index": index, "message": {}, "finish_reason": None})
    for key, value in item.items():
        if key == "delta":
            _merge_delta(choice["message"], value or {})
        elif value is not None:
            choice[key] = value


def _merge_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for key, value in delta.items():
        if key == "tool_calls":
            for call in value or []:
                _merge_call(message.setdefault("tool_calls", []), call)
        elif isinstance(value, str) and key != "role" and not isinstance(message.get(key), list):
            message[key] = (message.get(key) or "") + value
        elif isinstance(value, dict) and isinstance(message.get(key), dict):
            _merge_delta(message[key], value)
        elif isinstance(value, list) or isinstance(message.get(key), list):
            before = message.get(key) or []
            message[key] = _as_list(before) + _as_list(value)
        elif value is not None or key not in message:
            message[key] = value


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _merge_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    index = piece.get("index", 0)
    call = next((call for call in calls if call["index"] == index), None)
    if call is None:
        call = {"index": index, "function": {"name": "", "arguments": ""}}
        calls.append(call)
    for key, value in piece.items():
        if key == "function":
            for name in ("name", "arguments"):
                call["function"][name] += (value or {}).get(name) or ""
        elif value is not None:
            if key == "id" and value and call.get("id", value) != value:
                call["ids"] = "several"
            call[key] = value or call.get(key, value)


def _messages(body: bytes) -> dict[str, Any]:
    made: dict[str, Any] = {"content": [], "faults": []}
    blocks: dict[int, dict[str, Any]] = {}
    opened: int | None = None
    done = False
    for name, data in events(body):
        try:
            event = json.loads(data)
        except ValueError:
            made["faults"].append("no JSON")
            continue
        kind = event.get("type")
        if name and kind != name:
            made["faults"].append("event name")
        match kind:
            case "message_start":
                made = {**event["message"], "content": [], "faults": made["faults"]}
            case "content_block_start":
                if opened is not None:
                    made["faults"].append("two open blocks")
                opened = event["index"]
                if opened in blocks or opened != len(blocks):
                    made["faults"].append("index of a block")
                blocks[opened] = dict(event["content_block"])
            case "content_block_delta":
                if event["index"] != opened:
                    made["faults"].append("delta of a block that is not open")
                _merge_block(
                    blocks.setdefault(event["index"], {"type": "none"}), event["delta"], made
                )
            case "content_block_stop":
                if event["index"] != opened:
                    made["faults"].append("stop of a block that is not open")
                opened = None
            case "message_delta":
                made.update(event["delta"])
                made["usage"] = {**made.get("usage", {}), **(event.get("usage") or {})}
            case "message_stop":
                done = True
            case "error":
                made["error"] = {name: item for name, item in event.items() if name != "type"}
            case "ping":
                pass
            case _:
                made["faults"].append(f"event {kind}")
    if opened is not None:
        made["faults"].append("a block that is not closed")
    for index in sorted(blocks):
        block = blocks[index]
        if "partial" in block:
            block["input"] = block.pop("partial") or "{}"
            try:
                block["input"] = json.loads(block["input"])
            except ValueError:
                made["faults"].append("input is no JSON")
        made["content"].append(block)
    made["faults"] = sorted(set(made["faults"]))
    made["done"] = done
    return made


def _merge_block(block: dict[str, Any], delta: dict[str, Any], made: dict[str, Any]) -> None:
    fits = {
        "text_delta": ("text", "text", "text"),
        "thinking_delta": ("thinking", "thinking", "thinking"),
        "signature_delta": ("thinking", "signature", "signature"),
        "input_json_delta": ("tool_use", "partial_json", "partial"),
    }.get(delta.get("type", ""))
    if fits is None:
        block.setdefault("deltas", []).append(delta)
        return
    kind, source, target = fits
    if block["type"] not in (kind, f"server_{kind}"):
        made["faults"].append(f"{delta['type']} in a block of type {block['type']}")
    piece = delta.get(source)
    if not isinstance(piece, str):
        made["faults"].append(f"{delta['type']} without text")
        piece = json.dumps(piece)
    block[target] = (block.get(target) or "") + piece


def differences(side: str, parent: Any, plexus: Any) -> list[Difference]:
    """All of them, from the top; lists are aligned so that least is different."""
    return list(_differ(side, "", parent, plexus))


def _differ(side: str, path: str, one: Any, other: Any) -> Iterator[Difference]:
    if one == other and type(one) is type(other):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({**one, **other}):
            yield from _differ(
                side, f"{path}.{name}", one.get(name, MISSING), other.get(name, MISSING)
            )
    elif isinstance(one, list) and isinstance(other, list):
        for left, right in _aligned(_frozen(one), _frozen(other)):
            yield from _differ(side, f"{path}[]", left, right)
    elif isinstance(one, (int, float)) and isinstance(other, (int, float)) and one == other:
        if isinstance(one, bool) or isinstance(other, bool):
            yield Difference(side, path.lstrip("."), one, other)
    else:
        yield Difference(side, path.lstrip("."), one, other)


def _frozen(items: list[Any]) -> tuple[str, ...]:
    return tuple(json.dumps(item, sort_keys=True) for item in items)


def _aligned(one: tuple[str, ...], other: tuple[str, ...]) -> list[tuple[Any, Any]]:
    """Pairs, or an item beside MISSING, in the order of both lists."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    one, other = one[start:], other[start:]
    # costs[i][j]: the least cost of the rests that begin at i and j.
    costs = [[0.0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one), -1, -1):
        for j in range(len(other), -1, -1):
            ways = []
            if i < len(one):
                ways.append(costs[i + 1][j] + len(one[i]) + 1)
            if j < len(other):
                ways.append(costs[i][j + 1] + len(other[j]) + 1)
            if i < len(one) and j < len(other):
                ways.append(costs[i + 1][j + 1] + _cost(one[i], other[j]))
            costs[i][j] = min(ways, default=0.0)
    pairs: list[tuple[Any, Any]] = []
    i = j = 0
    while i < len(one) or j < len(other):
        here = costs[i][j]
        both = i < len(one) and j < len(other)
        if both and here == costs[i + 1][j + 1] + _cost(one[i], other[j]):
            pairs.append((json.loads(one[i]), json.loads(other[j])))
            i, j = i + 1, j + 1
        elif i < len(one) and here == costs[i + 1][j] + len(one[i]) + 1:
            pairs.append((json.loads(one[i]), MISSING))
            i += 1
        else:
            pairs.append((MISSING, json.loads(other[j])))
            j += 1
    return pairs


@cache
def _cost(one: str, other: str) -> float:
    """How different two items are, about in characters; roles and types that differ never meet."""
    if one == other:
        return 0.0
    left, right = json.loads(one), json.loads(other)
    if isinstance(left, dict) and isinstance(right, dict):
        for name in ("role", "type"):
            if left.get(name) != right.get(name):
                return float(len(one) + len(other) + 3)
        total = 0.0
        for name in {**left, **right}:
            if left.get(name, MISSING) != right.get(name, MISSING):
                total += _cost(
                    json.dumps(left.get(name, ""), sort_keys=True),
                    json.dumps(right.get(name, ""), sort_keys=True),
                )
        return total
    if isinstance(left, list) and isinstance(right, list):
        total = 0.0
        for a, b in _aligned(_frozen(left), _frozen(right)):
            if a == MISSING or b == MISSING:
                total += len(json.dumps(b if a == MISSING else a)) + 1
            else:
                total += _cost(json.dumps(a, sort_keys=True), json.dumps(b, sort_keys=True))
        return total
    return float(max(len(one), len(other)))
