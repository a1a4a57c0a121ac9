"""A served gateway between the official SDKs and a real upstream, all on loopback."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.clients import (
    chat_provider,
    gemini_provider,
    messages_provider,
    responses_provider,
)
from tests.clients.processes import JS, Gateway, Node, Upstream
from tests.clients.scenarios import CLIENT_KEY, UPSTREAM_KEY
from tests.clients.sdk import OPEN, Ask, NodeSdk, Sdk
from tests.clients.sdk_anthropic import AnthropicPython
from tests.clients.sdk_genai import GenaiPython
from tests.clients.sdk_openai import OpenAIPython
from tests.clients.sdk_responses import OpenAIPythonResponses

SDKS = (
    "openai-python",
    "openai-python-responses",
    "anthropic-python",
    "google-genai-python",
    "openai-node",
    "openai-node-responses",
    "anthropic-ts",
    "google-genai-js",
)
DIALECTS = ("openai-chat", "openai-responses", "anthropic-messages", "gemini")
ROUTES = ("direct", *DIALECTS)
SHORT = pytest.mark.parametrize("route", ["direct", "native", "cross"], indirect=True)
"""For what each pair of dialects has tests of its own."""
GATEWAY = pytest.mark.parametrize("route", ["native", "cross"], indirect=True)
"""For what only a gateway can do."""
CROSS = {
    "openai-chat": "anthropic-messages",
    "openai-responses": "gemini",
    "anthropic-messages": "openai-chat",
    "gemini": "openai-responses",
}
PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic-messages": "/v1/messages",
    "gemini": "/v1beta/models/{model}:{verb}",
}
ALIASES = {
    "openai-chat": "chat",
    "openai-responses": "responses",
    "anthropic-messages": "messages",
    "gemini": "gemini",
}
MODELS = {
    "openai-chat": "vendor-model",
    "openai-responses": "vendor-reasoner",
    "anthropic-messages": "claude-opus-5",
    "gemini": "gemini-3.8-flash",
}
ANSWERS = {
    "openai-chat": chat_provider.MODEL,
    "openai-responses": responses_provider.MODEL,
    "anthropic-messages": messages_provider.MODEL,
    "gemini": gemini_provider.MODEL,
}
"""The model that the upstream reports."""
EMBEDDINGS = ("embed", "embed-floats", "embed-gemini")
ALLOWED = sorted([*ALIASES.values(), *(f"stall-{name}" for name in ALIASES.values()), *EMBEDDINGS])
"""The aliases of the SDKs' key: ``*`` is not among them, and so no other name is either."""
STALL = 1.0
"""Seconds of silence after which the alias ``stall-…`` gives a stream up."""


@dataclass(frozen=True)
class Route:
    """Where an SDK points: straight at the upstream (the positive control), or at an alias.

    ``kind`` is direct, native (the upstream speaks the SDK's dialect) or cross.
    """

    kind: str
    base: str
    key: str
    model: str
    upstream: str

    @property
    def gateway(self) -> bool:
        return self.kind != "direct"

    def asking(self, prompt: str, **options: Any) -> Ask:
        return Ask(self.base, self.key, self.model, prompt, **options)


def config(upstream: int, everything_else: str) -> dict[str, Any]:
    """``plexus.json``: an alias for each dialect, and ``*`` for the recorded requests."""
    url = f"http://127.0.0.1:{upstream}/v1"
    key = {"env": "UPSTREAM_KEY"}
    model = {"vendor-model": {"capabilities": {"reasoning_field": "reasoning_content"}}}
    targets = {
        "chat": "vendor/vendor-model",
        "responses": "reasoner/vendor-reasoner",
        "messages": "claude/claude-opus-5",
        "gemini": "google/gemini-3.8-flash",
    }
    aliases: dict[str, Any] = {name: {"targets": [target]} for name, target in targets.items()}
    for name, target in targets.items():
        aliases[f"stall-{name}"] = {"targets": [target], "timeouts": {"idle": STALL}}
    embedders = ("vendor/vendor-embedding", "vendor/floats-only", "google/gemini-embedding")
    for name, target in zip(EMBEDDINGS, embedders, strict=True):
        aliases[name] = {"targets": [target]}
    aliases["*"] = {"targets": [{**targets, "echo": "echo/echo"}[everything_else]]}
    return {
        "keys": {
            "tests": {"secret": {"env": "CLIENT_KEY"}, "aliases": ALLOWED},
            "recorded": {"secret": {"env": "RECORDED_KEY"}},
        },
        "providers": {
            "vendor": {
                "type": "openai-chat",
                "api_base_url": url,
                "api_key": key,
                "models": {**model, "vendor-embedding": {}, "floats-only": {}},
            },
            "reasoner": {
                "type": "openai-responses",
                "api_base_url": url,
                "api_key": key,
                "models": ["vendor-reasoner"],
            },
            "google": {
                "type": "gemini",
                "api_base_url": f"{url}beta",
                "api_key": key,
                "models": ["gemini-3.8-flash", "gemini-embedding"],
            },
            "claude": {
                "type": "anthropic-messages",
                "api_base_url": url,
                "api_key": key,
                "models": {"claude-opus-5": {"max_output_tokens": 64000}},
            },
            "echo": {"type": "echo", "models": ["echo"]},
        },
        "aliases": aliases,
    }


