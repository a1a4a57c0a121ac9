"""Two providers that do what a test says, and gateways over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.server import FaultServer, fault_server
from tests.gateway.harness import Gateway, Json, gateway


@pytest.fixture
def first() -> Iterator[FaultServer]:
    with fault_server() as server:
        yield server


@pytest.fixture
def second() -> Iterator[FaultServer]:
    with fault_server() as server:
        yield server


Serve = Callable[..., Gateway]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """``serve(config, **options)`` gives a Gateway that ends with the test."""
    with ExitStack() as stack:
        count = iter(range(100))

        def start(config: Json, **options: Any) -> Gateway:
            folder = tmp_path / f"gateway{next(count)}"
            return stack.enter_context(gateway(config, folder, **options))

        yield start


def provider(server: FaultServer | int, dialect: str = "openai-chat", **more: Any) -> Json:
    """A provider at a fault server, or at a port."""
    port = server if isinstance(server, int) else server.port
    return {
        "type": dialect,
        "api_base_url": f"http://127.0.0.1:{port}/v1",
        "api_key": {"env": "UPSTREAM_KEY"},
        "models": ["m"],
        **more,
    }


def two(first: Json, second: Json, **more: Any) -> Json:
    """``m``: the first provider, then the second.  ``one``, ``other``: each alone."""
    return {
        "providers": {"first": first, "second": second},
        "aliases": {
            "m": {"selector": "in_order", "targets": ["first/m", "second/m"]},
            "one": {"targets": ["first/m"]},
            "other": {"targets": ["second/m"]},
        },
        **more,
    }
