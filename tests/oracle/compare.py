"""Both gateways asked the same, and every difference put into its class."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.oracle import facts
from tests.oracle.classes import CLASSES, Class, View
from tests.oracle.exchanges import CHAT, MESSAGES, REWRITING, Exchange
from tests.oracle.facts import Difference
from tests.oracle.servers import Both, Said


@dataclass
class Result:
    """``counts`` by class; ``unexplained`` are lines for a person to read."""

    cases: set[str] = field(default_factory=set)
    exchanges: int = 0
    differences: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)

    def line(self) -> str:
        return (
            f"{len(self.cases)} corpus cases, {self.differences} differences"
            f" in {len(self.counts)} classes, {len(self.unexplained)} unexplained"
        )


def run(both: Both, exchanges: Iterator[Exchange]) -> Result:
    result = Result()
    for exchange in exchanges:
        result.cases.add(exchange.case)
        result.exchanges += 1
        result.routes[exchange.route.name] += 1
        for view in views(exchange, *both.ask(exchange)):
            result.differences += 1
            found = explained(view)
            if found is None:
                result.unexplained.append(_told(exchange, view.d))
            else:
                result.counts[found.name] += 1
    return result


def explained(view: View) -> Class | None:
    """The class of a difference, None when it is in none."""
    return next((known for known in CLASSES if known.fits(view)), None)


def views(exchange: Exchange, parent: Said, plexus: Said) -> Iterator[View]:
    """Every difference of one exchange, with what a class may look at.

    Those of side ``passed`` belong to no class: Plexus said what neither client nor provider did.
    """
    given = json.dumps(exchange.body) + exchange.answer.decode("utf-8", "replace")
    if "ask" in exchange.judged:
        asked = [facts.normal(said.asked, given) for said in (parent, plexus)]
        yield from _side("ask", exchange, *asked, parent, plexus)
        yield from _views(_edited(exchange, plexus), exchange, *asked, parent, plexus)
    # An answer to a question that never went out is of no interest.
    if "answer" in exchange.judged and parent.asked is not None and plexus.asked is not None:
        right = facts.answer(exchange.client, plexus.kind, plexus.body, plexus.ended)
        one = len(right.get("choices") or ()) <= 1
        left = facts.answer(exchange.client, parent.kind, parent.body, parent.ended, one)
        answers = [
            {"status": said.status, **facts.normal(value, given)}
            for said, value in ((parent, left), (plexus, right))
        ]
        yield from _side("answer", exchange, *answers, parent, plexus)
        yield from _views(_unlike(exchange, right), exchange, *answers, parent, plexus)


def _edited(exchange: Exchange, plexus: Said) -> list[Difference]:
    """Where Plexus passes a request through: what it changed and must not."""
    if plexus.asked is None or not exchange.passed or exchange.route.use:
        return []
    sent, body = {**exchange.body, "model": "m"}, dict(plexus.asked["body"])
    if exchange.stream and exchange.client == "chat":
        for each in (sent, body):
            each.pop("stream_options", None)
    return facts.differences("passed", sent, body)


def _unlike(exchange: Exchange, right: Any) -> list[Difference]:
    """Where Plexus passes an answer through: what is not the provider's; else text that is not."""
    dialects = {CHAT: "chat", MESSAGES: "messages"}
    spoken = dialects.get(exchange.route.dialect)
    if exchange.status >= 400 or spoken is None or "error" in right:
        return []
    given = facts.answer(spoken, exchange.kind, exchange.answer, True)
    if exchange.passed:
        if exchange.stream and exchange.client == "chat" and "usage" not in right:
            given.pop("usage", None)  # Hidden from one that did not ask.
        return facts.differences("passed", given, right)
    if exchange.route.name in REWRITING:
        return []
    return facts.differences("passed", facts.said(given), facts.said(right))


def _side(
    side: str, exchange: Exchange, left: Any, right: Any, parent: Said, plexus: Said
) -> Iterator[View]:
    found = facts.differences(side, left, right)
    if found and _whole(side, exchange, left, right, parent):
        found = [Difference(side, "", left, right)]
    yield from _views(found, exchange, left, right, parent, plexus)


def _views(
    found: list[Difference],
    exchange: Exchange,
    left: Any,
    right: Any,
    parent: Said,
    plexus: Said,
) -> Iterator[View]:
    for difference in found:
        yield View(difference, exchange, left, right, parent, plexus)


def _whole(side: str, exchange: Exchange, left: Any, right: Any, parent: Said) -> bool:
    """Whether two values have so little in common that they are one difference."""
    if left is None or right is None:
        return True
    if exchange.client == "chat" and exchange.route.name == "Anthropic":
        return True
    return side == "answer" and (parent.status >= 400 or exchange.status >= 400)


def _told(exchange: Exchange, difference: Difference) -> str:
    values = (json.dumps(value)[:160] for value in (difference.parent, difference.plexus))
    return f"{exchange.name}: {difference.side} {difference.path}: {' | '.join(values)}"
