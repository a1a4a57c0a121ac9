"""``doctor`` against real upstreams: what works, what does not, and why."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from plexus.cli import main

Capture = pytest.CaptureFixture[str]
KEY = "sk-d0c70d0c70d0c70d0c70"
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m-2026",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
}
GEMINI = {
    "candidates": [
        {"content": {"parts": [{"text": "ok"}], "role": "model"}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6},
    "modelVersion": "g-2026",
}


class Upstream(ThreadingHTTPServer):
    """Answers by the first folder of the path; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.silence = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        match self.path.split("/")[1]:
            case "good":
                self.answer(200, CHAT)
            case "google":
                self.answer(200, GEMINI)
            case "pictures" if body["model"] != "n":
                self.answer(404, {"error": {"message": "This is no chat model"}})
            case "pictures":
                self.answer(200, CHAT)
            case "forger":
                words = "no\nok      fake/m  openai-chat  1 ms\x1b[2J"
                self.answer(400, {"error": {"message": words}})
            case "refused":
                error = {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}
                self.answer(401, {"error": error})
            case "unknown":
                self.answer(404, {"error": {"message": "The model `m` does not exist"}})
            case _:
                self.server.silence.wait(20)

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.silence.set()
        server.shutdown()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCTOR_KEY", KEY)
    return tmp_path


def write(folder: Path, upstream: Upstream, *names: str, key: str = "DOCTOR_KEY") -> None:
    """A provider for each name, its first folder; ``google`` speaks Gemini, the others chat."""
    host = f"http://127.0.0.1:{upstream.server_port}"
    providers = {
        name: {
            "type": "gemini" if name == "google" else "openai-chat",
            "api_base_url": f"{host}/{name}/{'v1beta' if name == 'google' else 'v1'}",
            "api_key": {"env": "NOWHERE" if name == "keyless" else key},
            "models": ["m", "n"],
        }
        for name in names
    }
    aliases = {"a": {"targets": [f"{name}/m" for name in names]}}
    # A client key nobody needs for this.
    keys = {"team": {"secret": {"env": "TEAM_KEY"}}}
    config = {"providers": providers, "aliases": aliases, "keys": keys}
    (folder / "plexus.json").write_text(json.dumps(config))


def test_what_works(here: Path, capsys: Capture, upstream: Upstream) -> None:
    write(here, upstream, "good", "google")
    assert main(["doctor"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("ok      good/m  openai-chat  ")
    assert first.endswith(" ms, 10 tokens, said by m-2026")
    assert second.startswith("ok      google/m  gemini  ")
    assert second.endswith(" ms, 6 tokens, said by g-2026")
    (chat_path, chat), (gemini_path, gemini) = upstream.asked
    assert chat_path == "/good/v1/chat/completions"
    assert chat["model"] == "m" and chat["max_completion_tokens"] == 16
    assert gemini_path == "/google/v1beta/models/m:generateContent"
    assert gemini["generationConfig"] == {"maxOutputTokens": 16}


def test_what_does_not(here: Path, capsys: Capture, upstream: Upstream) -> None:
    """Each failure says why; the others are asked all the same; no key is ever shown."""
    write(here, upstream, "refused", "unknown", "silent", "keyless", "good")
    assert main(["doctor", "--timeout", "1"]) == 1
    said = capsys.readouterr()
    good, keyless, refused, silent, unknown = said.out.splitlines()
    assert refused.startswith("FAILED  refused/m  openai-chat  502: ")
    assert "refused the credential" in refused
    assert unknown.startswith("FAILED  unknown/m  openai-chat  404: ")
    assert unknown.endswith(
        f"does not exist (below http://127.0.0.1:{upstream.server_port}/unknown/v1)"
    )
    assert silent == "FAILED  silent/m  openai-chat  no answer within 1 s"
    assert keyless.startswith("FAILED  keyless/m  secrets or files are missing or bad: ")
    assert "NOWHERE" in keyless
    assert good.startswith("ok      good/m")
    assert KEY not in said.out + said.err


def test_a_model_that_does_not_chat(here: Path, capsys: Capture, upstream: Upstream) -> None:
    """The provider works all the same; by its own name the model does not."""
    write(here, upstream, "pictures")
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.startswith("ok      pictures/n  openai-chat  ")
    assert main(["doctor", "pictures/m"]) == 1
    assert "This is no chat model" in capsys.readouterr().out


def test_a_provider_s_words_stay_on_their_line(
    here: Path, capsys: Capture, upstream: Upstream
) -> None:
    write(here, upstream, "forger")
    assert main(["doctor"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("FAILED  forger/m  openai-chat  400: ")
    assert "\x1b" not in line


def test_names(here: Path, capsys: Capture, upstream: Upstream) -> None:
    write(here, upstream, "good", "refused")
    assert main(["doctor", "good/n", "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["works"], found["target"], found["upstream"]) == (True, "good/n", "openai-chat")
    assert [path for path, _ in upstream.asked] == ["/good/v1/chat/completions"]
    assert main(["doctor", "godo"]) == 2
    assert "'godo' is no provider and no provider/model; there are: good, refused" in (
        capsys.readouterr().err
    )


def test_a_mistake_in_the_config(here: Path, capsys: Capture, upstream: Upstream) -> None:
    write(here, upstream, "good")
    config = json.loads((here / "plexus.json").read_text())
    config["aliases"]["a"]["targets"] = ["godo/m"]
    (here / "plexus.json").write_text(json.dumps(config))
    assert main(["doctor"]) == 1
    assert 'names provider "godo"' in capsys.readouterr().err
    assert upstream.asked == []


def test_every_dialect_of_a_provider(here: Path, capsys: Capture) -> None:
    config = {"providers": {"e": {"type": "echo"}}, "aliases": {"a": {"targets": ["e/m"]}}}
    (here / "plexus.json").write_text(json.dumps(config))
    assert main(["doctor"]) == 0
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    dialects = ("anthropic-messages", "gemini", "openai-chat", "openai-responses")
    assert rows == [["ok", "e/m", dialect] for dialect in dialects]
