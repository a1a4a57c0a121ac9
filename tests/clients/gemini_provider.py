"""The upstream as a Gemini provider: what it demands of a request, and how it answers."""

from __future__ import annotations

import base64
import binascii
import itertools
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

MODEL = "gemini-3.8-flash-001"
SIGNED = b"what the model thought, and a signature"
SIGNATURE = base64.b64encode(SIGNED).decode()
SENTINEL = "skip_thought_signature_validator"
PATH = re.compile(r"/v1(?:beta)?/models/([^:]+):(generateContent|streamGenerateContent)")
_FIELDS = frozenset(
    {
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "safetySettings",
        "generationConfig",
        "cachedContent",
        "labels",
        "serviceTier",
    }
)
_CONFIG = frozenset(
    {
        "temperature",
        "topP",
        "topK",
        "maxOutputTokens",
        "candidateCount",
        "stopSequences",
        "presencePenalty",
        "frequencyPenalty",
        "seed",
        "responseLogprobs",
        "logprobs",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "responseModalities",
        "thinkingConfig",
        "mediaResolution",
    }
)
_DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")


def of_path(path: str) -> Json:
    """What other dialects have in their body."""
    found = PATH.fullmatch(path)
    assert found is not None
    return {"model": found[1], "stream": found[2].startswith("stream")}


