"""A recorded Converse request as an Anthropic client would have said it, for tests only."""

from __future__ import annotations

import base64
import json
from typing import Any

_TYPES = {"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown"}


def messages_request(recorded: dict[str, Any]) -> dict[str, Any]:
    inference = recorded.get("inferenceConfig") or {}
    body: dict[str, Any] = {
        "model": "m",
        "max_tokens": inference.get("maxTokens", 4096),
        "messages": [
            {"role": message["role"], "content": _blocks(message["content"])}
            for message in recorded["messages"]
        ],
    }
    if recorded.get("system"):
        body["system"] = _blocks(recorded["system"])
    if "stopSequences" in inference:
        body["stop_sequences"] = inference["stopSequences"]
    for ours, theirs in (("temperature", "temperature"), ("top_p", "topP")):
        if theirs in inference:
            body[ours] = inference[theirs]
    config = recorded.get("toolConfig") or {}
    tools = [tool for tool in config.get("tools", []) if "systemTool" not in tool]
    if tools:
        body["tools"] = _blocks(tools)
    match config.get("toolChoice"):
        case {"auto": _}:
            body["tool_choice"] = {"type": "auto"}
        case {"any": _}:
            body["tool_choice"] = {"type": "any"}
        case {"tool": {"name": name}}:
            body["tool_choice"] = {"type": "tool", "name": name}
    more = recorded.get("additionalModelRequestFields") or {}
    body.update({name: more[name] for name in ("thinking", "output_config") if name in more})
    return body


def _blocks(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for block in blocks:
        if "cachePoint" in block:
            out[-1]["cache_control"] = {"type": "ephemeral"}
        else:
            out.append(_block(block))
    return out


def _block(block: dict[str, Any]) -> dict[str, Any]:
    match block:
        case {"text": text}:
            return {"type": "text", "text": text}
        case {"toolSpec": spec}:
            tool = {"name": spec["name"], "input_schema": spec["inputSchema"]["json"]}
            tool |= {key: spec[key] for key in ("description", "strict") if key in spec}
            return tool
        case {"toolUse": tool}:
            call = {"id": tool["toolUseId"], "name": tool["name"], "input": tool["input"]}
            return {"type": "tool_use", **call}
        case {"toolResult": result}:
            content = [_result(item) for item in result["content"]]
            out = {"type": "tool_result", "tool_use_id": result["toolUseId"], "content": content}
            return {**out, "is_error": True} if result.get("status") == "error" else out
        case {"reasoningContent": {"redactedContent": data}}:
            return {"type": "redacted_thinking", "data": base64.b64decode(data).decode()}
        case {"reasoningContent": {"reasoningText": text}}:
            signature = text.get("signature", "")
            return {"type": "thinking", "thinking": text["text"], "signature": signature}
        case {"image": image}:
            return {"type": "image", "source": _source(image, f"image/{image['format']}")}
        case {"document": document}:
            source = _source(document, _TYPES[document["format"]])
            return {"type": "document", "source": source, "title": document["name"]}
    raise AssertionError(block)


def _result(item: dict[str, Any]) -> dict[str, Any]:
    if "json" in item:
        return {"type": "text", "text": json.dumps(item["json"])}
    return _block(item)


def _source(media: dict[str, Any], media_type: str) -> dict[str, Any]:
    source = media["source"]
    if "s3Location" in source:
        return {"type": "url", "url": source["s3Location"]["uri"]}
    return {"type": "base64", "media_type": media_type, "data": source["bytes"]}


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """A request without what may be spelt in two ways, or what an Anthropic client cannot say."""
    kept = ("messages", "system", "toolConfig", "inferenceConfig", "additionalModelRequestFields")
    out: dict[str, Any] = {key: body[key] for key in kept if body.get(key)}
    messages: list[dict[str, Any]] = []
    for message in out["messages"]:
        blocks = [_plain_block(block) for block in message["content"]]
        blocks = [block for block in blocks if block is not None]
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": message["role"], "content": blocks})
    out["messages"] = messages
    config = dict(out.pop("inferenceConfig", {}))
    config.pop("maxTokens", None)
    if config:
        out["inferenceConfig"] = config
    if "toolConfig" in out:
        tools = dict(out["toolConfig"])
        tools["tools"] = [tool for tool in tools["tools"] if "systemTool" not in tool]
        out["toolConfig"] = tools
    return out


def _plain_block(block: dict[str, Any]) -> dict[str, Any] | None:
    match block:
        case {"text": text} if not text.strip():
            return None
        case {"toolResult": result}:
            content = [
                {"text": json.dumps(item["json"])} if "json" in item else item
                for item in result["content"]
            ]
            kept = {"toolUseId": result["toolUseId"], "content": content}
            return {
                "toolResult": kept
                | ({"status": "error"} if result.get("status") == "error" else {})
            }
    return block
