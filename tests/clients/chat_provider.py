"""The upstream as an OpenAI chat provider: what it demands of a request, and how it answers."""

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

MODEL = "vendor-model-2026-11-01"
_FIELDS = frozenset(
    {
        "model",
        "messages",
        "max_completion_tokens",
        "max_tokens",
        "temperature",
        "top_p",
        "n",
        "stop",
        "frequency_penalty",
        "presence_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "seed",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "verbosity",
        "modalities",
        "audio",
        "prediction",
        "web_search_options",
        "service_tier",
        "store",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "moderation",
        "user",
        "functions",
        "function_call",
    }
)
_MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "tool": {"role", "content", "tool_call_id", "name"},
    # What the official helpers echo beside the documented fields, and the vendors' reasoning.
    "assistant": {
        "role",
        "content",
        "name",
        "refusal",
        "audio",
        "tool_calls",
        "function_call",
        "annotations",
        "parsed",
        "reasoning_content",
        "reasoning",
        "reasoning_details",
    },
}
_PART_FIELDS = {
    "text": {"type", "text", "prompt_cache_breakpoint"},
    "image_url": {"type", "image_url", "prompt_cache_breakpoint"},
    "input_audio": {"type", "input_audio", "prompt_cache_breakpoint"},
    "file": {"type", "file", "prompt_cache_breakpoint"},
    "refusal": {"type", "refusal"},
}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check(headers: Json, body: Json) -> Iterator[str]:
    """What a strict provider would refuse, in words (openai-chat.md §1 to §3)."""
    if headers.get("authorization") != f"Bearer {UPSTREAM_KEY}":
        yield "authorization is not the provider's key"
    if headers.get("content-type", "").split(";")[0] != "application/json":
        yield "content-type is not application/json"
    yield from (f"unknown field {name}" for name in sorted(body.keys() - _FIELDS))
    yield from (f"null field {name}" for name in ("tools", "messages") if body.get(name, 0) is None)
    if "stream_options" in body and body.get("stream") is not True:
        yield "stream_options without stream"
    if not body.get("tools"):
        if "tools" in body:
            yield "tools is empty"
        yield from (
            f"{name} without tools"
            for name in ("tool_choice", "parallel_tool_calls")
            if name in body
        )
    yield from _check_tools(body.get("tools") or [])
    yield from _check_format(body.get("response_format"))
    yield from _check_messages(body.get("messages") or [])


def _check_tools(tools: list[Json]) -> Iterator[str]:
    for tool in tools:
        kind = tool.get("type")
        if kind not in ("function", "custom"):
            yield f"tool type {kind}"
            continue
        function = tool.get(kind, {})
        if not _NAME.fullmatch(function.get("name", "")):
            yield f"tool name {function.get('name')!r}"
        known = {"parameters", "strict"} if kind == "function" else {"format"}
        if extra := function.keys() - {"name", "description", *known}:
            yield f"tool members {sorted(extra)}"
        if "parameters" in function and function["parameters"].get("type") != "object":
            yield "tool parameters are no object"


def _check_format(wanted: Json | None) -> Iterator[str]:
    if wanted is not None and wanted.get("type") == "json_schema":
        inner = wanted.get("json_schema", {})
        if not _NAME.fullmatch(inner.get("name", "")):
            yield f"response_format name {inner.get('name')!r}"
        if not isinstance(inner.get("schema"), dict):
            yield "response_format has no schema"


def _check_messages(messages: list[Json]) -> Iterator[str]:
    if not messages:
        yield "no messages"
    open_calls: list[str] = []
    for number, message in enumerate(messages):
        role = message.get("role", "")
        known = _MESSAGE_FIELDS.get(role)
        if known is None:
            yield f"messages[{number}] has role {role!r}"
            continue
        yield from (f"messages[{number}] has {name}" for name in sorted(message.keys() - known))
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                yield f"messages[{number}] answers no call"
            else:
                open_calls.remove(message["tool_call_id"])
        elif open_calls:
            yield f"messages[{number}] comes before the results of {open_calls}"
            open_calls = []
        for call in message.get("tool_calls") or ():
            open_calls.append(call["id"])
            yield from _check_call(call)
        yield from _check_content(message, f"messages[{number}]")
    if open_calls:
        yield f"no results for {open_calls}"


def _check_call(call: Json) -> Iterator[str]:
    if call.get("type") != "function" or len(call.get("id", "")) > 64 or not call.get("id"):
        yield f"bad tool call {call}"
    try:
        if not isinstance(json.loads(call["function"]["arguments"]), dict):
            yield "arguments are no object"
    except (KeyError, TypeError, ValueError):
        yield f"arguments are no JSON: {call}"