@pytest.fixture(scope="session", autouse=True)
def kept_clients() -> Iterator[None]:
    """Closes them before anybody counts what is left open."""
    yield
    for client in OPEN:
        client.close()
    OPEN.clear()


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    process = Upstream(tmp_path_factory.mktemp("upstream"))
    yield process
    process.stop()
    assert not process.log(), "the upstream itself failed"


@pytest.fixture(scope="session")
def gateways(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream
) -> Iterator[Callable[[str], Gateway]]:
    """The gateway whose ``*`` is ``chat``, ``messages`` or ``echo``; each starts once."""
    folder = tmp_path_factory.mktemp("gateways")
    started: dict[str, Gateway] = {}

    def gateway(everything_else: str) -> Gateway:
        if everything_else not in started:
            settings = config(upstream.port, everything_else)
            started[everything_else] = Gateway(folder / everything_else, settings)
        return started[everything_else]

    yield gateway
    for process in started.values():
        process.stop()
    for process in started.values():
        assert "Traceback" not in process.log(), process.log()
        assert UPSTREAM_KEY not in process.log()
        assert CLIENT_KEY not in process.log()


def node_problem() -> str | None:
    """Why the JavaScript SDKs cannot run here, if they cannot."""
    node = shutil.which("node")
    if node is None:
        return "node was not found"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20).stdout
    version = re.match(r"v(\d+)\.", said)
    if version is None or int(version[1]) < 20:
        return f"node {said.strip()} is older than 20"
    if not (JS / "node_modules" / "openai").is_dir():
        return "tests/clients/js/node_modules is missing; `make test` installs it with `npm ci`"
    return None


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    if problem := node_problem():
        pytest.skip(f"*** SKIPPED: the JavaScript SDK tests need node >= 20: {problem} ***")
    process = Node(tmp_path_factory.mktemp("node"))
    yield process
    process.stop()


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    match request.param:
        case "openai-python":
            return OpenAIPython()
        case "openai-python-responses":
            return OpenAIPythonResponses()
        case "anthropic-python":
            return AnthropicPython()
        case "google-genai-python":
            return GenaiPython()
        case name:
            return NodeSdk(request.getfixturevalue("node"), name, *NODE_SDKS[name])


NODE_SDKS = {
    "openai-node": ("openai-chat", "/v1"),
    "openai-node-responses": ("openai-responses", "/v1"),
    "anthropic-ts": ("anthropic-messages", ""),
    "google-genai-js": ("gemini", ""),
}


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest, sdk: Sdk) -> Route:
    """The ways of an SDK to the upstream."""
    upstream: Upstream = request.getfixturevalue("upstream")
    if request.param == "direct":
        base = f"http://127.0.0.1:{upstream.port}{sdk.path}"
        return Route("direct", base, UPSTREAM_KEY, MODELS[sdk.dialect], sdk.dialect)
    gateway = request.getfixturevalue("gateways")("echo")
    named = {"native": sdk.dialect, "cross": CROSS[sdk.dialect]}
    dialect = named.get(request.param, request.param)
    kind = "native" if dialect == sdk.dialect else "cross"
    base = f"http://127.0.0.1:{gateway.port}{sdk.path}"
    return Route(kind, base, CLIENT_KEY, ALIASES[dialect], dialect)


_tags = itertools.count(1)


@pytest.fixture
def tag() -> str:
    """A name under which the upstream files the requests of one test."""
    return f"{next(_tags):x}"
