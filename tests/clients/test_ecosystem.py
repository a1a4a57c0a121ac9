"""The acceptance list of the research on clients (``ecosystem.md`` §5), line by line.

A line that other tests prove names them in ``ELSEWHERE``; the rest is proved here.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plexus.gateway.limits import Limits
from tests.clients.conftest import DIALECTS, PATHS, config
from tests.clients.processes import ROOT, Gateway, Node, Upstream
from tests.clients.scenarios import CLIENT_KEY, UPSTREAM_KEY
from tests.clients.sdk import Ask, Outcome, Sdk
from tests.clients.sdk_anthropic import AnthropicPython
from tests.clients.sdk_genai import GenaiPython
from tests.clients.sdk_openai import OpenAIPython
from tests.clients.sdk_responses import OpenAIPythonResponses
from tests.clients.test_recorded import NO_RECORDS, RECORDS, Record, send
from tests.gateway.harness import gateway

ELSEWHERE = {
    1: ["clients/test_recorded.py", "gateway/test_websocket.py::test_codex"],
    2: [
        "gateway/test_routes.py::test_models_in_both_shapes",
        "gateway/test_routes.py::test_what_is_not_served",
        "gateway/test_routes.py::test_v1_twice_says_what_is_wrong",
    ],
    4: [
        "clients/test_agents.py::test_codex_over_a_websocket",
        "gateway/test_websocket.py::test_a_warm_up_costs_no_call",
        "gateway/test_websocket.py::test_elsewhere_it_is_426",
    ],
    5: [
        "clients/test_agents.py::test_an_agent_reads_a_file",
        "clients/test_agents.py::test_claude_code_asks_once_more_after_a_broken_stream",
        "clients/test_recorded.py::test_counts",
        "gateway/test_routes.py::test_T96_model_discovery_of_claude_code",
    ],
    6: ["clients/test_endings.py::test_every_death_is_noticed"],
    7: [
        "clients/test_endings.py::test_comments_do_no_harm",
        "transformers/gemini/test_framing.py::test_googles_sdk_can_read_every_event",
    ],
    8: ["clients/test_embeddings.py::test_embeddings_are_equal"],
}
VERSIONS = ("2023-06-01", "2026-10-21")


@pytest.mark.parametrize(
    ("file", "function"),
    [
        (file, function)
        for tests in ELSEWHERE.values()
        for file, _, function in (name.partition("::") for name in tests)
    ],
)
def test_what_is_proved_elsewhere_is_there(file: str, function: str) -> None:
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {function or 'test_'}", text, re.MULTILINE)


FILES = sorted({record.name.rpartition("-")[0] for record in RECORDS})


def _excused(record: Record) -> int | None:
    """The refusal that a recorded request has earned."""
    if record.stateful:
        return 400  # it names a conversation that nobody here has
    for path, status in (
        ("/v1/v1/", 404),
        ("/v1/interactions", 404),
        ("/v1/messages/batches", 404),
    ):
        if record.path.startswith(path):
            return status
    if record.path == "/v1/completions":
        return 404  # echo has none
    return None


@pytest.mark.parametrize("file", FILES or [NO_RECORDS])
def test_1_every_file_replays(file: str, gateways: Callable[[str], Gateway]) -> None:
    """No 4xx of our making, by files; what is in the answers is for ``test_recorded.py``."""
    for record in RECORDS:
        if record.name.rpartition("-")[0] == file and not record.upgrade:
            status = send(gateways("echo"), record).status
            assert status in (200, _excused(record)), record.name


def _ask(
    gateway: Gateway, method: str, path: str, headers: dict[str, str], body: Any = None
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    data = None if body is None else json.dumps(body).encode()
    typed = {} if body is None else {"content-type": "application/json"}
    connection.request(method, path, data, {**typed, **headers})
    response = connection.getresponse()
    said = response.read()
    connection.close()
    return response, said


@pytest.mark.parametrize(
    ("headers", "member"),
    [
        ({"authorization": f"Bearer {CLIENT_KEY}"}, "object"),
        ({"x-api-key": CLIENT_KEY, "anthropic-version": VERSIONS[0]}, "has_more"),
        ({"authorization": f"Bearer {CLIENT_KEY}", "anthropic-version": VERSIONS[1]}, "has_more"),
        ({"x-goog-api-key": CLIENT_KEY}, "models"),
    ],
)
def test_2_models_in_three_shapes(
    headers: dict[str, str], member: str, gateways: Callable[[str], Gateway]
) -> None:
    response, said = _ask(gateways("echo"), "GET", "/v1/models", headers)
    assert response.status == 200
    assert member in json.loads(said)


@pytest.mark.parametrize("alias", ["messages", "chat"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_3_both_keys_with_both_versions(
    header: str,
    version: str,
    alias: str,
    gateways: Callable[[str], Gateway],
    upstream: Upstream,
    tag: str,
) -> None:
    key = f"Bearer {CLIENT_KEY}" if header == "authorization" else CLIENT_KEY
    body = {
        "model": alias,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": f"[[plain:{tag}]]"}],
    }
    headers = {header: key, "anthropic-version": version}
    response, said = _ask(gateways("echo"), "POST", "/v1/messages", headers, body)
    assert response.status == 200, said
    [seen] = upstream.take(tag)
    assert seen["refused"] == []
    if alias == "messages":
        assert seen["headers"]["anthropic-version"] == version


def test_4_a_websocket_opens_at_once(gateways: Callable[[str], Gateway]) -> None:
    """Codex waits 6.7 s when it is refused in any other way than with 426."""
    request = (
        "GET /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"authorization: Bearer {CLIENT_KEY}\r\n\r\n"
    )
    times = []
    # The first one imports the library.
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", gateways("echo").port), timeout=20) as peer:
            began = time.perf_counter()
            peer.sendall(request.encode())
            assert peer.recv(4096).startswith(b"HTTP/1.1 101 ")
            times.append(time.perf_counter() - began)
    print(f"handshakes of a WebSocket: {', '.join(f'{1000 * each:.1f} ms' for each in times)}")
    assert min(times) < 0.05


def test_5_discovery_shows_two_aliases(tmp_path: Path) -> None:
    """What Claude Code asks for, and the rule by which it picks (``ecosystem.md`` §1.3)."""
    settings = {
        "providers": {"echo": {"type": "echo", "models": ["echo"]}},
        "aliases": {
            name: {"targets": ["echo/echo"], "description": f"It is {name}"}
            for name in ("claude-one", "claude-two", "fast")
        },
    }
    with gateway(settings, tmp_path, environment={}) as served:
        headers = {"anthropic-version": VERSIONS[0], "authorization": "Bearer unused"}
        answer = served.ask("/v1/models?limit=1000", headers=headers)
    listed = {model["id"]: model["display_name"] for model in answer.json["data"]}
    picked = {name: shown for name, shown in listed.items() if name[:6] in ("claude", "anthro")}
    assert picked == {name: f"It is {name}" for name in ("claude-one", "claude-two")}
    assert answer.json["has_more"] is False


@pytest.mark.parametrize("ending", ["error_data", "error_event", "cut", "silent_end"])
@pytest.mark.parametrize(
    ("client", "dialect"),
    [
        ("vercel-openai", "openai-responses"),
        ("vercel-openai-compatible", "openai-chat"),
        ("vercel-anthropic", "anthropic-messages"),
        ("vercel-google", "gemini"),
    ],
)
@pytest.mark.parametrize("provider", ["same", "chat"])
def test_6_vercel_notices_every_death(
    client: str,
    dialect: str,
    provider: str,
    ending: str,
    node: Node,
    gateways: Callable[[str], Gateway],
    tag: str,
) -> None:
    """The SDKs of the vendors: ``test_endings.py``."""
    aliases = {"openai-chat": "chat", "openai-responses": "responses"}
    aliases |= {"anthropic-messages": "messages", "gemini": "gemini"}
    job = {
        "client": client,
        "base": f"http://127.0.0.1:{gateways('echo').port}",
        "key": CLIENT_KEY,
        "model": aliases[dialect] if provider == "same" else "chat",
        "prompt": f"[[end-{ending}:{tag}]]",
        "stream": True,
        "result": "",
    }
    with pytest.raises(AssertionError):
        node.call(job)


def test_7_silence_breaks_no_sdk(upstream: Upstream, tmp_path: Path, long: bool) -> None:
    """Every SDK for Python with each provider; a minute, at the real pace, in the long form."""
    settings = config(upstream.port, "echo")
    environment = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY, "RECORDED_KEY": "r"}
    silence, limits = (61_000, None) if long else (500, Limits(keep_alive=0.05))
    sdks = (OpenAIPython(), OpenAIPythonResponses(), AnthropicPython(), GenaiPython())
    pairs = [(sdk, alias) for sdk in sdks for alias in ("chat", "responses", "messages", "gemini")]
    found: list[Outcome] = []

    def ask(sdk: Sdk, alias: str, number: int) -> None:
        prompt = f"[[end-pause_{silence}:{number:x}]] wait"
        base = f"http://127.0.0.1:{served.port}{sdk.path}"
        found.append(sdk.run(Ask(base, CLIENT_KEY, alias, prompt, mode="iterate")))

    with gateway(settings, tmp_path, limits, environment) as served:
        threads = [
            threading.Thread(target=ask, args=(sdk, alias, number))
            for number, (sdk, alias) in enumerate(pairs, 0xABCDE00)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [outcome.failed for outcome in found] == [None] * len(pairs)
    assert [outcome.turns[0].text for outcome in found] == ["pong"] * len(pairs)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("scenario", ["plain", "fail-400", "fail-401", "end-cut", "nobody"])
def test_9_no_secret_in_answers(
    scenario: str, dialect: str, gateways: Callable[[str], Gateway], tag: str
) -> None:
    gateway = gateways("echo")
    prompt = f"[[{scenario}:{tag}]]"
    key = CLIENT_KEY if scenario != "nobody" else f"{CLIENT_KEY}x"
    path = PATHS[dialect].format(model="chat", verb="streamGenerateContent")
    turns: dict[str, Any] = {
        "openai-chat": {"messages": [{"role": "user", "content": prompt}]},
        "openai-responses": {"input": prompt},
        "anthropic-messages": {
            "max_tokens": 9,
            "messages": [{"role": "user", "content": prompt}],
        },
        "gemini": {"contents": [{"parts": [{"text": prompt}]}]},
    }
    own = {} if dialect == "gemini" else {"model": "chat", "stream": True}
    headers = {"authorization": f"Bearer {key}"}
    response, said = _ask(gateway, "POST", path, headers, {**own, **turns[dialect]})
    whole = str(response.getheaders()) + said.decode()
    for secret in (UPSTREAM_KEY, CLIENT_KEY):
        assert secret not in whole
        assert secret not in gateway.log()


def test_9_no_secret_in_generated_modules(gateways: Callable[[str], Gateway]) -> None:
    files = [file for file in gateways("echo").folder.rglob("*") if file.is_file()]
    assert any(file.suffix == ".py" for file in files)
    for file in files:
        data = file.read_bytes()
        assert UPSTREAM_KEY.encode() not in data, file
        assert CLIENT_KEY.encode() not in data, file
