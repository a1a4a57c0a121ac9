"""Recorded provider traffic in ``../shared/corpus``, for the tests that read it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
DIALECTS = ("openai-chat", "anthropic-messages", "openai-responses", "gemini")


class Recorded(NamedTuple):
    """One exchange; ``body`` is the provider's answer as it came."""

    id: str
    dialect: str
    stream: bool
    complete: bool
    status: int
    request: bytes | None
    body: bytes
    meta: dict[str, Any]


def require_corpus() -> None:
    """Skip loudly where there are no recordings."""
    if not CORPUS.is_dir():
        pytest.skip("SKIPPED: ../shared/corpus with the recorded traffic is not here")


def recorded(dialect: str) -> list[Recorded]:
    """All exchanges of a dialect, in order of their names; empty without the corpus."""
    folders = sorted((CORPUS / dialect).glob("*/meta.json"))
    return [found for meta in folders if (found := _read(meta)) is not None]


def _read(path: Path) -> Recorded | None:
    meta = json.loads(path.read_text())
    stream = bool(meta["stream"])
    events = stream and meta["response_kind"] == "sse"
    answer = path.parent / ("response.sse" if events else "response.json")
    if not answer.exists() or (stream and not events and meta["response_kind"] != "json-array"):
        return None
    request = path.parent / "request.json"
    return Recorded(
        id=meta["id"],
        dialect=meta["dialect"],
        stream=stream,
        complete=bool(meta["stream_complete"]),
        status=meta["status"],
        request=request.read_bytes() if request.exists() else None,
        body=answer.read_bytes(),
        meta=meta,
    )
