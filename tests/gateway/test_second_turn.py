"""Thinking and parallel tools over several turns, on every pair of client and provider dialect.

A served gateway between clients (``agents.py``) and providers (``strict.py``) on sockets.  A round
is whole when the provider, each time it is asked again, finds every thought and proof it issued in
its place, with the calls and their results, and has refused nothing.

What is passed through is the client's own, so a client that strips its provider's dialect is served
here by a target whose steps end pass-through; the last test shows it without.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from plexus.gateway.limits import Limits
from tests.faults.server import fault_server
from tests.gateway.agents import AGENTS
from tests.gateway.conftest import provider
from tests.gateway.harness import Gateway, Json, gateway
from tests.gateway.strict import (
    ANSWER,
    PROVIDERS,
    STEPS,
    OpenRouter,
    OpenRouterGemini,
    Provider,
    proof,
)

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
ROUTER: Json = {"profile": "openrouter"}
PAIRS = [(client, upstream) for client in SHORT for upstream in SHORT]
WHOLE = ["whole"] * (STEPS + 1)
KEYS = {"ann": "sk-ann-0123456789abcdef", "bob": "sk-bob-0123456789abcdef"}


class Served:
    """Aliases are named by their provider; behind ``NAME-steps`` nothing is passed through."""

    def __init__(self, plexus: Gateway, upstreams: dict[str, Provider]) -> None:
        self.question = ""
        self._count = count(1)
        self.plexus = plexus
        self.upstreams = upstreams

    def converse(
        self, client: str, name: str, stream: bool, alias: str = "", strips: bool = False
    ) -> list[str]:
        """What the provider found each time it was asked, to the end of the conversation."""
        agent = AGENTS[client]
        alias = alias or SHORT[name]
        self.question = question = f"{client} asks {alias} for the {next(self._count)}. time"
        body = agent.ask(alias, question, stream)
        for step in range(STEPS + 1):
            answer = self.plexus.ask(agent.path(alias, stream), body)
            if answer.status != 200:
                break
            turn = agent.read(answer, stream)
            assert agent.called(turn) == (step < STEPS), turn
            if step < STEPS:
                agent.go_on(body, agent.strip(turn) if strips else turn)
            else:
                assert ANSWER in json.dumps(turn)
        return self.upstreams[name].seen[question]

    def stripped(self, client: str, name: str, stream: bool) -> list[str]:
        alias = SHORT[name] + ("-steps" if client == name else "")
        return self.converse(client, name, stream, alias, strips=True)


@contextmanager
def served(
    folder: Path,
    made: Mapping[str, type[Provider]] = PROVIDERS,
    settings: Mapping[str, Json] = MORE,
    vault: bool = True,
) -> Iterator[Served]:
    with ExitStack() as stack:
        upstreams = {name: kind() for name, kind in made.items()}
        providers: Json = {}
        for name, upstream in upstreams.items():
            server = stack.enter_context(fault_server(upstream))
            own = provider(server, name, **settings.get(name, {}))
            providers[SHORT[name]] = own
            providers[f"{SHORT[name]}-steps"] = {**own, "transformer": {"use": ["cleancache"]}}
        aliases = {name: {"targets": [f"{name}/m"]} for name in providers}
        config = {"providers": providers, "aliases": aliases}
        limits = Limits() if vault else Limits(vault_turns=0)
        yield Served(stack.enter_context(gateway(config, folder, limits)), upstreams)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("turns")) as found:
        yield found


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The control: nothing is remembered."""
    with served(tmp_path_factory.mktemp("forgetful"), vault=False) as found:
        yield found


MODES = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


@MODES
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_client_that_echoes_everything(
    both: Served, client: str, upstream: str, stream: bool
) -> None:
    assert both.converse(client, upstream, stream) == WHOLE


@MODES
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_client_that_strips(both: Served, client: str, upstream: str, stream: bool) -> None:
    assert both.stripped(client, upstream, stream) == WHOLE


def test_the_table(both: Served, forgetful: Served) -> None:
    """All of it once more in figures, beside the control without the vault."""
    rounds = [(client, name, stream) for client, name in PAIRS for stream in (False, True)]
    echo = [both.converse(*each) == WHOLE for each in rounds]
    echo_alone = [forgetful.converse(*each) == WHOLE for each in rounds]
    strip = [both.stripped(*each) == WHOLE for each in rounds]
    strip_alone = [forgetful.stripped(*each) == WHOLE for each in rounds]
    print()
    print(f"{'client':20} {'provider':20} {'echo':>8} {'strip':>8} {'strip, no vault':>16}")
    for number, (client, name) in enumerate(PAIRS):
        here = slice(2 * number, 2 * number + 2)
        cells = [f"{sum(found[here])}/2" for found in (echo, strip, strip_alone)]
        print(f"{client:20} {name:20} {cells[0]:>8} {cells[1]:>8} {cells[2]:>16}")
    print(f"echo {sum(echo)}/32, strip {sum(strip)}/32")
    print(f"without the vault: echo {sum(echo_alone)}/32, strip {sum(strip_alone)}/32")
    assert (sum(echo), sum(strip)) == (32, 32)
    assert (sum(echo_alone), sum(strip_alone)) == (32, 0)


