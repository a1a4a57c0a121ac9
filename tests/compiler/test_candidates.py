"""The rows that the build writes say the same as the rule they are made from, for every request."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from plexus.compiler import catalog
from plexus.compiler.candidates import PREFERENCE, Way, ways
from plexus.transformers import facts

CLIENTS = tuple(catalog.client_dialects())
FACTS = (facts.FUNCTION_TOOLS, facts.REASONING, *map(facts.of_kind, facts.KINDS))
CAPABILITIES: tuple[dict[str, Any], ...] = (
    {},
    {"reasoning_with_tools": True},
    {"reasoning_with_tools": "unasked"},
    {"reasoning_with_tools": False},
    {"reasoning_with_tools": "never", "server_tools": {"openai-chat": ()}},
    {
        "reasoning_with_tools": "unasked",
        "server_tools": {"openai-responses": (), "anthropic-messages": ("web_search",)},
    },
)


def requests() -> Iterator[frozenset[str]]:
    """Every set of facts that a request can show."""
    for size in range(len(FACTS) + 1):
        for shown in combinations(FACTS, size):
            if facts.REASONING in shown:
                yield frozenset((*shown, facts.REASONING_NOT_OFF))
            else:
                yield frozenset(shown)
                yield frozenset((*shown, facts.REASONING_NOT_OFF))


def chosen(found: tuple[Way, ...], shown: frozenset[str]) -> Way:
    return next(w for w in found if w.condition is None or shown.issuperset(w.condition.facts))


def refused_by_chat(known: dict[str, Any], shown: frozenset[str]) -> bool:
    """openai-chat.md §7, in other words than the compiler's."""
    if facts.FUNCTION_TOOLS not in shown:
        return False
    match known.get("reasoning_with_tools"):
        case "never":
            return True
        case "unasked":
            return facts.REASONING in shown
        case False:
            return facts.REASONING_NOT_OFF in shown
    return False


def served(client: str, upstream: str, known: dict[str, Any], shown: frozenset[str]) -> bool:
    """Whether a dialect takes such a request as it is meant (canonical.md §8)."""
    if upstream == "openai-chat" and refused_by_chat(known, shown):
        return False
    allowed = known.get("server_tools", {}).get(upstream, facts.KINDS)
    for kind in catalog.client_dialect(client).ASKED_TOOLS:
        if facts.of_kind(kind) in shown:
            own = client == upstream or kind in catalog.dialect(upstream).SERVER_TOOLS
            if not own or kind not in allowed:
                return False
    return True


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("known", CAPABILITIES, ids=str)
def test_every_request_goes_where_the_rule_says(client: str, known: dict[str, Any]) -> None:
    for size in range(1, len(PREFERENCE) + 1):
        for spoken in combinations(PREFERENCE, size):
            found = ways(client, spoken, known, has_steps=False)
            assert found[-1].condition is None
            assert all(way.condition is not None for way in found[:-1])
            order = [client] if client in spoken else []
            order += [name for name in spoken if name != client]
            for shown in requests():
                way = chosen(found, shown)
                taking = [name for name in order if served(client, name, known, shown)]
                assert way.upstream == (taking or order)[0], (spoken, shown)
                mended = way.upstream == "openai-chat" and refused_by_chat(known, shown)
                assert way.passthrough is (way.upstream == client and not mended)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("known", CAPABILITIES, ids=str)
def test_no_row_is_idle(client: str, known: dict[str, Any]) -> None:
    """Each row is the one that some request takes, and sends it elsewhere than the rest would."""
    for has_steps in (False, True):
        for size in range(1, len(PREFERENCE) + 1):
            for spoken in combinations(PREFERENCE, size):
                found = ways(client, spoken, known, has_steps)
                assert not (has_steps and any(way.passthrough for way in found))
                for number, way in enumerate(found[:-1]):
                    assert way.condition is not None
                    rest = chosen(found[number + 1 :], frozenset(way.condition.facts))
                    goes = (way.upstream, way.passthrough)
                    assert goes != (rest.upstream, rest.passthrough), (spoken, way)


def test_the_order_of_the_config_means_nothing() -> None:
    for client in CLIENTS:
        for known in CAPABILITIES:
            spoken = ("openai-chat", "gemini", "openai-responses", "anthropic-messages")
            assert ways(client, spoken, known, False) == ways(client, spoken[::-1], known, False)
