"""What there is to build with: dialects, steps and selectors, found on disk.

Names come from file names alone; a module is imported only when the config uses it.  The gateway
needs no registry: generated code imports what it uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, cast

from plexus.compiler.diagnostics import quote, suggest
from plexus.compiler.parents import DIALECTS

if TYPE_CHECKING:
    from plexus.routing.selectors.base import Selector
    from plexus.transformers.base import Dialect, ProviderDialect, Step, WireStep

    StepClass = type[Step] | type[WireStep]

_NO_DIALECTS = ("platforms", "steps")
_FOREIGN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_IMPORT_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


class CatalogError(Exception):
    """A name that leads to nothing usable: diagnostic code, message and hint."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


@cache
def dialects() -> dict[str, str]:
    """Served dialects: name → module, such as ``openai-chat`` → ``openai_chat``."""
    import plexus.transformers as package

    found = sorted(module.name for module in iter_modules(package.__path__) if module.ispkg)
    return {name.replace("_", "-"): name for name in found if name not in _NO_DIALECTS}


@cache
def client_dialects() -> dict[str, str]:
    """Those of them that clients speak too: a provider's dialect has no ``parse_request``."""
    return {name: module for name, module in dialects().items() if _has_client(name)}


@cache
def step_names() -> tuple[str, ...]:
    import plexus.transformers.steps as package

    return tuple(sorted(module.name for module in iter_modules(package.__path__)))


@cache
def selector_names() -> tuple[str, ...]:
    import plexus.routing.selectors as package

    names = (module.name for module in iter_modules(package.__path__))
    return tuple(sorted(name for name in names if name != "base"))


@cache
def dialect(name: str) -> ProviderDialect:
    """The module of a served dialect."""
    return cast("ProviderDialect", import_module(f"plexus.transformers.{dialects()[name]}"))


def client_dialect(name: str) -> Dialect:
    """The module of a dialect that clients speak.  KeyError for one that only providers speak."""
    return cast("Dialect", import_module(f"plexus.transformers.{client_dialects()[name]}"))


def _has_client(name: str) -> bool:
    return hasattr(dialect(name), "parse_request")


def step(name: str) -> StepClass:
    """The class of a named step, or of ``package.module:Class``.  Raises CatalogError."""
    from plexus.transformers.base import Step, WireStep

    if ":" in name:
        return _foreign_step(name)
    if name not in step_names():
        known = sorted({*step_names(), *DIALECTS}, key=str.casefold)
        hint = suggest(name, known) or f"there are {', '.join(known)}"
        raise CatalogError("P306", f"there is no step {quote(name)}", hint)
    module = import_module(f"plexus.transformers.steps.{name}")
    return cast("StepClass", _only_class(module, (Step, WireStep)))


def ends_passthrough(found: StepClass) -> bool:
    """Whether a step works on the canonical form; one on the provider's JSON does not end it."""
    from plexus.transformers.base import Step

    return issubclass(found, Step)


def named_models(name: str, arguments: Mapping[str, object]) -> dict[tuple[str | int, ...], str]:
    """The models that a step's options name, by their place in the options.

    Raises CatalogError when the code of a third party's step fails.
    """
    try:
        return step(name)(**arguments).named_models()
    except _IMPORT_FAILURES as error:
        message = f"{quote(name)} cannot be asked for its models: {type(error).__name__}"
        raise CatalogError("P308", message) from error


def selector(name: str) -> type[Selector]:
    """The class of a selector.  Raises CatalogError."""
    from plexus.routing.selectors.base import Selector

    if name not in selector_names():
        hint = suggest(name, selector_names()) or f"there are {', '.join(selector_names())}"
        raise CatalogError("P307", f"there is no selector {quote(name)}", hint)
    module = import_module(f"plexus.routing.selectors.{name}")
    return cast("type[Selector]", _only_class(module, (Selector,)))


def _only_class(module: ModuleType, bases: tuple[type, ...]) -> type:
    (found,) = (
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, bases)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    )
    return found


def _foreign_step(name: str) -> StepClass:
    """An installed step.  Importing it runs its package's code, as serving it would."""
    from plexus.transformers.base import Step, WireStep

    if _FOREIGN.fullmatch(name) is None:
        hint = 'write "package.module:Class"'
        raise CatalogError("P308", f"{quote(name)} names no class of a package", hint)
    module_name, _, class_name = name.partition(":")
    try:
        found = getattr(import_module(module_name), class_name, None)
    except ModuleNotFoundError:
        message = f"{quote(name)} cannot be imported: there is no module {quote(module_name)}"
        hint = "install its package where plexus runs"
        raise CatalogError("P308", message, hint) from None
    except _IMPORT_FAILURES as error:
        message = f"{quote(name)} cannot be imported: {type(error).__name__}"
        raise CatalogError("P308", message) from error
    bases = (Step, WireStep)
    if not isinstance(found, type) or not issubclass(found, bases) or found in bases:
        hint = "a step is a class deriving from plexus.transformers.base.Step or WireStep"
        raise CatalogError("P308", f"{quote(name)} is no step", hint)
    return found
