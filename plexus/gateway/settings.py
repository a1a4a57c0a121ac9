"""The settings of a generated package: what ``plexus.json`` says about the server and its keys."""

from msgspec import Struct

from plexus.routing.target import SecretRef


class Settings(Struct, frozen=True, kw_only=True):
    """``body_limit`` in bytes (decoded); ``forward_rate_limits`` None: only without client keys;
    ``estimate_tokens`` False: a count that nobody makes is a 404.
    """

    host: str = "127.0.0.1"
    port: int = 4000
    cors: tuple[str, ...] = ()
    body_limit: int = 32 * 1024 * 1024
    forward_rate_limits: bool | None = None
    estimate_tokens: bool = True
    log_level: str = "info"
    log_format: str | None = None


class ClientKey(Struct, frozen=True, kw_only=True):
    """A client key: by secret reference or SHA-256 digest (64 hex digits).

    ``aliases`` None allows all; ``expires`` is Unix seconds, None for never.
    """

    name: str
    secret: SecretRef | None = None
    sha256: str | None = None
    aliases: frozenset[str] | None = None
    expires: float | None = None
