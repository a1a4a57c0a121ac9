"""``on_loss``: what a target cannot say is a header, or a 400 that names it.  With controls."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Struct

from tests.faults.server import FaultServer, Peer
from tests.gateway import wire
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, MESSAGES, Gateway, Json
from tests.gateway.test_promises import PATHS, good, text_of


class Case(Struct, frozen=True):
    """``asks`` is said in ``client`` and has no place at a provider of ``upstream``."""

    client: str
    upstream: str
    asks: Json
    field: str
    outcome: str
    param: str


CASES = {
    "lost": Case(
        "openai-chat",
        "anthropic-messages",
        {"logit_bias": {"50256": -100}},
        "logit_bias",
        "lost",
        "logit_bias",
    ),
    "approximated": Case(
        "openai-chat",
        "anthropic-messages",
        {"messages": [{"role": "assistant", "content": "hi"}, {"role": "user", "content": "?"}]},
        "message.first_assistant",
        "approximated",
        "messages",
    ),
    "lost-back": Case("anthropic-messages", "openai-chat", {"top_k": 4}, "top_k", "lost", "top_k"),
}
KEPT: dict[str, Json] = {
    "openai-chat": {"stop": ["END"]},
    "anthropic-messages": {"system": "Be brief."},
}
"""What the other dialect can say as well."""


def config(first: FaultServer, second: FaultServer, case: Case) -> Json:
    """``one`` cannot say it, ``other`` can; ``m`` tries one after the other.

    The names with ``strict`` refuse losses.
    """
    found = two(provider(first, case.upstream), provider(second, case.client))
    for name, alias in list(found["aliases"].items()):
        found["aliases"][f"strict-{name}"] = {**alias, "on_loss": "error"}
    return found


def told(headers: dict[str, str]) -> list[Any]:
    found: list[Any] = json.loads(headers.get("x-plexus-warnings", "[]"))
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("name", CASES)
def test_warn_answers_and_says_so(
    serve: Serve, first: FaultServer, second: FaultServer, name: str, stream: bool
) -> None:
    case = CASES[name]
    first.script, second.script = good(case.upstream, "first"), good(case.client)
    served = serve(config(first, second, case))
    path = PATHS[case.client]
    answer = served.ask(path, model="one", stream=stream, **case.asks)
    assert answer.status == 200, answer.body
    assert text_of(served, path, answer.body) == "first"
    expected = {"field": case.field, "outcome": case.outcome, "path": case.param}
    assert expected in told(answer.headers)
    # The controls: nothing was lost in the dialect itself, nor from what both dialects can say.
    same = served.ask(path, model="other", stream=stream, **case.asks)
    plain = served.ask(path, model="one", stream=stream, **KEPT[case.client])
    assert same.status == plain.status == 200
    assert "x-plexus-warnings" not in same.headers | plain.headers


def refused(served: Gateway, path: str, model: str, asks: Json, stream: bool) -> Json:
    answer = served.ask(path, model=model, stream=stream, **asks)
    assert answer.status == 400, answer.body
    assert "on_loss" in answer.error["message"]
    return answer.error


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("name", CASES)
def test_error_refuses_with_the_parameter(
    serve: Serve, first: FaultServer, second: FaultServer, name: str, stream: bool
) -> None:
    case = CASES[name]
    first.script, second.script = good(case.upstream, "first"), good(case.client)
    served = serve(config(first, second, case))
    path = PATHS[case.client]
    error = refused(served, path, "strict-one", case.asks, stream)
    assert case.param in error["message"]
    if path == CHAT:
        assert (error["param"], error["code"]) == (case.param, "plexus_loss")
    else:
        assert error["type"] == "invalid_request_error"
    assert not first.requests
    # Another target of the alias that can say it is asked instead.
    over = served.ask(path, model="strict-m", stream=stream, **case.asks)
    assert text_of(served, path, over.body) == "second"
    assert not first.requests
    assert "x-plexus-warnings" not in over.headers
    # The controls: the same without strictness; and what loses nothing.
    assert served.ask(path, model="one", stream=stream, **case.asks).status == 200
    plain = served.ask(path, model="strict-one", stream=stream, **KEPT[case.client])
    assert text_of(served, path, plain.body) == "first"


def test_strictness_of_the_whole_config(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    """The alias's own word wins over the config's."""
    case = CASES["lost"]
    first.script, second.script = good(case.upstream, "first"), good(case.client)
    strict = {**config(first, second, case), "on_loss": "error"}
    strict["aliases"]["lax"] = {"targets": ["first/m"], "on_loss": "warn"}
    served = serve(strict)
    refused(served, CHAT, "one", case.asks, False)
    assert served.ask(model="lax", **case.asks).status == 200


def test_losses_of_an_answer_are_told_too(serve: Serve, first: FaultServer) -> None:
    """They come too late for a 400, and for the headers of a stream."""

    async def script(peer: Peer) -> None:
        choice: Json = json.loads(wire.chat("hello"))["choices"][0]
        await peer.answer(200, wire.chat(choices=[{**choice, "logprobs": {"content": []}}]))

    first.script = script
    served = serve(two(provider(first), provider(first)))
    answer = served.ask(MESSAGES, model="one")
    assert answer.status == 200
    assert [row["field"] for row in told(answer.headers)] == ["response.logprobs"]
    assert "x-plexus-warnings" not in served.ask(CHAT, model="one").headers
