"""However a stream ends after two fragments, the SDK has to notice that the upstream died.

The endings, and what each SDK does when nobody helps it, stand in ``stream-endings.json``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.conftest import GATEWAY, SHORT, Route
from tests.clients.processes import ROOT, Upstream
from tests.clients.scenarios import ERROR_WORDS, FRAGMENTS
from tests.clients.sdk import Mode, Sdk

RECORDED = ROOT.parent / "shared" / "clients" / "stream-endings.json"
NAMES = {
    "openai-python": "openai-python 3.54.0 chat",
    "openai-python-responses": "openai-python 3.54.0 responses",
    "openai-node": "openai-node 6.49.0 chat",
    "anthropic-python": "anthropic-python 2.12.0",
    "anthropic-ts": "anthropic-ts 1.12.0",
    "google-genai-python": "google-genai python 3.4.0",
    "google-genai-js": "@google/genai 2.32.0",
}
DEATHS = ("error_data", "error_event", "cut", "silent_end")
STREAMS: tuple[Mode, ...] = ("helper", "iterate")


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    if not RECORDED.is_file():
        pytest.skip(f"*** SKIPPED: the recorded endings are not there: {RECORDED} ***")
    endings: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return endings


def test_no_ending_is_forgotten(recorded: dict[str, Any]) -> None:
    others = {"response_failed", "comment"}
    assert recorded["endings"].keys() == set(DEATHS) | others
    assert set(NAMES.values()) <= recorded["results"].keys()


@SHORT
@pytest.mark.parametrize("mode", STREAMS)
@pytest.mark.parametrize("ending", DEATHS)
def test_every_death_is_noticed(
    sdk: Sdk, route: Route, tag: str, ending: str, mode: Mode, request: pytest.FixtureRequest
) -> None:
    outcome = sdk.run(route.asking(f"[[end-{ending}:{tag}]]", mode=mode))

    if route.kind == "direct":
        # The control: without the gateway the SDK does what was recorded of it.
        if mode == ("helper" if sdk.name == "anthropic-ts" else "iterate") and sdk.name in NAMES:
            results = request.getfixturevalue("recorded")["results"][NAMES[sdk.name]]
            raised = outcome.failed is not None and outcome.failed.name != "response.failed"
            if ending in results:
                assert raised is results[ending].startswith("raises")
        return
    assert outcome.failed is not None, outcome
    assert outcome.failed.text == "".join(FRAGMENTS)
    if ending.startswith("error"):
        assert ERROR_WORDS in outcome.failed.message


@GATEWAY
@pytest.mark.parametrize("mode", STREAMS)
def test_silence_is_noticed(
    sdk: Sdk, route: Route, upstream: Upstream, tag: str, mode: Mode
) -> None:
    alias = f"stall-{route.model}"
    ask = route.asking(f"[[end-stall:{tag}]]", mode=mode)
    outcome = sdk.run(type(ask)(ask.base, ask.key, alias, ask.prompt, mode))

    assert outcome.failed is not None, outcome
    assert outcome.failed.text == "".join(FRAGMENTS)
    _, hung_up = upstream.take(tag, count=2)
    assert hung_up == {"stalled": True, "gone": True}


@SHORT
@pytest.mark.parametrize("mode", STREAMS)
def test_comments_do_no_harm(sdk: Sdk, route: Route, tag: str, mode: Mode) -> None:
    outcome = sdk.run(route.asking(f"[[end-comment:{tag}]]", mode=mode))
    if sdk.name == "google-genai-python" and route.kind == "direct":
        # The control: it takes the comment for JSON.
        assert outcome.failed is not None
        return
    assert outcome.failed is None, outcome
    assert outcome.turns[0].text == "pong"
