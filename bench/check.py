"""How long a whole ``plexus check`` process takes on a file with six mistakes."""

import shutil
import statistics
import subprocess
import time
from pathlib import Path

from bench.gateways import ROOT, plexus

SIX_MISTAKES = ROOT / "tests/compiler/cases/six_mistakes/plexus.json"
"""A misspelt key, an unknown provider, a wrong type, a bad enum, a bad URL, a literal secret."""

TIMES = 10


def measure_check(lab: Path, times: int = TIMES) -> float:
    """Median milliseconds from spawn to exit."""
    folder = lab / "check"
    folder.mkdir(exist_ok=True)
    shutil.copy(SIX_MISTAKES, folder / "plexus.json")
    argv, env = plexus("check")
    milliseconds = []
    for _ in range(times):
        began = time.perf_counter()
        done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True)
        milliseconds.append((time.perf_counter() - began) * 1e3)
        said = done.stdout + done.stderr
        if done.returncode != 1 or said.count(": error P") != 6:
            raise SystemExit(f"plexus check did not find six mistakes:\n{said}")
    return statistics.median(milliseconds)
