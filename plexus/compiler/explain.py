"""Plan → what people want to know: who answers an alias, how, and what gets lost on the way."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from plexus.compiler import fit
from plexus.compiler.diagnostics import printable
from plexus.compiler.losses import ORDER, LossRow, rows
from plexus.compiler.plan import Plan, PlannedAlias, PlannedTarget, Route
from plexus.compiler.platforms import losses
from plexus.compiler.profiles import profiles
from plexus.compiler.resolve import Chosen

_WIDTH = 100


def explain(plan: Plan, name: str) -> str:
    """Everything about one alias.  KeyError when the plan has no such alias."""
    alias = plan.aliases[name]
    lines = [_title(alias)]
    for target, weight in alias.targets:
        lines += ["", *_target(alias, target, weight)]
    if together := [*fit.rows(alias)]:
        lines += ["", "  together", *together]
    for way, found in _translations(target for target, _ in alias.targets):
        lines += ["", way.title, *_losses(way.rows(found))]
    return "\n".join(lines) + "\n"


def report(plan: Plan) -> str:
    """The summary that ``build`` prints: how much is passed through, and what is lost where."""
    targets = plan.targets.values()
    routes = Counter(route for target in targets for route in target.routes)
    passed = sum(count for route, count in routes.items() if route.passthrough)
    total = sum(routes.values())
    lines = [
        f"{_many(len(plan.aliases), 'alias')}, {_many(len(plan.targets), 'target')};"
        f" {passed} of {_many(total, 'route')} passed through"
    ]
    for way, found in _translations(targets):
        said = "passed through" if way.passthrough else "translated"
        lines.append(f"{way.title}: {said} for {_many(len(found), 'target')}")
        lines += _summary(way.rows(found))
    return "\n".join(lines) + "\n"


def _many(count: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count} {what if count == 1 else plural}"


def _title(alias: PlannedAlias) -> str:
    config = alias.alias
    notes = [f"selector {alias.selector.title}"]
    if config.additional:
        notes.append(f"also {', '.join(name for _, name in config.additional)}")
    if not config.reveal_model:
        notes.append("shown to clients as the model")
    if config.on_loss == "error":
        notes.append("a loss is an error")
    return f"alias {config.name}: {'; '.join(notes)}"


def _target(alias: PlannedAlias, target: PlannedTarget, weight: float) -> Iterator[str]:
    share = f", weight {weight:g}" if alias.selector.name == "Random" else ""
    yield f"  {printable(target.name)}{share}"
    limits = alias.alias.timeouts.over(target.timeouts)
    yield (
        f"    timeouts: connect {limits.connect:g} s, first content {limits.first_content:g} s,"
        f" idle {limits.idle:g} s"
    )
    for said in target.named:
        yield f"    {said}"
    if target.profile is not None:
        yield f"    {_profile(target.profile)}"
    if target.data is not None:
        yield f"    model data ({target.data.origin})"
    if target.capabilities:
        yield from _capabilities(target.capabilities)
    for made in (*target.steps, *target.wire_steps):
        kind = "wire step" if made.wire else "step, ends pass-through"
        yield f"    {made.title} ({kind}){_options(made.arguments)}"
    for route in target.routes:
        yield f"    {route.client:<20} {_how(route)}"


_BY = {"profile": 'key "profile"', "host": "host of its URL", "step": "name of a step"}


def _profile(chosen: Chosen) -> str:
    found = profiles()[chosen.name]
    origin = f"{', '.join(found.source)}; {found.date}"
    return f"profile {chosen.name}, chosen by the {_BY[chosen.by]} ({origin})"


def _capabilities(known: Mapping[str, object]) -> Iterator[str]:
    """What is known about the model, wrapped."""
    shown = [f"{name}={msgspec.json.encode(value).decode()}" for name, value in known.items()]
    yield from textwrap.wrap(
        f"capabilities {printable('; '.join(shown))}",
        _WIDTH,
        initial_indent="    ",
        subsequent_indent="      ",
        break_on_hyphens=False,
    )


def _options(arguments: Mapping[str, object]) -> str:
    shown = ((name, msgspec.json.encode(value).decode()) for name, value in arguments.items())
    return "".join(f" {name}={printable(value)}" for name, value in shown)


def _how(route: Route) -> str:
    if route.passthrough:
        return f"passed through{_on(route.platform)}"
    if route.client == route.upstream:
        return "translated through the canonical form, because of its steps"
    return f"translated to {route.upstream}{_on(route.platform)}"


def _on(platform: str | None) -> str:
    return "" if platform is None else f" on {platform}"


class _Way(Struct, frozen=True, order=True):
    """From a client's dialect to a provider's, and the cloud that stands between ("": none)."""

    client: str
    upstream: str
    platform: str
    passthrough: bool

    @property
    def title(self) -> str:
        return f"{self.client} → {self.upstream}{_on(self.platform or None)}"

    def rows(self, targets: Iterable[PlannedTarget]) -> tuple[LossRow, ...]:
        models = [target.to() for target in targets]
        cloud = self.platform or None
        return rows(self.client, self.upstream, models, cloud, self.passthrough)


def _translations(
    targets: Iterable[PlannedTarget],
) -> list[tuple[_Way, list[PlannedTarget]]]:
    """The ways on which something can be lost, and for which targets.

    The two dialects can be the same: steps end pass-through, and a cloud does not take everything.
    """
    found: dict[_Way, list[PlannedTarget]] = {}
    for target in targets:
        for route in target.routes:
            if not route.passthrough or _changes(route):
                cloud = route.platform or ""
                way = _Way(route.client, route.upstream, cloud, route.passthrough)
                found.setdefault(way, []).append(target)
    return sorted(found.items(), key=lambda item: item[0])


def _changes(route: Route) -> bool:
    return route.platform is not None and bool(losses(route.platform, route.upstream))


def _losses(found: Iterable[LossRow]) -> Iterator[str]:
    for row in found:
        when = f" ({row.condition})" if row.condition else ""
        head = f"  {row.part:<8} {row.outcome:<12} {row.field}{when}"
        yield head
        yield from textwrap.wrap(
            f"{row.note} [{row.reference}]",
            _WIDTH,
            initial_indent=" " * 24,
            subsequent_indent=" " * 24,
        )


def _summary(found: Iterable[LossRow]) -> Iterator[str]:
    table = list(found)
    for part in ("request", "response"):
        for outcome in ORDER[:-1]:
            fields = [row.field for row in table if (row.part, row.outcome) == (part, outcome)]
            if fields:
                yield from textwrap.wrap(
                    f"{part}, {outcome}: {', '.join(fields)}",
                    _WIDTH,
                    initial_indent="  ",
                    subsequent_indent="    ",
                    break_on_hyphens=False,
                )
