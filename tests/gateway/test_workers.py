"""The parent of several workers (reliability.md E4)."""

from __future__ import annotations

import signal
import subprocess
import sys

from plexus.gateway.workers import tell

DEADLINE = 30.0


def test_a_worker_that_has_just_ended_does_not_keep_a_signal_from_the_others() -> None:
    """A signal can come after a child was reaped, and before it left the table."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    assert gone.wait(DEADLINE) == 0
    waits = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE) as other:
        tell([gone.pid, other.pid], signal.SIGTERM)
        assert other.wait(DEADLINE) == -signal.SIGTERM
