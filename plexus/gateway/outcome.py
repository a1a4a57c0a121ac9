"""What a client is told when no target answered (errors.md §3, §4, §7)."""

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from plexus.gateway.attempt import AttemptFailed
from plexus.routing.failover import Verdict
from plexus.routing.target import Target
from plexus.transformers.translation import Failure
from plexus.unified.errors import UnifiedError

_HIDDEN = "the model"
_LIST_LIMIT = 10


class Outcome(Struct, frozen=True):
    """``error`` for the client; ``verbatim`` is the provider's answer to show instead of it."""

    error: UnifiedError
    verbatim: Failure | None
    last: AttemptFailed


def conclude(failures: Sequence[AttemptFailed], reveal: bool) -> Outcome:
    """The one error that stands for all failures.

    ``reveal`` False keeps the names of providers and models out of it.
    """
    called = [failed for failed in failures if failed.called]
    last = called[-1] if called else failures[0]
    if len(called) < 2 or last.verdict is Verdict.RETURN:
        failure = last.failure if reveal else None
        shown = failure if failure is not None and failure.verbatim is not None else None
        return Outcome(words(last.target, last.error, reveal, last.called), shown, last)
    return Outcome(_all_failed(called, last, reveal), None, last)


def words(target: Target, error: UnifiedError, reveal: bool, called: bool = True) -> UnifiedError:
    """The error with its provider's name in front, or with the hidden names taken out."""
    message = error.message
    if not reveal:
        message = _hide(message, (target.name, target.model, target.provider.name))
    elif called and error.kind != "context_length":
        # Claude Code compacts when a message *begins* with the words for a full context.
        message = f"{target.provider.name}: {message}"
    return error if message == error.message else replace(error, message=message)


def _hide(message: str, names: Sequence[str]) -> str:
    """Whole words only: a model may be called ``m``."""
    longest = sorted(map(re.escape, names), key=len, reverse=True)
    whole = rf"(?<![\w.-])(?:{'|'.join(longest)})(?![\w-])"
    return re.sub(whole, _HIDDEN, message, flags=re.IGNORECASE)


def _all_failed(called: Sequence[AttemptFailed], last: AttemptFailed, reveal: bool) -> UnifiedError:
    """Plexus has used its attempts: the client must not multiply them."""
    error = words(last.target, last.error, reveal)
    message = f"all {len(called)} targets failed; the last: {error.message}"
    if reveal:
        tried = [f"{failed.target.name} ({failed.summary})" for failed in called[:_LIST_LIMIT]]
        message += f". Tried: {', '.join(tried)}"
    waits = [failed.error.retry_after for failed in called if failed.error.retry_after is not None]
    limited = all(failed.error.kind == "rate_limit" for failed in called)
    return replace(
        error,
        message=message,
        code="plexus_all_targets_failed",
        retry_after=min(waits, default=1.0) if limited else error.retry_after,
        should_retry=False,
    )
