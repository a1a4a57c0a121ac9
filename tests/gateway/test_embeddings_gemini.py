"""Embeddings between OpenAI's and Gemini's forms, AI Studio and Vertex AI (T94)."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.faults.server import FaultServer, Peer, Script
from tests.gateway.clouds import KEY, served
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import Gateway, Json

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "others"
RECORDED = sorted(CORPUS.glob("gemini-embeddings-google-*"))
OPENAI = "/v1/embeddings"
ONE, BATCH = "/v1beta/models/m:embedContent", "/v1beta/models/m:batchEmbedContents"
LOCATION = "/v1beta1/projects/p/locations/l"
VECTORS = [[0.5, -0.25, 1.0], [0.0, 2.0, -1.5]]
PACKED = [base64.b64encode(struct.pack("<3f", *vector)).decode() for vector in VECTORS]


def content(text: str) -> Json:
    return {"parts": [{"text": text}]}


def entry(text: str, **options: Any) -> Json:
    return {"model": "models/m", "content": content(text), **options}


def answers(body: Json, status: int = 200) -> Script:
    async def script(peer: Peer) -> None:
        await peer.answer(status, json.dumps(body).encode())

    return script


def alone(serve: Serve, server: FaultServer, dialect: str, **more: Any) -> Gateway:
    alias = {"targets": ["p/m"], **more}
    return serve({"providers": {"p": provider(server, dialect)}, "aliases": {"m": alias}})


def openai(*vectors: Any) -> Json:
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    return {"object": "list", "data": data, "model": "m-1", "usage": usage}


# -- Gemini clients ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_gemini_to_gemini_passes_through(serve: Serve, first: FaultServer, version: str) -> None:
    config = {
        "providers": {"p": provider(first, "gemini")},
        "aliases": {"org/e:1": {"targets": ["p/m"]}},
    }
    gateway = serve(config)
    said = b'{ "embedding": {"values": [0.50, 1e-3]}, "usageMetadata": {"promptTokenCount": 3}}'

    async def script(peer: Peer) -> None:
        await peer.answer(200, said)

    first.script = script
    body = b'{"content": {"parts": [{"inlineData": {"data": "AA=="}}]}, "x": 1.0}'
    answer = gateway.ask(f"/{version}/models/org/e:1:embedContent", body)
    assert (answer.status, answer.body) == (200, said)
    assert first.requests[0].path == "/v1/models/m:embedContent"
    assert first.requests[0].body == body
    batch = b'{"requests": [ {"model": "models/org/e:1", "content": {"parts": []}, "y": 1.0}, {} ]}'
    assert gateway.ask(f"/{version}/models/org/e:1:batchEmbedContents", batch).status == 200
    assert first.requests[1].path == "/v1/models/m:batchEmbedContents"
    expected = b'{"requests": [{"model": "models/m", "content": {"parts": []}, "y": 1.0},{}]}'
    assert first.requests[1].body == expected
    assert gateway.sink.wait_requests(1)[0]["tokens_in"] == 3


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_recorded_exchanges(serve: Serve, first: FaultServer, folder: Path) -> None:
    said = (folder / "response.json").read_bytes()
    meta = json.loads((folder / "meta.json").read_text())

    async def script(peer: Peer) -> None:
        await peer.answer(meta["status"], said)

    first.script = script
    asked = (folder / "request.json").read_bytes()
    answer = alone(serve, first, "gemini").ask(BATCH, asked)
    assert (answer.status, answer.body) == (meta["status"], said)
    sent, own = json.loads(first.requests[0].body), json.loads(asked)
    for request in own["requests"]:
        request["model"] = "models/m"
    assert sent == own


def test_recordings_are_there() -> None:
    if not RECORDED:
        pytest.skip(f"*** SKIPPED: no recorded embeddings in {CORPUS} ***")


@pytest.mark.parametrize("given", [VECTORS, PACKED], ids=["floats", "base64"])
def test_gemini_to_openai(serve: Serve, first: FaultServer, given: list[Any]) -> None:
    first.script = answers(openai(*given))
    body = {
        "requests": [
            entry("one", outputDimensionality=3),
            {"content": content("two"), "output_dimensionality": "3"},
        ]
    }
    gateway = alone(serve, first, "openai-chat")
    answer = gateway.ask(BATCH, body)
    assert answer.status == 200, answer.body
    assert answer.json == {
        "embeddings": [{"values": vector} for vector in VECTORS],
        "usageMetadata": {"promptTokenCount": 4},
    }
    (request,) = first.requests
    assert request.path == OPENAI
    assert json.loads(request.body) == {
        "model": "m",
        "input": ["one", "two"],
        "encoding_format": "float",
        "dimensions": 3,
    }
    assert gateway.sink.wait_requests(1)[0]["tokens_in"] == 4
    first.script = answers(openai(given[0]))
    answer = gateway.ask(ONE, entry("one", taskType="RETRIEVAL_QUERY", title="t"))
    assert answer.json["embedding"] == {"values": VECTORS[0]}
    lost = json.loads(answer.headers["x-plexus-warnings"])
    assert {row["field"] for row in lost} == {"task_type", "title"}


def test_answers_out_of_order_are_put_in_order(serve: Serve, first: FaultServer) -> None:
    body = openai(*VECTORS)
    body["data"].reverse()
    first.script = answers(body)
    gateway = alone(serve, first, "openai-chat")
    asked = {"requests": [entry("one"), entry("two")]}
    answer = gateway.ask(BATCH, asked)
    assert [item["values"] for item in answer.json["embeddings"]] == VECTORS
    for wrong in (openai(VECTORS[0]), {"data": [body["data"][0]] * 2}, {"data": 5}, {}):
        first.script = answers(wrong)
        answer = gateway.ask(BATCH, asked)
        assert (answer.status, answer.error["code"]) == (502, 502)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (ONE, {}, "content"),
        (ONE, {"content": 5}, "content"),
        (ONE, {"content": {"parts": []}}, "content.parts"),
        (ONE, {"content": content("x"), "outputDimensionality": "x"}, "outputDimensionality"),
        (ONE, {"content": {"parts": [{"inlineData": {}}]}}, "content"),
        (BATCH, {}, "requests"),
        (BATCH, {"requests": 5}, "requests[0]"),
        (
            BATCH,
            {"requests": [entry("x", outputDimensionality=3), entry("y")]},
            "requests[1].outputDimensionality",
        ),
    ],
)
def test_what_no_openai_target_can_embed(
    serve: Serve, first: FaultServer, path: str, body: Json, param: str
) -> None:
    answer = alone(serve, first, "openai-chat").ask(path, body)
    assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")
    assert answer.error["details"][0]["fieldViolations"][0]["field"] == param
    assert not first.requests


def test_a_strict_alias_refuses_what_is_lost(serve: Serve, first: FaultServer) -> None:
    gateway = alone(serve, first, "openai-chat", on_loss="error")
    answer = gateway.ask(ONE, entry("one", taskType="RETRIEVAL_QUERY"))
    assert answer.status == 400
    assert "taskType" in answer.error["message"]
    assert not first.requests


def test_no_target_embeds(serve: Serve, first: FaultServer) -> None:
    answer = alone(serve, first, "anthropic-messages").ask(ONE, entry("x"))
    assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")
    assert "does not serve embeddings" in answer.error["message"]


def test_errors_are_in_the_clients_dialect(serve: Serve, first: FaultServer) -> None:
    first.script = answers({"error": {"message": "too long", "type": "x"}}, 400)
    answer = alone(serve, first, "openai-chat").ask(ONE, entry("x"))
    assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")
    assert "too long" in answer.error["message"]


def test_a_model_that_does_not_embed(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    said = "models/m is not found for API version v1beta, or is not supported for embedContent."
    first.script = answers({"error": {"code": 404, "message": said, "status": "NOT_FOUND"}}, 404)
    second.script = answers(openai(VECTORS[0]))
    asked = {"model": "m", "input": "x"}
    answer = alone(serve, first, "gemini").ask(OPENAI, asked)
    assert (answer.status, answer.error["param"]) == (400, "model")
    assert "not supported for embedContent" in answer.error["message"]
    # Another target may.
    both = serve(two(provider(first, "gemini"), provider(second)))
    assert both.ask(OPENAI, asked).headers["x-plexus-provider"] == "second"


# -- OpenAI clients ----------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [None, "float", "base64"])
def test_T94_openai_to_gemini(serve: Serve, first: FaultServer, wanted: str | None) -> None:
    first.script = answers({"embeddings": [{"values": vector} for vector in VECTORS]})
    asked = {"model": "m", "input": ["one", "two"], "dimensions": 3, "task_type": "CLUSTERING"}
    if wanted is not None:
        asked["encoding_format"] = wanted
    answer = alone(serve, first, "gemini").ask(OPENAI, asked)
    data = answer.json["data"]
    assert [item["embedding"] for item in data] == (PACKED if wanted == "base64" else VECTORS)
    assert [item["index"] for item in data] == [0, 1]
    assert answer.json["usage"]["prompt_tokens"] == 1
    (request,) = first.requests
    assert request.path == "/v1/models/m:batchEmbedContents"
    options = {"outputDimensionality": 3, "taskType": "CLUSTERING"}
    assert json.loads(request.body) == {
        "requests": [entry("one", **options), entry("two", **options)]
    }


TOKENS = [[1, 2], [[1, 2], [3]], ["a", 1]]


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("platform", [None, "vertex"])
def test_token_arrays_are_refused(
    serve: Serve, first: FaultServer, tokens: Any, platform: str | None
) -> None:
    fields = {"type": "gemini", "api_key": KEY} | ({"platform": platform} if platform else {})
    gateway = serve(served(first, LOCATION, "text-embedding-005", **fields))
    answer = gateway.ask(OPENAI, {"model": "m", "input": tokens})
    assert (answer.status, answer.error["param"]) == (400, "input")
    assert not first.requests


# -- Vertex AI ---------------------------------------------------------------------------------


def predictions(*vectors: list[float]) -> Json:
    return {
        "predictions": [
            {"embeddings": {"values": v, "statistics": {"token_count": 2, "truncated": False}}}
            for v in vectors
        ],
        "metadata": {"billableCharacterCount": 6},
    }


def vertex(serve: Serve, server: FaultServer, model: str) -> Gateway:
    fields = {"type": "gemini", "platform": "vertex", "api_key": KEY}
    return serve(served(server, LOCATION, model, **fields))


@pytest.mark.parametrize("path", [OPENAI, BATCH])
def test_older_models_on_vertex_predict(serve: Serve, first: FaultServer, path: str) -> None:
    first.script = answers(predictions(*VECTORS))
    gateway = vertex(serve, first, "text-embedding-005")
    if path == OPENAI:
        asked: Json = {"model": "m", "input": ["one", "two"], "dimensions": 3}
        asked |= {"encoding_format": "base64", "task_type": "RETRIEVAL_QUERY"}
    else:
        options = {"outputDimensionality": 3, "taskType": "RETRIEVAL_QUERY"}
        asked = {"requests": [entry("one", **options), entry("two", **options)]}
    answer = gateway.ask(path, asked)
    (request,) = first.requests
    assert request.path == f"{LOCATION}/publishers/google/models/text-embedding-005:predict"
    assert json.loads(request.body) == {
        "instances": [
            {"content": "one", "task_type": "RETRIEVAL_QUERY"},
            {"content": "two", "task_type": "RETRIEVAL_QUERY"},
        ],
        "parameters": {"outputDimensionality": 3},
    }
    if path == OPENAI:
        assert [item["embedding"] for item in answer.json["data"]] == PACKED
        assert answer.json["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    else:
        assert [item["values"] for item in answer.json["embeddings"]] == VECTORS
        assert answer.json["usageMetadata"] == {"promptTokenCount": 4}


@pytest.mark.parametrize("path", [OPENAI, ONE])
def test_newer_models_on_vertex_take_contents(serve: Serve, first: FaultServer, path: str) -> None:
    said = {"embedding": {"values": VECTORS[0]}, "usageMetadata": {"promptTokenCount": 2}}
    first.script = answers(said)
    gateway = vertex(serve, first, "gemini-embedding-2")
    asked: Json = {"model": "m", "input": "one", "dimensions": 3}
    if path == ONE:
        asked = entry("one", outputDimensionality=3)
    answer = gateway.ask(path, asked)
    (request,) = first.requests
    assert request.path == f"{LOCATION}/publishers/google/models/gemini-embedding-2:embedContent"
    assert json.loads(request.body) == {
        "content": content("one"),
        "embedContentConfig": {"outputDimensionality": 3},
    }
    if path == OPENAI:
        assert answer.json["data"][0]["embedding"] == VECTORS[0]
        assert answer.json["usage"]["prompt_tokens"] == 2
    else:
        assert answer.json == said


def test_several_contents_on_vertex(serve: Serve, first: FaultServer) -> None:
    first.script = answers({"embeddings": [{"values": vector} for vector in VECTORS]})
    picture = {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}
    body = {"requests": [{"content": picture}, {"content": content("two"), "taskType": "X"}]}
    answer = vertex(serve, first, "gemini-embedding-2").ask(BATCH, body)
    assert [item["values"] for item in answer.json["embeddings"]] == VECTORS
    (request,) = first.requests
    assert request.path.endswith("/gemini-embedding-2:batchEmbedContents")
    assert json.loads(request.body) == {
        "requests": [
            {"content": picture},
            {"content": content("two"), "embedContentConfig": {"taskType": "X"}},
        ]
    }
    one_at_a_time = vertex(serve, first, "intfloat/e5-maas")
    answer = one_at_a_time.ask(OPENAI, {"model": "m", "input": ["a", "b"]})
    assert (answer.status, answer.error["param"]) == (400, "input")
    text_only = vertex(serve, first, "text-embedding-005")
    assert text_only.ask(BATCH, body).status == 400


# -- echo --------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/aliases/m", "/targets/e/m"])
def test_echo_embeds_for_everyone(serve: Serve, prefix: str) -> None:
    gateway = serve(
        {
            "providers": {"e": {"type": "echo", "models": ["m"]}},
            "aliases": {"m": {"targets": ["e/m"]}},
        }
    )
    asked = {"model": "m", "input": ["one two", "three"], "dimensions": 16}
    vectors = [item["embedding"] for item in gateway.ask(prefix + OPENAI, asked).json["data"]]
    options = {"outputDimensionality": 16}
    body = {"requests": [entry("one two", **options), entry("three", **options)]}
    answer = gateway.ask(prefix + BATCH, body)
    assert [item["values"] for item in answer.json["embeddings"]] == vectors
    assert answer.json["usageMetadata"] == {"promptTokenCount": 3}
    one = gateway.ask(prefix + ONE, entry("three", **options))
    assert one.json["embedding"]["values"] == vectors[1]
    assert gateway.ask(prefix + ONE, {"content": {"parts": [{"text": 5}]}}).status == 400
