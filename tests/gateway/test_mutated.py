"""Mutated request bodies through a socket: whatever they say, no 5xx is of our making (A21)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from random import Random

import pytest

from tests.faults.server import FaultServer, Peer, fault_server
from tests.fuzz.harness import DIALECTS, LONG, must_be_json, run
from tests.fuzz.mutate import Mutator, written
from tests.fuzz.seeds import BUILT_IN_REQUESTS, requests
from tests.gateway import wire, wire_responses
from tests.gateway.conftest import provider
from tests.gateway.harness import CHAT, MESSAGES, Answer, Gateway, Json, Session, gateway

COUNT = 5_000 if LONG else 300
"""Bodies of each dialect."""

GEMINI = ("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse")
PATHS = {
    "openai-chat": (CHAT,),
    "anthropic-messages": (MESSAGES,),
    "openai-responses": ("/v1/responses",),
    "gemini": GEMINI,
}
PINNED = {
    "openai-chat": "/targets/chat/m",
    "anthropic-messages": "/targets/messages/m",
    "openai-responses": "/targets/responses/m",
    "gemini": "/targets/gemini/m",
}
COUNTED = {
    "anthropic-messages": "/v1/messages/count_tokens",
    "openai-responses": "/v1/responses/input_tokens",
    "gemini": "/v1beta/models/m:countTokens",
}
ENTRY = {
    "model": "models/m",
    "content": {"role": "user", "parts": [{"text": "one"}, {"text": "two"}]},
    "taskType": "RETRIEVAL_QUERY",
    "title": "t",
    "outputDimensionality": 3,
}
EMBEDDED: dict[str, tuple[str, list[Json]]] = {
    "openai-chat": (
        "/v1/embeddings",
        [
            {"model": "m", "input": ["one", "two"], "dimensions": 3, "encoding_format": "base64"},
            {"model": "m", "input": "one", "user": "u", "task_type": "CLUSTERING", "title": "t"},
        ],
    ),
    "gemini": ("/v1beta/models/m:batchEmbedContents", [{"requests": [ENTRY, ENTRY]}]),
}
ANSWERS = {
    "/chat/completions": (wire.chat, wire.chat_stream),
    "/messages": (wire.message, wire.message_stream),
    "/responses": (wire_responses.response, wire_responses.stream),
}


def embedded(asked: Json) -> tuple[int, bytes]:
    """As many vectors as were asked for."""
    texts = asked.get("requests", asked.get("input"))
    count = len(texts) if isinstance(texts, list) else 1
    data = [{"index": index, "embedding": [0.5]} for index in range(count)]
    vectors = {"data": data, "embeddings": [{"values": [0.5]}] * count}
    return 200, json.dumps({**vectors, "object": "list", "model": "m"}).encode()


async def script(peer: Peer) -> None:
    """A good answer; what a provider gets must be JSON, or its server would fall over."""
    must_be_json(peer.request.body)
    path = peer.request.path
    if "generateContent" in path:
        await peer.answer(200, json.dumps(wire.gemini()).encode())
        return
    if "streamGenerateContent" in path:
        await peer.stream(*wire.gemini_stream())
        return
    if path.endswith(("count_tokens", "input_tokens", "countTokens")):
        await peer.answer(200, b'{"input_tokens": 3, "totalTokens": 3}')
        return
    if "mbed" in path:
        await peer.answer(*embedded(json.loads(peer.request.body)))
        return
    whole, pieces = ANSWERS[path.removeprefix("/v1")]
    if json.loads(peer.request.body).get("stream") is True:
        await peer.stream(*pieces())
    else:
        await peer.answer(200, whole())


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultServer]:
    with fault_server(script) as server:
        yield server


@pytest.fixture(scope="module")
def served(upstream: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Any model name, to a provider of any dialect by chance."""
    config = {
        "providers": {
            "chat": provider(upstream),
            "messages": provider(upstream, "anthropic-messages"),
            "responses": provider(upstream, "openai-responses"),
            "gemini": provider(upstream, "gemini"),
        },
        "aliases": {"*": {"targets": ["chat/m", "messages/m", "responses/m", "gemini/m"]}},
    }
    with gateway(config, tmp_path_factory.mktemp("mutated")) as found:
        yield found


