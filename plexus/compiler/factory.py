"""TransformerFactory: names and options of the config → typed constructors in generated code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from plexus.compiler import catalog
from plexus.compiler.config import StepUse
from plexus.compiler.diagnostics import quote
from plexus.compiler.parents import OWN_MEMBERS
from plexus.compiler.paths import Path
from plexus.compiler.shape import Problem, problems, validator_for

if TYPE_CHECKING:
    from plexus.compiler.catalog import StepClass


class Constructor(Struct, frozen=True):
    """``from module import name`` and ``name(**arguments)``; ``wire`` keeps pass-through."""

    module: str
    name: str
    arguments: dict[str, Any]
    wire: bool
    title: str


class OptionError(Exception):
    """Options that do not fit a step; ``problems`` have paths into the config."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("options do not fit")
        self.problems = tuple(problems)


class TransformerFactory:
    """Makes each step of a config once; schemas are made when a step first has options."""

    def __init__(self) -> None:
        self._schemas: dict[str, dict[str, Any]] = {}

    def make(self, use: StepUse) -> Constructor:
        """Raises CatalogError for the name, OptionError for the options."""
        found = catalog.step(use.name)
        self._check(found, use)
        arguments = _convert(found, _options(found, use.options), use.path)
        wire = not catalog.ends_passthrough(found)
        return Constructor(found.__module__, found.__name__, arguments, wire, use.name)

    def schema(self, name: str) -> dict[str, Any]:
        """The JSON Schema of a step's options."""
        if name not in self._schemas:
            self._schemas[name] = option_schema(catalog.step(name))
        return self._schemas[name]

    def _check(self, found: StepClass, use: StepUse) -> None:
        validator = validator_for(self.schema(use.name))
        wrong = [
            problem
            for error in validator.iter_errors(use.options)
            for problem in problems(error, f"step {use.name}")
        ]
        meant = {problem.rename for problem in wrong}
        wrong = [p for p in wrong if p.code != "P204" or p.path[-1] not in meant]
        wrong = [msgspec.structs.replace(problem, code="P309") for problem in wrong]
        if found.OPEN is not None:
            wrong += _own_members(use)
        if wrong:
            at = (*use.path, 1) if use.options else use.path
            raise OptionError([_at(problem, at) for problem in wrong])


def option_schema(found: StepClass) -> dict[str, Any]:
    """From the fields of a step; an option it does not have is an error, unless it is OPEN."""
    schema = msgspec.json.schema(found)
    definitions = schema.get("$defs", {})
    for definition in definitions.values():
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)
    if found.OPEN is not None:
        own = definitions[found.__name__]
        known = {name: part for name, part in own["properties"].items() if name in found.KNOWN}
        definitions[found.__name__] = {"type": "object", "properties": known}
    return schema


def _options(found: StepClass, options: dict[str, Any]) -> dict[str, Any]:
    """By field: a step with free options takes those that it does not know in one."""
    if found.OPEN is None:
        return options
    known = {name: value for name, value in options.items() if name in found.KNOWN}
    free = {name: value for name, value in options.items() if name not in found.KNOWN}
    return {found.OPEN: free, **known} if free or found.OPEN in _required(found) else known


def _required(found: StepClass) -> set[str]:
    return {field.name for field in msgspec.structs.fields(found) if field.required}


def _own_members(use: StepUse) -> Iterator[Problem]:
    """Free options that would replace what the client's request says."""
    for name in OWN_MEMBERS:
        if name in use.options:
            message = f"{use.name} cannot set {quote(name)}, which every request sets itself"
            yield Problem((name,), "P415", message, on_key=True)


def _at(problem: Problem, at: Path) -> Problem:
    return msgspec.structs.replace(problem, path=(*at, *problem.path))


def _convert(found: StepClass, options: dict[str, Any], path: Path) -> dict[str, Any]:
    """The options as the fields hold them (tuples, nested Structs), in the order of the fields."""
    try:
        made = msgspec.convert(options, found)
    except msgspec.ValidationError as error:
        raise OptionError([Problem(path, "P309", f"step {found.NAME}: {error}")]) from None
    names = [name for name in found.__struct_fields__ if name in options]
    return {name: getattr(made, name) for name in names}