def _check_content(message: Json, where: str) -> Iterator[str]:
    content = message.get("content")
    if content is None:
        if not (
            message["role"] == "assistant" and (message.get("tool_calls") or "refusal" in message)
        ):
            yield f"{where} has no content"
    elif isinstance(content, list):
        if not content:
            yield f"{where} has empty content"
        for part in content:
            yield from _check_part(part, message["role"], where)
    elif not isinstance(content, str):
        yield f"{where} has content of another type"


def _check_part(part: Json, role: str, where: str) -> Iterator[str]:
    kind = part.get("type", "")
    if kind not in _PART_FIELDS or part.keys() - _PART_FIELDS[kind]:
        yield f"{where} has a part {part}"
    elif kind not in ("text", "refusal") and role != "user":
        yield f"{where} has a {kind} in role {role}"
    elif kind == "image_url":
        url = part["image_url"].get("url", "")
        if url.startswith("data:"):
            if not _is_base64(url.partition(";base64,")[2]):
                yield f"{where} has a broken data URL"
        elif not url.startswith(("http://", "https://")):
            yield f"{where} has image URL {url!r}"


def _is_base64(data: str) -> bool:
    try:
        return bool(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return False


def has_results(body: Json) -> bool:
    return any(message.get("role") == "tool" for message in body["messages"])


def usage(value: Usage) -> Json:
    return {
        "prompt_tokens": value.input,
        "completion_tokens": value.output,
        "total_tokens": value.input + value.output,
        "prompt_tokens_details": {"cached_tokens": value.cached},
        "completion_tokens_details": {"reasoning_tokens": value.reasoning},
    }


_FINISH = {"stop": "stop", "tools": "tool_calls", "length": "length", "refusal": "stop"}


def answer(reply: Reply) -> Json:
    message: Json = {"role": "assistant", "content": None, "refusal": None}
    for part in reply.parts:
        match part:
            case Text(text):
                message["content"] = (message["content"] or "") + text
            case Thinking(text, _):
                message["reasoning_content"] = text
            case Redacted():
                pass  # this dialect has no such thing
            case Call():
                message.setdefault("tool_calls", []).append(_call(part))
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _FINISH[reply.finish],
    }
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion",
        "created": 1795000000,
        "model": MODEL,
        "choices": [choice],
        "usage": usage(reply.usage),
        "service_tier": "default",
    }


def _call(call: Call) -> Json:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.json},
    }


def _chunk(delta: Json, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return event({**_HEAD, "choices": [choice], **more})


_HEAD: Json = {
    "id": "chatcmpl-7",
    "object": "chat.completion.chunk",
    "created": 1795000000,
    "model": MODEL,
}


def event(data: Json) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def stream(reply: Reply, body: Json) -> Iterator[bytes]:
    """The whole answer as events; calls that run in parallel come interleaved."""
    wants_usage = (body.get("stream_options") or {}).get("include_usage")
    more: Json = {"id": f"chatcmpl-{reply.id}"} | ({"usage": None} if wants_usage else {})
    calls = [part for part in reply.parts if isinstance(part, Call)]
    yield _chunk({"role": "assistant", "content": None if calls else ""}, **more)
    for part in reply.parts:
        if isinstance(part, Text):
            yield from (_chunk({"content": piece}, **more) for piece in pieces(part.text))
        elif isinstance(part, Thinking):
            for piece in pieces(part.text):
                yield _chunk({"reasoning_content": piece}, **more)
    yield from _stream_calls(calls, more)
    yield _chunk({}, _FINISH[reply.finish], **more)
    if wants_usage:
        yield event({**_HEAD, **more, "choices": [], "usage": usage(reply.usage)})
    yield b"data: [DONE]\n\n"


def _stream_calls(calls: list[Call], more: Json) -> Iterator[bytes]:
    for index, call in enumerate(calls):
        first = {**_call(call), "index": index}
        first["function"] = {"name": call.name, "arguments": ""}
        yield _chunk({"tool_calls": [first]}, **more)
    rests = [pieces(call.json, 4) for call in calls]
    for step in range(max((len(rest) for rest in rests), default=0)):
        for index, rest in enumerate(rests):
            if step < len(rest):
                delta = {"index": index, "function": {"arguments": rest[step]}}
                yield _chunk({"tool_calls": [delta]}, **more)


def unfinished() -> list[bytes]:
    """Two fragments, and no finish."""
    return [_chunk({"role": "assistant", "content": ""})] + [
        _chunk({"content": text}) for text in FRAGMENTS
    ]


_ERROR_TYPES = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("authentication_error", "invalid_api_key"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


def error(status: int, message: str = ERROR_WORDS) -> Json:
    kind, code = _ERROR_TYPES.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def error_event(named: bool) -> bytes:
    return (b"event: error\n" if named else b"") + event(error(500))
