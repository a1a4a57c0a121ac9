"""Coding agents that read a file with a tool of their own, on every provider.

``make agents`` installs them; without it these tests are skipped.  Each starts with an empty
environment, a home and a folder of its own, and is stopped when it takes too long.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import ALIASES, DIALECTS, MODELS, PATHS
from tests.clients.processes import ROOT, Gateway, Upstream
from tests.clients.scenarios import CLIENT_KEY, FINAL_TEXT

AGENTS = ROOT / "tests" / "clients" / "agents" / "node_modules"
PATIENCE = 120
"""Seconds; some look for the internet first."""
WORD = "xylophone"
"""Stands in the file, and so in what the tool says."""
NAMES = ("codex", "claude-code", "gemini-cli", "opencode")


@dataclass(frozen=True)
class Start:
    """How an agent is started; ``files`` are relative to the folder that holds home and work."""

    command: list[str]
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)


def start(name: str, base: str, model: str, prompt: str) -> Start:
    """What a user would type and set."""
    match name:
        case "codex":
            provider = f'name="plexus",base_url="{base}/v1",env_key="PLEXUS_KEY"'
            settings = (
                "model_provider=plexus",
                f'model_providers.plexus={{{provider},wire_api="responses"}}',
            )
            command = ["codex", "exec", "--skip-git-repo-check"]
            command += ["--dangerously-bypass-approvals-and-sandbox"]
            command += [word for setting in settings for word in ("-c", setting)]
            return Start([*command, "-m", model, prompt], {"PLEXUS_KEY": CLIENT_KEY})
        case "claude-code":
            env = {
                "ANTHROPIC_BASE_URL": base,
                "ANTHROPIC_AUTH_TOKEN": CLIENT_KEY,
                "ANTHROPIC_MODEL": model,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            }
            return Start(["claude", "-p", prompt, "--allowedTools", "Read"], env)
        case "gemini-cli":
            settings_json = {
                "telemetry": {"enabled": False},
                "privacy": {"usageStatisticsEnabled": False},
                "general": {"disableAutoUpdate": True},
                "security": {"auth": {"selectedType": "gemini-api-key"}},
            }
            return Start(
                ["gemini", "--skip-trust", "-m", model, "-p", prompt],
                {"GOOGLE_GEMINI_BASE_URL": base, "GEMINI_API_KEY": CLIENT_KEY},
                {"home/.gemini/settings.json": settings_json},
            )
        case _:
            provider_json = {
                "npm": "@ai-sdk/openai-compatible",
                "options": {"baseURL": f"{base}/v1", "apiKey": CLIENT_KEY},
                "models": {model: {}},
            }
            config = {
                "model": f"plexus/{model}",
                "small_model": f"plexus/{model}",
                "share": "disabled",
                "autoupdate": False,
                "provider": {"plexus": provider_json},
            }
            return Start(["opencode", "run", prompt], {}, {"work/opencode.json": config})


def run(how: Start, folder: Path) -> subprocess.CompletedProcess[str]:
    for name, content in how.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    program, *arguments = how.command
    return subprocess.run(
        [AGENTS / ".bin" / program, *arguments],
        cwd=folder / "work",
        env={"PATH": os.environ["PATH"], "HOME": str(folder / "home"), **how.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not (AGENTS / ".installed").is_file():
        pytest.skip("*** SKIPPED: no coding agents here; `make agents` installs them ***")
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "work" / "note.txt").write_text(f"The word is {WORD}.\n")
    return tmp_path


@pytest.mark.parametrize("provider", DIALECTS)
def test_codex_over_a_websocket(
    provider: str,
    folder: Path,
    gateways: Callable[[str], Gateway],
    upstream: Upstream,
    tag: str,
) -> None:
    """Its built-in provider asks for one first, and begins with a warm-up that costs no call."""
    gateway = gateways("echo")
    prompt = f"[[agent:{tag}]] Please read {folder}/work/note.txt"
    command = ["codex", "exec", "--skip-git-repo-check", "-m", ALIASES[provider]]
    command += ["--dangerously-bypass-approvals-and-sandbox"]
    command += ["-c", f'openai_base_url="http://127.0.0.1:{gateway.port}/v1"']
    before = len(gateway.log())
    began = time.monotonic()
    login = {"home/.codex/auth.json": {"auth_mode": "apikey", "OPENAI_API_KEY": CLIENT_KEY}}
    ended = run(Start([*command, prompt], files=login), folder)

    print(f"codex over a WebSocket, {provider}: {time.monotonic() - began:.1f} s")
    assert ended.stdout.strip().endswith(FINAL_TEXT), ended.stdout + ended.stderr
    assert len(upstream.take(tag)) == 2
    assert '"route":"POST /v1/responses"' not in gateway.log()[before:]


def test_claude_code_asks_once_more_after_a_broken_stream(
    folder: Path, gateways: Callable[[str], Gateway], upstream: Upstream, tag: str
) -> None:
    base = f"http://127.0.0.1:{gateways('echo').port}"
    ended = run(start("claude-code", base, "messages", f"[[end-breaks:{tag}]]"), folder)

    assert ended.stdout.strip() == "pong", ended.stdout + ended.stderr
    streams = [bool(record["body"].get("stream")) for record in upstream.take(tag)]
    assert streams == [True, False]


@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("name", NAMES)
def test_an_agent_reads_a_file(
    name: str,
    provider: str,
    folder: Path,
    gateways: Callable[[str], Gateway],
    upstream: Upstream,
    tag: str,
) -> None:
    base = f"http://127.0.0.1:{gateways('echo').port}"
    prompt = f"[[agent:{tag}]] Please read {folder}/work/note.txt"
    ended = run(start(name, base, ALIASES[provider], prompt), folder)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.strip().endswith(FINAL_TEXT), ended.stdout + ended.stderr
    records = upstream.take(tag)
    path = PATHS[provider].format(model=MODELS[provider], verb="streamGenerateContent")
    for record in records:
        assert record["path"].partition("?")[0] == path
        assert CLIENT_KEY not in json.dumps(record)
    read = [WORD in json.dumps(record["body"]) for record in records]
    # opencode asks for a title besides, at the same time.
    assert sorted(read) == [False] * (len(read) - 1) + [True]
    native = {
        "codex": "openai-responses",
        "claude-code": "anthropic-messages",
        "gemini-cli": "gemini",
        "opencode": "openai-chat",
    }
    if native[name] != provider:
        assert [record["refused"] for record in records] == [[]] * len(records)
