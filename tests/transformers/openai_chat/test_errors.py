"""Errors of chat providers and for chat clients (errors.md §2-4; reliability C7-C16)."""

import json
from typing import Any, get_args

import pytest

from plexus.transformers import openai_chat as chat
from plexus.transformers.openai_chat.retry import retry_after
from plexus.unified.errors import STATUS, ErrorKind, UnifiedError

READ: list[tuple[int, Any, str, int]] = [
    (
        400,
        {"error": {"message": "m", "code": "invalid_value", "param": "p"}},
        "invalid_request",
        400,
    ),
    (400, {"error": {"message": "m", "code": "context_length_exceeded"}}, "context_length", 400),
    (
        400,
        {"error": {"message": "This model's maximum context length is 9"}},
        "context_length",
        400,
    ),
    (
        400,
        {"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}},
        "context_length",
        400,
    ),
    (400, {"error": {"message": "m", "code": "content_filter"}}, "content_filter", 400),
    (
        400,
        {
            "error": {
                "message": "m",
                "code": "x",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        "content_filter",
        400,
    ),
    (400, {"error": {"message": "m", "code": "tool_use_failed"}}, "upstream", 502),
    (
        400,
        [{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}],
        "invalid_request",
        400,
    ),
    (400, {"error": {"message": "m", "details": [], "status": "API_KEY_INVALID"}}, "upstream", 502),
    (
        401,
        {"error": {"message": "Incorrect API key provided: sk-abcdefghijklmnop"}},
        "upstream",
        502,
    ),
    (401, {"message": "Unauthorized"}, "upstream", 502),
    (402, {"error": {"message": "m", "code": 402}}, "billing", 402),
    (403, {"error": {"message": "m"}}, "upstream", 502),
    (403, {"error": {"message": "requires moderation", "code": 403}}, "content_filter", 403),
    (404, {"error": {"message": "m", "code": "model_not_found"}}, "not_found", 404),
    (404, {"error": {"code": "DeploymentNotFound", "message": "m"}}, "not_found", 404),
    (404, {"error": {"message": "m", "type": "not_found_error"}}, "not_found", 404),
    (405, {"detail": "Method Not Allowed"}, "invalid_request", 400),
    (408, {"error": {"message": "m"}}, "timeout", 504),
    (409, {"error": {"message": "m"}}, "conflict", 409),
    (413, {"error": {"message": "m"}}, "too_large", 413),
    (422, {"detail": [{"loc": ["body", "n"], "msg": "bad", "type": "t"}]}, "invalid_request", 400),
    (422, b"Failed to deserialize the JSON body", "invalid_request", 400),
    (429, {"error": {"message": "m", "type": "rate_limit_error"}}, "rate_limit", 429),
    (429, {"error": {"message": "m", "code": "insufficient_quota"}}, "quota", 429),
    (429, {"error": {"message": "m", "type": "insufficient_quota", "code": None}}, "quota", 429),
    (429, b"Too many requests", "rate_limit", 429),
    (498, {"error": {"message": "m"}}, "overloaded", 503),
    (500, {"error": {"message": "m", "type": "server_error"}}, "server", 500),
    (500, {"object": "error", "message": "m", "type": "t", "code": "1000"}, "server", 500),
    (502, b"<html><h1>Bad gateway</h1></html>", "upstream", 502),
    (503, {"error": "The model is at capacity", "code": "x"}, "overloaded", 503),
    (503, {"error": {"message": "slow down"}}, "overloaded", 503),
    (504, b"", "timeout", 504),
    (520, b"cloudflare", "upstream", 502),
    (529, {"error": {"message": "m"}}, "overloaded", 503),
    (500, {"error": {"message": "m", "code": "insufficient_system_resource"}}, "overloaded", 503),
    (302, b"", "upstream", 502),
]


@pytest.mark.parametrize(("status", "body", "kind", "answered"), READ)
def test_classification(status: int, body: Any, kind: str, answered: int) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = chat.parse_error(status, {}, raw)
    assert (error.kind, error.http_status) == (kind, answered)
    assert error.message
    assert error.upstream is not None
    assert error.upstream.status == status


@pytest.mark.parametrize("status", [401, 403])
def test_T92_our_credential_is_not_the_clients_trouble(status: int) -> None:
    body = b'{"error":{"message":"Incorrect API key provided: sk-abcdefghijklmnop"}}'
    error = chat.parse_error(status, {}, body)
    out, answered = chat.format_error(error, "req")
    assert out == 502
    assert b"sk-" not in answered
    assert error.should_retry is False


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "m1"}}, "m1"),
        ({"error": "m2"}, "m2"),
        ({"error": "e", "message": "m3"}, "m3"),
        ({"message": "m4"}, "m4"),
        ({"Message": "m5"}, "m5"),
        ({"detail": "m6"}, "m6"),
        ({"detail": [{"loc": ["body", "messages", 0], "msg": "m7"}]}, "body.messages.0: m7"),
        ({"errors": [{"message": "m8"}, {"message": "m9"}]}, "m8; m9"),
        ([{"error": {"message": "m10"}}], "m10"),
        ({"object": "error", "message": {"detail": "m11"}}, "m11"),
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "metadata": {"raw": '{"error":{"message":"m12"}}'},
                }
            },
            "Provider returned error: m12",
        ),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": "m13"}}},
            "Provider returned error: m13",
        ),
        (b"<html><style>x{}</style><b>m14</b> now</html>", "m14 now"),
        (b"plain m15", "plain m15"),
        (b"\xff\xfe m16", "\ufffd\ufffd m16"),
    ],
)
def test_the_providers_words(body: Any, words: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert chat.parse_error(400, {}, raw).message == words


def test_nested_json_is_classified() -> None:
    inner = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    body = {
        "error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": inner}}
    }
    assert chat.parse_error(502, {}, json.dumps(body).encode()).kind == "overloaded"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnopqrst",
        "gsk_abcdefghijklmnopqrst",
        "AIzaSyabcdefghijklmnopqrst",
        "Bearer abcdef0123456789",
    ],
)
def test_T99_secrets_are_scrubbed(secret: str) -> None:
    body = json.dumps({"error": {"message": f"bad key {secret} here"}}).encode()
    assert chat.parse_error(400, {}, body).message == "bad key [key] here"
    assert secret not in chat.parse_error(400, {}, f"oops {secret}".encode()).message


