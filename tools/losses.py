"""Prints docs/losses.md, made from the dialects' own tables; `make regen` writes the page."""

from __future__ import annotations

import itertools

from plexus.compiler import catalog, platforms
from plexus.compiler.losses import LossRow, rows

HEAD = """\
# Losses

Every row that a translation can report, by direction, the worst first. A field without a row is
kept. `make regen` writes this page from the tables that the code itself uses; what applies to your
own targets is printed by `plexus explain ALIAS --dialect D`.
"""


def page() -> str:
    """The whole page, final newline included."""
    pairs = itertools.product(catalog.client_dialects(), catalog.dialects())
    parts = [_direction(client, provider) for client, provider in pairs]
    clouds = [
        _direction(dialect, dialect, name)
        for name in platforms.NAMES
        for dialect in catalog.client_dialects()
        if platforms.losses(name, dialect)
    ]
    return "\n".join([HEAD, *parts, *clouds])


def _direction(client: str, provider: str, platform: str | None = None) -> str:
    cloud = "" if platform is None else f" on {platform}"
    lines = [
        f"## A client of {client}, a provider of {provider}{cloud}\n",
        "| in the | outcome | field | what happens | when |",
        "|---|---|---|---|---|",
        *map(_line, rows(client, provider, None, platform, passthrough=bool(platform))),
        "",
    ]
    return "\n".join(lines)


def _line(row: LossRow) -> str:
    cells = (row.part, row.outcome, f"`{row.field}`", row.note, row.condition or "always")
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    print(page(), end="")
