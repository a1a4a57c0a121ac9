"""``serve``: build when it is needed and allowed, refuse what is not exactly a build, start."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from plexus import __version__, manifest
from plexus.cli.build import config_path, out_path, show, shown
from plexus.compiler import config_digest, examine, generated
from plexus.compiler.diagnostics import quote
from plexus.compiler.output import OutputError, repair, write
from plexus.compiler.resolve import is_loopback
from plexus.manifest import ManifestError


def serve(arguments: Namespace) -> int:
    if arguments.generated is not None and (arguments.config or arguments.out):
        print("--generated serves a folder as it is: no --config or --out", file=sys.stderr)
        return 2
    if arguments.generated is not None:
        folder = arguments.generated
    else:
        folder = out_path(arguments)
        code = _build_if_needed(config_path(arguments), folder)
        if code:
            return code
    try:
        repair(folder)
        _refuse_stale(folder)
        return _start(arguments, folder)
    except OutputError as error:
        print(error.message, file=sys.stderr)
        return 1
    except ManifestError as error:
        print(f"{shown(error.path)}: {error.message}; run `plexus build`", file=sys.stderr)
        return 1 if error.kind in ("missing", "unreadable") else 3
    except OSError as error:
        print(f"{folder}: cannot be served: {error.strerror}", file=sys.stderr)
        return 1


def _build_if_needed(config: Path, folder: Path) -> int:
    """Bring the folder up to date; says so when there was something to do."""
    reason = _outdated(config, folder)
    if reason is None:
        return 0
    print(f"{shown(folder)}: {reason}; building", file=sys.stderr)
    examined = examine(config)
    show(examined, "text")
    if examined.failed:
        return 1
    try:
        write(folder, generated(examined))
    except OutputError as error:
        print(f"error {error.code}: {error.message}", file=sys.stderr)
        return 1
    return 0


def _outdated(config: Path, folder: Path) -> str | None:
    """Why a folder has to be built again, or None."""
    try:
        found, _ = manifest.verify(folder)
    except ManifestError as error:
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
    host = arguments.host or generation.settings.host
    port = arguments.port if arguments.port is not None else generation.settings.port
    if not generation.keys and not is_loopback(host) and not arguments.allow_anonymous:
        print(
            f"serving on {quote(host)} lets everybody who reaches it use your providers' keys:\n"
            'add client "keys" to the config, or say --allow-anonymous',
            file=sys.stderr,
        )
        return 1
    if arguments.workers > 1:
        print(f"{arguments.workers} workers share nothing between them", file=sys.stderr)
    return run(folder, host=host, port=port, workers=arguments.workers)
