"""What the tests of quick readers share: both ways find the same, or the quick one nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Raw

from plexus.streaming.document import DocumentError, JsonBody
from plexus.transformers.anthropic_messages.reader import Malformed
from plexus.unified.errors import PlexusError

T = TypeVar("T")


def agree(raw: Raw, quick: Callable[[Raw], T | None], full: Callable[[Raw], T]) -> bool:
    """Whether ``quick`` reads it; if so, ``full`` must read the same."""
    found = quick(raw)
    try:
        assert found is None or found == full(raw), bytes(raw)
    except (Malformed, PlexusError) as problem:
        raise AssertionError(bytes(raw)) from problem
    return found is not None


def members(body: bytes, *names: str) -> list[list[Raw]]:
    """The elements of these members of a request, none of what is no request."""
    try:
        fields = JsonBody.parse(body).fields
        return [msgspec.json.decode(fields.get(name, b"[]"), type=list[Raw]) for name in names]
    except (msgspec.DecodeError, DocumentError):
        return [[] for _ in names]
