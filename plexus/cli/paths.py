"""Which files a command is about."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

CONFIG = Path("plexus.json")
OUT = "generated"


def config_path(arguments: Namespace) -> Path:
    return arguments.config or CONFIG


def out_path(arguments: Namespace) -> Path:
    """Absolute, without following links: a link must stay visible to be refused."""
    out = arguments.out or config_path(arguments).parent / OUT
    return Path(os.path.abspath(out))


def shown(path: Path) -> str:
    """A path as people know it: relative to where they stand, if it is below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
