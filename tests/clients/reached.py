"""What a request that reached the upstream says, read from the dialect it arrived in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.clients.scenarios import CLIENT_KEY

Json = dict[str, Any]

EMPTY: Json = {"type": "object", "properties": {}}
"""Of a tool without parameters, which Gemini has to be told by leaving them out."""


def requests(records: list[Json], path: str, model: str, stream: bool) -> list[Json]:
    """The bodies of ``records``, which all have to be good requests of one kind.

    ``path`` is that of ``PATHS``: Gemini's has the model and a verb in it.
    """
    verb = "streamGenerateContent" if stream else "generateContent"
    expected = path.format(model=model, verb=verb)
    for record in records:
        assert record["refused"] == []
        # google-genai for Python asks the other version.
        assert record["path"].partition("?")[0].replace("/v1/models", "/v1beta/models") == expected
        assert record["body"]["model"] == model
        assert bool(record["body"].get("stream")) is stream
        assert CLIENT_KEY not in json.dumps(record["headers"])
    return [record["body"] for record in records]


def system(body: Json) -> str:
    """The instructions."""
    for name in ("system", "instructions"):
        if name in body:
            return _text(body[name])
    if "systemInstruction" in body:
        return _text(body["systemInstruction"]["parts"])
    first = _turns(body)[0]
    return _text(first["content"]) if first.get("role") in ("system", "developer") else ""


def tools(body: Json) -> list[tuple[str, str, Json]]:
    """Name, description and schema of each tool."""
    found = []
    for tool in body["tools"]:
        for each in tool.get("functionDeclarations") or [tool.get("function", tool)]:
            names = ("input_schema", "parametersJsonSchema", "parameters")
            schemas = [each[name] for name in names if name in each]
            found.append((each["name"], each["description"], schemas[0] if schemas else EMPTY))
    return found


def calls(body: Json) -> list[tuple[str, str, Json]]:
    """Id, name and arguments of each call in the history."""
    found = []
    for message in _turns(body):
        for call in message.get("tool_calls") or ():
            function = call["function"]
            found.append((call["id"], function["name"], json.loads(function["arguments"])))
        if message.get("type") == "function_call":
            arguments = json.loads(message["arguments"])
            found.append((message["call_id"], message["name"], arguments))
        for block in _blocks(message):
            if block.get("type") == "tool_use":
                found.append((block["id"], block["name"], block["input"]))
            if "functionCall" in block:
                call = block["functionCall"]
                found.append((call.get("id", ""), call["name"], call.get("args", {})))
    return found


def results(body: Json) -> list[tuple[str, str, bool]]:
    """Call id, text and error flag of each tool result."""
    found = []
    for message in _turns(body):
        if message.get("role") == "tool":
            found.append(_result(message["tool_call_id"], message["content"]))
        if message.get("type") == "function_call_output":
            found.append(_result(message["call_id"], message["output"]))
        for block in _blocks(message):
            if block.get("type") == "tool_result":
                text = _text(block["content"])
                found.append((block["tool_use_id"], text, block.get("is_error", False)))
            if "functionResponse" in block:
                given = block["functionResponse"]
                said = given["response"]
                text = said.get("error", said.get("output", said.get("result", said)))
                found.append((given.get("id", ""), str(text), "error" in said))
    return found


def _result(call: str, content: str | list[Json]) -> tuple[str, str, bool]:
    """Where the dialect has no flag, the text begins with the word."""
    text = _text(content)
    bare = text.removeprefix("Error: ")
    return call, bare, bare != text


def images(body: Json) -> list[str]:
    """Base64 data or URL of each image, those in tool results too."""
    found = []
    for message in _turns(body):
        for block in [*_blocks(message), *_output(message)]:
            inner = block.get("content") if block.get("type") == "tool_result" else None
            more = block.get("functionResponse", {}).get("parts", [])
            for part in [*(inner if isinstance(inner, list) else [block]), *more]:
                found.extend(_image(part))
    return found


def _image(part: Json) -> Iterator[str]:
    if "inlineData" in part:
        # google-genai for Python writes the other alphabet.
        yield part["inlineData"]["data"].replace("-", "+").replace("_", "/")
    elif "fileData" in part:
        yield part["fileData"]["fileUri"]
    elif part.get("type") == "image":
        yield part["source"].get("data") or part["source"]["url"]
    elif part.get("type") in ("image_url", "input_image"):
        url = part["image_url"]
        address: str = url if isinstance(url, str) else url["url"]
        yield address.removeprefix("data:image/png;base64,")


def schema(body: Json) -> Json:
    """The schema of structured output."""
    if "response_format" in body:
        wanted: Json = body["response_format"]["json_schema"]["schema"]
    elif "text" in body:
        wanted = body["text"]["format"]["schema"]
    elif "generationConfig" in body:
        config = body["generationConfig"]
        wanted = config.get("responseJsonSchema") or config["responseSchema"]
    else:
        wanted = body["output_config"]["format"]["schema"]
    return wanted


def effort(body: Json) -> str | None:
    """How hard to think, if thinking is on."""
    found: str | None = body.get("reasoning_effort")
    if body.get("thinking", {}).get("type") == "adaptive":
        found = body["output_config"]["effort"]
    if "reasoning" in body:
        found = body["reasoning"]["effort"]
    if "generationConfig" in body:
        found = body["generationConfig"].get("thinkingConfig", {}).get("thinkingLevel")
    return None if found is None else found.lower()


def thoughts(body: Json) -> list[tuple[str, str]]:
    """Kind and value of each piece of thinking in the history, in order."""
    found = []
    for message in _turns(body):
        if message.get("reasoning_content"):
            found.append(("reasoning_content", message["reasoning_content"]))
        if message.get("type") == "reasoning":
            found.extend(("summary", part["text"]) for part in message["summary"])
            found.append(("encrypted", message.get("encrypted_content")))
        for block in _blocks(message):
            if block.get("type") == "thinking":
                found.append(("thinking", block["thinking"]))
                found.append(("signature", block["signature"]))
            if block.get("type") == "redacted_thinking":
                found.append(("redacted", block["data"]))
            if block.get("thought"):
                found.append(("thought", block["text"]))
            if "thoughtSignature" in block:
                found.append(("thoughtSignature", block["thoughtSignature"]))
    return found


def said(body: Json) -> str:
    """All text of the conversation, tools and thoughts apart."""
    texts = (_text(message.get("content") or _blocks(message)) for message in _turns(body))
    return "".join(texts)


def _turns(body: Json) -> list[Json]:
    """Messages, items or contents."""
    turns = body.get("messages") or body.get("contents") or body["input"]
    return [{"role": "user", "content": turns}] if isinstance(turns, str) else turns


def _blocks(message: Json) -> list[Json]:
    content = message.get("content") or message.get("parts")
    return content if isinstance(content, list) else []


def _output(item: Json) -> list[Json]:
    output = item.get("output")
    return output if isinstance(output, list) else []


def _text(content: str | list[Json]) -> str:
    if isinstance(content, str):
        return content
    blocks = (block for block in content if "text" in block and not block.get("thought"))
    return "".join(block["text"] for block in blocks)
