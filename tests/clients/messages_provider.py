"""The upstream as an Anthropic provider: what it demands of a request, and how it answers."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from tests.clients.scenarios import (
    ERROR_WORDS,
    FRAGMENTS,
    REDACTED,
    SIGNATURE,
    THOUGHT,
    UPSTREAM_KEY,
    Call,
    Part,
    Redacted,
    Reply,
    Text,
    Thinking,
    Usage,
    pieces,
)

Json = dict[str, Any]

MODEL = "claude-opus-5-20261001"
_FIELDS = frozenset(
    {
        "model",
        "max_tokens",
        "messages",
        "system",
        "stream",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "thinking",
        "output_config",
        "tools",
        "tool_choice",
        "metadata",
        "service_tier",
        "speed",
        "cache_control",
        "container",
        "inference_geo",
        "diagnostics",
    }
)
_BLOCK_FIELDS = {
    "text": {"text", "cache_control", "citations"},
    "image": {"source", "cache_control", "transformations"},
    "document": {"source", "title", "context", "citations", "cache_control"},
    "search_result": {"source", "title", "content", "citations", "cache_control"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
    "tool_use": {"id", "name", "input", "caller", "toolset_name", "cache_control"},
    "tool_result": {"tool_use_id", "content", "is_error", "cache_control", "toolset_name"},
}
_ROLES = {"user": {"text", "image", "document", "search_result", "tool_result"}}
_ROLES["assistant"] = {"text", "thinking", "redacted_thinking", "tool_use"}
_ROLES["system"] = {"text"}
_TOOL_FIELDS = frozenset(
    {
        "name",
        "description",
        "input_schema",
        "strict",
        "cache_control",
        "defer_loading",
        "input_examples",
        "allowed_callers",
        "eager_input_streaming",
        "type",
    }
)
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def check(headers: Json, body: Json) -> Iterator[str]:
    """What a strict provider would refuse, in words (anthropic-messages.md §1 to §5)."""
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if key != UPSTREAM_KEY:
        yield "neither x-api-key nor authorization is the provider's key"
    if headers.get("anthropic-version") not in ("2023-06-01", "2026-10-21"):
        yield f"anthropic-version is {headers.get('anthropic-version')}"
    if headers.get("content-type", "").split(";")[0] != "application/json":
        yield "content-type is not application/json"
    # With betas there are fields that this list does not know.
    if not headers.get("anthropic-beta"):
        yield from (f"{name}: Extra inputs are not permitted" for name in body.keys() - _FIELDS)
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        yield f"max_tokens is {body.get('max_tokens')}"
    yield from _check_thinking(body)
    for tool in body.get("tools") or []:
        yield from _check_tool(tool)
    if "tool_choice" in body and not body.get("tools"):
        yield "tool_choice without tools"
    if json.dumps(body).count('"cache_control": {') > 4:
        yield "more than 4 cache_control"
    if isinstance(body.get("system"), list):
        for block in body["system"]:
            yield from _check_block(block, "system", "system")
    yield from _check_messages(body.get("messages") or [])


def _check_thinking(body: Json) -> Iterator[str]:
    thinking = body.get("thinking") or {}
    kind = thinking.get("type")
    if kind == "enabled" and not 1024 <= thinking.get("budget_tokens", 0) < body["max_tokens"]:
        yield "budget_tokens must be at least 1024 and less than max_tokens"
    if kind not in (None, "enabled", "adaptive", "disabled", "between_tools"):
        yield f"thinking.type is {kind}"
    if kind in ("enabled", "adaptive") and ("temperature" in body or "top_k" in body):
        yield "sampling with thinking"
    if body.get("output_config", {}).keys() - {"effort", "format", "task_budget"}:
        yield f"output_config has {sorted(body['output_config'])}"


def _check_tool(tool: Json) -> Iterator[str]:
    if tool.get("type", "custom") != "custom":
        return
    if tool.keys() - _TOOL_FIELDS:
        yield f"tool members {sorted(tool)}"
    if not _NAME.fullmatch(tool.get("name", "")):
        yield f"tool name {tool.get('name')!r}"
    if tool.get("input_schema", {}).get("type") != "object":
        yield "input_schema is no object"


def _check_messages(messages: list[Json]) -> Iterator[str]:
    if not messages or messages[0].get("role") != "user":
        yield "the first message is not the user's"
    owed: list[str] = []
    for number, message in enumerate(messages):
        where, role = f"messages[{number}]", message.get("role", "")
        if role not in _ROLES or message.keys() - {"role", "content", "output_config"}:
            yield f"{where} is {sorted(message)} of role {role!r}"
            continue
        content = message["content"]
        blocks: list[Json] = (
            [{"type": "text", "text": content}] if isinstance(content, str) else content
        )
        yield from _check_results(blocks, role, owed, where)
        owed = [block["id"] for block in blocks if block.get("type") == "tool_use"]
        for block in blocks:
            yield from _check_block(block, role, where)
    if owed:
        yield f"no results for {owed}"


def _check_results(blocks: list[Json], role: str, owed: list[str], where: str) -> Iterator[str]:
    kinds = [block.get("type") for block in blocks]
    results = [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"]
    if sorted(results) != sorted(owed):
        yield f"{where} ({role}): tool_result {results} for tool_use {owed}"
    if kinds[: len(results)] != ["tool_result"] * len(results):
        yield f"{where}: tool_result blocks do not come first"


def _check_block(block: Json, role: str, where: str) -> Iterator[str]:
    kind = block.get("type", "")
    if kind not in _ROLES[role]:
        yield f"{where}: {kind!r} in role {role}"
        return
    if extra := block.keys() - _BLOCK_FIELDS[kind] - {"type"}:
        yield f"{where}: {kind} has {sorted(extra)}"
    match kind:
        case "text":
            if not block["text"].strip():
                yield f"{where}: text is empty"
        case "image":
            yield from _check_source(block["source"], where)
        case "thinking":
            if (block["thinking"], block["signature"]) != (THOUGHT, SIGNATURE):
                yield f"{where}: Invalid `signature` in `thinking` block: {block}"
        case "redacted_thinking":
            if block["data"] != REDACTED:
                yield f"{where}: Invalid data in `redacted_thinking` block"
        case "tool_use":
            if not _ID.fullmatch(block["id"]) or not isinstance(block["input"], dict):
                yield f"{where}: {block}"
        case "tool_result":
            content = block.get("content", "")
            for inner in content if isinstance(content, list) else ():
                yield from _check_block(inner, "user", where)


def _check_source(source: Json, where: str) -> Iterator[str]:
    if source["type"] == "base64":
        if source.get("media_type") not in ("image/png", "image/jpeg", "image/gif", "image/webp"):
            yield f"{where}: media_type {source.get('media_type')}"
        try:
            base64.b64decode(source["data"], validate=True)
        except (binascii.Error, ValueError):
            yield f"{where}: broken base64"
    elif source["type"] != "url" or not source["url"].startswith("https://"):
        yield f"{where}: source {source}"


def has_results(body: Json) -> bool:
    return any(
        block.get("type") == "tool_result"
        for message in body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
    )


def usage(value: Usage) -> Json:
    return {
        "input_tokens": value.input - value.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": value.cached,
        "output_tokens": value.output,
        "service_tier": "standard",
    }


_FINISH = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens", "refusal": "refusal"}


def answer(reply: Reply) -> Json:
    return {
        "id": f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [_block(part) for part in reply.parts],
        "stop_reason": _FINISH[reply.finish],
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage(reply.usage),
    }


def _block(part: Part) -> Json:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Thinking(text, signature):
            return {"type": "thinking", "thinking": text, "signature": signature}
        case Redacted(data):
            return {"type": "redacted_thinking", "data": data}
        case Call():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}


def event(data: Json) -> bytes:
    text = json.dumps(data, ensure_ascii=False)
    return f"event: {data['type']}\ndata: {text}\n\n".encode()


def _start(reply: Reply) -> bytes:
    message = answer(reply)
    message.update(content=[], stop_reason=None, usage={**message["usage"], "output_tokens": 1})
    return event({"type": "message_start", "message": message})


def stream(reply: Reply, body: Json) -> Iterator[bytes]:
    """The whole answer as events, with a ping where a real provider has one."""
    yield _start(reply)
    yield event({"type": "ping"})
    for index, part in enumerate(reply.parts):
        skeleton = _block(part)
        match part:
            case Text():
                skeleton["text"] = ""
            case Thinking():
                skeleton.update(thinking="", signature="")
            case Call():
                skeleton["input"] = {}
        yield event({"type": "content_block_start", "index": index, "content_block": skeleton})
        for delta in _deltas(part):
            yield event({"type": "content_block_delta", "index": index, "delta": delta})
        yield event({"type": "content_block_stop", "index": index})
    yield event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": _FINISH[reply.finish], "stop_sequence": None},
            "usage": {"output_tokens": reply.usage.output},
        }
    )
    yield event({"type": "message_stop"})


def _deltas(part: Part) -> Iterator[Json]:
    match part:
        case Text(text):
            yield from ({"type": "text_delta", "text": piece} for piece in pieces(text))
        case Thinking(text, signature):
            for piece in pieces(text):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": signature}
        case Call(arguments=arguments) if arguments:
            for piece in ["", *pieces(part.json, 4)]:
                yield {"type": "input_json_delta", "partial_json": piece}
        case _:
            pass


def unfinished() -> list[bytes]:
    """Two fragments, and no end of anything."""
    block = {"type": "text", "text": ""}
    deltas = [{"type": "text_delta", "text": text} for text in FRAGMENTS]
    return [
        _start(Reply(())),
        event({"type": "content_block_start", "index": 0, "content_block": block}),
        *(event({"type": "content_block_delta", "index": 0, "delta": delta}) for delta in deltas),
    ]


_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error(status: int, message: str = ERROR_WORDS) -> Json:
    kind = _ERROR_TYPES.get(status, "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": "req_upstream7",
    }


def no_threads() -> Json:
    """The refusal upon which the official tool runners go on with whole histories."""
    body = error(400, "this endpoint keeps no threads")
    body["error"]["details"] = {"error_code": "thread_unsupported_request", "unsupported": []}
    return body


def error_event(named: bool) -> bytes:
    data = event(error(500))
    return data if named else data.partition(b"\n")[2]
