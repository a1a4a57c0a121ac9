"""``serve``: build when it is needed and allowed, refuse what is not exactly a build, start."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from pathlib import Path

from plexus import __version__, manifest
from plexus.cli.paths import config_path, out_path, shown
from plexus.compiler.source import config_digest
from plexus.manifest import ManifestError, Verified

_SHOWN = 8


def serve(arguments: Namespace) -> int:
    if arguments.generated is not None and (arguments.config or arguments.out):
        print("--generated serves a folder as it is: no --config or --out", file=sys.stderr)
        return 2
    folder = arguments.generated or out_path(arguments)
    try:
        if arguments.generated is None:
            config = config_path(arguments)
            verified = built(config, folder)
            return 1 if verified is None else _start(arguments, folder, verified, config)
        if not folder.exists():
            _taken_back(folder)
        verified = manifest.verify(folder)
        _refuse_stale(folder, verified)
        return _start(arguments, folder, verified, None)
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


def built(config: Path, folder: Path) -> Verified | None:
    """The folder, brought up to date; says so when there was something to do.  None: it failed.

    The compiler is only imported when there is: a server has no use for it.
    """
    verified, reason = _looked_at(config, folder)
    if verified is not None:
        return verified
    from plexus.cli.build import show
    from plexus.compiler.output import OutputError, write
    from plexus.compiler.pipeline import examine, generated

    print(f"{shown(folder)}: {reason}; building", file=sys.stderr)
    examined = examine(config)
    show(examined, "text")
    if examined.failed:
        return None
    try:
        write(folder, generated(examined))
    except OutputError as error:
        print(f"error {error.code}: {error.message}", file=sys.stderr)
        return None
    return manifest.verify(folder)


def _looked_at(config: Path, folder: Path) -> tuple[Verified | None, str]:
    """A folder that is up to date, or why it has to be built again.

    Raises ManifestError for an edited one.
    """
    try:
        verified = manifest.verify(folder)
    except ManifestError as error:
        if error.kind in ("edited", "foreign"):
            # Somebody's work, or something worse: nothing for a server to throw away.
            raise
        named = f"{shown(error.path)} {error.message}"
        return None, named if error.path != folder else error.message
    found, _ = verified
    if found.version != __version__:
        return None, f"was built by plexus {found.version}"
    if found.config_digest != config_digest(config):
        return None, f"is older than {config}"
    return verified, ""


def _refuse_stale(folder: Path, verified: Verified) -> None:
    """Raise ManifestError when the config beside a folder says something else than the folder.

    Without its config (deployed alone) a folder stands for itself.
    """
    found, _ = verified
    config = folder.absolute().parent / Path(found.config).name
    if config.is_file() and config_digest(config) != found.config_digest:
        raise ManifestError("stale", folder, f"is stale: {found.config} has changed since")


def _start(arguments: Namespace, folder: Path, verified: Verified, config: Path | None) -> int:
    """Relative paths start from the folder of the config, or the one the package stands in."""
    from plexus.gateway.loader import load
    from plexus.gateway.server import serve as run

    generation = load(folder, verified, None if config is None else config.absolute().parent)
    settings = generation.settings
    for key in generation.keys:
        if key.expires is not None and key.expires <= time.time():
            print(f"the client key {key.name!r} has expired: it is refused", file=sys.stderr)
    names = sorted(generation.table.models)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    print(f"models: {', '.join(names[:_SHOWN])}{more}", file=sys.stderr)
    return run(
        generation,
        host=arguments.host or settings.host,
        port=settings.port if arguments.port is None else arguments.port,
        workers=arguments.workers,
        allow_anonymous=arguments.allow_anonymous,
    )
