"""What a request that reached the upstream says, read from the dialect it arrived in."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.scenarios import CLIENT_KEY

Json = dict[str, Any]


def requests(records: list[Json], path: str, model: str, stream: bool) -> list[Json]:
    """The bodies of ``records``, which all have to be good requests of one kind."""
    for record in records:
        assert record["refused"] == []
        assert record["path"].partition("?")[0] == path
        assert record["body"]["model"] == model
        assert bool(record["body"].get("stream")) is stream
        assert CLIENT_KEY not in json.dumps(record["headers"])
    return [record["body"] for record in records]


def system(body: Json) -> str:
    """The instructions."""
    if "system" in body:
        return _text(body["system"])
    first = body["messages"][0]
    return _text(first["content"]) if first["role"] in ("system", "developer") else ""


def tools(body: Json) -> list[tuple[str, str, Json]]:
    """Name, description and schema of each tool."""
    return [
        (tool["name"], tool["description"], tool["input_schema"])
        if "name" in tool
        else (
            tool["function"]["name"],
            tool["function"]["description"],
            tool["function"]["parameters"],
        )
        for tool in body["tools"]
    ]


def calls(body: Json) -> list[tuple[str, str, Json]]:
    """Id, name and arguments of each call in the history."""
    found = []
    for message in body["messages"]:
        for call in message.get("tool_calls") or ():
            function = call["function"]
            found.append((call["id"], function["name"], json.loads(function["arguments"])))
        for block in _blocks(message):
            if block["type"] == "tool_use":
                found.append((block["id"], block["name"], block["input"]))
    return found


def results(body: Json) -> list[tuple[str, str, bool]]:
    """Call id, text and error flag of each tool result."""
    found = []
    for message in body["messages"]:
        if message["role"] == "tool":
            text = _text(message["content"])
            bare = text.removeprefix("Error: ")
            found.append((message["tool_call_id"], bare, bare != text))
        for block in _blocks(message):
            if block["type"] == "tool_result":
                text = _text(block["content"])
                found.append((block["tool_use_id"], text, block.get("is_error", False)))
    return found


def images(body: Json) -> list[str]:
    """Base64 data or URL of each image, those in tool results too."""
    found = []
    for message in body["messages"]:
        for block in _blocks(message):
            inner = block.get("content") if block["type"] == "tool_result" else None
            for part in inner if isinstance(inner, list) else [block]:
                if part["type"] == "image":
                    found.append(part["source"].get("data") or part["source"]["url"])
                elif part["type"] == "image_url":
                    found.append(part["image_url"]["url"].removeprefix("data:image/png;base64,"))
    return found


def schema(body: Json) -> Json:
    """The schema of structured output."""
    if "response_format" in body:
        wanted: Json = body["response_format"]["json_schema"]["schema"]
    else:
        wanted = body["output_config"]["format"]["schema"]
    return wanted


def effort(body: Json) -> str | None:
    """How hard to think, if thinking is on."""
    if "messages" in body and "reasoning_effort" in body:
        return str(body["reasoning_effort"])
    if body.get("thinking", {}).get("type") == "adaptive":
        return str(body["output_config"]["effort"])
    return None


def thoughts(body: Json) -> list[tuple[str, str]]:
    """Kind and value of each piece of thinking in the history, in order."""
    found = []
    for message in body["messages"]:
        if message.get("reasoning_content"):
            found.append(("reasoning_content", message["reasoning_content"]))
        for block in _blocks(message):
            if block["type"] == "thinking":
                found.append(("thinking", block["thinking"]))
                found.append(("signature", block["signature"]))
            if block["type"] == "redacted_thinking":
                found.append(("redacted", block["data"]))
    return found


def _blocks(message: Json) -> list[Json]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _text(content: str | list[Json]) -> str:
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content if block["type"] == "text")
