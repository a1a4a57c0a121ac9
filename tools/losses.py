"""Prints docs/losses.md, made from the dialects' own tables; `make regen` writes the page."""

from __future__ import annotations

import itertools

from plexus.compiler import catalog
from plexus.compiler.losses import LossRow, rows

HEAD = """\
# Losses

Every row that a translation can report, by direction, the worst first. A field without a row is
kept. `make regen` writes this page from the tables that the code itself uses; what applies to your
own targets is printed by `plexus explain ALIAS`.
"""


def page() -> str:
    """The whole page, final newline included."""
    pairs = itertools.product(catalog.dialects(), repeat=2)
    return "\n".join([HEAD, *(_direction(client, provider) for client, provider in pairs)])


def _direction(client: str, provider: str) -> str:
    lines = [
        f"## A client of {client}, a provider of {provider}\n",
        "| in the | outcome | field | what happens | when |",
        "|---|---|---|---|---|",
        *map(_line, rows(client, provider)),
        "",
    ]
    return "\n".join(lines)


def _line(row: LossRow) -> str:
    cells = (row.part, row.outcome, f"`{row.field}`", row.note, row.condition or "always")
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    print(page(), end="")
