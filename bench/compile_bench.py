"""The compiler's figures: a whole `plexus check`, and 1,000 aliases from nothing to the folder.

    python -m bench.compile_bench

Prints the median of 10 processes on the file with six mistakes (goal 300 ms), and of 5 builds of
1,000 aliases over 1,000 models of 20 providers (goal 2 s), each a process of its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SIX_MISTAKES = ROOT / "tests" / "compiler" / "cases" / "six_mistakes" / "plexus.json"


def many_aliases(count: int = 1000) -> dict[str, object]:
    """A config with ``count`` aliases of two targets each."""
    providers = {
        f"vendor{i}": {
            "type": ("openai-chat", "anthropic-messages")[i % 2],
            "api_base_url": f"https://vendor{i}.example/v1",
            "api_key": {"env": f"VENDOR{i}_KEY"},
            "models": {f"model-{j}": {"max_output_tokens": 8192} for j in range(count // 20)},
        }
        for i in range(20)
    }
    aliases = {
        f"alias-{i}": {
            "targets": [
                f"vendor{i % 20}/model-{i % (count // 20)}",
                f"vendor{(i + 1) % 20}/model-{(i + 7) % (count // 20)}",
            ]
        }
        for i in range(count)
    }
    return {"providers": providers, "aliases": aliases}


def seconds(*arguments: str, cwd: Path) -> tuple[float, int]:
    """Wall time and exit code of one whole process."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "plexus", *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    return time.perf_counter() - start, done.returncode


def main() -> int:
    """Print both figures; the exit code says only whether the commands did what they should."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plexus.json").write_text(json.dumps(many_aliases(), indent=2))
        checks = [seconds("check", "--config", str(SIX_MISTAKES), cwd=folder) for _ in range(10)]
        builds = [seconds("build", "--out", f"out{turn}", cwd=folder) for turn in range(5)]
    for what, runs, goal in (
        ("plexus check, six mistakes", checks, 0.3),
        ("plexus build, 1,000 aliases", builds, 2.0),
    ):
        times = [run[0] for run in runs]
        print(
            f"{what}: median {statistics.median(times) * 1000:.0f} ms of {len(times)} processes"
            f" (goal {goal * 1000:.0f} ms, worst {max(times) * 1000:.0f} ms)"
        )
    expected = {code for _, code in checks} == {1} and {code for _, code in builds} == {0}
    return 0 if expected else 1


if __name__ == "__main__":
    sys.exit(main())
