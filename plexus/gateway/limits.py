"""Limits that no config sets."""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Seconds and bytes.

    ``head``: for a request's head.  ``receive``: for a whole request body.  ``keep_alive``: of
    silence before a stream's client gets a sign of life.  ``tail``: for what follows a finished
    message (usage, the end).  ``answer``: of a JSON answer.  ``held``: of a stream before its first
    content.  ``error``: of an error answer.  ``stalled``: for a client that does not read.
    ``vault_turns``, ``vault_bytes``: how much is remembered of what clients strip, nothing at 0;
    ``vault_ttl``: for how long.
    ``session``: of a WebSocket, as OpenAI has it.  ``frames``: that wait on it for their turn.
    ``ping``: between pings on it.
    """

    head: float = 10.0
    receive: float = 60.0
    keep_alive: float = 15.0
    tail: float = 10.0
    stalled: float = 30.0
    session: float = 3600.0
    frames: int = 16
    ping: float = 20.0
    answer: int = 64 * 1024 * 1024
    held: int = 32 * 1024 * 1024
    error: int = 256 * 1024
    vault_turns: int = 16_384
    vault_bytes: int = 64 * 1024 * 1024
    vault_ttl: float = 24 * 3600.0
    header_count: int = 100
    header_line: int = 16 * 1024
    header_bytes: int = 64 * 1024
