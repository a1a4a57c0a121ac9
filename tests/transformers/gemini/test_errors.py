"""Google's errors read, and errors written for its clients."""

import json
from typing import Any, get_args

import pytest

from plexus.transformers import gemini
from plexus.transformers.gemini.errors import parse_stream_error
from plexus.unified.errors import ErrorKind, UnifiedError

RPC = "type.googleapis.com/google.rpc."


def body(code: int, status: str, message: str = "words", *details: Any) -> bytes:
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return json.dumps({"error": error}).encode()


def kind(code: int, status: str, message: str = "words", *details: Any) -> str:
    return gemini.parse_error(code, {}, body(code, status, message, *details)).kind


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        (400, "INVALID_ARGUMENT", "invalid_request"),
        (400, "FAILED_PRECONDITION", "invalid_request"),
        (404, "NOT_FOUND", "not_found"),
        (409, "ABORTED", "conflict"),
        (429, "RESOURCE_EXHAUSTED", "rate_limit"),
        (499, "CANCELLED", "cancelled"),
        (500, "INTERNAL", "server"),
        (503, "UNAVAILABLE", "overloaded"),
        (504, "DEADLINE_EXCEEDED", "timeout"),
        (413, "INVALID_ARGUMENT", "too_large"),
        (418, "TEAPOT", "invalid_request"),
        (520, "", "upstream"),
    ],
)
def test_kinds(code: int, status: str, expected: str) -> None:
    assert kind(code, status) == expected


def test_the_words_of_a_full_context() -> None:
    words = (
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    )
    assert kind(400, "INVALID_ARGUMENT", words) == "context_length"


@pytest.mark.parametrize(
    ("code", "status", "details"),
    [
        (400, "INVALID_ARGUMENT", [{"reason": "API_KEY_INVALID"}]),
        (401, "UNAUTHENTICATED", []),
        (403, "PERMISSION_DENIED", []),
    ],
)
def test_T92_a_refused_credential_is_ours(code: int, status: str, details: list[Any]) -> None:
    raw = body(code, status, "API key not valid: AIzaSyA1234567890abcdef", *details)
    error = gemini.parse_error(code, {}, raw)
    assert (error.kind, error.http_status, error.should_retry) == ("upstream", 502, False)
    assert "AIza" not in error.message
    assert "the credential that Plexus holds" in error.message


def test_how_long_to_wait() -> None:
    info = {"@type": f"{RPC}RetryInfo", "retryDelay": "37.5s"}
    raw = body(429, "RESOURCE_EXHAUSTED", "slow", info)
    assert gemini.parse_error(429, {}, raw).retry_after == 37.5
    assert gemini.parse_error(429, {"retry-after": "4"}, raw).retry_after == 4
    assert gemini.parse_error(429, {"retry-after-ms": "400"}, raw).retry_after == 0.4
    for odd in ("soon", "-3s", "9" * 40 + "s", "1e400s", ""):
        other = body(429, "RESOURCE_EXHAUSTED", "slow", {**info, "retryDelay": odd})
        found = gemini.parse_error(429, {}, other).retry_after
        assert found is None or 0 <= found <= 3600


def test_a_quota_of_the_day_is_no_rate_limit() -> None:
    failure = {
        "@type": f"{RPC}QuotaFailure",
        "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
    }
    error = gemini.parse_error(429, {}, body(429, "RESOURCE_EXHAUSTED", "used up", failure))
    assert (error.kind, error.should_retry) == ("quota", False)
    per_minute = {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}
    assert kind(429, "RESOURCE_EXHAUSTED", "slow", per_minute) == "rate_limit"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'[{"error":{"code":400,"message":"words","status":"INVALID_ARGUMENT"}}]', "words"),
        (b'{"error":"words"}', "words"),
        (b'{"error":"code","message":"words"}', "words"),
        (b'{"message":"words"}', "words"),
        (b'{"detail":[{"msg":"words"}]}', '[{"msg":"words"}]'),
        (b"<html><style>x</style><body>words</body></html>", "words"),
        (b"words", "words"),
        (b"", "the provider answered with HTTP status 400"),
        (b"null", "the provider answered with HTTP status 400"),
        (b"[]", "the provider answered with HTTP status 400"),
        (b'{"error":{"message":7,"details":[1,{"violations":1}]}}', "7"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[" * 5000, "[" * 500),
    ],
)
def test_T46_bodies_of_every_form(raw: bytes, message: str) -> None:
    error = gemini.parse_error(400, {}, raw)
    assert (error.kind, error.message) == ("invalid_request", message)


def test_the_field_at_fault() -> None:
    detail = {"@type": f"{RPC}BadRequest", "fieldViolations": [{"field": "contents[0].parts"}]}
    raw = body(400, "INVALID_ARGUMENT", "bad", detail)
    assert gemini.parse_error(400, {}, raw).param == "contents[0].parts"


def test_errors_inside_a_stream() -> None:
    error = parse_stream_error(body(429, "RESOURCE_EXHAUSTED", "slow"), "google")
    assert (error.kind, error.message) == ("rate_limit", "slow")
    assert error.upstream is not None
    assert (error.upstream.provider, error.upstream.status) == ("google", 429)
    assert parse_stream_error(body(401, "UNAUTHENTICATED")).kind == "upstream"
    assert parse_stream_error(b"{}").message


# -- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_every_kind_has_a_status(kind: Any) -> None:
    error = UnifiedError(kind=kind, message="words")
    status, raw = gemini.format_error(error, "req_1")
    found = json.loads(raw)["error"]
    assert found["code"] == status == error.http_status
    assert found["message"] == "words"
    assert found["status"].isupper()
    assert found["details"] == []
    frame = gemini.format_stream_error(error, "req_1")
    assert (frame.event, json.loads(frame.data)) == ("", json.loads(raw))


def test_what_google_says_in_details() -> None:
    error = UnifiedError(
        kind="rate_limit", message="slow", param="contents", code="plexus_x", retry_after=2.5
    )
    details = json.loads(gemini.format_error(error, "req_1")[1])["error"]["details"]
    assert [detail["@type"].removeprefix(RPC) for detail in details] == [
        "BadRequest",
        "ErrorInfo",
        "RetryInfo",
    ]
    assert details[0]["fieldViolations"] == [{"field": "contents", "description": "slow"}]
    assert details[1] == {"@type": f"{RPC}ErrorInfo", "reason": "plexus_x", "domain": "plexus"}
    assert details[2]["retryDelay"] == "2.5s"


def test_an_error_survives_its_own_form() -> None:
    error = UnifiedError(kind="rate_limit", message="slow", param="contents", retry_after=3)
    status, raw = gemini.format_error(error, "req_1")
    again = gemini.parse_error(status, {}, raw)
    assert (again.kind, again.message, again.param, again.retry_after) == (
        "rate_limit",
        "slow",
        "contents",
        3,
    )
