"""The shape of a config: JSON Schema errors → diagnostics, all of them at once.

What is wrong is also taken out (and a misspelt key put right) so that the later stages can look
at the rest: one run finds every mistake of a file.  The schema holds no reference but local ones
and the validator gets an empty registry, so nothing is ever fetched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct

import plexus
from plexus.compiler.diagnostics import Diagnostic, nearest, quote
from plexus.compiler.paths import Path, dotted
from plexus.compiler.source import Document, Json
from plexus.manifest import COMMENT, uncommented

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

_ENV_STYLES = re.compile(
    r"(?:\$\{|\$|\{env:|env[.:]|os\.environ/|process\.env\.)([A-Z_][A-Z0-9_]*)\}?"
)
_URLS = {
    "openai-chat": "https://api.openai.com/v1",
    "openai-responses": "https://api.openai.com/v1",
    "anthropic-messages": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "bedrock-converse": "https://bedrock-runtime.REGION.amazonaws.com",
}
_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


class Shaped(Struct, frozen=True):
    """A config of the right shape.

    ``data``: without what was wrong (removed list items are None, so that the others keep their
    index).  ``written``: as it was written, only with misspelt keys put right.
    """

    data: dict[str, Any]
    written: Json


@cache
def schema_text() -> str:
    """The schema: in an installed package beside it, in a checkout one folder up."""
    package = FilePath(plexus.__file__).parent
    name = FilePath("schema") / "plexus.schema.json"
    beside = package / name
    return (beside if beside.is_file() else package.parent / name).read_text(encoding="utf-8")


def check(document: Document) -> tuple[Shaped, list[Diagnostic]]:
    """Hold a document against the schema.  Never raises."""
    validator = _validator()
    data: Json = deepcopy(document.data)
    found: list[Diagnostic] = []
    while True:
        wrong = [p for error in validator.iter_errors(data) for p in problems(error)]
        renames = [p for p in wrong if p.rename]
        found += [_diagnostic(document, p) for p in (renames or _distinct(wrong))]
        if not renames:
            break
        for problem in renames:
            _rename(data, document, problem)
    written = deepcopy(data) if wrong else data
    for problem in sorted(wrong, key=lambda p: len(p.path), reverse=True):
        if problem.code != "P301":  # nothing is made of a bad name before it is a good one
            data = _without(data, _broken(problem))
    return Shaped(uncommented(data), written), found


def validator_for(schema: dict[str, Any]) -> Validator:
    """A validator whose patterns match whole texts and that never fetches anything."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    whole = extend(Draft202012Validator, {"pattern": _whole_pattern})  # type: ignore[no-untyped-call]
    return cast("Validator", whole(schema, registry=Registry()))


@cache
def _validator() -> Validator:
    return validator_for(json.loads(schema_text()))


