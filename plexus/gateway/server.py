"""Serving a generated package over HTTP: uvicorn with uvloop and httptools (design decision 1)."""

import asyncio
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from random import Random

import uvloop
from uvicorn import Config, Server

from plexus.gateway.app import create_app
from plexus.gateway.limits import Limits
from plexus.gateway.loader import Generation
from plexus.gateway.protocol import bounded, websocket
from plexus.gateway.secrets import MissingSecrets
from plexus.gateway.services import Services, build, needed
from plexus.gateway.upstream.credential import CredentialError
from plexus.gateway.workers import say, supervise
from plexus.observe.logs import Logger

DRAIN_S = 30.0
_LAST_WORDS_S = 5.0
_KEEP_ALIVE_S = 75
_BACKLOG = 2048
_COLLECT_AFTER = 10_000


class CannotServe(Exception):
    """Why the server does not start; the text is for the person at the terminal."""


def serve(
    generation: Generation,
    host: str,
    port: int,
    workers: int = 1,
    *,
    allow_anonymous: bool = False,
    drain: float = DRAIN_S,
) -> int:
    """Serve a generation until SIGTERM or SIGINT; the exit code.

    After the first signal open requests may run for ``drain`` seconds, then they end with their
    dialect's error; a second signal ends them at once.
    """
    try:
        check_address(generation, host, allow_anonymous)
        environment = dict(os.environ)
        # Missing secrets and bad files are found before there are workers to find them.
        services = make_services(generation, environment)
        listener = listen(host, port)
    except CannotServe as problem:
        say(str(problem))
        return 1
    say(f"Plexus listens on {_address(listener)}")
    if workers > 1:
        say(f"{workers} workers: limits, what was learned, and the vault are kept per worker")
        return supervise(
            workers,
            lambda: run(make_services(generation, environment), listener, drain),
            # Held open here, it would take connections while the workers drain, and answer none.
            stop=listener.close,
        )
    return run(services, listener, drain)


def check_address(generation: Generation, host: str, allow_anonymous: bool) -> None:
    """Raises CannotServe for an address that others reach, without client keys."""
    if generation.keys or allow_anonymous or is_loopback(host):
        return
    raise CannotServe(
        f"serving on {host!r} lets everybody who reaches it use your providers' keys:\n"
        'add client "keys" to the config, or say --allow-anonymous'
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def make_services(
    generation: Generation, environment: Mapping[str, str], limits: Limits | None = None
) -> Services:
    """Raises CannotServe naming every secret and file that is missing or bad."""
    settings = generation.settings
    logger = Logger(settings.log_level, time.time, style=settings.log_format)
    try:
        return build(
            generation,
            environment=environment,
            log=logger,
            clock=time.time,
            random=Random(),
            limits=limits,
        )
    except MissingSecrets as problem:
        raise _missing(problem) from None
    except CredentialError as problem:
        raise CannotServe(str(problem)) from None


def check_secrets(generation: Generation, environment: Mapping[str, str]) -> None:
    """Raises CannotServe naming every secret and file that is missing or bad."""
    try:
        needed(generation, environment)
    except MissingSecrets as problem:
        raise _missing(problem) from None


def _missing(problem: MissingSecrets) -> CannotServe:
    listed = "\n".join(f"  {line}" for line in problem.problems)
    return CannotServe(f"secrets or files are missing or bad:\n{listed}")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.  Raises CannotServe."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as problem:
        listener.close()
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        hint = "; --port or the config's server.port says another port" if port else ""
        raise CannotServe(f"cannot listen on {host}:{port}: {reason}{hint}") from None
    listener.set_inheritable(True)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(services: Services, listener: socket.socket, drain: float) -> int:
    """Serve in this process until a signal; the exit code."""
    _spare_the_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(services, listener, drain))
    return 0


def _spare_the_collector() -> None:
    """Keep the garbage collector from what stays, and from looking all the time.

    Requests leave next to nothing for it (tests/gateway/test_upstream.py), and still it took a
    tenth of their time.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 10)


async def _serve(services: Services, listener: socket.socket, drain: float) -> None:
    logger = services.log
    if isinstance(logger, Logger):
        logger.start()
    server = GracefulServer(services, drain)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    try:
        await server.serve(sockets=[listener])
    finally:
        await services.close()
        if isinstance(logger, Logger):
            logger.close()


class GracefulServer(Server):
    """A uvicorn server that drains: ``stop`` once for politely, twice for now."""

    def __init__(self, services: Services, drain: float) -> None:
        self._services = services
        self._drain = drain
        super().__init__(
            Config(
                create_app(services),
                loop="none",
                http=bounded(services.limits),
                ws=websocket(services.limits),  # type: ignore[arg-type]
                ws_max_size=services.settings.body_limit,
                ws_ping_interval=services.limits.ping,
                # Some clients answer pings only while they wait for an event.
                ws_ping_timeout=None,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                log_level=logging.CRITICAL,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=int(drain + _LAST_WORDS_S) + 1,
            )
        )

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """uvicorn would raise the signal again at its end, and the exit code would not be 0."""
        yield

    def stop(self) -> None:
        if self.should_exit:
            self._services.stop()
            return
        self._services.draining = True
        self.should_exit = True
        asyncio.get_running_loop().call_later(self._drain, self._services.stop)
