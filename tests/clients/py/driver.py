"""One JSON command per line in, one JSON outcome per line out; runs in an environment of its own.

``python -m tests.clients.py.driver`` knows the frameworks of ``requirements/clients-*.txt``.  Each
is imported when it is first asked for, and used as its documentation shows: it calls the tool by
itself and goes on until there is an answer.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Job:
    """A prompt for ``client``; ``result`` is what the tool says, ``called`` how it was called."""

    client: str
    base: str
    key: str
    model: str
    prompt: str
    stream: bool
    result: str
    called: list[dict[str, Any]] = field(default_factory=list)

    def get_weather(self, city: str, unit: str = "celsius") -> str:
        """The weather of a city."""
        self.called.append({"city": city, "unit": unit})
        return self.result


LOOP = asyncio.Runner()
"""One for all: some clients keep their connections."""

MODULES = {
    "langchain": "with_langchain",
    "pydantic-ai": "with_pydantic_ai",
    "llama-index": "with_llama_index",
    "instructor": "with_instructor",
    "llm": "with_llm",
}


def run(job: Job) -> dict[str, Any]:
    family = next(name for name in MODULES if job.client.startswith(name))
    module = importlib.import_module(f"tests.clients.py.{MODULES[family]}")
    return {"text": module.run(job), "called": job.called}


def main() -> None:
    for line in sys.stdin:
        try:
            answer = run(Job(**json.loads(line)))
        except Exception:  # noqa: BLE001  whatever it is, the test has to show it
            answer = {"broken": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
