"""The gateways under test: how each is started and in which scenarios it takes part.

Each function writes its configuration under ``lab`` and returns the command and its environment.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.processes import Cost, run
from bench.scenarios import CHAT, GEMINI, MESSAGES, MODELS, RESPONSES, Scenario

ROOT = Path(__file__).parent.parent
CEILING = Path(__file__).parent / "ceiling"

Command = tuple[list[str], dict[str, str]]
Config = dict[str, dict[str, Any]]


class Peer(NamedTuple):
    """``command(lab, port, upstream port)``; ``prefix(scenario)`` of the model, None: not taken."""

    command: Callable[[Path, int, int], Command]
    prefix: Callable[[Scenario], str | None]


PREFIXES = {CHAT: "oa-", MESSAGES: "an-", RESPONSES: "re-", GEMINI: "ge-"}
"""Of the model's name, for the provider that speaks the dialect alone."""


def _same_dialect(scenario: Scenario) -> str | None:
    return "" if scenario.client == scenario.provider and not scenario.alone else None


def _answers_chat(scenario: Scenario) -> str | None:
    same = scenario.client == scenario.provider == CHAT
    return "" if same and not scenario.alone else None


def _any_dialect(scenario: Scenario) -> str:
    if scenario.client == scenario.provider and not scenario.alone:
        return ""
    return PREFIXES[scenario.provider]


def _two_dialects(scenario: Scenario) -> str | None:
    return None if scenario.alone else _any_dialect(scenario)


def _nginx(lab: Path, port: int, upstream: int) -> Command:
    scratch = "".join(
        f"  {kind}_temp_path {lab}/nginx;\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = lab / "nginx.conf"
    config.write_text(f"""\
worker_processes 1; daemon off; pid {lab}/nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_buffer_size 1m; client_max_body_size 8m;
{scratch}
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://up; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
""")
    return ["nginx", "-e", "stderr", "-c", str(config)], {}


def _uvicorn(app: str, port: int) -> list[str]:
    server = "--loop uvloop --http httptools --no-access-log --log-level warning --no-server-header"
    place = ["--app-dir", str(CEILING), "--host", "127.0.0.1", "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", app, *place, *server.split()]


def _falcon_echo(lab: Path, port: int, upstream: int) -> Command:
    return _uvicorn("echo:app", port), {}


def _ceiling(lab: Path, port: int, upstream: int) -> Command:
    return _uvicorn("ceiling:app", port), {"UPSTREAM": str(upstream)}


def plexus(*arguments: str) -> Command:
    """This checkout's own command line."""
    return [sys.executable, "-m", "plexus", *arguments], {
        "PYTHONPATH": str(ROOT),
        "BENCH_KEY": "k",
    }


_NAMES = {
    CHAT: "openai-chat",
    MESSAGES: "anthropic-messages",
    RESPONSES: "openai-responses",
    GEMINI: "gemini",
}


def plexus_config(upstream: int) -> Config:
    """Aliases named as the mock's models, each with the one target its prefix asks for."""
    host = f"http://127.0.0.1:{upstream}"
    url = {name: f"{host}/v1beta" if name == "gemini" else f"{host}/v1" for name in _NAMES.values()}
    both = {name: url[name] for name in (_NAMES[CHAT], _NAMES[MESSAGES])}
    common: dict[str, Any] = {"api_key": {"env": "BENCH_KEY"}, "models": list(MODELS)}
    return {
        "providers": {
            "both": {"api_base_url": both, **common},
            **{
                dialect: {"type": name, "api_base_url": url[name], **common}
                for dialect, name in _NAMES.items()
            },
        },
        "aliases": {
            f"{prefix}{model}": {"targets": [f"{provider}/{model}"]}
            for provider, prefix in {"both": "", **PREFIXES}.items()
            for model in MODELS
        },
    }


def build(lab: Path, config: Config) -> Cost:
    """``plexus build`` in ``lab``."""
    lab.mkdir(parents=True, exist_ok=True)
    (lab / "plexus.json").write_text(json.dumps(config, indent=1))
    argv, env = plexus("build")
    cost, done = run(argv, env, lab)
    if done.returncode != 0:
        raise SystemExit(f"plexus build failed:\n{done.stdout}{done.stderr}")
    return cost


def serve(port: int) -> Command:
    return plexus("serve", "--port", str(port))


def _plexus(lab: Path, port: int, upstream: int) -> Command:
    build(lab, plexus_config(upstream))
    return serve(port)


PEERS = {
    "nginx": Peer(_nginx, _same_dialect),
    "falcon-echo": Peer(_falcon_echo, _answers_chat),
    "ceiling-httpx2": Peer(_ceiling, _two_dialects),
    "plexus": Peer(_plexus, _any_dialect),
}


NO_NGINX = "*** SKIPPED: nginx is not installed (apt-get install nginx-light) ***"


def installed() -> list[str]:
    """The peers that can run here; a missing nginx is said loudly, in the report too."""
    if shutil.which("nginx") is not None:
        return list(PEERS)
    print(NO_NGINX, file=sys.stderr)
    print(NO_NGINX)
    return [name for name in PEERS if name != "nginx"]
