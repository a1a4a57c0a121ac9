"""Recorded requests and answers: nothing of a request is lost on the way through."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import gemini
from plexus.transformers.gemini.reader import snake
from plexus.transformers.gemini.schema import json_schema
from plexus.unified.errors import PlexusError
from tests.transformers.gemini.support import TARGET, answer, call, read_bytes, request_to

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "gemini"
REQUESTS = sorted(CORPUS.glob("*/request.json"))
ANSWERS = sorted(CORPUS.glob("*/response.*"))
REFUSED = {
    # Google refused it itself: a role it does not know.
    "vertex-generate-content-invalid-role-1",
}


def test_the_corpus_is_here() -> None:
    if not CORPUS.is_dir():
        pytest.skip("SKIPPED: ../shared/corpus with the recorded traffic is not here")
    assert len(REQUESTS) > 90
    assert len(ANSWERS) > 100


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.parent.name)
def test_a_recorded_request_through_the_canonical_form(path: Path) -> None:
    raw = path.read_bytes()
    if path.parent.name in REFUSED:
        with pytest.raises(PlexusError):
            gemini.parse_request(call(raw))
        return
    made = gemini.format_request(gemini.parse_request(call(raw)), TARGET)
    assert made.warnings == ()
    assert _normal(json.loads(made.body)) == _normal(json.loads(raw))


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.parent.name)
def test_a_recorded_request_passed_through(path: Path) -> None:
    raw = path.read_bytes()
    assert gemini.passthrough(call(raw), TARGET).body == raw


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.parent.name)
def test_a_recorded_answer(path: Path) -> None:
    meta = json.loads((path.parent / "meta.json").read_text())
    raw = path.read_bytes()
    if meta["status"] >= 400:
        error = gemini.parse_error(meta["status"], {}, raw)
        assert error.message
        return
    if meta["stream"]:
        assert read_bytes(raw)
        return
    response = answer(raw, request_to())
    assert response.choices


_CAMEL = {
    snake(name): name
    for name in (
        "allowedFunctionNames",
        "fileData",
        "fileUri",
        "functionCall",
        "functionResponse",
        "includeThoughts",
        "inlineData",
        "mimeType",
        "parametersJsonSchema",
        "responseMimeType",
        "responseSchema",
        "thoughtSignature",
    )
}


def _normal(body: dict[str, Any]) -> dict[str, Any]:
    """The body in one spelling: camelCase, JSON Schema, tools apart, contents joined by role."""
    out: dict[str, Any] = _camel(body)
    system = out.get("systemInstruction")
    if isinstance(system, str):
        out["systemInstruction"] = {"parts": [{"text": system}]}
    elif system is not None:
        system.pop("role", None)
        system["parts"] = list(map(_part, system.get("parts", [])))
        if not system:
            del out["systemInstruction"]
    out["tools"] = _tools(out.get("tools", []))
    out["contents"] = _contents(out["contents"])
    config = out.get("generationConfig", {})
    if "responseSchema" in config:
        config["responseJsonSchema"] = _schema(config.pop("responseSchema"))
    if config.get("candidateCount") == 1:
        del config["candidateCount"]
    kinds = config.get("responseModalities")
    if kinds is not None:
        config["responseModalities"] = [str(kind).upper() for kind in kinds]
    for name in ("generationConfig", "toolConfig", "tools"):
        if not out.get(name):
            out.pop(name, None)
    return out


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        _CAMEL.get(name, name): inner if name in ("args", "response") else _camel(inner)
        for name, inner in value.items()
        if inner is not None
    }


def _tools(tools: list[Any]) -> list[Any]:
    functions, others = [], []
    for tool in tools:
        for function in tool.get("functionDeclarations", []):
            if "parameters" in function:
                function["parametersJsonSchema"] = _schema(function.pop("parameters"))
            functions.append(function)
        others += [{k: v} for k, v in tool.items() if k != "functionDeclarations"]
    return [functions, others] if functions or others else []


def _schema(schema: Any) -> Any:
    return json.loads(bytes(json_schema(Raw(json.dumps(schema).encode()))))


def _contents(contents: Any) -> list[Any]:
    out: list[tuple[str, list[Any]]] = []
    for content in contents if isinstance(contents, list) else [contents]:
        role = content.get("role", "user")
        role = "user" if role == "function" else role
        parts = content["parts"]
        for part in parts if isinstance(parts, list) else [parts]:
            part = _part(part)
            if out and out[-1][0] == role:
                said = out[-1][1]
                # The events of a stream, which the client kept one by one, are one text.
                if role == "model" and part.keys() == said[-1].keys() == {"text"}:
                    part = {"text": said.pop()["text"] + part["text"]}
                said.append(part)
            else:
                out.append((role, [part]))
    return out


def _part(part: dict[str, Any]) -> dict[str, Any]:
    part = {name: value for name, value in part.items() if not (name == "thought" and not value)}
    inline = part.get("inlineData")
    if inline is not None:
        data = inline["data"].replace("-", "+").replace("_", "/")
        inline["data"] = data + "=" * (-len(data) % 4)
    result = part.get("functionResponse")
    if result is not None:
        # A result without an id gets that of its call.
        result.pop("id", None)
    if result is not None and result["response"].keys() == {"output"}:
        value = result["response"]["output"]
        result["response"] = value if isinstance(value, dict) else result["response"]
    if "functionCall" in part:
        part["functionCall"].setdefault("args", {})
    return part
