"""What README.md and docs/ci.md tell people to type, typed at a served gateway."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.processes import Gateway
from tests.docs.pages import DOCS, ROOT, blocks

DEADLINE = 60.0
ADDRESS = "http://127.0.0.1:4000"
README = ROOT / "README.md"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The repository's own plexus.json, served."""
    config = json.loads((ROOT / "plexus.json").read_text(encoding="utf-8"))
    served = Gateway(tmp_path_factory.mktemp("own") / "gateway", config)
    yield served
    served.stop()


def at(gateway: Gateway, code: str) -> str:
    """``code``, which names the port of `make serve`, for the port that is served on here."""
    assert ADDRESS in code
    return code.replace(ADDRESS, f"http://127.0.0.1:{gateway.port}")


def run_python(code: str, folder: Path) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_commands_of_the_readme_are_answered(gateway: Gateway) -> None:
    commands = re.findall(
        r"^curl (http://\S+)((?: -H '[^']+')+) *\\\n *-d '([^']+)'", README.read_text("utf-8"), re.M
    )
    assert [command[0].removeprefix(ADDRESS) for command in commands] == [
        "/v1/chat/completions",
        "/v1/messages",
    ]
    for url, options, body in commands:
        headers = dict(re.findall(r"-H '([^:]+): ([^']+)'", options))
        request = urllib.request.Request(at(gateway, url), body.encode(), headers)
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            assert "Hello" in answer.read().decode()


def test_the_sdk_snippet_of_the_readme_prints_two_answers(gateway: Gateway, tmp_path: Path) -> None:
    (snippet,) = blocks(README, "python")
    assert run_python(at(gateway, snippet), tmp_path) == "Hello\nHello\n"


def test_the_ci_scripts_send_a_request_through_every_alias(tmp_path: Path) -> None:
    """The README's configuration with real providers, made testable and tested without a key."""
    (config,) = blocks(README, "json")
    (tmp_path / "plexus.json").write_text(config, encoding="utf-8")
    make_echo, ask = blocks(DOCS / "ci.md", "python")
    run_python(make_echo, tmp_path)
    made = json.loads((tmp_path / "build" / "plexus.json").read_text(encoding="utf-8"))
    assert {provider["type"] for provider in made["providers"].values()} == {"echo"}
    served = Gateway(tmp_path / "served", made)
    try:
        run_python(at(served, ask), tmp_path)
    finally:
        served.stop()
    assert served.log().count("POST /v1/") == 2 * len(made["aliases"])
