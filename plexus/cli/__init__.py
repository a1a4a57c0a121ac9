"""The command line: arguments in, exit code out.

0 clean; 1 diagnostics, or a file that cannot be read or written; 2 wrong usage; 3 stale or edited
output.  Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from plexus import __version__

CLIENTS = (
    "openai",
    "anthropic",
    "gemini",
    "claude-code",
    "codex",
    "gemini-cli",
    "opencode",
    "aider",
    "llm",
    "vercel-ai-sdk",
    "langchain",
    "pydantic-ai",
)
FORMATS = ("text", "json", "github")
DIALECTS = ("anthropic-messages", "gemini", "openai-chat", "openai-responses")
"""Those that clients speak; named here, so that no command waits for the modules."""

_DIGITS = re.compile(r"[0-9]{1,6}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.  Its module is imported only now, so that each starts fast."""
    arguments = _parser().parse_args(argv)
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output went away, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def _run(arguments: Namespace) -> int:
    match arguments.command:
        case "check" | "build" | "explain":
            from plexus.cli import build

            run = {"check": build.check, "build": build.build, "explain": build.explain}
            return run[arguments.command](arguments)
        case "serve":
            from plexus.cli import serve

            return serve.serve(arguments)
        case "dev":
            from plexus.cli import dev

            return dev.dev(arguments)
        case "client":
            from plexus.cli import clients

            return clients.client(arguments)
        case "doctor":
            from plexus.cli import doctor

            return doctor.doctor(arguments)
        case _:
            from plexus.cli import info

            run = {
                "init": info.init,
                "schema": info.schema,
                "transformers": info.transformers,
            }
            return run[arguments.command](arguments)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="plexus",
        description="A gateway in front of LLM providers that is compiled, not configured.",
        epilog="exit codes: 0 clean, 1 diagnostics or unreadable file, 2 usage, 3 stale output",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"plexus {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    init = commands.add_parser("init", help="write a first plexus.json")
    init.add_argument("--force", action="store_true", help="replace an existing one")

    check = commands.add_parser("check", help="find every mistake of plexus.json; write nothing")
    check.add_argument("--env", action="store_true", help="also look for missing secrets")
    build = commands.add_parser("build", help="write generated/ from plexus.json")
    build.add_argument("--check", action="store_true", help="write nothing, show what would change")
    explain = commands.add_parser("explain", help="show who answers an alias, and what gets lost")
    explain.add_argument("alias", metavar="ALIAS")
    explain.add_argument(
        "--dialect", choices=DIALECTS, metavar="D", help="name every field its clients can lose"
    )
    explain.add_argument("--format", choices=("text", "json"), default="text")

    serve = commands.add_parser("serve", help="serve the generated package")
    serve.add_argument("--generated", type=Path, metavar="DIR", help="serve this, never build")
    serve.add_argument("--workers", type=_positive, default=1, metavar="N", help="processes")
    dev = commands.add_parser("dev", help="serve, rebuild and restart when plexus.json changes")
    for command in (serve, dev):
        command.add_argument("--host", help="address to listen on (default: the config's)")
        command.add_argument("--port", type=_port, help="port to listen on, 0 for any free one")
        command.add_argument(
            "--allow-anonymous", action="store_true", help="serve without client keys to others"
        )
    doctor = commands.add_parser("doctor", help="ask every provider for a word; say what works")
    doctor.add_argument("names", nargs="*", metavar="NAME", help="a provider, or provider/model")
    doctor.add_argument("--timeout", type=_seconds, default=30.0, metavar="S", help="default: 30")
    doctor.add_argument("--format", choices=("text", "json"), default="text")
    client = commands.add_parser("client", help="print the settings of a client, to paste")
    client.add_argument("client", choices=CLIENTS, metavar="NAME", help=", ".join(CLIENTS))

    client.add_argument("--model", metavar="ALIAS", help="the model to show")

    for command in (check, build, explain, serve, dev, doctor, client):
        command.add_argument("--config", type=Path, metavar="F", help="default: plexus.json")
    for command in (build, serve, dev, doctor):
        command.add_argument("--out", type=Path, metavar="DIR", help="default: generated, beside F")
    for command in (check, build):
        command.add_argument("--format", choices=FORMATS, default="text")

    commands.add_parser("transformers", help="list dialects, steps and selectors")
    commands.add_parser("schema", help="print the JSON Schema of plexus.json")
    return parser


def _positive(text: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) < 1:
        raise ArgumentTypeError(f"{text[:40]!r} is no number from 1 up")
    return int(text)


def _seconds(text: str) -> float:
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= 3600:
        raise ArgumentTypeError(f"{text[:40]!r} is no number of seconds: 1 to 3600")
    return float(text)


def _port(text: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) > 65535:
        raise ArgumentTypeError(f"{text[:40]!r} is no port: 0 to 65535")
    return int(text)