def _whole_pattern(
    validator: Validator, pattern: str, instance: object, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    """``$`` also matches before a final line break; names must not end in one."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and re.fullmatch(pattern, instance) is None:
        yield ValidationError(schema.get("patternErrorMessage", "is malformed"))


class Problem(Struct, frozen=True):
    """One finding: ``path`` is what to take out, ``on_key`` whether its key is the place."""

    path: Path
    code: str
    message: str
    hint: str = ""
    on_key: bool = False
    rename: str = ""


def _broken(problem: Problem) -> Path:
    """What to take out: a list item goes whole when it lacks a key."""
    in_item = problem.code == "P204" and len(problem.path) > 1 and isinstance(problem.path[-2], int)
    return problem.path[:-1] if in_item else problem.path


def _diagnostic(document: Document, problem: Problem) -> Diagnostic:
    at = document.key_at if problem.on_key else document.value_at
    line, column = at(problem.path)
    return Diagnostic(document.file, line, column, problem.code, problem.message, problem.hint)


def _distinct(wrong: list[Problem]) -> list[Problem]:
    """One finding for each value: a text that should be a number is not a bad choice too."""
    first: dict[tuple[Path, bool, str], Problem] = {}
    for problem in sorted(wrong, key=lambda p: p.code):
        also = problem.message if problem.code == "P204" else ""
        first.setdefault((problem.path, problem.on_key, also), problem)
    return list(first.values())


class _Error(Struct, frozen=True):
    """A jsonschema error, typed: the keyword, what it wanted, what it got, and where."""

    keyword: str
    wanted: Any
    value: Any
    schema: dict[str, Any]
    path: Path
    where: str
    message: str


def problems(error: ValidationError, root: str = "the config") -> Iterator[Problem]:
    """A schema error as findings; ``root`` is what messages call the whole."""
    path: Path = tuple(error.absolute_path)
    found = _Error(
        keyword=str(error.validator),
        wanted=error.validator_value,
        value=error.instance,
        schema=cast("dict[str, Any]", error.schema),
        path=path,
        where=dotted(path) if path else root,
        message=error.message,
    )
    if "propertyNames" in error.absolute_schema_path:
        yield _bad_name(found)
    elif meant := _meant(error):
        for inner in meant:
            yield from problems(inner, root)
    else:
        yield from _problems(found)


def _meant(error: ValidationError) -> list[ValidationError]:
    """What is wrong with a value of the right type where there are several (``anyOf``)."""
    choices: dict[int, list[ValidationError]] = {}
    for inner in error.context or ():
        choices.setdefault(int(inner.schema_path[0]), []).append(inner)
    for found in choices.values():
        if not any(inner.validator == "type" and not inner.relative_path for inner in found):
            return found
    return []


def _problems(error: _Error) -> Iterator[Problem]:
    match error.keyword:
        case "additionalProperties":
            yield from _unknown_keys(error)
        case "required":
            yield from _missing(error)
        case "type" | "anyOf":
            yield _wrong_type(error)
        case _:
            yield Problem(error.path, *_malformed(error))


def _bad_name(error: _Error) -> Problem:
    what = error.message if error.keyword == "pattern" else "is empty or too long for a name"
    name = error.value
    return Problem((*error.path, name), "P301", f"{quote(name)} {what}", on_key=True)


def _unknown_keys(error: _Error) -> Iterator[Problem]:
    path = error.path
    known = [*error.schema.get("properties", {})]
    for key in error.value:
        if key in known or key == COMMENT:
            continue
        hint = _special_key(path, key)
        near = "aliases" if not path and key == "models" else nearest(key, known)
        if not hint and near is not None:
            hint = f"did you mean {quote(near)}?"
        elif not hint:
            hint = f"known keys: {', '.join(known)}" if known else "it has none"
        rename = near if near is not None and near not in error.value else ""
        message = f"unknown key {quote(key)} in {error.where}"
        yield Problem((*path, key), "P201", message, hint, on_key=True, rename=rename)


def _special_key(path: Path, key: str) -> str:
    """The usual slips that no spelling distance finds."""
    if not path and key == "models":
        return 'public model names stand under "aliases"'
    if len(path) == 2 and path[0] == "aliases" and key in ("provider", "model", "models"):
        return 'write "targets": ["provider/model"]'
    if len(path) == 2 and path[0] == "providers" and key in ("base_url", "url", "baseURL"):
        return 'did you mean "api_base_url"?'
    return ""


def _missing(error: _Error) -> Iterator[Problem]:
    for key in error.wanted:
        if key not in error.value:
            message = f"{error.where} has no {quote(key)}"
            yield Problem((*error.path, key), "P204", message, on_key=True)


def _wrong_type(error: _Error) -> Problem:
    path, wanted = error.path, error.wanted
    if error.keyword == "anyOf":
        wanted = [choice["type"] for choice in wanted if "type" in choice]
    names = " or ".join(_TYPES[name] for name in ([wanted] if isinstance(wanted, str) else wanted))
    if path and path[-1] in ("api_key", "secret") and not isinstance(error.value, list | dict):
        return literal_secret(path, str(error.value))
    message = f"{error.where} must be {names}, not {_kind(error.value)}"
    return Problem(path, "P202", message)


def literal_secret(path: Path, value: str) -> Problem:
    """A secret that stands in the config itself; its text is in no message."""
    named = _ENV_STYLES.fullmatch(value)
    hint = 'write {"env": "NAME"} or {"file": "PATH"}'
    if named is not None:
        hint = f'write {{"env": {quote(named[1])}}}'
    return Problem(path, "P208", f"{dotted(path)} holds a secret as text", hint)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return json.dumps(value)
        case int() | float():
            return f"the number {quote(value)}"
        case str():
            return f"the text {quote(value)}"
        case list():
            return "a list"
        case _:
            return "an object"


def _malformed(error: _Error) -> tuple[str, str, str]:
    """Code, message and hint of the plain errors."""
    limit, value, where = error.wanted, error.value, error.where
    match error.keyword:
        case "enum":
            words = [choice for choice in limit if isinstance(choice, str)]
            shown = ", ".join(c if isinstance(c, str) else json.dumps(c) for c in limit)
            hint = suggestion(value, words) or f"one of {shown}"
            return "P203", f"{where} cannot be {quote(value)}", hint
        case "pattern":
            return "P205", f"{where} {error.message}", ""
        case "exclusiveMinimum":
            return "P206", f"{where} must be greater than {limit}, not {quote(value)}", ""
        case "minimum":
            return "P206", f"{where} must be at least {limit}, not {quote(value)}", ""
        case "maximum":
            return "P206", f"{where} must be at most {limit}, not {quote(value)}", ""
        case "minLength" | "minItems" | "minProperties":
            return "P207", f"{where} is empty" if limit == 1 else f"{where} is too short", ""
        case "maxLength" | "maxItems":
            return "P207", f"{where} is too long: at most {limit}", ""
        case "uniqueItems":
            return "P207", f"{where} names something twice", ""
        case _:
            return "P205", f"{where} is malformed", ""


def suggestion(value: object, known: list[str]) -> str:
    near = nearest(value, known) if isinstance(value, str) else None
    return f"did you mean {quote(near)}?" if near is not None else ""


def usual_url(dialect: str) -> str:
    """The address most people mean by a dialect, for hints only: keys must not go there unasked."""
    return _URLS.get(dialect, "")


def _rename(data: Json, document: Document, problem: Problem) -> None:
    """Put a misspelt key right, in the data and in the tree of places."""
    *above, old = problem.path
    target: Any = data
    node: Any = document.root
    for step in above:
        target, node = target[step], node.child(step)
    if problem.rename in target:
        del target[old]
        return
    target[problem.rename] = target.pop(old)
    node.children[problem.rename] = node.children.pop(old)


def _without(data: Any, path: Path) -> Any:
    """``data`` with what stands at ``path`` taken out, in place; a named thing stays, empty."""
    if not path:
        return {}
    target: Any = data
    for step in path[:-1]:
        inside = step in target if isinstance(target, dict) else isinstance(target, list)
        if not inside:
            return data
        target = target[step]
    last = path[-1]
    if isinstance(target, dict):
        target.pop(last, None)
        if _is_named(path):
            target[last] = {}
    elif isinstance(target, list) and isinstance(last, int):
        target[last] = None
    return data


def _is_named(path: Path) -> bool:
    """Whether others may refer to what stands here by its name."""
    outer = len(path) == 2 and path[0] in ("providers", "aliases", "keys")
    return outer or (len(path) == 4 and path[0] == "providers" and path[2] == "models")
