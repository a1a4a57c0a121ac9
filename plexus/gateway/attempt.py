"""One upstream try: open, classify, read (aesthetics.md §3.6)."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Literal

from msgspec.structs import replace

from plexus.gateway.limits import Limits
from plexus.gateway.upstream.base import UpstreamAnswer, UpstreamFailed
from plexus.routing.failover import CLIENT_STATUSES, Verdict, judge
from plexus.routing.target import Target
from plexus.transformers.translation import Failure, Prepared
from plexus.unified.errors import UnifiedError, UpstreamDetail

_IDENTITY = ("", "identity")


class AttemptFailed(Exception):
    """The target did not answer; the client has seen nothing of it.

    ``failure`` is the provider's own error answer, if it gave one, and ``headers`` its headers.
    ``called`` is False when the request never left, because the target cannot mean it.
    """

    def __init__(
        self,
        target: Target,
        error: UnifiedError,
        *,
        verdict: Verdict | None = None,
        failure: Failure | None = None,
        headers: Mapping[str, str] | None = None,
        called: bool = True,
    ) -> None:
        super().__init__(error.message)
        self.target = target
        self.error = error
        self.failure = failure
        self.headers = headers or {}
        self.called = called
        status = None if failure is None else failure.status
        self.verdict = judge(error, status) if verdict is None else verdict

    @property
    def mistaken(self) -> bool:
        """Whether the client's request is at fault, and not the target or the way there."""
        if not self.called:
            return self.error.kind != "not_found"
        status = None if self.failure is None else self.failure.status
        return self.verdict is Verdict.RETURN and status in CLIENT_STATUSES

    @property
    def summary(self) -> str:
        """For the attempt log: the status and what kind of failure."""
        status = "" if self.failure is None else f"{self.failure.status} "
        return f"{status}{self.error.kind}"


def upstream_error(target: Target, failed: UpstreamFailed) -> UnifiedError:
    """What a transport failure is to a client: 502, or 504 when a deadline passed."""
    return UnifiedError(
        kind="timeout" if failed.timeout else "upstream",
        message=failed.message,
        code="plexus_timeout" if failed.timeout else None,
        upstream=UpstreamDetail(provider=target.provider.name),
    )


def bad_answer(target: Target, message: str, status: int = 200) -> AttemptFailed:
    """A provider that answered with something no dialect knows."""
    detail = UpstreamDetail(provider=target.provider.name, status=status)
    return AttemptFailed(target, UnifiedError(kind="upstream", message=message, upstream=detail))


async def check_answer(
    answer: UpstreamAnswer, prepared: Prepared, target: Target, limits: Limits
) -> None:
    """Raises AttemptFailed unless the answer is a 200 that can be read (C16, C18, C19, C23)."""
    status = answer.status
    if status >= 400:
        body = await read_start(answer, limits.error)
        failure = prepared.failure(status, answer.headers, body)
        if len(body) >= limits.error:
            failure = replace(failure, verbatim=None)
        raise AttemptFailed(target, failure.error, failure=failure, headers=answer.headers)
    if status != 200:
        raise bad_answer(target, f"it answered with status {status}", status)
    if answer.headers.get("content-encoding", "") not in _IDENTITY:
        raise bad_answer(target, "it answered with a content-encoding it was not offered")
    if "html" in answer.headers.get("content-type", ""):
        raise web_page(target)


def web_page(target: Target) -> AttemptFailed:
    return bad_answer(target, "it answered with a web page")


async def read_start(answer: UpstreamAnswer, limit: int) -> bytes:
    """An error's body, cut at ``limit``; a broken end does not hide the error."""
    parts: list[bytes] = []
    size = 0
    try:
        async for data in answer:
            parts.append(data)
            size += len(data)
            if size >= limit:
                break
    except UpstreamFailed:
        pass
    return b"".join(parts)[:limit]


async def read_whole(
    body: AsyncIterator[bytes],
    first: bytes,
    target: Target,
    limit: int,
    read: Callable[[], None],
) -> bytes:
    """An answer to its end, ``first`` and the rest; ``read`` is called after each piece.

    Raises AttemptFailed over ``limit`` bytes, UpstreamFailed.
    """
    parts = [first]
    size = len(first)
    async for data in body:
        read()
        parts.append(data)
        size += len(data)
        if size > limit:
            raise bad_answer(target, f"it answered with more than {limit} bytes")
    return first if len(parts) == 1 else b"".join(parts)


def looks_like(first: bytes) -> Literal["blank", "object", "page", "other"]:
    """What an answer is by its first bytes (C16, C20).

    Providers label streams as JSON and JSON as a stream; no dialect's frame begins like an object.
    """
    start = first[:64].lstrip()
    if not start:
        return "blank"
    if start.startswith(b"<"):
        return "page"
    return "object" if start.startswith(b"{") else "other"
