"""``init``, ``schema`` and ``transformers``."""

from __future__ import annotations

import inspect
import json
import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from plexus.cli.paths import CONFIG
from plexus.compiler import catalog, parents
from plexus.compiler.factory import option_schema
from plexus.compiler.profiles import profiles
from plexus.compiler.shape import schema_text

SCHEMA = Path("schema") / "plexus.schema.json"

# The one with the least room first: what fits there fits the others.
_VENDORS = {
    "ANTHROPIC_API_KEY": (
        "anthropic",
        "anthropic-messages",
        "https://api.anthropic.com/v1",
        "claude-haiku-4-5",
    ),
    "OPENAI_API_KEY": ("openai", "openai-chat", "https://api.openai.com/v1", "gpt-5.4-mini"),
    "GEMINI_API_KEY": (
        "gemini",
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        "gemini-3.6-flash",
    ),
}


def init(arguments: Namespace) -> int:
    """A first config: the echo provider, and the providers whose keys are in the environment."""
    mode = "w" if arguments.force else "x"
    try:
        if CONFIG.exists() and not arguments.force:
            said = f"{CONFIG} is already there; `plexus init --force` replaces it"
            print(said, file=sys.stderr)
            return 1
        SCHEMA.parent.mkdir(exist_ok=True)
        SCHEMA.write_text(schema_text(), encoding="utf-8")
        with CONFIG.open(mode, encoding="utf-8") as handle:
            handle.write(json.dumps(first_config(os.environ), indent=2) + "\n")
    except OSError as error:
        print(f"{error.filename}: cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{CONFIG} written; next: `plexus build`, then `plexus serve`")
    return 0


def first_config(environment: Mapping[str, str]) -> dict[str, object]:
    """What ``init`` writes; only names of variables are taken from the environment."""
    providers: dict[str, object] = {"echo": {"type": "echo", "models": ["echo"]}}
    targets = []
    for variable, (name, dialect, url, model) in _VENDORS.items():
        if environment.get(variable, "").strip():
            providers[name] = {
                "type": dialect,
                "api_base_url": url,
                "api_key": {"env": variable},
                "models": [model],
            }
            targets.append(f"{name}/{model}")
    aliases: dict[str, object] = {
        "echo": {
            "description": "Says what it is told, without any key.",
            "targets": ["echo/echo"],
        }
    }
    if targets:
        aliases["fast"] = {"selector": "in_order", "targets": targets}
    return {"$schema": f"./{SCHEMA.as_posix()}", "providers": providers, "aliases": aliases}


def schema(arguments: Namespace) -> int:
    print(schema_text(), end="")
    return 0


def transformers(arguments: Namespace) -> int:
    """Dialects, steps with their options, profiles, selectors; what each is in one line."""
    print("dialects (type, or keys of api_base_url)")
    for name in catalog.dialects():
        print(f"  {name}" if name in catalog.client_dialects() else f"  {name} (providers only)")
    print("  echo (type only)\n\nsteps of transformer.use")
    for name in catalog.step_names():
        found = catalog.step(name)
        kind = "ends pass-through" if catalog.ends_passthrough(found) else "wire"
        print(f"  {name:<22} {kind:<18} {_first_line(found)}")
        options = _options(option_schema(found))
        if found.OPEN:
            options.append("any other" if options else "any")
        for option in options:
            print(f"    {option}")
    print("\nnames of transformer.use that say what type and profile say")
    for name in sorted((*parents.DIALECTS, *parents.VENDORS), key=str.casefold):
        print(f"  {name:<22} {parents.meaning(name)}")
    print("\nprofiles (profile, or the host of the URL)")
    for name, profile in profiles().items():
        hosts = f", {', '.join(profile.hosts)}" if profile.hosts else ""
        print(f"  {name:<22} {profile.title}{hosts}")
    print("\nselectors")
    for name in catalog.selector_names():
        print(f"  {name:<22} {_first_line(catalog.selector(name))}")
    return 0


def _first_line(found: type) -> str:
    return (inspect.getdoc(found) or "").partition("\n")[0]


def _options(schema: Mapping[str, object]) -> list[str]:
    """``max_tokens: integer, required``."""
    definitions = schema.get("$defs")
    reference = str(schema.get("$ref", "")).rpartition("/")[2]
    found = definitions.get(reference) if isinstance(definitions, dict) else None
    if not isinstance(found, dict):
        return []
    required = found.get("required", [])
    lines = []
    for name, part in found.get("properties", {}).items():
        choices = part.get("anyOf", [part])
        kind = " or ".join(_kind(choice) for choice in choices)
        state = "required" if name in required else f"default {json.dumps(part.get('default'))}"
        lines.append(f"{name}: {kind}, {state}")
    return lines


def _kind(schema: Mapping[str, object]) -> str:
    return "object" if "$ref" in schema else str(schema.get("type", "any"))
