"""The upstream as an OpenAI Responses provider: what it demands of a request, how it answers."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from tests.clients import chat_provider
from tests.clients.scenarios import (
    ERROR_WORDS,
    FRAGMENTS,
    REDACTED,
    UPSTREAM_KEY,
    Call,
    Redacted,
    Reply,
    Text,
    Thinking,
    Usage,
    pieces,
)

Json = dict[str, Any]

MODEL = "vendor-reasoner-2026-11-01"
_FIELDS = frozenset(
    {
        "model",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "temperature",
        "top_p",
        "top_logprobs",
        "reasoning",
        "text",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "stream",
        "stream_options",
        "store",
        "include",
        "truncation",
        "prompt_cache_key",
        "prompt_cache_retention",
        "service_tier",
        "metadata",
        "safety_identifier",
        "user",
    }
)
_ITEM_FIELDS = {
    "message": {"role", "content", "id", "status", "phase"},
    "function_call": {"call_id", "name", "arguments", "id", "status", "namespace"},
    "function_call_output": {"call_id", "output", "id", "status"},
    "reasoning": {"id", "summary", "content", "encrypted_content", "status"},
}
_PART_FIELDS = {
    "input_text": {"text"},
    "input_image": {"image_url", "file_id", "detail"},
    "input_file": {"file_data", "file_id", "file_url", "filename", "detail"},
    "output_text": {"text", "annotations", "logprobs", "parsed"},
    "refusal": {"refusal"},
}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_STATE = ("previous_response_id", "conversation", "background", "prompt")


def check(headers: Json, body: Json) -> Iterator[str]:
    """What a strict provider would refuse, in words (openai-responses.md §1 to §3)."""
    if headers.get("authorization") != f"Bearer {UPSTREAM_KEY}":
        yield "authorization is not the provider's key"
    if headers.get("content-type", "").split(";")[0] != "application/json":
        yield "content-type is not application/json"
    yield from (f"unknown field {name}" for name in sorted(body.keys() - _FIELDS - {*_STATE}))
    yield from (f"no such conversation: {name}" for name in _STATE if body.get(name))
    yield from _check_tools(body.get("tools") or [])
    form = (body.get("text") or {}).get("format") or {}
    if form.get("type") == "json_schema" and not (
        _NAME.fullmatch(form.get("name", "")) and isinstance(form.get("schema"), dict)
    ):
        yield f"text.format {sorted(form)}"
    items = body.get("input")
    if isinstance(items, list):
        yield from _check_items(items)
    elif not isinstance(items, str):
        yield "input is missing"


def _check_tools(tools: list[Json]) -> Iterator[str]:
    for tool in tools:
        if tool.get("type") != "function":
            continue
        if not _NAME.fullmatch(tool.get("name", "")):
            yield f"tool name {tool.get('name')!r}"
        if extra := tool.keys() - {"type", "name", "description", "parameters", "strict"}:
            yield f"tool members {sorted(extra)}"
        if (tool.get("parameters") or {"type": "object"}).get("type") != "object":
            yield "tool parameters are no object"


def _check_items(items: list[Json]) -> Iterator[str]:
    if not items:
        yield "input is empty"
    owed: list[str] = []
    for number, item in enumerate(items):
        where, kind = f"input[{number}]", item.get("type", "message")
        if kind not in _ITEM_FIELDS:
            yield f"{where} has type {kind!r}"
            continue
        if extra := item.keys() - _ITEM_FIELDS[kind] - {"type"}:
            yield f"{where} has {sorted(extra)}"
        match kind:
            case "message":
                yield from _check_message(item, where)
            case "function_call":
                owed.append(item["call_id"])
                if not str(item.get("id") or "fc_").startswith("fc_"):
                    yield f"{where}: Expected an ID that begins with 'fc'"
                if not isinstance(json.loads(item["arguments"]), dict):
                    yield f"{where}: arguments are no object"
            case "function_call_output":
                if item["call_id"] not in owed:
                    yield f"{where} answers no call"
                else:
                    owed.remove(item["call_id"])
            case _ if item.get("encrypted_content") not in (None, REDACTED):
                yield f"{where}: encrypted content could not be verified"
            case _:
                pass
    if owed:
        yield f"No tool output found for function calls {owed}"


def _check_message(item: Json, where: str) -> Iterator[str]:
    role, content = item.get("role"), item.get("content")
    if role not in ("user", "assistant", "system", "developer"):
        yield f"{where} has role {role!r}"
    for part in content if isinstance(content, list) else ():
        kind = part.get("type", "")
        if kind not in _PART_FIELDS or part.keys() - _PART_FIELDS[kind] - {"type"}:
            yield f"{where} has a part {part}"
        elif (kind in ("output_text", "refusal")) is not (role == "assistant"):
            yield f"{where} has {kind} in role {role}"
    if content == [] or not isinstance(content, str | list):
        yield f"{where} has content {content!r}"


def has_results(body: Json) -> bool:
    items = body["input"]
    return isinstance(items, list) and any(
        item.get("type") == "function_call_output" for item in items
    )


def usage(value: Usage) -> Json:
    return {
        "input_tokens": value.input,
        "input_tokens_details": {"cached_tokens": value.cached, "cache_write_tokens": 0},
        "output_tokens": value.output,
        "output_tokens_details": {"reasoning_tokens": value.reasoning},
        "total_tokens": value.input + value.output,
    }


def _response(
    name: str, status: str, output: list[Json], value: Usage | None, **more: object
) -> Json:
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": 1795000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": MODEL,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if value is None else usage(value),
        "metadata": {},
        **more,
    }


def answer(reply: Reply) -> Json:
    return _final(reply, _items(reply))


def _final(reply: Reply, output: list[Json]) -> Json:
    if reply.finish == "length":
        reason = {"reason": "max_output_tokens"}
        return _response(reply.id, "incomplete", output, reply.usage, incomplete_details=reason)
    return _response(reply.id, "completed", output, reply.usage)


def _items(reply: Reply) -> list[Json]:
    """The parts as items; what is hidden of the thinking stands in its encrypted content."""
    items: list[Json] = []
    for number, part in enumerate(reply.parts):
        match part:
            case Text(text):
                content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
                items.append(
                    {
                        "id": f"msg_{reply.id}{number}",
                        "type": "message",
                        "status": "completed",
                        "role": "assistant",
                        "content": content,
                    }
                )
            case Thinking(text, _):
                items.append(
                    {
                        "id": f"rs_{reply.id}{number}",
                        "type": "reasoning",
                        "summary": [{"type": "summary_text", "text": text}],
                        "encrypted_content": REDACTED,
                    }
                )
            case Redacted():
                pass  # this dialect has it inside the item before
            case Call():
                items.append(
                    {
                        "id": f"fc_{reply.id}{number}",
                        "type": "function_call",
                        "status": "completed",
                        "call_id": part.id,
                        "name": part.name,
                        "arguments": part.json,
                    }
                )
    return items


def event(data: Json) -> bytes:
    text = json.dumps(data, ensure_ascii=False)
    return f"event: {data['type']}\ndata: {text}\n\n".encode()


def _numbered(events: Iterator[Json]) -> Iterator[bytes]:
    for number, data in enumerate(events):
        yield event({**data, "sequence_number": number})


def stream(reply: Reply, body: Json) -> Iterator[bytes]:
    """The whole answer as events, item by item."""
    return _numbered(_events(reply))


def _events(reply: Reply) -> Iterator[Json]:
    yield from _opening(reply.id)
    items = _items(reply)
    for index, item in enumerate(items):
        at: Json = {"output_index": index, "item_id": item["id"]}
        yield from _item_events(item, at)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    final = _final(reply, items)
    yield {"type": f"response.{final['status']}", "response": final}


def _opening(name: str) -> Iterator[Json]:
    for kind in ("created", "in_progress"):
        yield {"type": f"response.{kind}", "response": _response(name, "in_progress", [], None)}


def _item_events(item: Json, at: Json) -> Iterator[Json]:
    started = {**item, "status": "in_progress"}
    match item["type"]:
        case "message":
            yield _added({**started, "content": []}, at)
            yield from _text_events(item["content"][0], {**at, "content_index": 0})
        case "reasoning":
            del started["status"]
            yield _added({**started, "summary": []}, at)
            text, place = item["summary"][0]["text"], {**at, "summary_index": 0}
            empty, whole = ({"type": "summary_text", "text": each} for each in ("", text))
            yield {"type": "response.reasoning_summary_part.added", **place, "part": empty}
            for piece in pieces(text):
                yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
            yield {"type": "response.reasoning_summary_text.done", **place, "text": text}
            yield {"type": "response.reasoning_summary_part.done", **place, "part": whole}
        case _:
            yield _added({**started, "arguments": ""}, at)
            name = "response.function_call_arguments"
            for piece in pieces(item["arguments"], 4):
                yield {"type": f"{name}.delta", **at, "delta": piece}
            yield {"type": f"{name}.done", **at, "arguments": item["arguments"]}


def _added(item: Json, at: Json) -> Json:
    return {
        "type": "response.output_item.added",
        "output_index": at["output_index"],
        "item": item,
    }


def _text_events(part: Json, at: Json) -> Iterator[Json]:
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield _delta(at, piece)
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}


def _delta(at: Json, text: str) -> Json:
    return {"type": "response.output_text.delta", **at, "delta": text, "logprobs": []}


def unfinished() -> list[bytes]:
    """Two fragments, and no end of anything."""
    [item] = _items(Reply((Text("".join(FRAGMENTS)),)))
    at: Json = {"output_index": 0, "item_id": item["id"]}
    before = itertools.takewhile(
        lambda data: data["type"] != "response.output_text.delta", _item_events(item, at)
    )
    deltas = (_delta({**at, "content_index": 0}, text) for text in FRAGMENTS)
    return list(_numbered(itertools.chain(_opening("7"), before, deltas)))


def error(status: int, message: str = ERROR_WORDS) -> Json:
    return chat_provider.error(status, message)


def error_event(named: bool) -> bytes:
    inner = error(500)["error"]
    told = event({**inner, "code": "server_error", "type": "error", "sequence_number": 99})
    return told if named else told.partition(b"\n")[2]
