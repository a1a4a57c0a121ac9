"""The upstream's embeddings: five floats for each text, in the format that was asked for."""

from __future__ import annotations

import base64
import struct
from typing import Any

Json = dict[str, Any]

PATHS = ("/v1/embeddings", "/v1beta/models/gemini-embedding:batchEmbedContents")
MODEL = "vendor-embedding-2026-11-01"
NUMBERS = (0.125, -2.5, 3.0e-7, 1.0, -0.0078125)


def answer(body: Json) -> tuple[int, Json]:
    """Status and body.  The model ``floats-only`` knows one format, as many vendors do."""
    if "requests" in body:
        return 200, {"embeddings": [{"values": floats(n)} for n in range(len(body["requests"]))]}
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    form = "float" if body["model"] == "floats-only" else body.get("encoding_format", "float")
    if form not in ("float", "base64") or not all(isinstance(text, str) for text in texts):
        return 400, {"error": {"message": f"encoding_format {form}", "type": "invalid_request"}}
    return 200, {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _vector(index, form)}
            for index in range(len(texts))
        ],
        "model": MODEL,
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def floats(index: int) -> list[float]:
    """The vector of the text with this index, as 32 bits hold it."""
    packed = _packed(index)
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def _packed(index: int) -> bytes:
    return struct.pack(f"<{len(NUMBERS)}f", *(number + index for number in NUMBERS))


def _vector(index: int, form: str) -> list[float] | str:
    return base64.b64encode(_packed(index)).decode() if form == "base64" else floats(index)
