"""``python -m tests.oracle``: compare, and record the result when every difference is explained."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.oracle.compare import run
from tests.oracle.exchanges import exchanges
from tests.oracle.report import write
from tests.oracle.servers import both, missing

if absent := missing():
    sys.exit(f"the comparison needs {absent}")
with tempfile.TemporaryDirectory() as folder, both(Path(folder)) as served:
    result = run(served, exchanges())
print(result.line())
if result.unexplained:
    sys.exit("\n".join(result.unexplained))
write(result)
