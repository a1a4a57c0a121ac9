"""plexus.json → generated/: the straight line of ``plexus build``.

read → parse → shape → config → resolve → plan → render → write.  Each stage takes the result of
the one before and reports everything it finds; errors stop the line before the plan, which may
still have warnings of its own.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from plexus import __version__
from plexus.compiler import config, fit, parents, shape, source
from plexus.compiler.diagnostics import Diagnostic, errors, in_order
from plexus.compiler.plan import Plan, make
from plexus.compiler.resolve import Resolved, resolve
from plexus.compiler.source import Document
from plexus.manifest import NAME, Manifest, canonical, digest


class Examined(Struct, frozen=True):
    """A config that was looked at.  ``resolved`` and ``plan`` are None when there are errors."""

    file: str
    diagnostics: tuple[Diagnostic, ...]
    document: Document | None = None
    resolved: Resolved | None = None
    plan: Plan | None = None

    @property
    def failed(self) -> bool:
        return errors(self.diagnostics)


def examine(path: Path) -> Examined:
    """Find everything that is wrong with a config file.  Never raises."""
    file = str(path)
    document, found = source.read(path, file)
    return _examined(file, document, found)


def examine_text(raw: bytes, file: str) -> Examined:
    """The same for a config in memory."""
    document, found = source.parse(raw, file)
    return _examined(file, document, found)


def _examined(file: str, document: Document | None, found: list[Diagnostic]) -> Examined:
    if document is None:
        return Examined(file, in_order(found))
    shaped, wrong = shape.check(document)
    loaded = parents.applied(config.load(shaped.data), shaped.data)
    resolved, more = resolve(document, loaded, shaped.written)
    diagnostics = _reported(document, found, [*wrong, *more])
    if errors(diagnostics):
        return Examined(file, diagnostics, document)
    plan = make(resolved, Path(file).name)
    unfit = fit.diagnostics(document, plan)
    diagnostics = _reported(document, found, [*wrong, *more, *unfit])
    return Examined(file, diagnostics, document, resolved, plan)


def _reported(
    document: Document, syntax: list[Diagnostic], rest: list[Diagnostic]
) -> tuple[Diagnostic, ...]:
    """All of them, without secrets.

    What was no JSON to begin with, or is a secret, is not also reported for its form.
    """
    bad = {(item.line, item.column) for item in syntax}
    secret = {(item.line, item.column) for item in rest if item.code == "P208"}
    meant = [
        item
        for item in rest
        if (item.line, item.column) not in bad
        and (item.code == "P208" or (item.line, item.column) not in secret)
    ]
    return in_order(
        replace(item, message=document.scrub(item.message), hint=document.scrub(item.hint))
        for item in (*syntax, *meant)
    )


def planned(examined: Examined) -> Plan:
    """The plan of a config without errors."""
    assert examined.plan is not None
    return examined.plan


def generated(examined: Examined) -> dict[str, bytes]:
    """Every file of the generated package, manifest included, for a config without errors."""
    from plexus.compiler.render import render

    assert examined.document is not None
    files = {path: text.encode("utf-8") for path, text in render(planned(examined)).items()}
    found = Manifest(
        version=__version__,
        config=Path(examined.file).name,
        config_digest=digest(canonical(examined.document.data)),
        files={path: digest(content) for path, content in files.items()},
    )
    return {**files, NAME: found.text().encode("utf-8")}