@pytest.mark.parametrize(
    "body",
    [
        b"{" * 1000,
        b'{"error":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b"x" * 1_000_000,
        b'{"error":{"message":null}}',
        b'{"error":{"message":["a",{"b":1}]}}',
        b'{"error":{"message":"m","code":{"a":1},"type":5,"param":[1]}}',
        b'{"error":{"message":"' + b"y" * 9000 + b'"}}',
        b"null",
        b'"x"',
        b"[]",
    ],
)
def test_parsing_never_raises_and_stays_short(body: bytes) -> None:
    error = chat.parse_error(400, {"retry-after": "soon"}, body)
    status, out = chat.format_error(error, "req")
    assert status == 400
    assert len(out) < 3000
    assert json.loads(out)["error"]["message"]


NOW = "Tue, 24 Nov 2026 08:00:00 GMT"
WAITS: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"retry-after": "5"}, 5),
    ({"retry-after": "0"}, 0),
    ({"retry-after": "1.5"}, 1.5),
    ({"retry-after": " 7 "}, 7),
    ({"retry-after": "-3"}, 0),
    ({"retry-after": "1e9"}, 3600),
    ({"retry-after": "999999999999"}, 3600),
    ({"retry-after": "inf"}, 3600),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "5, 9"}, 5),
    ({"retry-after": "junk, 9"}, 9),
    ({"retry-after": "30s"}, 30),
    ({"retry-after": "6m0s"}, 360),
    ({"retry-after": "250ms"}, 0.25),
    ({"retry-after": "Tue, 24 Nov 2026 08:00:42 GMT", "date": NOW}, 42),
    ({"retry-after": "Tue, 24 Nov 2026 07:00:00 GMT", "date": NOW}, 0),
    ({"retry-after": "Wed, 24 Nov 2027 08:00:00 GMT", "date": NOW}, 3600),
    ({"retry-after": "Tue, 24 Nov 2026 08:00:42 GMT"}, None),
    ({"retry-after": "Tue, 24 Nov 2026 08:00:42 GMT", "date": "never"}, None),
    ({"retry-after-ms": "1500"}, 1.5),
    ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
    ({"retry-after-ms": "junk", "retry-after": "9"}, 9),
    ({"retry-after-ms": "-5"}, 0),
    ({"x-ratelimit-reset-requests": "1m0s", "x-ratelimit-remaining-requests": "0"}, 60),
    ({"x-ratelimit-reset-requests": "1m0s", "x-ratelimit-remaining-requests": "5"}, None),
    ({"x-ratelimit-reset-tokens": "250ms", "x-ratelimit-remaining-tokens": "0"}, 0.25),
    ({"x-ratelimit-reset-tokens": "never", "x-ratelimit-remaining-tokens": "0"}, None),
]


