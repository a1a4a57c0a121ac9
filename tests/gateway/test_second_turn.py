"""Thinking and parallel tools over several turns, on every pair of client and provider dialect.

A served gateway between clients (``agents.py``) and providers (``strict.py``) on sockets.  A round
is whole when the provider, each time it is asked again, finds every thought and proof it issued in
its place, with the calls and their results, and has refused nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from plexus.gateway.limits import Limits
from tests.faults.server import fault_server
from tests.gateway.agents import AGENTS
from tests.gateway.conftest import provider
from tests.gateway.harness import Gateway, Json, gateway
from tests.gateway.strict import ANSWER, PROVIDERS, STEPS, Provider

SHORT = {
    "openai-chat": "chat",
    "openai-responses": "responses",
    "anthropic-messages": "messages",
    "gemini": "gemini",
}
MORE: dict[str, Json] = {
    "openai-chat": {"profile": "deepseek"},
    "anthropic-messages": {"models": {"m": {"capabilities": {"thinking": "budget"}}}},
}
PAIRS = [(client, upstream) for client in SHORT for upstream in SHORT]


@contextmanager
def served(folder: Path, vault: bool = True) -> Iterator[tuple[Gateway, dict[str, Provider]]]:
    """Aliases are named by their provider; behind ``NAME-steps`` nothing is passed through."""
    with ExitStack() as stack:
        upstreams = {name: made() for name, made in PROVIDERS.items()}
        config: Json = {"providers": {}, "aliases": {}}
        for name, upstream in upstreams.items():
            server = stack.enter_context(fault_server(upstream))
            made = provider(server, name, **MORE.get(name, {}))
            config["providers"][SHORT[name]] = made
            config["providers"][f"{SHORT[name]}-steps"] = {
                **made,
                "transformer": {"use": ["cleancache"]},
            }
        for alias in config["providers"]:
            config["aliases"][alias] = {"targets": [f"{alias}/m"]}
        limits = Limits() if vault else Limits(vault_turns=0)
        yield stack.enter_context(gateway(config, folder, limits)), upstreams


def converse(
    plexus: Gateway,
    upstreams: dict[str, Provider],
    client: str,
    name: str,
    stream: bool,
    **how: str,
) -> list[str]:
    """What the provider found each time it was asked; ``how``: ``strips``, ``alias``."""
    agent = AGENTS[client]
    alias = how.get("alias", SHORT[name])
    question = f"{client} {name} {stream} {sorted(how.items())}"
    body = agent.ask(alias, question, stream)
    for step in range(STEPS + 1):
        answer = plexus.ask(agent.path(alias, stream), body)
        if answer.status != 200:
            break
        turn = agent.read(answer, stream)
        assert agent.called(turn) == (step < STEPS), turn
        if step < STEPS:
            agent.go_on(body, agent.strip(turn) if "strips" in how else turn)
        else:
            assert ANSWER in answer.body.decode() or stream
    return upstreams[name].seen[question]


WHOLE = ["whole"] * (STEPS + 1)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, dict[str, Provider]]]:
    with served(tmp_path_factory.mktemp("turns")) as found:
        yield found


Served = tuple[Gateway, dict[str, Provider]]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_client_that_echoes_everything(
    both: Served, client: str, upstream: str, stream: bool
) -> None:
    assert converse(*both, client, upstream, stream) == WHOLE


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_client_that_strips(both: Served, client: str, upstream: str, stream: bool) -> None:
    alias = SHORT[upstream] + ("-steps" if client == upstream else "")
    assert converse(*both, client, upstream, stream, strips="yes", alias=alias) == WHOLE
