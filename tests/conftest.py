"""The one global set-up of the tests."""

from __future__ import annotations

import os
import random

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regen", action="store_true", help="rewrite the golden files")


@pytest.fixture
def regen(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew instead of compared."""
    return bool(request.config.getoption("--regen"))


@pytest.fixture(scope="session")
def long() -> bool:
    """Whether the long counts were asked for (``make long``)."""
    return os.environ.get("PLEXUS_LONG") == "1"


@pytest.fixture
def seeded(request: pytest.FixtureRequest) -> random.Random:
    """A source of chance whose seed is printed; PLEXUS_SEED repeats a run."""
    seed = int(os.environ.get("PLEXUS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"{request.node.nodeid}: PLEXUS_SEED={seed}")
    return random.Random(seed)
