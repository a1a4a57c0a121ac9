"""Every diagnostic has a case: its code stands in an expected output, or in an assertion."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"\bP[1-6][0-9]{2}\b")


def codes(paths: Iterable[Path]) -> set[str]:
    return {code for path in paths for code in CODE.findall(path.read_text(encoding="utf-8"))}


def test_every_code_has_a_case() -> None:
    said = codes((ROOT / "plexus").rglob("*.py"))
    assert len(said) > 60
    tests = (path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    assert said - codes([*tests, *(ROOT / "tests").rglob("stderr.txt")]) == set()
