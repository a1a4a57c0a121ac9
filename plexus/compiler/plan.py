"""Config → plan: every decision that can be made before traffic is made here.

Which targets exist, what their modules are called, and for each client dialect whether a target is
passed through or translated, and into which dialect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from plexus.compiler import catalog, names, parents
from plexus.compiler.candidates import PREFERENCE, ways
from plexus.compiler.config import Alias, Config, Model, Provider, StepUse, Timeouts
from plexus.compiler.factory import Constructor
from plexus.compiler.models import Known, known
from plexus.compiler.profiles import profiles
from plexus.compiler.resolve import Chosen, Resolved
from plexus.routing.target import Condition
from plexus.transformers.capabilities import Capabilities, TargetModel

DEFAULT_TIMEOUTS = Timeouts(connect=10.0, first_content=600.0, idle=120.0)

_IN_PROVIDERS = ("providers",)
_IN_TARGET = ("model", "steps", "target", "wire_steps")


class Route(Struct, frozen=True):
    """One way to serve a client dialect; ``client == upstream`` with ``passthrough``.

    ``platform`` is the cloud that stands between, if there is one.  ``condition`` None: all
    requests that no route of the same client before this one takes.
    """

    client: str
    upstream: str
    passthrough: bool
    platform: str | None = None
    condition: Condition | None = None


class PlannedTarget(Struct, frozen=True):
    """``capabilities`` are those that are known: model data, profile, provider and model, merged.

    ``proofs``: the family whose thinking goes back to it, which on Bedrock the model's id tells.
    ``data``: what is shipped about the model.  ``named``: what names decide, in words.
    """

    name: str
    provider: Provider
    model: str
    module: str
    family: str
    proofs: str
    profile: Chosen | None
    data: Known | None
    capabilities: dict[str, Any]
    steps: tuple[Constructor, ...]
    wire_steps: tuple[Constructor, ...]
    named: tuple[str, ...]
    routes: tuple[Route, ...]
    timeouts: Timeouts

    @property
    def resource(self) -> str:
        return names.class_name(self.module, "Resource")

    def to(self) -> TargetModel:
        """The upstream end of its translations, as ``generated/`` will say it."""
        known = Capabilities(**self.capabilities)
        return TargetModel(
            provider=self.provider.name, model=self.model, family=self.family, capabilities=known
        )


class PlannedAlias(Struct, frozen=True):
    """``targets`` with their weights, those of disabled providers left out."""

    alias: Alias
    module: str
    selector: Constructor
    targets: tuple[tuple[PlannedTarget, float], ...]

    @property
    def name(self) -> str:
        return self.alias.name

    @property
    def resource(self) -> str:
        return names.class_name(self.module, "Resource")


class Plan(Struct, frozen=True):
    """``source`` is the file name of the config; ``constants`` name the providers in Python.

    ``profiles``: by provider, for those that have one.
    """

    source: str
    config: Config
    providers: tuple[Provider, ...]
    constants: dict[str, str]
    urls: dict[str, dict[str, str]]
    profiles: dict[str, Chosen]
    targets: dict[str, PlannedTarget]
    aliases: dict[str, PlannedAlias]
    expires: dict[str, float]


def make(resolved: Resolved, source: str) -> Plan:
    """Plan a config without errors; ``source`` is the name of its file, without folders."""
    config = resolved.config
    live = {name: provider for name, provider in config.providers.items() if provider.enabled}
    targets = _targets(resolved, live)
    constants = names.assign(live, reserved=(*_IN_PROVIDERS, *_IN_TARGET))
    return Plan(
        source=source,
        config=config,
        providers=tuple(live.values()),
        constants={name: names.constant(module) for name, module in constants.items()},
        urls=resolved.urls,
        profiles=resolved.profiles,
        targets=targets,
        aliases=_aliases(resolved, targets),
        expires=resolved.expires,
    )


def _targets(resolved: Resolved, live: Mapping[str, Provider]) -> dict[str, PlannedTarget]:
    """Every model of every enabled provider, listed or only named by an alias."""
    wanted = {
        (provider.name, model) for provider in live.values() for model in provider.models or ()
    }
    for alias in resolved.config.aliases.values():
        wanted |= {(t.provider, t.model) for t in alias.targets if t.provider in live}
    pairs = {f"{provider}/{model}": (provider, model) for provider, model in sorted(wanted)}
    modules = names.assign(pairs, _target_slug)
    return {
        name: _target(resolved, live[provider], model, modules[name])
        for name, (provider, model) in pairs.items()
    }


def _target_slug(name: str) -> str:
    provider, _, model = name.partition("/")
    return f"{names.slug(provider)}__{names.slug(model)}"


def _target(resolved: Resolved, provider: Provider, name: str, module: str) -> PlannedTarget:
    model = (provider.models or {}).get(name, Model(name))
    uses = (*provider.steps, *provider.model_steps.get(name, ()), *model.steps)
    steps, wire_steps = _chain(resolved, provider, uses)
    spoken = parents.pinned(uses, _spoken(resolved, provider))
    profile = _profile(resolved, provider, uses)
    family = _family(provider, profile, spoken)
    proofs = _proofs(family, name, spoken)
    data = None if provider.echo else known(name, proofs, spoken)
    capabilities = _capabilities(data, provider, profile, model)
    return PlannedTarget(
        name=f"{provider.name}/{name}",
        provider=provider,
        model=name,
        module=module,
        family=family,
        proofs=proofs,
        profile=profile,
        data=data,
        capabilities=capabilities,
        named=parents.said(uses),
        steps=steps,
        wire_steps=wire_steps,
        routes=tuple(_routes(spoken, capabilities, bool(steps), provider.platform)),
        timeouts=timeouts(resolved.config, provider, model),
    )


def _chain(
    resolved: Resolved, provider: Provider, uses: tuple[StepUse, ...]
) -> tuple[tuple[Constructor, ...], tuple[Constructor, ...]]:
    """Unified steps and wire steps, each in the order of the config; ``extra_body`` is first."""
    chain = [resolved.steps[use.path] for use in uses if use.path in resolved.steps]
    steps = tuple(step for step in chain if not step.wire)
    wire_steps = tuple(step for step in chain if step.wire)
    if provider.extra_body:
        arguments = {"params": provider.extra_body, "override": True}
        module = "plexus.transformers.steps.customparams"
        extra = Constructor(module, "CustomParams", arguments, True, "extra_body")
        wire_steps = (extra, *wire_steps)
    return steps, wire_steps


def _spoken(resolved: Resolved, provider: Provider) -> tuple[str, ...]:
    """The served dialects of a provider, the preferred ones first; echo speaks all of clients'."""
    served = catalog.dialects()
    if provider.echo:
        return tuple(catalog.client_dialects())
    spoken = [name for name in resolved.urls[provider.name] if name in served]
    return tuple(sorted(spoken, key=PREFERENCE.index))


