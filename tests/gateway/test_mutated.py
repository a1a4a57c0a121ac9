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
from tests.gateway.harness import CHAT, MESSAGES, Answer, Gateway, Session, gateway

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
ANSWERS = {
    "/chat/completions": (wire.chat, wire.chat_stream),
    "/messages": (wire.message, wire.message_stream),
    "/responses": (wire_responses.response, wire_responses.stream),
}


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


@pytest.mark.parametrize("name", DIALECTS)
def test_what_is_mutated_was_good(served: Gateway, name: str) -> None:
    """The control: nothing but the mutations is refused by a provider of the same dialect."""
    with served.session() as session:
        for document in BUILT_IN_REQUESTS[name]:
            for path in PATHS[name]:
                answer = session.ask(PINNED[name] + path, written(document, True))
                assert outcome(name, answer) in ("JSON", "stream"), answer