@pytest.mark.parametrize(("headers", "expected"), WAITS)
def test_T93_C7_how_long_to_wait(headers: dict[str, str], expected: float | None) -> None:
    found = retry_after(headers)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_wait_in_a_google_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}]
    body = {
        "error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": details}
    }
    assert chat.parse_error(429, {}, json.dumps(body).encode()).retry_after == 37


def test_C8_quota_is_final() -> None:
    body = b'{"error":{"message":"m","code":"insufficient_quota"}}'
    error = chat.parse_error(429, {"retry-after": "5", "x-should-retry": "true"}, body)
    assert (error.retry_after, error.should_retry) == (None, False)


@pytest.mark.parametrize(("said", "expected"), [("true", True), ("FALSE", False), ("", None)])
def test_the_provider_may_say_whether_to_retry(said: str, expected: bool | None) -> None:
    error = chat.parse_error(500, {"X-Should-Retry": said, "X-Request-Id": "r1"}, b"{}")
    assert error.should_retry is expected
    assert error.upstream is not None
    assert error.upstream.request_id == "r1"


WRITTEN: dict[str, tuple[str, str | None]] = {
    "invalid_request": ("invalid_request_error", None),
    "unsupported": ("invalid_request_error", "unsupported_parameter"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "content_filter": ("invalid_request_error", "content_filter"),
    "authentication": ("authentication_error", "invalid_api_key"),
    "billing": ("insufficient_quota", "insufficient_quota"),
    "permission": ("permission_error", None),
    "not_found": ("invalid_request_error", "model_not_found"),
    "conflict": ("conflict_error", None),
    "too_large": ("invalid_request_error", "request_too_large"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "cancelled": ("server_error", "cancelled"),
    "server": ("server_error", None),
    "upstream": ("server_error", "upstream_error"),
    "overloaded": ("server_error", "overloaded"),
    "timeout": ("server_error", "timeout"),
}


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_every_kind_has_its_status_type_and_code(kind: ErrorKind) -> None:
    status, body = chat.format_error(UnifiedError(kind=kind, message="m", param="p"), "req")
    expected_type, code = WRITTEN[kind]
    assert status == STATUS[kind]
    assert json.loads(body) == {
        "error": {"message": "m", "type": expected_type, "param": "p", "code": code}
    }


def test_the_code_of_the_error_wins() -> None:
    error = UnifiedError(kind="not_found", message="m", code="plexus_no_route", status=410)
    status, body = chat.format_error(error, "req")
    assert status == 410
    assert json.loads(body)["error"]["code"] == "plexus_no_route"
