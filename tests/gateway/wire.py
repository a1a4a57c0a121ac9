"""What providers send, in every dialect, as short as it is legal."""

from __future__ import annotations

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def chat(text: str = "hello", **fields: Any) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-2026",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return json.dumps({**body, **fields}).encode()


def chat_chunk(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m-2026",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **fields,
    }
    return b"data: %b\n\n" % json.dumps(body).encode()


def chat_stream(text: str = "hello") -> list[bytes]:
    """Role, one chunk a letter, finish, done."""
    return [
        chat_chunk({"role": "assistant", "content": ""}),
        *(chat_chunk({"content": letter}) for letter in text),
        chat_chunk({}, "stop"),
        DONE,
    ]


def chat_error(message: str = "sorry", kind: str = "server_error") -> bytes:
    error = {"message": message, "type": kind, "param": None, "code": None}
    return json.dumps({"error": error}).encode()


def message(text: str = "hello", **fields: Any) -> bytes:
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-2026",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    return json.dumps({**body, **fields}).encode()


def event(data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), json.dumps(data).encode())


def message_stream(text: str = "hello") -> list[bytes]:
    start = json.loads(message(content=[], stop_reason=None))
    return [
        event({"type": "message_start", "message": start}),
        event(
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            }
        ),
        *(
            event(
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": letter},
                }
            )
            for letter in text
        ),
        event({"type": "content_block_stop", "index": 0}),
        event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 2},
            }
        ),
        event({"type": "message_stop"}),
    ]


def message_error(text: str = "sorry", kind: str = "api_error") -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": text}}).encode()


def gemini(text: str = "hello", finish: str | None = "STOP", **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "content": {"parts": [{"text": text}], "role": "model"},
        "index": 0,
    }
    if finish is not None:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    body = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m-2026"}
    return {**body, "responseId": "r1", **fields}


def gemini_event(data: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps(data).encode()


def gemini_stream(text: str = "hello") -> list[bytes]:
    """One event a letter; the last one has the finish reason."""
    return [
        gemini_event(gemini(letter, "STOP" if number == len(text) else None))
        for number, letter in enumerate(text, 1)
    ]


def gemini_error(message: str = "busy", status: int = 503, word: str = "UNAVAILABLE") -> bytes:
    return json.dumps({"error": {"code": status, "message": message, "status": word}}).encode()
