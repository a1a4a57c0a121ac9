"""Errors in no dialect (reference/errors.md §1): data, and the one exception that carries it."""

from typing import Literal, TypeAlias

from msgspec import Struct

ErrorKind: TypeAlias = Literal[
    "invalid_request",
    "unsupported",
    "context_length",
    "content_filter",
    "authentication",
    "billing",
    "permission",
    "not_found",
    "conflict",
    "too_large",
    "rate_limit",
    "quota",
    "cancelled",
    "server",
    "upstream",
    "overloaded",
    "timeout",
]

STATUS: dict[ErrorKind, int] = {
    "invalid_request": 400,
    "unsupported": 400,
    "context_length": 400,
    "content_filter": 400,
    "authentication": 401,
    "billing": 402,
    "permission": 403,
    "not_found": 404,
    "conflict": 409,
    "too_large": 413,
    "rate_limit": 429,
    "quota": 429,
    "cancelled": 499,
    "server": 500,
    "upstream": 502,
    "overloaded": 503,
    "timeout": 504,
}
"""Default HTTP status of each kind (errors.md §3; Anthropic clients see 529 for ``overloaded``)."""


class UpstreamDetail(Struct, frozen=True, kw_only=True):
    """What the provider answered, for logs and pass-through: its status and words."""

    provider: str = ""
    status: int = 0
    type: str | None = None
    code: str | None = None
    request_id: str | None = None


class UnifiedError(Struct, frozen=True, kw_only=True):
    """One error.  ``status`` None means the default of its kind; ``retry_after`` is in seconds.

    ``should_retry`` False becomes ``x-should-retry: false``; None leaves it to the client.
    """

    kind: ErrorKind
    message: str
    status: int | None = None
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None
    should_retry: bool | None = None
    upstream: UpstreamDetail | None = None

    @property
    def http_status(self) -> int:
        return self.status if self.status is not None else STATUS[self.kind]


class PlexusError(Exception):
    """The only exception that crosses rooms: ``error`` is formatted in the client's dialect."""

    def __init__(self, error: UnifiedError) -> None:
        super().__init__(error.message)
        self.error = error


CREDENTIAL_CODE = "upstream_credential"


def credential_refused(status: int, upstream: UpstreamDetail) -> UnifiedError:
    """The error for a provider that refused the key Plexus holds for it (traps.md T92).

    It is no trouble of the client's, and none of the provider's words: they may quote the key.
    """
    return UnifiedError(
        kind="upstream",
        message=f"the provider refused the credential that Plexus holds for it (status {status})",
        code=CREDENTIAL_CODE,
        should_retry=False,
        upstream=upstream,
    )


def invalid(message: str, param: str | None = None, code: str | None = None) -> PlexusError:
    """A 400 the client can mend; ``param`` is the JSON path of the offending field."""
    return PlexusError(
        UnifiedError(
            kind="invalid_request", message=message, param=param, code=code, should_retry=False
        )
    )


def unsupported(message: str, param: str | None = None) -> PlexusError:
    """A 400 for what the target cannot mean (canonical.md §9, "always an error")."""
    return PlexusError(
        UnifiedError(
            kind="unsupported",
            message=message,
            param=param,
            code="plexus_unsupported",
            should_retry=False,
        )
    )
