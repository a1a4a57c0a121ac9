"""The same config gives the same bytes: any order of keys, hash seed, folder, locale, zone."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CASE = Path(__file__).parent / "cases" / "everything" / "plexus.json"

CHILD = """
import hashlib, sys
from pathlib import Path
from plexus.compiler.pipeline import examine, generated
for line in sys.stdin:
    files = generated(examine(Path(line.rstrip("\\n"))))
    print(hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest(), flush=True)
"""


def shuffled(data: Any, chance: random.Random) -> Any:
    """The same meaning in another order of keys."""
    if isinstance(data, dict):
        items = [(key, shuffled(value, chance)) for key, value in data.items()]
        chance.shuffle(items)
        return dict(items)
    if isinstance(data, list):
        return [shuffled(item, chance) for item in data]
    return data


def test_a_hundred_builds_give_the_same_bytes(tmp_path: Path, seeded: random.Random) -> None:
    """Ten processes, each with its own hash seed, locale and zone; ten orders of keys in each."""
    data = json.loads(CASE.read_text())
    digests: list[str] = []
    for process in range(10):
        paths = []
        for build in range(10):
            folder = tmp_path / f"{process}-{build}" / seeded.choice(["a", "b c", "é"])
            folder.mkdir(parents=True)
            text = json.dumps(shuffled(data, seeded), indent=seeded.choice([None, 1, 2, 8]))
            (folder / "plexus.json").write_text(text)
            paths.append(str(folder / "plexus.json"))
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            input="\n".join(paths),
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONHASHSEED": str(seeded.randrange(2**32)),
                "LC_ALL": seeded.choice(["C", "C.UTF-8", "POSIX"]),
                "TZ": seeded.choice(["UTC", "Asia/Kolkata", "America/New_York"]),
                "PYTHONUTF8": "1",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        digests += done.stdout.split()
    print(f"{len(digests)} builds, {len(set(digests))} different")
    assert len(digests) == 100
    assert len(set(digests)) == 1


def test_a_change_of_meaning_changes_the_bytes(tmp_path: Path) -> None:
    """The negative control: what the test above compares does tell configs apart."""
    from plexus.compiler.pipeline import examine_text, generated

    data = json.loads(CASE.read_text())
    seen = set()
    for level in ("debug", "info"):
        data["log"]["level"] = level
        files = generated(examine_text(json.dumps(data).encode(), "plexus.json"))
        seen.add(hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest())
    assert len(seen) == 2
