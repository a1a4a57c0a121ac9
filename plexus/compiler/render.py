"""Plan → {relative path: text}.  Pure; each text parses as Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from plexus.compiler import catalog, platforms
from plexus.compiler.config import Config, Key, Provider, Secret, Timeouts
from plexus.compiler.diagnostics import printable
from plexus.compiler.factory import Constructor
from plexus.compiler.imports import Imports
from plexus.compiler.literal import Call, Expr, Name, Spread, py
from plexus.compiler.paths import pointer
from plexus.compiler.plan import DEFAULT_TIMEOUTS, Plan, PlannedAlias, PlannedTarget, Route
from plexus.compiler.profiles import profiles
from plexus.routing.target import Condition

if TYPE_CHECKING:
    from jinja2 import Environment

_TARGET = "plexus.routing.target"
_DEFAULT_BODY_LIMIT = 32 * 1024 * 1024


def render(plan: Plan) -> dict[str, str]:
    """All files of the package except its manifest, sorted by path."""
    files = {
        "__init__.py": _text(plan, (), "package"),
        "aliases/__init__.py": _text(plan, ("aliases",), "package"),
        "targets/__init__.py": _text(plan, ("providers",), "package"),
        "providers.py": _providers(plan),
        "keys.py": _keys(plan),
        "settings.py": _settings(plan),
        "routes.py": _routes(plan),
    }
    for target in plan.targets.values():
        files[f"targets/{target.module}.py"] = _target(plan, target)
    for alias in plan.aliases.values():
        files[f"aliases/{alias.module}.py"] = _alias(plan, alias)
    for path, text in files.items():
        compile(text, path, "exec", dont_inherit=True)
    return dict(sorted(files.items()))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("plexus.compiler"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        auto_reload=False,
    )
    environment.filters["py"] = py
    return environment


def _text(plan: Plan, path: tuple[str, ...], template: str, **values: object) -> str:
    origin = f"{plan.source}{pointer(path)}" if path else plan.source
    origin = printable(origin).encode("ascii", "backslashreplace").decode("ascii")
    return _environment().get_template(f"{template}.py.jinja").render(origin=origin, **values)


def _providers(plan: Plan) -> str:
    imports = Imports()
    values = [
        Named(plan.constants[provider.name], _provider(plan, provider, imports))
        for provider in plan.providers
    ]
    names = tuple(Name(value.name) for value in values)
    imports.add(_TARGET, "Provider")
    return _text(
        plan, ("providers",), "providers", imports=imports.text(), values=values, names=names
    )


class Named(Struct, frozen=True):
    """``name = value``."""

    name: str
    value: Expr


def _provider(plan: Plan, provider: Provider, imports: Imports) -> Call:
    chosen = plan.profiles.get(provider.name)
    profile = None if chosen is None else profiles()[chosen.name]
    own = {name.lower() for name in provider.headers}
    headers: dict[str, Expr] = {k: _reference(v, imports) for k, v in provider.headers.items()}
    if profile is not None:
        headers |= {name: value for name, value in profile.headers.items() if name not in own}
    given: list[tuple[str, Expr]] = [
        ("name", provider.name),
        ("urls", plan.urls.get(provider.name, {})),
        ("echo", provider.echo),
        ("platform", _platform(provider, imports)),
        ("api_key", _secret(provider.api_key, imports)),
        ("credential", _credential(provider, imports)),
        ("headers", headers),
        ("proxy", _reference(provider.proxy, imports)),
        ("ca_file", provider.ca_file),
    ]
    return Call("Provider", keywords=_written(given))


def _platform(provider: Provider, imports: Imports) -> Expr:
    made = platforms.constructor(provider)
    return None if made is None else _constructor(made, imports)


def _credential(provider: Provider, imports: Imports) -> Expr:
    credential = provider.credential
    if credential is None:
        return None
    if credential.type == "google":
        key: tuple[tuple[str, Expr], ...] = (("key", _secret(credential.key, imports)),)
        return Call(imports.add(_TARGET, "GoogleToken"), keywords=_written(list(key)))
    signed = platforms.signature(provider)
    assert signed is not None
    region, service = signed
    given: list[tuple[str, Expr]] = [
        ("region", region),
        ("service", service if service != "bedrock" else None),
        ("profile", credential.profile),
        *((name, _secret(secret, imports)) for name, secret in credential.secrets()),
    ]
    return Call(imports.add(_TARGET, "AwsSignature"), keywords=_written(given))


def _written(given: list[tuple[str, Expr]]) -> tuple[tuple[str, Expr], ...]:
    """Without what says no more than the default: nothing, False or an empty collection."""
    return tuple(
        (name, value)
        for name, value in given
        if value is not None and value is not False and value != {}
    )


def _reference(value: str | Secret | None, imports: Imports) -> Expr:
    return value if isinstance(value, str) else _secret(value, imports)


def _secret(secret: Secret | None, imports: Imports) -> Expr:
    if secret is None:
        return None
    given: list[tuple[str, Expr]] = [("env", secret.env), ("file", secret.file)]
    return Call(imports.add(_TARGET, "SecretRef"), keywords=_written(given))


def _timeouts(timeouts: Timeouts, imports: Imports) -> Expr:
    """The limits that are not the library's own defaults, or None."""
    given = tuple(
        (name, value)
        for name in ("connect", "first_content", "idle")
        if (value := getattr(timeouts, name)) not in (None, getattr(DEFAULT_TIMEOUTS, name))
    )
    return Call(imports.add(_TARGET, "Timeouts"), keywords=given) if given else None


