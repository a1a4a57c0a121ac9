"""What a server refuses to start with, and that nothing of it is shown (design §4)."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from time import time
from typing import Any

import pytest

from plexus.gateway.loader import load
from plexus.gateway.secrets import MissingSecrets
from plexus.gateway.services import build
from tests.faults.server import FaultServer, Peer
from tests.gateway import wire
from tests.gateway.conftest import Serve, provider
from tests.gateway.harness import ENVIRONMENT, Sink, compiled

PEM = Path(__file__).parents[1] / "faults" / "selfsigned.pem"

ECHO = {"providers": {"e": {"type": "echo"}}, "aliases": {"a": {"targets": ["e/m"]}}}


def problems(config: dict[str, Any], folder: Path, environment: dict[str, str]) -> list[str]:
    """What the start is refused for; [] when it is not."""
    try:
        build(
            load(compiled(config, folder)),
            environment=environment,
            log=Sink(),
            clock=time,
            random=Random(1),
        )
    except MissingSecrets as missing:
        return missing.problems
    return []


def proxied() -> dict[str, Any]:
    own = {**provider(1), "proxy": {"env": "PRX"}}
    return {"providers": {"p": own}, "aliases": {"a": {"targets": ["p/m"]}}}


@pytest.mark.parametrize(
    "value",
    [
        "socks5://127.0.0.1:1",
        "socks9://user:51c0ffee@h:1",
        "not a url 51c0ffee",
        "http://user:51c0ffee@[bad",
        "http://h:99999",
        "http://h/path",
        "http://",
    ],
)
def test_a_proxy_that_is_none_is_named_and_not_shown(tmp_path: Path, value: str) -> None:
    found = problems(proxied(), tmp_path, {**ENVIRONMENT, "PRX": value})
    assert found == ["environment variable PRX: is no http or https URL of a proxy"]


@pytest.mark.parametrize("value", ["http://h", "http://u:p@h:3128/", "https://[::1]:8080"])
def test_a_proxy_that_is_one(tmp_path: Path, value: str) -> None:
    assert problems(proxied(), tmp_path, {**ENVIRONMENT, "PRX": value}) == []


@pytest.mark.parametrize("value", [" sk-x", "sk-x ", "sk-x\t"])
def test_B14_blanks_around_a_key_are_refused(tmp_path: Path, value: str) -> None:
    own = {"providers": {"p": provider(1)}, "aliases": {"a": {"targets": ["p/m"]}}}
    found = problems(own, tmp_path, {"UPSTREAM_KEY": value})
    assert found == ["environment variable UPSTREAM_KEY: begins or ends with a blank"]
    assert problems(own, tmp_path / "ok", {"UPSTREAM_KEY": "sk-x\n"}) == []


def test_two_client_keys_with_one_secret_are_refused(tmp_path: Path) -> None:
    config = {**ECHO, "keys": {"ann": {"secret": {"env": "A"}}, "bob": {"secret": {"env": "B"}}}}
    same = {"A": "51c0ffee", "B": "51c0ffee"}
    assert problems(config, tmp_path, same) == ["client keys ann and bob: have the same secret"]
    assert problems(config, tmp_path / "ok", {"A": "51c0ffee", "B": "x"}) == []


def test_a_configured_credential_header_replaces_the_key(serve: Serve, first: FaultServer) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(200, wire.chat())

    first.script = script
    own = provider(first, headers={"Authorization": {"env": "OTHER"}})
    config = {"providers": {"p": own}, "aliases": {"a": {"targets": ["p/m"]}}}
    environment = {**ENVIRONMENT, "OTHER": "Bearer other"}
    assert serve(config, environment=environment).ask(model="a").status == 200
    assert first.requests[0].headers["authorization"] == "Bearer other"


def files(**more: str | dict[str, str]) -> dict[str, Any]:
    """A provider over TLS, with keys of its own."""
    own = {**provider(1), "api_base_url": "https://127.0.0.1:1/v1", **more}
    return {"providers": {"p": own}, "aliases": {"a": {"targets": ["p/m"]}}}


def test_bad_files_of_authorities_are_named_with_all_that_is_missing(tmp_path: Path) -> None:
    config = files(ca_file="none.pem")
    config["providers"]["q"] = {**config["providers"]["p"], "ca_file": str(tmp_path / "empty.pem")}
    (tmp_path / "empty.pem").write_text("")
    assert problems(config, tmp_path, {}) == [
        f"ca_file {tmp_path / 'empty.pem'} of provider q: no PEM file of certificates",
        f"ca_file {tmp_path / 'none.pem'} of provider p: No such file or directory",
        "environment variable UPSTREAM_KEY: is not set",
    ]


def test_relative_files_start_from_the_folder_of_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = files(ca_file="ca.pem", api_key={"file": "secrets/key"})
    (tmp_path / "conf" / "secrets").mkdir(parents=True)
    (tmp_path / "conf" / "secrets" / "key").write_text("sk-x\n")
    (tmp_path / "conf" / "ca.pem").write_bytes(PEM.read_bytes())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert problems(config, tmp_path / "conf", {}) == []
    assert problems(config, tmp_path / "elsewhere", {}) == [
        f"ca_file {tmp_path / 'elsewhere' / 'ca.pem'} of provider p: No such file or directory",
        f"file {tmp_path / 'elsewhere' / 'secrets' / 'key'}: No such file or directory",
    ]


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "large"])
def test_a_secret_is_read_from_a_plain_file_of_moderate_size(tmp_path: Path, kind: str) -> None:
    """Others would never end, or fill the memory."""
    path, reason = tmp_path / "key", "not a plain file"
    if kind == "device":
        path = Path("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"x" * 100_000)
        reason = "larger than 65536 bytes"
    config = files(api_key={"file": str(path)})
    assert problems(config, tmp_path / "conf", {}) == [f"file {path}: {reason}"]