def _routes(
    spoken: tuple[str, ...], known: Mapping[str, Any], has_steps: bool, platform: str | None
) -> Iterator[Route]:
    for client in catalog.client_dialects():
        for way in ways(client, spoken, known, has_steps):
            yield Route(client, way.upstream, way.passthrough, platform, way.condition)


def _profile(resolved: Resolved, provider: Provider, uses: tuple[StepUse, ...]) -> Chosen | None:
    """A vendor's name among a model's own steps, else what is chosen for the whole provider."""
    named = parents.profile(uses, provider)
    chosen = resolved.profiles.get(provider.name)
    if named is None or (chosen is not None and chosen.name == named):
        return chosen
    return Chosen(named, "step")


def _family(provider: Provider, profile: Chosen | None, spoken: tuple[str, ...]) -> str:
    """Whose proofs the provider's models can take."""
    if provider.echo:
        return "echo"
    if profile is not None:
        return profiles()[profile.name].family
    return catalog.dialect(spoken[0]).FAMILY


def _proofs(family: str, model: str, spoken: tuple[str, ...]) -> str:
    """The family of one model: on Bedrock its id says more than the provider's."""
    if "bedrock-converse" not in spoken:
        return family
    from plexus.transformers.bedrock_converse.models import family_of

    return family_of(TargetModel(provider="", model=model, family=family))


def _capabilities(
    data: Known | None, provider: Provider, profile: Chosen | None, model: Model
) -> dict[str, Any]:
    """What is shipped about the model, under the profile, the provider's and its own words."""
    said = {} if data is None else dict(data.capabilities)
    said |= {} if profile is None else profiles()[profile.name].of(model.name)
    said |= provider.capabilities
    said |= model.capabilities
    for name in ("max_output_tokens", "context_window"):
        if (value := getattr(model, name)) is not None:
            said[name] = value
    return dict(sorted(said.items()))


def timeouts(config: Config, provider: Provider, model: Model) -> Timeouts:
    """The most special one wins, key by key; an alias may still come over it."""
    return model.timeouts.over(provider.timeouts).over(config.timeouts).over(DEFAULT_TIMEOUTS)


def _aliases(resolved: Resolved, targets: Mapping[str, PlannedTarget]) -> dict[str, PlannedAlias]:
    # The base class of the generated resources must not be one of them.
    modules = names.assign(resolved.config.aliases, reserved=("alias",))
    return {
        alias.name: PlannedAlias(
            alias,
            modules[alias.name],
            resolved.selectors[alias.selector],
            tuple((targets[t.name], t.weight) for t in alias.targets if t.name in targets),
        )
        for alias in resolved.config.aliases.values()
    }