def _constructor(made: Constructor, imports: Imports) -> Call:
    name = imports.add(made.module, made.name)
    return Call(name, keywords=tuple((k, _value(v, imports)) for k, v in made.arguments.items()))


def _value(value: object, imports: Imports) -> Expr:
    """An option's value; a nested Struct of a third party's step is a call of its own."""
    if isinstance(value, Struct):
        made = type(value)
        nested = Constructor(made.__module__, made.__qualname__, _given(value), False, "")
        return _constructor(nested, imports)
    if isinstance(value, Mapping):
        return {str(key): _value(item, imports) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_value(item, imports) for item in value)
    if isinstance(value, list):
        return [_value(item, imports) for item in value]
    return value  # type: ignore[return-value]  # `py` raises TypeError for the rest


def _given(value: Struct) -> dict[str, Any]:
    """The fields of a Struct that say more than its defaults."""
    given = {}
    for field in msgspec.structs.fields(value):
        found, default = getattr(value, field.name), field.default
        if type(found) is not type(default) or found != default:
            given[field.name] = found
    return given


def _target(plan: Plan, target: PlannedTarget) -> str:
    imports = Imports()
    constant = imports.add("..providers", plan.constants[target.provider.name])
    for name in ("Candidate", "Target"):
        imports.add(_TARGET, name)
    imports.add("plexus.gateway.resource", "TargetResource")
    steps = tuple(_constructor(step, imports) for step in target.steps)
    wire_steps = tuple(_constructor(step, imports) for step in target.wire_steps)
    return _text(
        plan,
        ("providers", target.provider.name),
        "target",
        steps=steps,
        wire_steps=wire_steps,
        model=_model(target, imports),
        target=_target_call(target, constant, imports),
        resource=target.resource,
        name=target.name,
        imports=imports.text(),
    )


def _model(target: PlannedTarget, imports: Imports) -> Call:
    module = "plexus.transformers.capabilities"
    imports.add(module, "TargetModel")
    keywords: list[tuple[str, Expr]] = [
        ("provider", target.provider.name),
        ("model", target.model),
        ("family", target.family),
    ]
    if target.capabilities:
        imports.add(module, "Capabilities")
        known = tuple((name, value) for name, value in target.capabilities.items())
        keywords.append(("capabilities", Call("Capabilities", keywords=known)))
    return Call("TargetModel", keywords=tuple(keywords))


