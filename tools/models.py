"""Prints docs/models.md, made from the makers' data files; `make regen` writes the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from plexus.compiler.models import MAKERS, Maker, Model, maker

HEAD = """\
# Models

What models can do is data: one file for a maker in `plexus/compiler/models`, every row with the day
it was written down and where it is from, a section of the protocol reference that Plexus is built
from, models.dev or genai-prices; `NOTICE.txt` beside the files has the licences of the last two.
Translations follow it, model lists show its limits, and `plexus check`
[warns](configuration.md#what-does-not-fit) where the targets of an alias do not fit together.

- A model is known by its name, without the path before it (`anthropic/…`), a cloud's prefix and
  suffix (`us.anthropic.…-v1:0`), a date, `-latest`, or what follows a colon. Dots and dashes are
  the same.
- A name without a row is an unknown model, and what a row does not say is unknown. Nothing is
  guessed from neighbours.
- *Anywhere* holds wherever the model is served; *at its maker* only in the maker's dialects and
  only where the maker's service, or a cloud whose names tell the maker, answers. A router or a
  server of your own has limits of its own.
- Everything can be said otherwise in the config, [key by key](configuration.md#models). The
  vendor's [profile](vendors.md) stands between: it wins over this page, and the config over both.
- The echo provider's models are not looked up.

`make regen` writes this page from the files.
"""


def page() -> str:
    """The whole page, final newline included."""
    return HEAD + "".join(_section(maker(name)) for name in sorted(MAKERS))


def _section(found: Maker) -> str:
    dialects = ", ".join(f"`{name}`" for name in found.dialects)
    own = f" Its own dialects: {dialects}." if dialects else ""
    lines = [
        "",
        f"## {found.title}",
        "",
        f"Thinking goes back to the family `{found.family}`.{own}",
        "",
        "| models | anywhere | at its maker | from |",
        "|---|---|---|---|",
        *map(_line, found.models),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Model) -> str:
    names = ", ".join(f"`{pattern}`" for pattern in row.match)
    cells = (
        names,
        ", ".join(_said(row.capabilities)) or "nothing",
        ", ".join(_said(row.native)) or "nothing",
        f"{', '.join(row.source)}; {row.date}",
    )
    return f"| {' | '.join(cells)} |"


def _said(known: dict[str, Any]) -> Iterator[str]:
    for name, value in known.items():
        if isinstance(value, list):
            yield f"`{name}` {'/'.join(value)}"
        elif isinstance(value, bool):
            yield f"`{name}`" if value else f"not `{name}`"
        else:
            yield f"`{name}` {value if isinstance(value, str) else json.dumps(value)}"


if __name__ == "__main__":
    print(page(), end="")
