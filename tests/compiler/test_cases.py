"""Config → exact files or exact diagnostics: one folder a case.

``expected/`` holds the generated package (without its manifest, which has the version in it),
``stderr.txt`` the diagnostics.  ``pytest --regen`` rewrites both; the diff is the review.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plexus.compiler.diagnostics import as_text
from plexus.compiler.pipeline import examine_text, generated
from plexus.manifest import NAME

ROOT = Path(__file__).parents[2]
CASES = sorted(path.parent for path in Path(__file__).parent.glob("cases/*/plexus.json"))
GOOD = [case for case in CASES if (case / "expected").is_dir()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path, regen: bool) -> None:
    found = examine_text((case / "plexus.json").read_bytes(), "plexus.json")
    said = as_text(found.diagnostics, found.document, colour=False)
    files = {} if found.failed else generated(found)
    made = {name: content.decode() for name, content in files.items() if name != NAME}
    if regen:
        rewrite(case, made, said)
    stderr = case / "stderr.txt"
    assert said == (stderr.read_text("utf-8") if stderr.exists() else "")
    assert made == expected(case)


def expected(case: Path) -> dict[str, str]:
    folder = case / "expected"
    paths = sorted(folder.rglob("*.py"))
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}


def rewrite(case: Path, files: dict[str, str], said: str) -> None:
    shutil.rmtree(case / "expected", ignore_errors=True)
    for name, text in files.items():
        path = case / "expected" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    stderr = case / "stderr.txt"
    stderr.unlink(missing_ok=True)
    if said:
        stderr.write_text(said, "utf-8")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All expected packages side by side, each under the name of its case."""
    folder = tmp_path_factory.mktemp("packages")
    for case in GOOD:
        shutil.copytree(case / "expected", folder / case.name)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--check", "--diff", "--no-cache"),
        ("ruff", "check", "--no-cache"),
        ("mypy", "--strict"),
    ],
    ids=" ".join,
)
def test_generated_code_is_formatted_clean_and_typed(packages: Path, command: list[str]) -> None:
    assert GOOD
    names = [case.name for case in GOOD]
    option = "--config-file" if command[0] == "mypy" else "--config"
    done = subprocess.run(
        [sys.executable, "-m", *command, option, str(ROOT / "pyproject.toml"), *names],
        cwd=packages,
        env={"MYPYPATH": str(ROOT), "MYPY_CACHE_DIR": str(packages / ".mypy_cache")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_six_mistakes_are_six_diagnostics_at_their_places() -> None:
    """The six typical mistakes of ecosystem §4.2 in one file, found in one run."""
    case = Path(__file__).parent / "cases" / "six_mistakes"
    found = examine_text((case / "plexus.json").read_bytes(), "plexus.json").diagnostics
    assert [(item.line, item.column, item.code) for item in found] == [
        (3, 22, "P202"),  # wrong type
        (7, 23, "P401"),  # bad URL
        (14, 18, "P208"),  # literal secret
        (18, 14, "P203"),  # bad enum
        (22, 7, "P201"),  # misspelt key
        (22, 42, "P302"),  # unknown provider
    ]
