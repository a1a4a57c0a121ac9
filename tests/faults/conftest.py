"""The same providers and gateways as in ``tests/gateway``."""

from tests.gateway.conftest import first, second, serve

__all__ = ["first", "second", "serve"]
