"""What Responses providers send, as short as it is legal."""

from __future__ import annotations

import json
from typing import Any


def whole(text: str = "hello", **fields: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "m-2026",
        "output": [{**item, "content": [part]}] if text else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        **fields,
    }


def response(text: str = "hello", **fields: Any) -> bytes:
    return json.dumps(whole(text, **fields)).encode()


def event(number: int, kind: str, **members: Any) -> bytes:
    data = {"type": f"response.{kind}", **members, "sequence_number": number}
    return b"event: response.%b\ndata: %b\n\n" % (kind.encode(), json.dumps(data).encode())


def stream(text: str = "hello") -> list[bytes]:
    """Created, the item, one delta a letter, the end."""
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    pieces = [
        event(0, "created", response=whole("", status="in_progress", usage=None)),
        event(1, "output_item.added", output_index=0, item=item),
        event(2, "content_part.added", **where, part=part),
        *(
            event(number, "output_text.delta", **where, delta=letter, logprobs=[])
            for number, letter in enumerate(text, 3)
        ),
    ]
    done = whole(text)
    count = len(pieces)
    return [
        *pieces,
        event(count, "output_item.done", output_index=0, item=done["output"][0]),
        event(count + 1, "completed", response=done),
    ]


def failed(number: int, message: str = "sorry") -> bytes:
    error = {"code": "server_error", "message": message}
    return event(number, "failed", response=whole("", status="failed", error=error, usage=None))
