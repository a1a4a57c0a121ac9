"""``modeloverride``: providers that sell thinking, or its absence, as another model."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep
from plexus.transformers.wire import items, members


class Condition(Struct, frozen=True, kw_only=True):
    """Holds when the member at ``field`` (dotted) of the provider's body equals ``value``.

    Without a ``value``: when the member is there.
    """

    field: Annotated[str, Meta(min_length=1)]
    value: Any | UnsetType = UNSET

    def holds(self, body: JsonBody) -> bool:
        found = _at(body, self.field)
        return found is not None and (self.value is UNSET or _equal(found, self.value))


class Rule(Struct, frozen=True, kw_only=True):
    """Asks ``rewriteTo`` instead of ``model`` when any of ``conditions`` holds."""

    model: Annotated[str, Meta(min_length=1)]
    rewrite_to: Annotated[str, Meta(min_length=1)] = msgspec.field(name="rewriteTo")
    conditions: Annotated[tuple[Condition, ...], Meta(min_length=1)]


class ModelOverride(WireStep, frozen=True, kw_only=True):
    """Asks another model of the provider when the request's body meets a condition.

    The first rule that fits decides.  Source: mcowger/plexus, adapter ``model_override`` (lineage
    §1.6).
    """

    NAME: ClassVar[str] = "modeloverride"

    rules: tuple[Rule, ...]

    def named_models(self) -> dict[tuple[str | int, ...], str]:
        return {
            ("rules", number, name): model
            for number, rule in enumerate(self.rules)
            for name, model in (("model", rule.model), ("rewriteTo", rule.rewrite_to))
        }

    def choose_model(self, body: JsonBody, dialect: str, model: str) -> str:
        for rule in self.rules:
            if rule.model == model and any(one.holds(body) for one in rule.conditions):
                return rule.rewrite_to
        return model


def _at(body: JsonBody, path: str) -> Raw | None:
    """The member at a dotted path; a number is the place in a list.  Only the way is decoded."""
    first, *rest = path.split(".")
    found = body.fields.get(first)
    for name in rest:
        inner = members(found)
        if inner is not None:
            found = inner.get(name)
            continue
        listed = items(found) or []
        found = listed[int(name)] if name.isdecimal() and int(name) < len(listed) else None
    return found


def _equal(found: Raw, value: object) -> bool:
    """Equal as JSON: 1 is 1.0, but true is not 1."""
    return _ordered(msgspec.json.decode(found)) == _ordered(value)


def _ordered(value: object) -> object:
    """A form in which equal means equal as JSON: no boolean is a number."""
    if isinstance(value, dict):
        return {key: _ordered(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_ordered(inner) for inner in value]
    return (value,) if isinstance(value, bool) else value
