"""Errors of Responses providers and clients (errors.md §2, §3, §6)."""

import json

import pytest

from plexus.transformers import openai_responses as responses
from plexus.unified.errors import STATUS, ErrorKind, UnifiedError


@pytest.mark.parametrize(
    ("status", "error", "kind", "sent"),
    [
        (400, {"code": "invalid_value", "param": "input[0]"}, "invalid_request", 400),
        (400, {"code": "model_not_found"}, "not_found", 400),
        (404, {"code": "model_not_found"}, "not_found", 404),
        (400, {"code": "context_length_exceeded"}, "context_length", 400),
        (400, {"code": "invalid_prompt"}, "invalid_request", 400),
        (400, {"code": "misalignment_policy_violation"}, "content_filter", 400),
        (401, {"code": "invalid_api_key"}, "upstream", 502),
        (429, {"code": "rate_limit_exceeded"}, "rate_limit", 429),
        (429, {"code": "insufficient_quota"}, "quota", 429),
        (500, {"code": "server_error"}, "server", 500),
        (503, {"code": "server_is_overloaded"}, "overloaded", 503),
        (503, {"code": "slow_down"}, "overloaded", 503),
    ],
)
def test_T92_provider_errors(status: int, error: dict[str, str], kind: str, sent: int) -> None:
    body = json.dumps({"error": {"message": "said", "type": "x", **error}}).encode()
    found = responses.parse_error(status, {}, body)
    assert (found.kind, found.http_status) == (kind, sent)


@pytest.mark.parametrize("kind", STATUS)
def test_http_errors_have_all_four_members(kind: ErrorKind) -> None:
    error = UnifiedError(kind=kind, message="m", param="p")
    status, body = responses.format_error(error, "req_1")
    assert status == STATUS[kind]
    assert json.loads(body)["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("kind", STATUS)
def test_T50_a_failure_in_a_stream_says_why(kind: ErrorKind) -> None:
    error = UnifiedError(kind=kind, message="sorry")
    frame = responses.format_stream_error(error, "req_1")
    event = json.loads(frame.data)
    assert frame.event == event["type"] == "response.failed"
    found = event["response"]
    assert (found["status"], found["error"]["message"]) == ("failed", "sorry")
    assert found["error"]["code"]
    assert found["id"].startswith("resp_")
    assert found["output"] == []


def test_the_wait_is_in_the_words() -> None:
    error = UnifiedError(kind="rate_limit", message="slow", retry_after=1.5)
    data = json.loads(responses.format_stream_error(error, "req_1").data)
    assert data["response"]["error"]["message"] == "slow (retry after 1.5 s)"
