"""Errors of the AWS runtime, as answers and inside streams (reference/bedrock-vertex.md §6)."""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plexus.streaming.eventstream import ERROR, EXCEPTION
from plexus.streaming.framing import Frame
from plexus.transformers.anthropic_messages.errors import parse_error as _parse_error
from plexus.unified.errors import (
    CREDENTIAL_CODE,
    ErrorKind,
    UnifiedError,
    UpstreamDetail,
    credential_refused,
)

_KINDS: dict[str, ErrorKind] = {
    "validation": "invalid_request",
    "servicequotaexceeded": "quota",
    "conflict": "conflict",
    "accessdenied": "permission",
    "unrecognizedclient": "authentication",
    "expiredtoken": "authentication",
    "invalidsignature": "authentication",
    "signaturedoesnotmatch": "authentication",
    "incompletesignature": "authentication",
    "missingauthenticationtoken": "authentication",
    "requestexpired": "authentication",
    "resourcenotfound": "not_found",
    "modeltimeout": "timeout",
    "modelerror": "upstream",
    "modelstreamerror": "upstream",
    "throttling": "rate_limit",
    "modelnotready": "overloaded",
    "internalserver": "server",
    "serviceunavailable": "overloaded",
}
"""By the exception's name in lower case, without its last word."""

_UNKNOWN_MODEL = re.compile(
    r"model identifier is invalid|on-demand throughput is ?n[o']t supported", re.IGNORECASE
)
_TOO_LONG = re.compile(
    r"input is too long|prompt is too long|too many input tokens|exceeds? (?:the )?.{0,40}context",
    re.IGNORECASE,
)
_DAILY = re.compile(r"too many tokens per day|daily", re.IGNORECASE)


class _Said(Struct):
    message: str | None = None
    original: str | None = msgspec.field(name="originalMessage", default=None)


_said = msgspec.json.Decoder(_Said).decode


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> UnifiedError:
    """Classify an AWS error answer; never raises.

    A refused credential is Plexus' own (errors.md §3).
    """
    error = _parse_error(status, headers, body)
    name = _bare(headers.get("x-amzn-errortype", ""))
    detail = UpstreamDetail(
        status=status, type=name or None, request_id=headers.get("x-amzn-requestid")
    )
    kind = _kind(name, error.message) or (error.kind if status != 424 else "upstream")
    if kind in ("authentication", "permission") or error.code == CREDENTIAL_CODE:
        return credential_refused(status, detail)
    return replace(
        error,
        kind=kind,
        code="upstream_error" if kind == "upstream" else error.code,
        should_retry=False if kind in ("quota", "billing") else error.should_retry,
        upstream=detail,
    )


def stream_error(frame: Frame) -> UnifiedError | None:
    """The error that a frame of an event stream is, or None."""
    if not frame.event.startswith((EXCEPTION, ERROR)):
        return None
    name = frame.event.partition(":")[2]
    try:
        said = _said(frame.data)
    except (msgspec.MsgspecError, RecursionError):
        said = _Said()
    message = said.message or said.original or "the provider sent an error without a message"
    kind = _kind(_bare(name), message) or "upstream"
    detail = UpstreamDetail(status=200, type=name or None)
    if kind in ("authentication", "permission"):
        return credential_refused(200, detail)
    return UnifiedError(
        kind=kind,
        message=message[:2048],
        code="upstream_error" if kind == "upstream" else None,
        upstream=detail,
    )


def _bare(name: str) -> str:
    """``com.amazon#ThrottlingException:http://…`` → ``ThrottlingException``."""
    return name.partition(":")[0].rpartition("#")[2].strip()


def _kind(name: str, message: str) -> ErrorKind | None:
    kind = _KINDS.get(name.lower().removesuffix("exception"))
    if not name and _UNKNOWN_MODEL.search(message):
        return "not_found"
    if kind == "invalid_request" and _TOO_LONG.search(message):
        return "context_length"
    if kind == "invalid_request" and _UNKNOWN_MODEL.search(message):
        return "not_found"
    if kind == "rate_limit" and _DAILY.search(message):
        return "quota"
    return kind
