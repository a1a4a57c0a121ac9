"""Headers of an answer: our own, and the few of a provider's that pass (ecosystem.md §2.2)."""

import json
from collections.abc import Iterable, Mapping
from time import perf_counter

from plexus.gateway.record import Record
from plexus.gateway.reply import RawHeaders
from plexus.routing.target import Target
from plexus.transformers.losses import LossWarning

_WARNINGS_LIMIT = 2048
_LOG_LIMIT = 512
_RATE_LIMITS = ("x-ratelimit-", "anthropic-ratelimit-", "anthropic-priority-", "anthropic-fast-")
_UPSTREAM_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")
STREAM: RawHeaders = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""No proxy on the way may hold a stream back."""


def counters(record: Record) -> RawHeaders:
    """Upstream tries so far, and the time that was not spent waiting for them."""
    overhead = max(perf_counter() - record.started - record.waited, 0.0) * 1000
    return [
        (b"x-plexus-attempts", b"%d" % record.attempts),
        (b"x-plexus-overhead-ms", b"%.2f" % overhead),
    ]


def attempt_headers(record: Record, target: Target, reveal: bool) -> RawHeaders:
    """How the answer came about; ``reveal`` False keeps providers and models out of it."""
    headers = counters(record)
    if reveal:
        headers += _pair("x-plexus-provider", target.provider.name)
        headers += _pair("x-plexus-model", target.model)
        if record.history:
            log = ", ".join(f"{name}={summary}" for name, summary in record.history)
            headers += _pair("x-plexus-attempt-log", log[:_LOG_LIMIT])
    return headers


def upstream_headers(answer: Mapping[str, str], rate_limits: bool) -> RawHeaders:
    """The allow-list applied to a provider's headers: its request id and, if wished, its limits."""
    found: RawHeaders = []
    for name in _UPSTREAM_IDS:
        if name in answer:
            found += _pair("x-plexus-upstream-request-id", answer[name])
            break
    if rate_limits:
        for name, value in answer.items():
            if name.startswith(_RATE_LIMITS):
                found += _pair(name, value)
    return found


def warnings_header(warnings: Iterable[LossWarning]) -> RawHeaders:
    """``x-plexus-warnings``: a JSON list of what was lost; past 2 KiB the rest is a count."""
    rows = [{"field": w.loss.field, "outcome": w.loss.outcome, "path": w.path} for w in warnings]
    if not rows:
        return []
    text = _json(rows)
    shown = len(rows)
    while len(text) > _WARNINGS_LIMIT:
        shown -= 1
        text = _json([*rows[:shown], {"more": len(rows) - shown}])
    return [(b"x-plexus-warnings", text)]


def _json(rows: object) -> bytes:
    # ASCII: a path may hold a client's own words.
    return json.dumps(rows, separators=(",", ":")).encode("ascii")


def _pair(name: str, value: str) -> RawHeaders:
    """Nothing, unless both can stand in a header as they are (reliability.md C22, G11)."""
    if value.isascii() and value.isprintable() and len(value) <= 512:
        return [(name.encode("ascii"), value.encode("ascii"))]
    return []
