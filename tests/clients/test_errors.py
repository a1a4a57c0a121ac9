"""What an SDK raises when the upstream refuses or breaks before it has said anything."""

from __future__ import annotations

import pytest

from tests.clients.conftest import GATEWAY, SHORT, Route
from tests.clients.processes import Upstream
from tests.clients.scenarios import CLIENT_KEY, ERROR_WORDS, UPSTREAM_KEY
from tests.clients.sdk import Failed, Mode, Sdk

MODES: tuple[Mode, ...] = ("json", "helper")
CLASSES = {
    400: "BadRequestError",
    404: "NotFoundError",
    429: "RateLimitError",
    401: "AuthenticationError",
}
TYPES = {
    "openai-chat": {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "invalid_request_error",
        429: "rate_limit_error",
        500: "server_error",
        502: "server_error",
        503: "server_error",
        529: "server_error",
    },
    "gemini": {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        502: "INTERNAL",
        503: "UNAVAILABLE",
        529: "UNAVAILABLE",
    },
    "anthropic-messages": {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        429: "rate_limit_error",
        500: "api_error",
        502: "api_error",
        529: "overloaded_error",
    },
}
TYPES["openai-responses"] = TYPES["openai-chat"]


def failure(sdk: Sdk, route: Route, prompt: str, mode: Mode) -> Failed:
    outcome = sdk.run(route.asking(prompt, mode=mode))
    assert outcome.failed is not None, outcome
    assert (outcome.turns, outcome.failed.text) == ([], "")
    return outcome.failed


def _class(sdk: Sdk, status: int) -> str:
    match sdk.name:
        case "google-genai-js":
            return "ApiError"
        case "google-genai-python":
            return "ClientError" if status < 500 else "ServerError"
        case "anthropic-python" | "anthropic-ts" if status == 529:
            return "OverloadedError"
        case _:
            return CLASSES.get(status, "InternalServerError")


def check(failed: Failed, sdk: Sdk, status: int) -> None:
    """The SDK's own class for the status, in the dialect's words."""
    assert failed.status == status
    assert failed.name == _class(sdk, status)
    assert failed.type == TYPES[sdk.dialect][status]
    assert failed.request_id or sdk.name == "google-genai-js"
    assert UPSTREAM_KEY not in failed.message
    assert CLIENT_KEY not in failed.message


@SHORT
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_error_answers(sdk: Sdk, route: Route, tag: str, status: int, mode: Mode) -> None:
    failed = failure(sdk, route, f"[[fail-{status}:{tag}]]", mode)

    shown = status
    if route.gateway and status == 401:
        shown = 502  # the provider's key was refused: the client's own is fine
    elif route.kind == "cross" and status == 529 and sdk.dialect != "anthropic-messages":
        shown = 503
    check(failed, sdk, shown)
    if status != 401:
        assert ERROR_WORDS in failed.message
    if status == 429 and sdk.name != "google-genai-js":
        assert failed.retry_after == "7"


@GATEWAY
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["page", "cut_early"])
def test_no_answer_is_a_bad_gateway(sdk: Sdk, route: Route, tag: str, how: str, mode: Mode) -> None:
    """A CDN's page with a 200; a connection cut before any content, in JSON in its middle."""
    failed = failure(sdk, route, f"[[end-{how}:{tag}]]", mode)
    check(failed, sdk, 502)


@GATEWAY
def test_error_event_before_content_is_an_error_answer(sdk: Sdk, route: Route, tag: str) -> None:
    failed = failure(sdk, route, f"[[end-error_early:{tag}]]", "helper")
    assert failed.status in (500, 502)
    check(failed, sdk, failed.status)
    assert ERROR_WORDS in failed.message


@GATEWAY
@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_client_key(
    sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode
) -> None:
    ask = route.asking(f"[[plain:{tag}]]", mode=mode)
    outcome = sdk.run(type(ask)(ask.base, "sk-somebody-else", ask.model, ask.prompt, mode))
    assert outcome.failed is not None
    check(outcome.failed, sdk, 401)
    assert upstream.take(tag) == []


@GATEWAY
@pytest.mark.parametrize("mode", MODES)
def test_a_model_that_the_key_may_not_use(
    sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode
) -> None:
    ask = route.asking(f"[[plain:{tag}]]", mode=mode)
    outcome = sdk.run(type(ask)(ask.base, ask.key, "mesages", ask.prompt, mode))
    assert outcome.failed is not None
    check(outcome.failed, sdk, 404)
    assert "messages" in outcome.failed.message, "no suggestion"
    assert upstream.take(tag) == []