def spelled(value: Any) -> Any:
    """The request in camel case, as Google reads it: its own SDK for Python mixes both cases."""
    if isinstance(value, list):
        return [spelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {_SNAKE.sub(lambda found: found[1].upper(), name): item for name, item in value.items()}
    return {name: item if name in _FREE else spelled(item) for name, item in named.items()}


_SNAKE = re.compile("_([a-z])")
_FREE = (
    "args",
    "response",
    "parameters",
    "parametersJsonSchema",
    "responseSchema",
    "responseJsonSchema",
)
"""Whose members belong to the user."""


def check(headers: Json, body: Json) -> Iterator[str]:
    """What a strict provider would refuse, in words (gemini.md §1 to §5)."""
    if headers.get("x-goog-api-key") != UPSTREAM_KEY:
        yield "x-goog-api-key is not the provider's key"
    if headers.get("content-type", "").split(";")[0] != "application/json":
        yield "content-type is not application/json"
    yield from (f'Unknown name "{name}"' for name in sorted(body.keys() - _FIELDS))
    config = body.get("generationConfig") or {}
    yield from (f'Unknown name "{name}" in config' for name in sorted(config.keys() - _CONFIG))
    if {"responseSchema", "responseJsonSchema"} <= config.keys():
        yield "responseSchema and responseJsonSchema"
    schemas = ("responseSchema", "responseJsonSchema")
    if any(name in config for name in schemas) and config.get("responseMimeType") is None:
        yield "a schema without responseMimeType"
    if {"thinkingBudget", "thinkingLevel"} <= config.get("thinkingConfig", {}).keys():
        yield "thinkingBudget and thinkingLevel"
    yield from _check_tools(body.get("tools") or [])
    yield from _check_contents(body.get("contents") or [])


def _check_tools(tools: list[Json]) -> Iterator[str]:
    for declared in (each for tool in tools for each in tool.get("functionDeclarations", ())):
        if not _NAME.fullmatch(declared.get("name", "")):
            yield f"tool name {declared.get('name')!r}"
        schemas = {"parameters", "parametersJsonSchema"}
        known = {"name", "description", "response", "responseJsonSchema", *schemas}
        if extra := declared.keys() - known:
            yield f"tool members {sorted(extra)}"
        if schemas <= declared.keys():
            yield "parameters and parametersJsonSchema"


def _check_contents(contents: list[Json]) -> Iterator[str]:
    if not contents:
        yield "contents is not specified"
    owed: list[str] = []
    for number, content in enumerate(contents):
        if content.get("role") not in ("user", "model"):
            yield f"contents[{number}]: Please use a valid role: user, model"
        if not content.get("parts"):
            yield f"contents[{number}] has no parts"
    # Google's chat objects give back a stream's chunks one by one.
    for role, turn in itertools.groupby(contents, lambda content: content.get("role")):
        where = f"the turn of {role}"
        parts = [part for content in turn for part in content.get("parts", ())]
        answered = [
            part["functionResponse"]["name"] for part in parts if "functionResponse" in part
        ]
        if sorted(answered) != sorted(owed):
            yield f"{where}: function responses {answered} for calls {owed}"
        calls = [part for part in parts if "functionCall" in part]
        owed = [part["functionCall"]["name"] for part in calls]
        if calls and not _signed(calls[0].get("thoughtSignature")):
            yield f"{where}: Function call is missing a thought_signature"
        for part in parts:
            yield from _check_part(part, where)
    if owed:
        yield f"no function responses for {owed}"


def _signed(signature: str | None) -> bool:
    if signature is None:
        return False
    return signature == SENTINEL or _decoded(signature) in (SIGNED, SENTINEL.encode())


def _decoded(signature: str) -> bytes:
    """Both alphabets of base64, as Google reads it; empty when it is none."""
    try:
        return base64.b64decode(signature.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _check_part(part: Json, where: str) -> Iterator[str]:
    if len([name for name in _DATA if name in part]) != 1:
        yield f"{where} has a part with {sorted(part)}"
    signature = part.get("thoughtSignature")
    if signature is not None and not _signed(signature):
        yield f"{where}: Corrupted thought signature"
    if "inlineData" in part and part["inlineData"].keys() - {"mimeType", "data", "displayName"}:
        yield f"{where} has inlineData {sorted(part['inlineData'])}"
    response = part.get("functionResponse", {}).get("response", {})
    if not isinstance(response, dict):
        yield f"{where} has a response that is no object"


def has_results(body: Json) -> bool:
    return any(
        "functionResponse" in part
        for content in body["contents"]
        for part in content.get("parts", ())
    )


def usage(value: Usage) -> Json:
    return {
        "promptTokenCount": value.input,
        "cachedContentTokenCount": value.cached,
        "candidatesTokenCount": value.output - value.reasoning,
        "thoughtsTokenCount": value.reasoning,
        "totalTokenCount": value.input + value.output,
    }


def _parts(reply: Reply) -> list[Json]:
    parts: list[Json] = []
    signed = False
    for part in reply.parts:
        match part:
            case Text(text):
                parts.append({"text": text})
            case Thinking(text, _):
                parts.append({"text": text, "thought": True})
            case Redacted():
                pass  # this dialect has no such thing
            case Call():
                call = {"id": part.id, "name": part.name, "args": part.arguments}
                proof = {} if signed else {"thoughtSignature": SIGNATURE}
                parts.append({"functionCall": call, **proof})
                signed = True
    return parts


def _chunk(
    name: str, parts: list[Json], value: Usage | None = None, finish: str | None = None
) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = _FINISH[finish]
    return {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 100} if value is None else usage(value),
        "modelVersion": MODEL,
        "responseId": name,
    }


_FINISH = {"stop": "STOP", "tools": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}


def answer(reply: Reply) -> Json:
    return _chunk(reply.id, _parts(reply), reply.usage, reply.finish)


def event(data: Json) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\r\n\r\n"


def stream(reply: Reply, body: Json) -> Iterator[bytes]:
    """The whole answer as events; a call comes whole."""
    for part in _parts(reply):
        text = part.pop("text", None)
        for piece in [None] if text is None else pieces(text):
            yield event(_chunk(reply.id, [part if piece is None else {"text": piece, **part}]))
    yield event(_chunk(reply.id, [{"text": ""}], reply.usage, reply.finish))


def unfinished() -> list[bytes]:
    """An empty chunk and two fragments, and no end."""
    return [event(_chunk("7", [{"text": text}])) for text in ("", *FRAGMENTS)]


_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    529: "UNAVAILABLE",
}


def error(status: int, message: str = ERROR_WORDS) -> Json:
    kind = _STATUS.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": message, "status": kind}}


def error_event(named: bool) -> bytes:
    """This dialect has no names."""
    return event(error(500))
