"""Helpers of the compiler tests: configs in memory, built without a command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plexus.compiler.diagnostics import as_text
from plexus.compiler.output import write
from plexus.compiler.pipeline import Examined, examine_text, generated

FILE = "plexus.json"


def small(**more: Any) -> dict[str, Any]:
    """A config without mistakes; keywords replace its sections."""
    config: dict[str, Any] = {
        "providers": {
            "openai": {
                "type": "openai-chat",
                "api_base_url": "https://api.openai.com/v1",
                "api_key": {"env": "OPENAI_API_KEY"},
                "models": ["gpt-5.4-mini"],
            },
            "echo": {"type": "echo", "models": ["echo"]},
        },
        "aliases": {"fast": {"targets": ["openai/gpt-5.4-mini", "echo/echo"]}},
    }
    return {**config, **more}


def examined(config: Any) -> Examined:
    """A config as Python data, or as JSON text, examined."""
    text = config if isinstance(config, str) else json.dumps(config, indent=2)
    return examine_text(text.encode("utf-8", "surrogatepass"), FILE)


def heads(config: Any) -> list[str]:
    """The first line of every diagnostic."""
    return [item.head() for item in examined(config).diagnostics]


def codes(config: Any) -> list[str]:
    return [item.code for item in examined(config).diagnostics]


def text(found: Examined) -> str:
    return as_text(found.diagnostics, found.document, colour=False)


def files(config: Any) -> dict[str, bytes]:
    """The generated package; fails with the diagnostics of a config that has errors."""
    found = examined(config)
    assert not found.failed, text(found)
    return generated(found)


def build(config: Any, out: Path) -> Path:
    """Write the generated package to ``out``."""
    write(out, files(config))
    return out
