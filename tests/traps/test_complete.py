"""Every trap of reference/traps.md, T01 to T100, has a test of its number or is struck."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
TRAPS = {f"T{number:02}" for number in range(1, 101)}
NAME = re.compile(r"test_(T\d{2,3})_\w+")
LEFT_OUT = {"skip", "skipif", "xfail"}


def named_tests() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The tests of this folder that are named after a trap."""
    for path in sorted(FOLDER.glob("test_*.py")):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found = NAME.fullmatch(node.name)
                if found is not None:
                    yield found[1], node


def struck() -> dict[str, str]:
    """Traps that do not apply, with the reason: ``STRUCK`` of the modules ``struck*``."""
    found: dict[str, str] = {}
    for path in sorted(FOLDER.glob("struck*.py")):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                found.update(ast.literal_eval(node.value))
    return found


def test_every_trap_is_tested_or_struck() -> None:
    tested, left = {trap for trap, _ in named_tests()}, struck()
    assert sorted(TRAPS - tested - left.keys(), key=number) == []
    assert tested | left.keys() <= TRAPS
    assert not tested & left.keys()
    assert all(reason.strip() for reason in left.values())


def number(trap: str) -> int:
    return int(trap[1:])


def test_none_is_left_out() -> None:
    for _, node in named_tests():
        parts = [part for mark in node.decorator_list for part in ast.walk(mark)]
        named = {part.attr for part in parts if isinstance(part, ast.Attribute)}
        assert not named & LEFT_OUT, node.name
