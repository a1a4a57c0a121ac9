"""The one architectural test: who may import whom (design §2)."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "plexus"

LEAVES = {"plexus", "plexus.manifest", "plexus.plain_files", "plexus.secret_values"}

# room: (rooms of Plexus it may import, foreign packages it may import beside the stdlib)
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "unified": (set(), {"msgspec"}),
    "streaming": ({"unified"}, {"msgspec"}),
    "transformers": ({"unified", "streaming"}, {"msgspec"}),
    "routing": ({"unified", "transformers"}, {"msgspec"}),
    "accounts": ({"unified", "routing"}, {"msgspec"}),
    "observe": (set(), {"msgspec"}),
    "gateway": (
        {"unified", "streaming", "transformers", "routing", "accounts", "observe"},
        {
            "msgspec",
            "falcon",
            "uvicorn",
            "uvloop",
            "httptools",
            "httpx",
            "httpx2",
            "backports",
            "botocore",
            "brotli",
            "compression",
            "google",
            "websockets",
        },
    ),
    "compiler": (
        {"unified", "transformers", "routing"},
        {"msgspec", "jinja2", "jsonschema", "markupsafe", "referencing"},
    ),
    "cli": ({"compiler", "gateway", "observe", "routing"}, {"msgspec"}),
}

PURE = {"unified", "streaming", "transformers", "routing"}
IMPURE = {"socket", "asyncio", "subprocess", "time", "os", "random", "urllib.request"}


def imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # The class of an injected source is no source.
            if [alias.name for alias in node.names] != ["Random"]:
                found.append((node.lineno, node.module or ""))
    return found


def room_of(path: Path) -> str | None:
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else None


SOURCES = sorted(path for path in ROOT.rglob("*.py") if room_of(path) is not None)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_stay_in_their_rooms(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f"{room} is not a room"
    allowed_rooms, allowed_foreign = ROOMS[room]
    for line, name in imports(path):
        top, _, rest = name.partition(".")
        if top == "plexus":
            target = rest.partition(".")[0]
            fine = (
                name in LEAVES or f"plexus.{target}" in LEAVES or target in allowed_rooms | {room}
            )
            assert fine, f"{path}:{line}: {room} must not import {name}"
        elif top not in sys.stdlib_module_names:
            assert top in allowed_foreign, f"{path}:{line}: {room} must not import {name}"
        elif room in PURE:
            assert name not in IMPURE, f"{path}:{line}: {room} is pure; {name} is an argument"
