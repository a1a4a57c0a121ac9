"""Recorded requests and answers of 30 vendors: nothing of a request is lost on the way through."""

import json
from pathlib import Path
from typing import Any

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import openai_chat as chat
from plexus.transformers.base import ClientCall
from plexus.unified.errors import PlexusError
from plexus.unified.request import Source
from tests.transformers.openai_chat.support import target

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "openai-chat"
REQUESTS = sorted(CORPUS.glob("*/request.json"))
NO_SUCH = "a provider refused this request itself"
REFUSED = {"deepseek-real-error-scenarios-deepseek-deepseek-chat-handles-inva-1": NO_SUCH}

# Reasoning signed by one vendor is not shown to another (canonical.md §6), which is said.
FOREIGN = {"snowflake-snowflake-thinking-2": ["part.thinking.foreign"]}

# What the reference wants changed, or what means the same in two forms.
DEFAULTS: dict[str, Any] = {"n": 1, "tools": [], "stop": [], "stream": False, "logprobs": None}


def test_the_corpus_is_here() -> None:
    if not CORPUS.is_dir():
        pytest.skip("SKIPPED: ../shared/corpus with the recorded traffic is not here")
    assert len(REQUESTS) > 100


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.parent.name)
def test_a_recorded_request_through_the_canonical_form(path: Path) -> None:
    raw = path.read_bytes()
    body = JsonBody.parse(raw)
    stream = bytes(body.fields.get("stream", b"")) == b"true"
    call = ClientCall(model="alias", stream=stream, body=body, source=Source(dialect="openai-chat"))
    if path.parent.name in REFUSED:
        with pytest.raises(PlexusError):
            chat.parse_request(call)
        return
    limit = "max_tokens" if "max_tokens" in body.fields else "max_completion_tokens"
    to = target("vendor", max_tokens_field=limit, reasoning_field=_reasoning_field(raw))
    made = chat.format_request(chat.parse_request(call), to)
    lost = FOREIGN.get(path.parent.name, [])
    assert [warning.loss.field for warning in made.warnings] == lost
    before, after = _normal(json.loads(raw)), _normal(json.loads(made.body))
    assert after == before


def _reasoning_field(raw: bytes) -> str:
    return "reasoning" if b'"reasoning":' in raw.replace(b" ", b"") else "reasoning_content"


def _normal(body: dict[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in body.items() if value is not None}
    out = {name: value for name, value in out.items() if DEFAULTS.get(name, ...) != value}
    out.pop("model", None)
    out.pop("stream_options", None)
    out.pop("parallel_tool_calls", None) if "tools" not in out else None
    if isinstance(out.get("stop"), str):
        out["stop"] = [out["stop"]]
    for old, new in (("functions", "tools"), ("function_call", "tool_choice")):
        if old in out:
            out[new] = out.pop(old)
    out["tools"] = [_tool(tool) for tool in out.get("tools", [])]
    out["messages"] = [_message(message) for message in out["messages"]]
    return out


def _tool(tool: dict[str, Any]) -> Any:
    inner = tool.get("function", tool)
    if "name" not in inner:
        return tool
    if inner.get("parameters", {}).get("type") == "object":
        inner = {**inner, "parameters": {"properties": {}, **inner["parameters"]}}
    return {name: value for name, value in inner.items() if value is not None and name != "type"}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in message.items() if value not in (None, [], "")}
    marker = out.pop("cache_control", None)
    content = out.get("content")
    if isinstance(content, str):
        out["content"] = content = [{"type": "text", "text": content}]
    for part in content or []:
        if marker is not None and part is content[-1]:
            part["cache_control"] = marker
        _part(part)
    thinking = [part["thinking"] for part in content or [] if part.get("type") == "thinking"]
    if thinking:
        out["content"] = [part for part in content if part.get("type") != "thinking"]
        out["reasoning_content"] = "".join(piece["text"] for piece in thinking[0])
    details = out.pop("reasoning_details", [])
    said = "".join(detail.get("text", "") for detail in details if "signature" not in detail)
    if said and not thinking and "reasoning" not in out:
        out.setdefault("reasoning_content", said)
    if isinstance(out.get("function_call"), dict):
        out["tool_calls"] = [{"function": out.pop("function_call")}]
    if out["role"] == "function":
        out["role"] = "tool"
    if out["role"] == "tool":
        out.pop("name", None)
        out.pop("tool_call_id", None)
    out["tool_calls"] = [_call(call) for call in out.get("tool_calls", [])]
    return out


def _call(call: dict[str, Any]) -> tuple[str, str]:
    return call["function"]["name"], call["function"].get("arguments") or "{}"


def _part(part: dict[str, Any]) -> None:
    if part.get("prompt_cache_breakpoint") and part.get("cache_control"):
        part.pop("prompt_cache_breakpoint")
    if "file" in part and "file_data" in part["file"]:
        # OpenAI wants a name with every file.
        part["file"].setdefault("filename", "document.pdf")
    image = part.get("image_url")
    if isinstance(image, str):
        part["image_url"] = {"url": image}
