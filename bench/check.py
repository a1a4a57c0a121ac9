"""How long a whole ``plexus check`` process takes on a file with six mistakes."""

import shutil
from pathlib import Path

from bench.gateways import ROOT, plexus
from bench.processes import Cost, middle, run

SIX_MISTAKES = ROOT / "tests/compiler/cases/six_mistakes/plexus.json"
"""A misspelt key, an unknown provider, a wrong type, a bad enum, a bad URL, a literal secret."""

TIMES = 10


def measure_check(lab: Path, times: int = TIMES) -> Cost:
    """Medians from spawn to exit."""
    folder = lab / "check"
    folder.mkdir(exist_ok=True)
    shutil.copy(SIX_MISTAKES, folder / "plexus.json")
    argv, env = plexus("check")
    costs = []
    for _ in range(times):
        cost, done = run(argv, env, folder)
        costs.append(cost)
        said = done.stdout + done.stderr
        if done.returncode != 1 or said.count(": error P") != 6:
            raise SystemExit(f"plexus check did not find six mistakes:\n{said}")
    return middle(costs)
