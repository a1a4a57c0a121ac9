"""The locks: a hash for everything, no index address, every package's licence written down."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = (
    "build.txt",
    "clients.txt",
    "clients-openai2.txt",
    "clouds.txt",
    "dev.txt",
    "runtime.txt",
)
LICENCES = ROOT / "docs" / "decisions" / "0006-locks-and-licences.md"
RUNTIME_LIMIT = 23
"""Packages at run time, direct and indirect. More of them is a decision, not an accident."""


def pins(name: str) -> dict[str, str]:
    """Package name → the lock's whole entry, hashes included."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    return {re.split(r"[=\s]", entry, maxsplit=1)[0]: entry for entry in entries}


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_is_one_version_with_hashes(name: str) -> None:
    entries = pins(name)
    assert entries
    for package, entry in entries.items():
        assert re.match(rf"{package}==\S+ ", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_an_address(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(
        r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", text, re.M
    )


def test_the_runtime_lock_has_what_pyproject_names_and_little_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]}
    locked = set(pins("runtime.txt"))
    assert direct <= locked
    assert len(locked) <= RUNTIME_LIMIT


def test_the_clouds_lock_is_the_runtime_and_what_the_extras_add() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    clouds, runtime = pins("clouds.txt"), pins("runtime.txt")
    assert {name: clouds[name].split(" ")[0] for name in runtime} == {
        name: entry.split(" ")[0] for name, entry in runtime.items()
    }
    for extra in ("bedrock", "vertex"):
        for requirement in project["optional-dependencies"][extra]:
            assert re.split(r"[<>=]", requirement)[0] in clouds.keys() - runtime.keys()


def test_the_development_lock_agrees_with_the_others() -> None:
    development = pins("dev.txt")
    for name in ("build.txt", "clouds.txt", "runtime.txt"):
        for package, entry in pins(name).items():
            assert entry.split(" ", 1)[0] == development[package].split(" ", 1)[0]


def test_every_locked_package_has_its_licence_in_the_table_and_no_other() -> None:
    rows = re.findall(r"^\| ([a-z0-9-]+) \| [^|]+ \| (\w+) \|$", LICENCES.read_text("utf-8"), re.M)
    locked = dict.fromkeys(pins("dev.txt"), "dev")
    locked |= dict.fromkeys(pins("build.txt"), "build")
    locked |= dict.fromkeys(pins("clouds.txt"), "clouds")
    locked |= dict.fromkeys(pins("runtime.txt"), "runtime")
    assert dict(rows) == locked
