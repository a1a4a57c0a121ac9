"""Paths into the config as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from plexus.compiler.diagnostics import quote

Step: TypeAlias = "str | int"
Path: TypeAlias = "tuple[Step, ...]"

_PLAIN = re.compile(r"[A-Za-z_$*][A-Za-z0-9_$*-]*")


def dotted(path: Sequence[Step]) -> str:
    """``("aliases", "gpt-4.1", "targets", 0)`` → ``aliases."gpt-4.1".targets[0]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _PLAIN.fullmatch(step) else quote(step))
    return text or "the config"


def pointer(path: Sequence[Step]) -> str:
    """The same as a JSON pointer (RFC 6901) fragment: ``#/aliases/gpt-4.1/targets/0``."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "#" + "".join(f"/{step}" for step in escaped)
