"""``serve``: build when it is needed and allowed, refuse what is not exactly a build, start."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from plexus import __version__, manifest
from plexus.cli.paths import config_path, out_path, shown
from plexus.compiler.source import config_digest
from plexus.manifest import ManifestError

_SHOWN = 8


def serve(arguments: Namespace) -> int:
    if arguments.generated is not None and (arguments.config or arguments.out):
        print("--generated serves a folder as it is: no --config or --out", file=sys.stderr)
        return 2
    folder = arguments.generated or out_path(arguments)
    try:
        if arguments.generated is None and _build_if_needed(config_path(arguments), folder):
            return 1
        if not folder.exists():
            _taken_back(folder)
        _refuse_stale(folder)
        return _start(arguments, folder)
    except ManifestError as error:
        print(f"{shown(error.path)}: {error.message}; run `plexus build`", file=sys.stderr)
        return 1 if error.kind in ("missing", "unreadable") else 3
    except OSError as error:
        print(f"{folder}: cannot be served: {error.strerror}", file=sys.stderr)
        return 1


def _taken_back(folder: Path) -> None:
    """Where a build died between two renames, the old package is put back."""
    from plexus.compiler.output import repair

    repair(Path(os.path.abspath(folder)))


def _build_if_needed(config: Path, folder: Path) -> bool:
    """Bring the folder up to date; says so when there was something to do.  True when it failed.

    The compiler is only imported when there is: a server has no use for it.
    """
    reason = _outdated(config, folder)
    if reason is None:
        return False
    from plexus.cli.build import show
    from plexus.compiler.output import OutputError, write
    from plexus.compiler.pipeline import examine, generated

    print(f"{shown(folder)}: {reason}; building", file=sys.stderr)
    examined = examine(config)
    show(examined, "text")
    if examined.failed:
        return True
    try:
        write(folder, generated(examined))
    except OutputError as error:
        print(f"error {error.code}: {error.message}", file=sys.stderr)
        return True
    return False


def _outdated(config: Path, folder: Path) -> str | None:
    """Why a folder has to be built again, or None.  Raises ManifestError for an edited one."""
    try:
        found, _ = manifest.verify(folder)
    except ManifestError as error:
        if error.kind in ("edited", "foreign"):
            # Somebody's work, or something worse: nothing for a server to throw away.
            raise
        return f"{shown(error.path)} {error.message}" if error.path != folder else error.message
    if found.version != __version__:
        return f"was built by plexus {found.version}"
    if found.config_digest != config_digest(config):
        return f"is older than {config}"
    return None


def _refuse_stale(folder: Path) -> None:
    """Raise ManifestError when the config beside a folder says something else than the folder.

    Without its config (deployed alone) a folder stands for itself.
    """
    found = manifest.read(folder)
    config = folder.absolute().parent / Path(found.config).name
    if config.is_file() and config_digest(config) != found.config_digest:
        raise ManifestError("stale", folder, f"is stale: {found.config} has changed since")


def _start(arguments: Namespace, folder: Path) -> int:
    from plexus.gateway.loader import load
    from plexus.gateway.server import serve as run

    generation = load(folder)
    settings = generation.settings
    names = sorted(generation.table.models)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    print(f"models: {', '.join(names[:_SHOWN])}{more}", file=sys.stderr)
    return run(
        folder,
        host=arguments.host or settings.host,
        port=settings.port if arguments.port is None else arguments.port,
        workers=arguments.workers,
        allow_anonymous=arguments.allow_anonymous,
    )
