"""Plan → what people want to know: who answers an alias, how, and what gets lost on the way."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from shlex import quote
from typing import Any

import msgspec

from plexus.compiler import catalog, fit
from plexus.compiler.diagnostics import printable
from plexus.compiler.factory import Constructor
from plexus.compiler.losses import LossRow, Tables
from plexus.compiler.plan import Plan, PlannedAlias, PlannedTarget, Route
from plexus.compiler.profiles import profiles
from plexus.compiler.resolve import Chosen

_WIDTH = 100


def explain(plan: Plan, name: str, dialect: str | None = None) -> str:
    """Who answers an alias, and how; for clients of ``dialect`` also every field that is lost.

    KeyError when the plan has no such alias.
    """
    alias = plan.aliases[name]
    lines = [_title(alias)]
    for target, weight in alias.targets:
        lines += ["", *_target(alias, target, weight, dialect)]
    if together := [*fit.rows(alias)]:
        lines += ["", "  together", *together]
    if dialect is None:
        lines += ["", *_counts(alias)]
    else:
        lines += ["", *_losses(alias, dialect)]
    return "\n".join(lines) + "\n"


def report(plan: Plan) -> str:
    """What ``build`` prints: how much is passed through, and how much each alias loses where."""
    targets = plan.targets.values()
    routes = [route for target in targets for route in target.routes]
    passed = sum(route.passthrough for route in routes)
    lines = [
        f"{_many(len(plan.aliases), 'alias')}, {_many(len(plan.targets), 'target')};"
        f" {passed} of {_many(len(routes), 'route')} passed through"
    ]
    tables = Tables()
    for alias in plan.aliases.values():
        lines += _counts(alias, tables, f"alias {printable(alias.name)}")
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


def _target(
    alias: PlannedAlias, target: PlannedTarget, weight: float, dialect: str | None
) -> Iterator[str]:
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
        yield f"    model known by its name ({target.data.date})"
    if target.capabilities:
        yield from _capabilities(target.capabilities)
    for made in (*target.steps, *target.wire_steps):
        kind = "wire step" if made.wire else "step, ends pass-through"
        yield f"    {made.title} ({kind}){_options(made.arguments)}"
    yield from _routes(route for route in target.routes if dialect in (None, route.client))


def _routes(routes: Iterable[Route]) -> Iterator[str]:
    """The candidates in the order in which they are tried; a client's name stands once."""
    for client, group in groupby(routes, key=lambda route: route.client):
        head, when = client, ""
        for route in group:
            if route.condition is not None:
                when = f"{route.condition.name}: "
            elif when:
                when = "otherwise: "
            yield f"    {head:<20} {when}{_how(route)}"
            head = ""


_BY = {"profile": 'key "profile"', "host": "host of its URL", "step": "name of a step"}


def _profile(chosen: Chosen) -> str:
    date = profiles()[chosen.name].date
    return f"profile {chosen.name}, chosen by the {_BY[chosen.by]} ({date})"


def _capabilities(known: Mapping[str, object]) -> Iterator[str]:
    """What is known about the model, wrapped."""
    shown = [f"{name}={json.dumps(msgspec.to_builtins(value))}" for name, value in known.items()]
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
        why = "its steps" if route.condition is None else "what its model refuses"
        return f"translated through the canonical form, because of {why}"
    return f"translated to {route.upstream}{_on(route.platform)}"


def _on(platform: str | None) -> str:
    return "" if platform is None else f" on {platform}"


def _counts(
    alias: PlannedAlias, tables: Tables | None = None, title: str = "losses"
) -> Iterator[str]:
    """How many fields each way can lose: a line for each client dialect and its targets that are
    alike in it.
    """
    tables = tables or Tables()
    alike: dict[tuple[str, str], list[str]] = {}
    for client, target, route in _ways(alias):
        if said := tables.counts(target, route):
            when = "" if route.condition is None else f" ({route.condition.name})"
            alike.setdefault((client, said), []).append(f"{printable(target.name)}{when}")
    if alike:
        yield f"{title}: fields that can be lost, `{_command(alias)}` names them"
        for (client, said), names in alike.items():
            yield f"  {client} → {', '.join(names)}: {said}"
    else:
        yield f"{title}: nothing is lost"


