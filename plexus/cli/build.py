"""``check``, ``build`` and ``explain``."""

from __future__ import annotations

import gc
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path

from msgspec.structs import replace

from plexus.cli.paths import config_path, out_path, shown
from plexus.compiler.diagnostics import (
    Diagnostic,
    as_github,
    as_json,
    as_text,
    in_order,
    quote,
    suggest,
)
from plexus.compiler.pipeline import Examined, examine, generated, planned


def without_collector(run: Callable[[Namespace], int]) -> Callable[[Namespace], int]:
    """A command that lives for a second and keeps what it makes: looking for garbage is a third."""

    @wraps(run)
    def command(arguments: Namespace) -> int:
        gc.disable()
        try:
            return run(arguments)
        finally:
            gc.enable()

    return command


@without_collector
def check(arguments: Namespace) -> int:
    """All diagnostics; nothing is written and ``generated/`` is not looked at."""
    examined = examine(config_path(arguments))
    if arguments.env:
        examined = _with_environment(examined)
    show(examined, arguments.format)
    if not examined.failed and arguments.format == "text":
        print(f"{examined.file}: ok")
    return int(examined.failed)


@without_collector
def build(arguments: Namespace) -> int:
    """Write ``generated/``, or with ``--check`` show what is not as it would be written."""
    from plexus.compiler.output import OutputError

    examined = examine(config_path(arguments))
    out = out_path(arguments)
    if arguments.check and not examined.failed:
        return _compare(examined, out, arguments.format)
    show(examined, arguments.format)
    if examined.failed:
        return 1
    try:
        return _write(examined, out, arguments)
    except OutputError as error:
        return _refused(error, out, arguments.format)


def _write(examined: Examined, out: Path, arguments: Namespace) -> int:
    from plexus.compiler.explain import report
    from plexus.compiler.output import write

    written = write(out, generated(examined))
    for name in written.edited:
        print(f"{shown(out / name)}: had been edited by hand; written anew", file=sys.stderr)
    if arguments.format == "text":
        state = "written" if written.changed else "is up to date"
        print(f"{shown(out)} {state}: {report(planned(examined))}", end="")
    return 0


def _compare(examined: Examined, out: Path, form: str) -> int:
    """For people a diff; for programs one diagnostic for each file that differs."""
    from plexus.compiler.output import differences

    try:
        found = differences(out, generated(examined))
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        emit([*examined.diagnostics, Diagnostic(shown(out), 0, 0, "P506", message)], examined, form)
        return 1
    if form == "text":
        show(examined, form)
        if found:
            print("".join(found.values()), end="")
            said = f"{shown(out)} is not what {examined.file} builds; run `plexus build`"
            print(said, file=sys.stderr)
    else:
        message = f"is not what {examined.file} builds"
        stale = [
            Diagnostic(shown(out / name), 1, 1, "P507", message, "run `plexus build`")
            for name in found
        ]
        emit([*examined.diagnostics, *stale], examined, form)
    return 3 if found else 0


def _refused(error: Exception, out: Path, form: str) -> int:
    from plexus.compiler.output import OutputError

    assert isinstance(error, OutputError)
    emit([Diagnostic(shown(out), 0, 0, error.code, error.message, error.hint)], None, form)
    return 1


def explain(arguments: Namespace) -> int:
    """Who answers an alias, by which translation, and what that loses."""
    from plexus.compiler.explain import as_data
    from plexus.compiler.explain import explain as explained

    examined = examine(config_path(arguments))
    show(examined, "text")
    if examined.failed:
        return 1
    plan = planned(examined)
    names = {other: a.name for a in plan.aliases.values() for _, other in a.alias.additional}
    name = names.get(arguments.alias, arguments.alias)
    if name not in plan.aliases:
        hint = suggest(name, plan.aliases) or f"there are {', '.join(plan.aliases)}"
        print(f"{examined.file}: no alias {quote(name)}; {hint}", file=sys.stderr)
        return 1
    if arguments.format == "json":
        print(json.dumps(as_data(plan, name, arguments.dialect), indent=2))
    else:
        print(explained(plan, name, arguments.dialect), end="")
    return 0


def show(examined: Examined, form: str) -> None:
    """Print the diagnostics of a config."""
    emit(examined.diagnostics, examined, form)


def emit(diagnostics: Sequence[Diagnostic], examined: Examined | None, form: str) -> None:
    """Text goes to stderr; what other programs read goes to stdout."""
    document = examined.document if examined is not None else None
    if form == "json":
        print(as_json(diagnostics), end="")
    elif form == "github":
        print(as_github(diagnostics), end="")
    else:
        print(as_text(diagnostics, document, colour=_colour()), end="", file=sys.stderr)


def _colour() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stderr.isatty()


def _with_environment(examined: Examined) -> Examined:
    from plexus.compiler.environment import missing

    if examined.resolved is None or examined.document is None:
        return examined
    base = Path(examined.file).parent
    found = missing(examined.document, examined.resolved.config, os.environ, base)
    return replace(examined, diagnostics=in_order((*examined.diagnostics, *found)))
