"""The fixtures of the gateway's tests: two providers, and ``serve``."""

from tests.gateway.conftest import first, second, serve

__all__ = ["first", "second", "serve"]
