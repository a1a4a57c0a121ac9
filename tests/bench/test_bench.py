"""The bench runs: one short round, everything it prints, no figure judged."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = {
    "rounds": "1",
    "seconds": "0.1",
    "starts": "1",
    "checks": "1",
    "aliases": "20",
    "scenarios": "chat_c1,burst_c32,chat2chat_json,gemini2gemini_json,gemini2chat_json",
}


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None,
    reason="*** SKIPPED: the bench needs Linux and gcc ***",
)
@pytest.mark.parametrize("nginx", [True, False], ids=["all", "without nginx"])
def test_the_bench_runs(tmp_path: Path, nginx: bool) -> None:
    """Without nginx too: it is said loudly, and nothing else changes."""
    path = os.environ["PATH"]
    if not nginx:
        tools = tmp_path / "bin"
        tools.mkdir()
        for name in ("gcc", "as", "ld", "taskset"):
            (tools / name).symlink_to(str(shutil.which(name)))
        path = str(tools)
    options = [word for name, value in SHORT.items() for word in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--lab", str(tmp_path / "lab"), *options],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    assert "failed or unfinished" not in done.stderr
    assert ("SKIPPED: nginx is not installed" in printed) == (
        not nginx or shutil.which("nginx") is None
    )
    assert "| chat_c1 | request |" in printed and "| burst_c32 | chunk |" in printed
    rows = re.findall(
        r"^(?:PASS|FAIL)  (.*): ([0-9.]+) ?(x|s|MiB|ms) \(bar ", printed, re.MULTILINE
    )
    assert [unit for _, _, unit in rows] == ["x"] * 3 + ["s", "MiB", "s", "s", "ms"], printed
    assert all(float(figure) > 0 for _, figure, _ in rows)