def outcome(dialect: str, answer: Answer) -> str:
    """What a client of ``dialect`` makes of an answer.  Raises AssertionError for what it must
    never see."""
    assert answer.status < 500, answer
    assert answer.headers["x-request-id"]
    if answer.status >= 400:
        words = answer.error["message"]
        assert isinstance(words, str) and words
        if dialect == "gemini":
            assert answer.error.keys() == {"code", "message", "status", "details"}
        elif dialect != "anthropic-messages":
            assert answer.error.keys() == {"message", "type", "param", "code"}
        else:
            assert answer.json["type"] == "error"
        return str(answer.status)
    assert answer.status == 200
    if answer.headers["content-type"].startswith("text/event-stream"):
        last = answer.body.decode().rstrip("\n").split("\n\n")[-1]
        if dialect == "gemini":
            assert '"finishReason":' in last, answer.body
            return "stream"
        ends = ("data: [DONE]", "event: message_stop\n", "event: response.completed\n")
        assert last.startswith(ends), answer.body
        return "stream"
    assert answer.json.get("error") is None
    return "JSON"


@pytest.mark.parametrize("name", DIALECTS)
def test_mutated_bodies(
    served: Gateway, upstream: FaultServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    seeds, paths = requests(name), PATHS[name]
    with served.session() as session:
        outcomes = run(
            f"{name} bodies through a socket",
            COUNT,
            lambda random: Mutator(seeds, random).document,
            sender(session, name, paths),
        )
    # Neither garbage only nor nothing but harmless changes.
    assert {"JSON", "stream", "400"} <= outcomes.keys()
    assert min(outcomes["JSON"] + outcomes["stream"], outcomes["400"]) > COUNT / 20, outcomes
    assert not [line for line in served.sink.lines if line[0] == "error"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not upstream.errors


def sender(session: Session, name: str, paths: tuple[str, ...]) -> Callable[[bytes, Random], str]:
    def check(raw: bytes, random: Random) -> str:
        return outcome(name, session.ask(random.choice(paths), raw))

    return check


@pytest.mark.parametrize("name", COUNTED)
def test_mutated_bodies_are_counted(served: Gateway, upstream: FaultServer, name: str) -> None:
    seeds = requests(name)

    def check(raw: bytes, random: Random) -> str:
        place = random.choice(("", PINNED["openai-chat"]))
        found = outcome(name, answer := session.ask(place + COUNTED[name], raw))
        if found == "JSON":
            figures = [value for value in answer.json.values() if type(value) is int]
            assert figures and min(figures) >= 1
            return "estimate" if "x-plexus-estimated" in answer.headers else "count"
        return found

    with served.session() as session:
        outcomes = run(
            f"{name} bodies that are counted",
            COUNT,
            lambda random: Mutator(seeds, random).document,
            check,
        )
    assert {"count", "estimate", "400"} <= outcomes.keys()
    assert not [line for line in served.sink.lines if line[0] == "error"]
    assert not upstream.errors


@pytest.mark.parametrize("name", EMBEDDED)
def test_mutated_embeddings(served: Gateway, upstream: FaultServer, name: str) -> None:
    path, seeds = EMBEDDED[name]
    with served.session() as session:
        outcomes = run(
            f"{name} embeddings",
            COUNT,
            lambda random: Mutator(seeds, random).document,
            sender(session, name, (path,)),
        )
    assert {"JSON", "400"} <= outcomes.keys()
    assert not [line for line in served.sink.lines if line[0] == "error"]
    assert not upstream.errors


@pytest.mark.parametrize("name", DIALECTS)
def test_what_is_mutated_was_good(served: Gateway, name: str) -> None:
    """The control: nothing but the mutations is refused by a provider of the same dialect."""
    with served.session() as session:
        for document in BUILT_IN_REQUESTS[name]:
            for path in PATHS[name]:
                answer = session.ask(PINNED[name] + path, written(document, True))
                assert outcome(name, answer) in ("JSON", "stream"), answer