def _target_call(target: PlannedTarget, constant: str, imports: Imports) -> Call:
    routes: dict[str, Expr] = {
        client: tuple(_candidate(target, route, constant, imports) for route in group)
        for client, group in groupby(target.routes, key=lambda route: route.client)
    }
    keywords: list[tuple[str, Expr]] = [
        ("name", target.name),
        ("provider", Name(constant)),
        ("model", target.model),
        ("translations", routes),
    ]
    limits = _timeouts(target.timeouts, imports)
    if limits is not None:
        keywords.append(("timeouts", limits))
    return Call("Target", keywords=tuple(keywords))


def _candidate(target: PlannedTarget, route: Route, constant: str, imports: Imports) -> Call:
    client, upstream = (
        Name(imports.add("plexus.transformers", catalog.dialects()[name]))
        for name in (route.client, route.upstream)
    )
    wire_steps = (Name("WIRE_STEPS"),) if target.wire_steps else ()
    if route.passthrough:
        name, arguments = "Passthrough", (upstream, Name("MODEL"), *wire_steps)
    else:
        steps = Name("STEPS") if target.steps else ()
        tail = (steps, *wire_steps) if target.steps or wire_steps else ()
        name, arguments = "Translate", (client, upstream, Name("MODEL"), *tail)
    imports.add("plexus.transformers.translation", name)
    keywords = _repair(target.provider, route)
    if route.platform is not None:
        keywords = (("platform", Name(f"{constant}.platform")), *keywords)
    condition = _condition(route.condition, imports)
    return Call("Candidate", (condition, Call(name, arguments, keywords)))


def _condition(condition: Condition | None, imports: Imports) -> Expr:
    if condition is None:
        return None
    return Call(imports.add(_TARGET, "Condition"), (condition.name, condition.facts))


def _repair(provider: Provider, route: Route) -> tuple[tuple[str, Expr], ...]:
    """Whether refused requests are mended, where that is not the default of the kind of route."""
    wanted = provider.repair == "always" or (
        provider.repair == "translated" and not route.passthrough
    )
    usual = not route.passthrough
    return () if wanted is usual else (("repair", wanted),)


def _alias(plan: Plan, planned: PlannedAlias) -> str:
    imports = Imports()
    alias = planned.alias
    imports.add("plexus.gateway.resource", "AliasResource")
    imports.add(_TARGET, "Weighted")
    given: list[Named] = [
        Named("name", alias.name),
        Named("selector", _constructor(planned.selector, imports)),
        Named("targets", tuple(_weighted(planned, *item, imports) for item in planned.targets)),
    ]
    if not alias.reveal_model:
        given.append(Named("reveal_model", False))
    if alias.on_loss == "error":
        given.append(Named("strict", True))
    return _text(
        plan,
        ("aliases", alias.name),
        "alias",
        imports=imports.text(),
        resource=planned.resource,
        values=given,
    )


def _weighted(
    planned: PlannedAlias, target: PlannedTarget, weight: float, imports: Imports
) -> Call:
    """A target of an alias, with the alias's own limits over the target's."""
    module = imports.add("..targets", target.module)
    found: Expr = Name(f"{module}.TARGET")
    own = planned.alias.timeouts
    merged = own.over(target.timeouts)
    if merged != target.timeouts:
        limits = _timeouts(merged, imports) or Call(imports.add(_TARGET, "Timeouts"))
        found = Call(f"{module}.TARGET.with_timeouts", (limits,))
    return Call("Weighted", (found, weight))


def _keys(plan: Plan) -> str:
    imports = Imports()
    imports.add("plexus.gateway.settings", "ClientKey")
    keys = tuple(_key(plan, key, imports) for key in plan.config.keys.values())
    return _text(plan, ("keys",), "keys", imports=imports.text(), keys=keys)