@MODES
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_without_the_vault_a_conversation_goes_on(
    forgetful: Served, client: str, upstream: str, stream: bool
) -> None:
    """Layer 3: the provider misses something, and takes the request all the same."""
    found = forgetful.stripped(client, upstream, stream)
    assert found[0] == "whole"
    assert found[-1].startswith("lacking: ")
    # Ids of its own items and unsigned calls are a native client's word: refused, then mended.
    native = client == upstream and client in ("gemini", "openai-responses")
    assert any(note.startswith("refused") for note in found) == native


@MODES
@pytest.mark.parametrize("client", SHORT)
@pytest.mark.parametrize("router", [OpenRouter, OpenRouterGemini])
def test_details_of_a_router_come_back_as_they_were(
    tmp_path: Path, router: type[Provider], client: str, stream: bool
) -> None:
    """OpenRouter's proofs are of many vendors; it keeps them apart itself (vendors.md §5)."""
    alias = "chat-steps"
    with served(tmp_path, {"openai-chat": router}, {"openai-chat": ROUTER}) as found:
        assert found.converse(client, "openai-chat", stream, alias) == WHOLE
        assert found.converse(client, "openai-chat", stream, alias, strips=True) == WHOLE


@MODES
@pytest.mark.parametrize("client", SHORT)
@pytest.mark.parametrize("first", SHORT)
def test_T22_T25_no_other_provider_sees_a_proof(
    both: Served, client: str, first: str, stream: bool
) -> None:
    """The conversation moves on to the other three, from clients that echo and that strip."""
    agent = AGENTS[client]
    question = f"{client} moves on from {first} {stream}"
    body = agent.ask(f"{SHORT[first]}-steps", question, stream)
    turn = agent.read(both.plexus.ask(agent.path(f"{SHORT[first]}-steps", stream), body), stream)
    secret = proof(first, question, 0)
    for kept in (turn, agent.strip(turn)):
        for other in set(SHORT) - {first}:
            history: Json = json.loads(json.dumps(body))
            agent.go_on(history, kept)
            if "model" in history:
                history["model"] = SHORT[other] + "-steps"
            both.plexus.ask(agent.path(SHORT[other] + "-steps", stream), history)
            sent = both.upstreams[other].bodies[question].pop()
            assert secret.encode() not in sent
            assert b"plx1." not in sent
            assert question.encode() in sent


def test_what_one_key_was_told_is_nothing_to_another(tmp_path: Path) -> None:
    """Two callers with the same question, the same ids and the same words."""
    keys = {name: {"secret": {"env": name.upper()}} for name in KEYS}
    secrets = {name.upper(): secret for name, secret in KEYS.items()}
    with ExitStack() as stack:
        upstream = PROVIDERS["gemini"]()
        server = stack.enter_context(fault_server(upstream))
        config = {
            "keys": keys,
            "providers": {"gemini": provider(server, "gemini")},
            "aliases": {"gemini": {"targets": ["gemini/m"]}},
        }
        environment = {"UPSTREAM_KEY": "sk-upstream-51c0ffee", **secrets}
        plexus = stack.enter_context(gateway(config, tmp_path, environment=environment))
        agent = AGENTS["openai-chat"]
        body = agent.ask("gemini", "whose is it", False)
        path = agent.path("gemini", False)
        mine, other = ({"x-api-key": secret} for secret in KEYS.values())
        agent.go_on(body, agent.strip(agent.read(plexus.ask(path, body, headers=mine), False)))
        assert plexus.ask(path, body, headers=other).status == 200
        assert plexus.ask(path, body, headers=mine).status == 200
        found = upstream.seen["whose is it"]
        assert found == ["whole", "lacking: signature of step 0 ", "whole"]


@pytest.mark.parametrize("client", ["openai-responses", "gemini"])
def test_what_is_passed_through_stays_the_client_s_own(both: Served, client: str) -> None:
    """A client that strips its provider's dialect hears of it from its provider."""
    found = both.converse(client, client, False, strips=True)
    assert found[0] == "whole"
    assert found[1].startswith("refused: ")
    assert len(found) == 2


def test_nothing_of_it_is_logged_or_shown(both: Served) -> None:
    assert both.converse("openai-chat", "anthropic-messages", True, strips=True) == WHOLE
    question = both.question
    shown = repr(both.plexus.services.vault) + repr(both.plexus.sink.lines)
    for step in range(STEPS):
        assert proof("anthropic-messages", question, step) not in shown
    assert "They ask" not in shown
