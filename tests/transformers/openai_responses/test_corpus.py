"""Recorded requests of seven vendors' clients: nothing is lost on the way through."""

import json
from pathlib import Path
from typing import Any

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import openai_responses as responses
from plexus.transformers.base import ClientCall
from plexus.unified.request import Source
from tests.transformers.openai_responses.support import TARGET

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "openai-responses"
REQUESTS = sorted(CORPUS.glob("*/request.json"))

# What silence means, by member.
DEFAULTS: dict[str, Any] = {"stream": False, "truncation": "disabled", "tools": [], "include": []}


def test_the_corpus_is_here() -> None:
    if not CORPUS.is_dir():
        pytest.skip("SKIPPED: ../shared/corpus with the recorded traffic is not here")
    assert len(REQUESTS) > 100


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.parent.name)
def test_a_recorded_request_through_the_canonical_form(path: Path) -> None:
    raw = path.read_bytes()
    body = JsonBody.parse(raw)
    stream = bytes(body.fields.get("stream", b"")) == b"true"
    source = Source(dialect="openai-responses")
    call = ClientCall(model="alias", stream=stream, body=body, source=source)
    made = responses.format_request(responses.parse_request(call), TARGET)
    assert made.warnings == ()
    assert _normal(json.loads(made.body)) == _normal(json.loads(raw))


def _normal(body: dict[str, Any]) -> dict[str, Any]:
    """What means the same in two forms as one of them."""
    out = {name: value for name, value in body.items() if value is not None}
    out = {name: value for name, value in out.items() if DEFAULTS.get(name, ...) != value}
    del out["model"]
    for name in ("reasoning", "text"):
        if name in out:
            out[name] = {key: value for key, value in out[name].items() if value is not None}
    if isinstance(out.get("include"), list):
        out["include"] = sorted(out["include"])
    if "tools" in out:
        out["tools"] = [{k: v for k, v in tool.items() if v is not None} for tool in out["tools"]]
    items = out["input"]
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    out["input"] = [_item(item) for item in items]
    return out


def _item(item: dict[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in item.items() if value not in (None, [])}
    kind = out.setdefault("type", "message")
    if kind != "message" and out.get("status") == "completed":
        del out["status"]
    if kind == "reasoning":
        out.setdefault("summary", [])
    for name in ("content", "output"):
        if isinstance(out.get(name), str):
            out[name] = [{"type": "text", "text": out[name]}]
        elif isinstance(out.get(name), list):
            out[name] = [_part(part) for part in out[name]]
    return out


def _part(part: dict[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in part.items() if value not in (None, [])}
    if out["type"] in ("input_text", "output_text"):
        out["type"] = "text"
    return out
