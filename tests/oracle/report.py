"""The recorded result, and the part of docs/deviations.md that is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import wrap
from typing import Any

from tests.oracle.classes import CLASSES, Class
from tests.oracle.compare import Result
from tests.oracle.exchanges import ROUTES

RECORDED = Path(__file__).parent / "recorded.json"
DEVIATIONS = Path(__file__).parents[2] / "docs" / "deviations.md"
LOCK = Path(__file__).parent / "js" / "package-lock.json"
HEADING = "## On recorded traffic\n"

SIDES = {"ask": "What reaches the provider", "answer": "What reaches the client"}


def recorded() -> dict[str, Any]:
    """What ``write`` wrote."""
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


def write(result: Result) -> None:
    """Record ``result``, whose differences are all in classes, and write the page anew.

    Raises ValueError for a class that was not found: it is a row too many.
    """
    if absent := [known.name for known in CLASSES if known.name not in result.counts]:
        raise ValueError(f"not found any more: {absent}")
    package = json.loads(LOCK.read_text())["packages"]["node_modules/@musistudio/llms"]
    data = {
        "version": package["version"],
        "cases": len(result.cases),
        "exchanges": result.exchanges,
        "differences": result.differences,
        "classes": {known.name: result.counts[known.name] for known in CLASSES},
    }
    RECORDED.write_text(json.dumps(data, indent=2) + "\n")
    before, _, _ = DEVIATIONS.read_text().partition(HEADING)
    DEVIATIONS.write_text(before + section(data))


def section(data: dict[str, Any]) -> str:
    """The page's last part, from a recorded result."""
    steps = ", ".join(f"`{route.name}`" for route in ROUTES if route.name != "chat")
    text = (
        f"`make oracle` serves musistudio/llms {data['version']} from npm and Plexus over the same"
        " upstream, asks both the same, and compares what reached the provider and what came back."
        " Requests and answers are recorded ones; clients speak chat and Messages; the chains are"
        f" none, {steps}. Each difference must belong to one of the classes below, or the"
        f" comparison fails. The last run: {data['cases']} recorded cases, {data['exchanges']}"
        " exchanges,"
        f" {data['differences']} differences. Ids that a gateway makes, times and the order of"
        " members are no differences. T01 and the like are traps, other names pages, of the"
        " reference that Plexus was written by."
    )
    lines = [HEADING, *wrap(text, 130, break_on_hyphens=False), ""]
    for side, title in SIDES.items():
        lines += [
            f"### {title}",
            "",
            "| class | musistudio/llms | Plexus | right | why | found |",
            "|---|---|---|---|---|---|",
            *(_row(known, data["classes"][known.name]) for known in CLASSES if known.side == side),
            "",
        ]
    return "\n".join(lines)


def _row(known: Class, count: int) -> str:
    cells = (known.name, known.parent, known.plexus, known.right, known.why, str(count))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
