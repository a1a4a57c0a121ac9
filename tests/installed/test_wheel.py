"""The wheel, away from the checkout: what is in it, and that init → build → serve answers."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import urllib.request
import venv
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0
"""Seconds for one command or answer; far more than any needs."""

JUNK = {"__pycache__", ".mypy_cache", ".ruff_cache"}
"""What other tools leave in a checkout."""

QUESTION = {"messages": [{"role": "user", "content": "Is anybody there?"}], "max_tokens": 64}


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """The command's output; a failure shows all of it."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build(outdir: Path) -> Path:
    """A source archive of the repository, and the wheel built from that archive."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", outdir, ROOT, cwd=outdir)
    (wheel,) = outdir.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def plexus(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command of a fresh environment.

    Dependencies come from the environment that runs the tests: a path line, so that nothing of it
    is executed (its own editable install of Plexus stays invisible), searched after the wheel.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    pip = (sys.executable, "-m", "pip", "--quiet", "--python", str(python), "install")
    run(*pip, "--no-deps", "--no-index", wheel, cwd=home)
    where = run(python, "-c", "import plexus; print(plexus.__file__)", cwd=home, env=bare())
    assert Path(where.strip()).is_relative_to(packages)
    return home / "bin" / "plexus"


def bare() -> dict[str, str]:
    """An environment without keys, proxies or Python settings."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def test_the_wheel_has_exactly_the_package_and_the_schema(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = (path for path in (ROOT / "plexus").rglob("*") if path.is_file())
    expected = {
        path.relative_to(ROOT).as_posix() for path in package if not JUNK.intersection(path.parts)
    }
    expected |= {f"plexus/{path.relative_to(ROOT)}" for path in (ROOT / "schema").rglob("*.json")}
    facts = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - facts == expected
    assert {name.split("/", 1)[1] for name in facts} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }
    assert "plexus/schema/plexus.schema.json" in expected


def test_two_builds_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == wheel.read_bytes()


@pytest.fixture(scope="module")
def gateway(plexus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address served after `plexus init && plexus build && plexus serve` in an empty folder."""
    folder = tmp_path_factory.mktemp("gateway")
    run(plexus, "init", cwd=folder, env=bare())
    run(plexus, "build", cwd=folder, env=bare())
    server = subprocess.Popen(
        [plexus, "serve", "--port", "0"],
        cwd=folder,
        env=bare(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=read_lines, args=(server, lines))
    reader.start()
    try:
        yield address(lines)
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE) == 0
    finally:
        server.kill()
        server.wait()
        reader.join(DEADLINE)
        assert server.stdout is not None
        server.stdout.close()


def read_lines(server: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert server.stdout is not None
    for line in server.stdout:
        lines.put(line)
    lines.put(None)


def address(lines: queue.Queue[str | None]) -> str:
    """The first loopback URL the server prints; a failure shows all that it said instead."""
    said = ""
    end = time.monotonic() + DEADLINE
    try:
        while (line := lines.get(timeout=max(0.0, end - time.monotonic()))) is not None:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", line):
                return found[0]
    except queue.Empty:
        said += f"(nothing more within {DEADLINE:.0f} s)"
    raise AssertionError(f"the server named no address:\n{said}")


def ask(url: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """Content type and text of the answer to a POST."""
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return answer.headers.get_content_type(), answer.read().decode()


def first_alias(gateway: str) -> str:
    with urllib.request.urlopen(f"{gateway}/v1/models", timeout=DEADLINE) as answer:
        models: list[dict[str, str]] = json.load(answer)["data"]
    return models[0]["id"]


def test_the_installed_gateway_answers_chat(gateway: str) -> None:
    body = {**QUESTION, "model": first_alias(gateway)}
    kind, text = ask(f"{gateway}/v1/chat/completions", body)
    assert kind == "application/json"
    choice = json.loads(text)["choices"][0]
    assert "Is anybody there?" in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"

    kind, text = ask(f"{gateway}/v1/chat/completions", {**body, "stream": True})
    assert kind == "text/event-stream"
    *events, last = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    assert last == "[DONE]"
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    said = "".join(delta.get("content") or "" for delta in deltas)
    assert "Is anybody there?" in said


def test_the_installed_gateway_answers_messages(gateway: str) -> None:
    body = {**QUESTION, "model": first_alias(gateway)}
    kind, text = ask(f"{gateway}/v1/messages", body)
    assert kind == "application/json"
    message = json.loads(text)
    assert message["type"] == "message"
    assert "Is anybody there?" in message["content"][0]["text"]
    assert message["stop_reason"] == "end_turn"

    kind, text = ask(f"{gateway}/v1/messages", {**body, "stream": True})
    assert kind == "text/event-stream"
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert events[0]["type"] == "message_start"
    assert events[-1]["type"] == "message_stop"
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "Is anybody there?" in "".join(delta.get("text", "") for delta in deltas)