def _command(alias: PlannedAlias) -> str:
    """To paste into a shell, whatever the alias is called."""
    return f"plexus explain {quote(printable(alias.name))} --dialect D"


def _ways(alias: PlannedAlias) -> Iterator[tuple[str, PlannedTarget, Route]]:
    """Client dialects in their order, for each the targets in theirs, for each its candidates."""
    for client in catalog.client_dialects():
        for target, _ in alias.targets:
            for route in target.routes:
                if route.client == client:
                    yield client, target, route


def _losses(alias: PlannedAlias, dialect: str) -> Iterator[str]:
    """Every row for clients of one dialect; targets that lose the same share one list."""
    tables = Tables()
    found: dict[tuple[str, tuple[LossRow, ...]], list[str]] = {}
    for client, target, route in _ways(alias):
        if client == dialect and (table := tables.rows(target, route)):
            when = "" if route.condition is None else f" ({route.condition.name})"
            title = f"{client} → {route.upstream}{_on(route.platform)}"
            found.setdefault((title, table), []).append(f"{printable(target.name)}{when}")
    if not found:
        yield f"{dialect}: nothing is lost"
    for number, ((title, table), names) in enumerate(found.items()):
        if number:
            yield ""
        yield title
        yield from textwrap.wrap(
            f"at {', '.join(names)}", _WIDTH, initial_indent="  ", subsequent_indent="    "
        )
        yield from _rows(table)


def _rows(table: Iterable[LossRow]) -> Iterator[str]:
    for row in table:
        when = f" ({row.condition})" if row.condition else ""
        yield f"  {row.part:<8} {row.outcome:<12} {row.field}{when}"
        yield from textwrap.wrap(
            row.note, _WIDTH, initial_indent=" " * 24, subsequent_indent=" " * 24
        )


def as_data(plan: Plan, name: str, dialect: str | None = None) -> dict[str, Any]:
    """The same for programs, with where each row comes from.  KeyError like ``explain``."""
    alias = plan.aliases[name]
    tables = Tables()
    return {
        "alias": alias.name,
        "additional_aliases": [other for _, other in alias.alias.additional],
        "selector": alias.selector.title,
        "reveal_model": alias.alias.reveal_model,
        "on_loss": alias.alias.on_loss,
        "targets": [
            _target_data(alias, target, weight, dialect, tables) for target, weight in alias.targets
        ],
        "unfit": [msgspec.to_builtins(finding) for finding in fit.findings(alias)],
    }


def _target_data(
    alias: PlannedAlias,
    target: PlannedTarget,
    weight: float,
    dialect: str | None,
    tables: Tables,
) -> dict[str, Any]:
    limits = alias.alias.timeouts.over(target.timeouts)
    profile, data = target.profile, target.data
    return {
        "name": target.name,
        "weight": weight,
        "timeouts": {name: getattr(limits, name) for name in limits.__struct_fields__},
        "profile": None if profile is None else _profile_data(profile),
        "model": None if data is None else {"source": data.source, "date": data.date},
        "capabilities": target.capabilities,
        "steps": [_step_data(made) for made in (*target.steps, *target.wire_steps)],
        "routes": [
            _route_data(target, route, tables)
            for route in target.routes
            if dialect in (None, route.client)
        ],
    }


def _profile_data(chosen: Chosen) -> dict[str, Any]:
    found = profiles()[chosen.name]
    return {"name": chosen.name, "by": chosen.by, "source": found.source, "date": found.date}


def _step_data(made: Constructor) -> dict[str, Any]:
    options = msgspec.to_builtins(made.arguments)
    return {"use": made.title, "wire": made.wire, "options": options}


def _route_data(target: PlannedTarget, route: Route, tables: Tables) -> dict[str, Any]:
    return {
        "client": route.client,
        "upstream": route.upstream,
        "passthrough": route.passthrough,
        "platform": route.platform,
        "condition": msgspec.to_builtins(route.condition),
        "losses": msgspec.to_builtins(tables.rows(target, route)),
    }
