"""Promises of the commands: ``dev`` survives a broken save, a server keeps its generation."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.faults.server import FaultServer, Peer
from tests.gateway import wire
from tests.gateway.conftest import provider
from tests.gateway.harness import CHAT, SAY, Answer, Json, Session
from tests.gateway.processes import DEADLINE, built, plexus, write_config

PORT_TAKEN = "cannot listen"


async def hello(peer: Peer) -> None:
    await peer.answer(200, wire.chat("hello"))


def config(upstream: FaultServer, **aliases: str) -> Json:
    """Each alias leads to a model of the provider."""
    own = {**provider(upstream), "models": ["first", "second"]}
    return {
        "providers": {"p": own},
        "aliases": {name: {"targets": [f"p/{model}"]} for name, model in aliases.items()},
    }


def ask(port: int, model: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        return Session(connection).ask(CHAT, {"model": model, "messages": SAY})
    finally:
        connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def model_of(upstream: FaultServer) -> str:
    """The model that the last request was for."""
    return str(json.loads(upstream.requests[-1].body)["model"])


def save(path: Path, text: str) -> None:
    """As editors do it: nobody sees half of it, and each save is one change."""
    beside = path.with_name("plexus.json~")
    beside.write_text(text)
    os.replace(beside, path)


BROKEN = {
    "half a file": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "a wrong name": lambda text: text.replace("p/first", "q/first"),
    "an unknown key": lambda text: text.replace('"providers"', '"poviders"'),
}


def test_dev_survives_broken_saves(tmp_path: Path, first: FaultServer) -> None:
    first.script = hello
    port = free_port()
    path = write_config(tmp_path, config(first, old="first"))
    with plexus(tmp_path, "dev", "--port", str(port)) as dev:
        assert dev.port() == port
        assert ask(port, "old").status == 200
        digest = ask(port, "old").headers["x-plexus-config"]
        good = path.read_text()
        for count, breakage in enumerate(BROKEN.values(), 1):
            save(path, breakage(good))
            dev.wait_said("waiting for the next change", count)
            answer = ask(port, "old")
            assert answer.status == 200, dev.said
            # The very server from before: it was not even restarted.
            assert answer.headers["x-plexus-config"] == digest
            assert dev.said.count("Plexus listens on") == 1
        assert "error P" in dev.said
        assert "Traceback" not in dev.said
        # The control: what was saved well is served.
        assert ask(port, "new").status == 404
        save(path, json.dumps(config(first, old="first", new="second")))
        dev.wait_said("Plexus listens on", 2)
        assert ask(port, "new").status == 200
        assert model_of(first) == "second"
        assert ask(port, "new").headers["x-plexus-config"] != digest
        dev.signal(signal.SIGTERM)
        assert dev.end() == 0
    assert PORT_TAKEN not in dev.said
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)


def test_dev_keeps_the_server_that_has_its_secrets(tmp_path: Path, first: FaultServer) -> None:
    first.script = hello
    port = free_port()
    good = config(first, old="first")
    path = write_config(tmp_path, good)
    with plexus(tmp_path, "dev", "--port", str(port)) as dev:
        assert dev.port() == port
        more = {"type": "openai-chat", "api_base_url": "https://a.example/v1", "models": ["m"]}
        more["api_key"] = {"env": "PLEXUS_TEST_NOT_SET"}
        save(path, json.dumps({**good, "providers": {**good["providers"], "more": more}}))
        dev.wait_said("set them and start dev again")
        assert "PLEXUS_TEST_NOT_SET: is not set" in dev.said
        assert ask(port, "old").status == 200
        assert dev.said.count("Plexus listens on") == 1
        # The control: without it the next save is served.
        save(path, json.dumps(config(first, old="first", new="second")))
        dev.wait_said("Plexus listens on", 2)
        assert ask(port, "new").status == 200


def test_a_rebuild_does_not_reach_a_running_server(tmp_path: Path, first: FaultServer) -> None:
    """The first request to an alias, when another build has taken the folder's place."""
    first.script = hello
    write_config(tmp_path, config(first, warm="first", cold="first", gone="first", late="first"))
    built(tmp_path)
    serve = ("serve", "--generated", "generated", "--port", "0")
    with plexus(tmp_path, *serve) as server:
        port = server.port()
        assert ask(port, "warm").status == 200
        digest = ask(port, "warm").headers["x-plexus-config"]
        write_config(tmp_path, config(first, warm="second", cold="second", new="second"))
        built(tmp_path)
        for name in ("cold", "gone", "warm"):
            answer = ask(port, name)
            assert answer.status == 200, server.said
            assert model_of(first) == "first"
            assert answer.headers["x-plexus-config"] == digest
        assert ask(port, "new").status == 404
        # The control: a new server has the new build, and only that.
        with plexus(tmp_path, *serve) as fresh:
            for name in ("cold", "warm", "new"):
                assert ask(fresh.port(), name).status == 200
                assert model_of(first) == "second"
            assert ask(fresh.port(), "gone").status == 404
        # Nor does it matter that the files are gone altogether.
        (tmp_path / "generated").rename(tmp_path / "elsewhere")
        assert ask(port, "late").status == 200
        assert model_of(first) == "first"
