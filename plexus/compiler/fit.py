"""Where the targets of one alias do not fit together, or fit no request of some kind (P46x).

All of it is known before traffic: what a model takes, whether it can be made to call a tool, where
its thinking may go back, how much it holds.  Unknown stays unknown and is never reported.  Targets
of the echo provider are left out: they stand for whatever a test needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from plexus.compiler.diagnostics import Diagnostic, printable, quote
from plexus.compiler.plan import Plan, PlannedAlias, PlannedTarget
from plexus.compiler.source import Document

_SLACK = 0.9
"""Limits within a tenth of each other are taken for equal: vendors round them differently."""

_THINKS = ("adaptive", "budget")
_FORCING = frozenset({"required", "function"})


class Ability(Struct, frozen=True):
    """Something that a model can or cannot do.

    ``name`` is its row in ``explain``; ``lacking`` and ``able`` say of a target that it cannot or
    can, and ``then`` what becomes of a request that wants it.
    """

    code: str
    capability: str
    name: str
    lacking: str
    able: str
    then: str


ABILITIES = (
    Ability(
        "P461", "images", "images", "takes no images", "does", "requests with images are refused"
    ),
    Ability(
        "P462",
        "forced_tool_choice",
        "forced tools",
        "cannot be made to call a tool",
        "can",
        "forcing becomes a request in words",
    ),
    Ability(
        "P463",
        "json_schema",
        "structured output",
        "has no structured output",
        "has",
        "a schema is emulated, and nothing enforces it",
    ),
)
_LIMITS = (("context_window", "of context"), ("max_output_tokens", "of output"))


class Finding(Struct, frozen=True):
    """``index`` is the target's place in the alias as written.

    ``about``: the target's name where it alone is at fault, which is said for one alias only.
    """

    index: int
    code: str
    message: str
    hint: str
    about: str = ""


def diagnostics(document: Document, plan: Plan) -> list[Diagnostic]:
    """A warning for each finding, at the target that it is about."""
    found = []
    said: set[tuple[str, str]] = set()
    for alias in plan.aliases.values():
        for finding in findings(alias):
            if (finding.about, finding.code) in said:
                continue
            if finding.about:
                said.add((finding.about, finding.code))
            line, column = document.value_at(("aliases", alias.name, "targets", finding.index))
            message = f"alias {quote(alias.name)}: {finding.message}"
            found.append(
                Diagnostic(
                    document.file, line, column, finding.code, message, finding.hint, "warning"
                )
            )
    return found


def findings(alias: PlannedAlias) -> Iterator[Finding]:
    """At most one for each kind of request, and one for each limit."""
    targets = _targets(alias)
    for ability in ABILITIES:
        yield from _lacking(ability, targets)
    if alias.selector.name == "InOrder":
        yield from _shrinking(targets, targets[:1], "the first target")
    else:
        yield from _parted(targets)
        yield from _shrinking(targets, targets, "another target")


def rows(alias: PlannedAlias) -> Iterator[str]:
    """The same facts for ``explain``, as far as any of them is known."""
    targets = [target for _, target in _targets(alias)]
    for ability in ABILITIES:
        known = {target.name: can(target, ability.capability) for target in targets}
        if any(value is not None for value in known.values()):
            yield f"    {ability.name:<18} {_spread(known)}"
    families = sorted({target.proofs for target in targets if thinks(target)})
    if families:
        yield f"    {'thinking':<18} goes back to its own family: {', '.join(families)}"
    for limit, what in _LIMITS:
        sizes = [target.capabilities[limit] for target in targets if limit in target.capabilities]
        if sizes:
            least = f"at least {min(sizes)}" if len(sizes) == len(targets) else "unknown of some"
            yield f"    {'tokens ' + what:<18} {least}, at most {max(sizes)}"


def can(target: PlannedTarget, capability: str) -> bool | None:
    """None when it is not known.  Which tool choices a vendor takes says it of forcing, too."""
    said: bool | None = target.capabilities.get(capability)
    choices = target.capabilities.get("tool_choices")
    if capability == "forced_tool_choice" and said is None and choices is not None:
        return False if _FORCING.isdisjoint(choices) else None
    return said


def thinks(target: PlannedTarget) -> bool:
    """Whether the model is known to think."""
    known = target.capabilities
    mode = known.get("thinking")
    return mode in _THINKS or (mode is None and "thinking_default" in known)


def _targets(alias: PlannedAlias) -> list[tuple[int, PlannedTarget]]:
    """Those that are asked, by their place in the list as written."""
    live = {target.name: target for target, _ in alias.targets}
    return [
        (target.index, live[target.name])
        for target in alias.alias.targets
        if target.name in live and not live[target.name].provider.echo
    ]


def _lacking(ability: Ability, targets: Sequence[tuple[int, PlannedTarget]]) -> Iterator[Finding]:
    """Targets that differ, or all that are known lack it and the config does not say so itself."""
    known = [(index, target, can(target, ability.capability)) for index, target in targets]
    without = [(index, target) for index, target, able in known if able is False]
    capable = [target for _, target, able in known if able]
    if capable and without:
        index, target = without[0]
        yield Finding(
            index,
            ability.code,
            f"{_named(target)} {ability.lacking}, but {_named(capable[0])} {ability.able}:"
            f" {ability.then} there",
            f'give it an alias of its own, or correct "{ability.capability}" of its model',
        )
        return
    for index, target in without:
        if not _stated(target, ability.capability):
            yield Finding(
                index,
                ability.code,
                f"{_named(target)} {ability.lacking}: {ability.then}",
                f'write "capabilities": {{"{ability.capability}": false}} at its model if meant',
                target.name,
            )
            return


def _stated(target: PlannedTarget, capability: str) -> bool:
    """Whether the config itself says it, of the model or of its provider."""
    model = (target.provider.models or {}).get(target.model)
    own = {} if model is None else model.capabilities
    return capability in own or capability in target.provider.capabilities


def _parted(targets: Sequence[tuple[int, PlannedTarget]]) -> Iterator[Finding]:
    """Targets drawn at random whose thinking cannot go back to one another."""
    thinking = [(index, target) for index, target in targets if thinks(target)]
    for index, target in thinking[1:]:
        first = thinking[0][1]
        if target.proofs != first.proofs:
            yield Finding(
                index,
                "P464",
                f"thinking of {_named(first)} cannot go back to {_named(target)} ({first.proofs},"
                f" {target.proofs}): it is lost whenever the draw changes",
                '"selector": "in_order" keeps a conversation at one target',
            )
            return


def _shrinking(
    targets: Sequence[tuple[int, PlannedTarget]],
    before: Sequence[tuple[int, PlannedTarget]],
    which: str,
) -> Iterator[Finding]:
    """The smallest target of each limit, when one of those ``before`` it holds more."""
    short: dict[int, list[str]] = {}
    for limit, what in _LIMITS:
        sized = [(t.capabilities[limit], i) for i, t in targets if limit in t.capabilities]
        most = max((t.capabilities.get(limit, 0) for _, t in before), default=0)
        if sized and min(sized)[0] < most * _SLACK:
            least, index = min(sized)
            short.setdefault(index, []).append(f"{least} of {most} tokens {what}")
    by_index = dict(targets)
    for index, said in short.items():
        yield Finding(
            index,
            "P465",
            f"{_named(by_index[index])} has less room than {which}: {', '.join(said)}",
            "requests that need more fail or are cut there",
        )


def _named(target: PlannedTarget) -> str:
    return quote(target.name)


def _spread(known: dict[str, bool | None]) -> str:
    said = set(known.values())
    if said == {True}:
        return "at every target"
    parts = [
        f"{word} {', '.join(printable(name) for name, able in known.items() if able is value)}"
        for word, value in (("not at", False), ("unknown at", None))
        if value in said
    ]
    return "; ".join(parts)
