"""The same providers and gateways as in ``tests/gateway``; and some that a module's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.gateway.conftest import Serve, first, second, serve
from tests.gateway.harness import Gateway, Json, gateway

__all__ = ["first", "second", "serve"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Like ``serve``, but the same config and options give the same Gateway again."""
    found: dict[str, Gateway] = {}
    with ExitStack() as stack:

        def start(config: Json, **options: Any) -> Gateway:
            key = repr((config, options))
            if key not in found:
                folder = tmp_path_factory.mktemp("gateway")
                found[key] = stack.enter_context(gateway(config, folder, **options))
            return found[key]

        yield start
