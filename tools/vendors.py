"""Prints docs/vendors.md, made from the profiles themselves; `make regen` writes the page."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from plexus.compiler.profiles import Profile, profiles
from plexus.transformers.openai_chat.losses import EXTRAS

HEAD = f"""\
# Vendors

Many vendors speak `openai-chat`, each with quirks of its own. What is known of them is data: one
file for a vendor in `plexus/compiler/profiles`, with its date and where it is from, a section of
the protocol reference that Plexus is built from or a page of the vendor's own documentation. A
profile says what a vendor's models accept, in the words of [capabilities](configuration.md#models),
and translations follow it; what has to be left out for it is reported as a [loss](losses.md). A
request that is passed through is not edited for it; one that the model would refuse may be
[translated](dialects.md#conditions) instead.

A provider gets the profile that its key `profile` names, else the one whose host its URL has.
Another host has none. `plexus explain ALIAS` says which profile it is, what chose it and what it
comes to. It wins over what is [known of the model](models.md); a provider's and a model's own
`capabilities` win over it, key by key. For a server that is none of these,
`"profile": "compatible"` is the cautious choice.

`openai_extras` stands for {", ".join(f"`{name}`" for name in EXTRAS[:7])},
{", ".join(f"`{name}`" for name in EXTRAS[7:])}.

`make regen` writes this page from the files.

| profile | vendor | chosen by the host | from |
|---|---|---|---|
"""


def page() -> str:
    """The whole page, final newline included."""
    found = profiles().items()
    table = "".join(_line(name, profile) for name, profile in found)
    return HEAD + table + "".join(_section(name, profile) for name, profile in found)


def _line(name: str, profile: Profile) -> str:
    hosts = ", ".join(f"`{host}`" for host in profile.hosts) or "none"
    return f"| [`{name}`](#{_anchor(name)}) | {profile.title} | {hosts} | {_origin(profile)} |\n"


def _anchor(name: str) -> str:
    return name.replace(".", "")


def _origin(profile: Profile) -> str:
    return f"{', '.join(profile.source)}; {profile.date}"


def _section(name: str, profile: Profile) -> str:
    lines = [
        "",
        f"## {name}",
        "",
        f"| {profile.title} | says |",
        "|---|---|",
        *_rows(profile.capabilities),
    ]
    for quirks in profile.models:
        models = ", ".join(f"`{pattern}`" for pattern in quirks.match)
        lines += ["", f"Of {models}:", "", "| | says |", "|---|---|", *_rows(quirks.capabilities)]
    if profile.headers:
        headers = ", ".join(f"`{key}: {value}`" for key, value in profile.headers.items())
        lines += ["", f"Sent with every request, unless the config sets it: {headers}."]
    if profile.notes:
        lines.append("")
        for note in profile.notes:
            lines += textwrap.wrap(note, 140, initial_indent="- ", subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def _rows(known: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(known.items()):
        yield f"| `{name}` | {_value(value)} |"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(f"`{item}`" for item in value) or "nothing"
    if isinstance(value, dict):
        return ", ".join(f"`{key}` → `{word}`" for key, word in value.items()) or "nothing"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


if __name__ == "__main__":
    print(page(), end="")
