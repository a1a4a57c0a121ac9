"""The ways in which one target serves one client dialect (design decision 7; canonical.md §8).

A client's own dialect comes first, then the one that can say more.  A rule keeps the requests that
show its facts out of a dialect in which the model would refuse them, or lose what they ask for;
they take the first dialect that no rule keeps them out of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any

from msgspec import Struct

from plexus.compiler import catalog
from plexus.routing.target import Condition
from plexus.transformers import facts

CHAT = "openai-chat"

# A provider that does not speak the client's dialect is spoken to in the first of these that it
# has: the one that can say more comes first.  Never in the order of the config, where the order of
# keys means nothing.
PREFERENCE = (
    "openai-responses",
    "anthropic-messages",
    "gemini",
    "bedrock-converse",
    CHAT,
)


class Rule(Struct, frozen=True):
    """What keeps a request out of a dialect.

    ``mended``: where there is no other dialect, a translation writes the request so that the model
    takes it; without, it goes as it is.
    """

    condition: Condition
    mended: bool


class Way(Struct, frozen=True):
    """``passthrough``: in the client's own bytes."""

    condition: Condition | None
    upstream: str
    passthrough: bool


def ways(
    client: str, spoken: Sequence[str], known: Mapping[str, Any], has_steps: bool
) -> tuple[Way, ...]:
    """The candidates in their order, the last without a condition.

    ``spoken``: the provider's dialects; ``known``: capabilities of the model; ``has_steps``: a
    unified step ends pass-through, while wire steps and platforms do not.
    """
    runs = tuple((name, tuple(kinds)) for name, kinds in known.get("server_tools", {}).items())
    beside = known.get("reasoning_with_tools")
    return _ways(client, frozenset(spoken), has_steps, beside, frozenset(runs))


@cache
def _ways(
    client: str,
    spoken: frozenset[str],
    has_steps: bool,
    beside: bool | str | None,
    runs: frozenset[tuple[str, tuple[str, ...]]],
) -> tuple[Way, ...]:
    """The same for all models that are alike in it."""
    order = sorted(spoken, key=lambda name: (name != client, PREFERENCE.index(name)))
    rules = {name: tuple(_rules(client, name, beside, dict(runs))) for name in order}
    asked = sorted(
        {rule.condition for of in rules.values() for rule in of}, key=lambda found: found.facts
    )
    found: list[Way] = []
    for size in range(len(asked), -1, -1):
        for shown in combinations(asked, size):
            condition = _both(shown)
            upstream, mended = _choose(condition, order, rules)
            found.append(Way(condition, upstream, upstream == client and not (has_steps or mended)))
    return _without_repeated(found)


def _both(conditions: Sequence[Condition]) -> Condition | None:
    """The condition that all of them hold."""
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    shown = {fact: None for condition in conditions for fact in condition.facts}
    return Condition(" + ".join(condition.name for condition in conditions), tuple(shown))


def _choose(
    condition: Condition | None, order: Sequence[str], rules: Mapping[str, Sequence[Rule]]
) -> tuple[str, bool]:
    """Where requests go that show these facts, and no others that a rule asks for; and whether they
    have to be mended there.
    """
    shown = frozenset(() if condition is None else condition.facts)
    broken = {
        name: [rule for rule in rules[name] if shown.issuperset(rule.condition.facts)]
        for name in order
    }
    for name in order:
        if not broken[name]:
            return name, False
    return order[0], any(rule.mended for rule in broken[order[0]])


def _without_repeated(found: Sequence[Way]) -> tuple[Way, ...]:
    """Without the rows that send nothing elsewhere than the rows behind them do."""
    kept: list[Way] = []
    for way in reversed(found):
        shown = frozenset(() if way.condition is None else way.condition.facts)
        behind = next((other for other in reversed(kept) if _holds(other, shown)), None)
        if behind is None or _goes(behind) != _goes(way):
            kept.append(way)
    return tuple(reversed(kept))


def _holds(way: Way, shown: frozenset[str]) -> bool:
    return way.condition is None or shown.issuperset(way.condition.facts)


def _goes(way: Way) -> tuple[str, bool]:
    return way.upstream, way.passthrough


def _rules(
    client: str,
    upstream: str,
    beside: bool | str | None,
    known: Mapping[str, tuple[str, ...]],
) -> Iterator[Rule]:
    """What keeps requests of a client out of a dialect of a provider; ``known``: its server tools,
    by dialect.
    """
    if upstream == CHAT and (shown := _TOOLS.get(beside)) is not None:
        yield Rule(shown, mended=True)
    asked = catalog.client_dialect(client).ASKED_TOOLS
    runs = asked if client == upstream else catalog.dialect(upstream).SERVER_TOOLS
    allowed = known.get(upstream, tuple(asked))
    for kind in sorted(asked - runs.intersection(allowed)):
        yield Rule(Condition(kind.replace("_", " "), (facts.of_kind(kind),)), mended=False)


_TOOLS: dict[object, Condition] = {
    "unasked": Condition(
        "reasoning beside function tools", (facts.FUNCTION_TOOLS, facts.REASONING)
    ),
    False: Condition(
        "function tools, reasoning not off", (facts.FUNCTION_TOOLS, facts.REASONING_NOT_OFF)
    ),
    "never": Condition("function tools", (facts.FUNCTION_TOOLS,)),
}
"""By ``reasoning_with_tools``: what chat refuses (openai-chat.md §7)."""