def _key(plan: Plan, key: Key, imports: Imports) -> Call:
    given: list[tuple[str, Expr]] = [
        ("name", key.name),
        ("secret", _secret(key.secret, imports)),
        ("sha256", key.sha256),
        ("expires", plan.expires.get(key.name)),
    ]
    keywords = _written(given)
    if key.aliases is not None:
        keywords = (*keywords, ("aliases", frozenset(key.aliases)))
    return Call("ClientKey", keywords=keywords)


def _settings(plan: Plan) -> str:
    imports = Imports()
    imports.add("plexus.gateway.settings", "Settings")
    settings = Call("Settings", keywords=tuple(_setting_values(plan.config)))
    return _text(plan, (), "settings", imports=imports.text(), settings=settings)


def _setting_values(config: Config) -> Iterator[tuple[str, Expr]]:
    server = config.server
    yield "host", server.host
    yield "port", server.port
    if server.cors:
        yield "cors", server.cors
    if server.body_limit != _DEFAULT_BODY_LIMIT:
        yield "body_limit", server.body_limit
    if server.forward_rate_limits is not None:
        yield "forward_rate_limits", server.forward_rate_limits
    if not server.estimate_tokens:
        yield "estimate_tokens", False
    if config.log.level != "info":
        yield "log_level", config.log.level
    if config.log.format is not None:
        yield "log_format", config.log.format


def _routes(plan: Plan) -> str:
    """The table: pinned aliases, aliases with a slash, targets, and who is found by model name."""
    entries = {
        name: _alias_entry(alias, name)
        for alias in plan.aliases.values()
        if alias.name != "*"
        for name in (alias.name, *(other for _, other in alias.alias.additional))
    }
    pinned = {name: entry for name, entry in sorted(entries.items()) if "/" not in name}
    slashed = {name: entry for name, entry in sorted(entries.items()) if "/" in name}
    targets = {name: _target_entry(target) for name, target in plan.targets.items()}
    tables = {"TARGETS": targets, "ALIASES": pinned, "SLASHED": slashed}
    named = (
        *(("TARGETS",) if plan.config.direct else ()),
        "ALIASES",
        *(["SLASHED"] * bool(slashed)),
    )
    keywords: list[tuple[str, Expr]] = [
        ("models", Name("ALIASES") if named == ("ALIASES",) else Spread(named)),
        ("targets", Name("TARGETS")),
        ("aliases", Name("ALIASES")),
    ]
    if "*" in plan.aliases:
        keywords.append(("wildcard", _alias_entry(plan.aliases["*"], "*")))
    imports = Imports()
    for name in ("Entry", "RouteTable"):
        imports.add("plexus.gateway.table", name)
    return _text(
        plan,
        (),
        "routes",
        imports=imports.text(),
        tables=[Named(name, table) for name, table in tables.items() if table or name != "SLASHED"],
        table=Call("RouteTable", keywords=tuple(keywords)),
    )


def _alias_entry(alias: PlannedAlias, name: str) -> Call:
    keywords: list[tuple[str, Expr]] = [
        ("name", name),
        ("module", f"aliases.{alias.module}"),
        ("resource", alias.resource),
        ("alias", alias.name),
    ]
    if alias.alias.description is not None:
        keywords.append(("display_name", alias.alias.description))
    for limit in ("context_window", "max_output_tokens"):
        known = [target.capabilities.get(limit) for target, _ in alias.targets]
        if known and None not in known:
            keywords.append((limit, min(known)))  # type: ignore[type-var]
    return Call("Entry", keywords=tuple(keywords))


def _target_entry(target: PlannedTarget) -> Call:
    keywords: list[tuple[str, Expr]] = [
        ("name", target.name),
        ("module", f"targets.{target.module}"),
        ("resource", target.resource),
        ("alias", target.name),
    ]
    if target.provider.display_name is not None:
        keywords.append(("display_name", f"{target.provider.display_name}: {target.model}"))
    for limit in ("context_window", "max_output_tokens"):
        if limit in target.capabilities:
            keywords.append((limit, target.capabilities[limit]))
    return Call("Entry", keywords=tuple(keywords))
