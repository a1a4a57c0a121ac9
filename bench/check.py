"""How long a whole ``plexus check`` process takes on a file with six mistakes."""

import statistics
import subprocess
import time
from pathlib import Path

from bench.gateways import plexus

SIX_MISTAKES = """\
{
  "providers": {
    "openai": {
      "type": "openai-chatt",
      "api_base_url": "htp:/api.openai.com/v1",
      "api_key": "sk-this-is-a-literal-secret-0123456789",
      "models": ["gpt-5.4-mini"]
    },
    "anthropic": {
      "type": "anthropic-messages",
      "api_base_url": "https://api.anthropic.com/v1",
      "api_key": {"env": "ANTHROPIC_API_KEY"},
      "modles": ["claude-haiku-4-5"]
    }
  },
  "aliases": {
    "fast": {"targets": ["opnai/gpt-5.4-mini"]},
    "slow": {"targets": 7}
  }
}
"""
"""Bad enum, bad URL, literal secret, misspelt key, unknown provider, wrong type."""

_TIMES = 10


def measure_check(lab: Path) -> float:
    """Median milliseconds from spawn to exit."""
    folder = lab / "check"
    folder.mkdir(exist_ok=True)
    (folder / "plexus.json").write_text(SIX_MISTAKES)
    argv, env = plexus("check")
    milliseconds = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True)
        milliseconds.append((time.perf_counter() - began) * 1e3)
        if done.returncode != 1 or done.stdout.count("error") + done.stderr.count("error") < 6:
            raise SystemExit(f"plexus check did not find six mistakes:\n{done.stdout}{done.stderr}")
    return statistics.median(milliseconds)
