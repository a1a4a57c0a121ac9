"""Platforms: addresses and envelopes, rows of losses, and what they leave alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexus.transformers import (
    anthropic_messages,
    bedrock_converse,
    fields,
    openai_chat,
)
from plexus.transformers.base import VENDOR, Platform, WireRequest
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.platforms.azure import Azure
from plexus.transformers.platforms.bedrock import Bedrock
from plexus.transformers.platforms.claude import LOSSES, prepare
from plexus.transformers.platforms.vertex import Vertex
from plexus.unified.errors import PlexusError

CLAUDE = TargetModel(provider="p", model="claude-x@1", family="anthropic")


def wire(path: str = "/messages", stream: bool = False, beta: str = "", **body: Any) -> WireRequest:
    headers = (("anthropic-version", "2023-06-01"), ("x-trace", "1"))
    if beta:
        headers += (("anthropic-beta", beta),)
    return WireRequest(
        target=CLAUDE,
        path=path,
        body=json.dumps({"model": "m", "max_tokens": 1, **body}).encode(),
        headers=headers,
        stream=stream,
    )


def test_the_vendors_own_api_changes_nothing() -> None:
    asked = wire()
    assert VENDOR.request(asked, "anthropic-messages") is asked
    assert VENDOR.authorize(openai_chat, "k") == openai_chat.authorize("k")
    assert VENDOR.speaks("openai-chat", b"anything")


@pytest.mark.parametrize(
    ("platform", "dialect", "path", "wanted"),
    [
        (Bedrock(), "anthropic-messages", "/messages", "/model/claude-x%401/invoke"),
        (Bedrock(), "bedrock-converse", "/model/x/converse", "/model/x/converse"),
        (
            Vertex(),
            "anthropic-messages",
            "/messages",
            "/publishers/anthropic/models/claude-x@1:rawPredict",
        ),
        (
            Vertex(),
            "gemini",
            "/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            "/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        ),
        (Vertex(), "openai-chat", "/chat/completions", "/endpoints/openapi/chat/completions"),
        (Azure(), "openai-chat", "/chat/completions", "/chat/completions"),
        (
            Azure(api_version="2024-10-21", deployments=True),
            "openai-chat",
            "/chat/completions",
            "/deployments/claude-x%401/chat/completions?api-version=2024-10-21",
        ),
        (Azure(), "anthropic-messages", "/messages", "/messages"),
    ],
)
def test_addresses(platform: Platform, dialect: str, path: str, wanted: str) -> None:
    made = platform.request(wire(path), dialect)
    assert made.path == wanted
    changed = dialect in platform.CHANGED
    assert (made.body != wire(path).body) == changed
    assert ("x-trace", "1") in made.headers


@pytest.mark.parametrize(
    ("platform", "version"),
    [
        (Bedrock(), "bedrock-2023-05-31"),
        (Bedrock(version="2026-10-21"), "2026-10-21"),
        (Vertex(), "vertex-2023-10-16"),
    ],
)
def test_envelopes(platform: Platform, version: str) -> None:
    beta = "interleaved-thinking-2025-05-14,context-1m-2025-08-07,context-1m-2025-08-07"
    made = platform.request(wire(stream=True, beta=beta, unknown=1.0), "anthropic-messages")
    body = json.loads(made.body)
    kept = ["interleaved-thinking-2025-05-14", "context-1m-2025-08-07"]
    assert body.pop("anthropic_version") == version
    if platform.NAME == "bedrock":
        assert body.pop("anthropic_beta") == kept
        assert "anthropic-beta" not in dict(made.headers)
    else:
        assert dict(made.headers)["anthropic-beta"] == ",".join(kept)
    assert body == {"max_tokens": 1, "unknown": 1.0}
    assert b'"unknown": 1.0' in made.body
    assert made.warnings == ()


CASES: dict[str, WireRequest] = {
    "betas": wire(beta="fast-mode-2026-02-01"),
    "platform.fields": wire(inference_geo="us"),
    "part.image.url": wire(
        messages=[
            {
                "role": "user",
                "content": [{"type": "document", "source": {"type": "url", "url": "https://e.x"}}],
            }
        ]
    ),
}


def test_every_row_has_a_case() -> None:
    assert CASES.keys() == LOSSES.keys()
    assert LOSSES.keys() <= fields.REQUEST_FIELDS
    assert LOSSES.keys() <= anthropic_messages.REQUEST_FIELDS


@pytest.mark.parametrize("field", CASES)
@pytest.mark.parametrize("platform", [Bedrock(), Vertex()], ids=lambda platform: platform.NAME)
def test_rows(platform: Platform, field: str) -> None:
    row = platform.LOSSES[field]
    if row.outcome == "refused":
        with pytest.raises(PlexusError) as caught:
            platform.request(CASES[field], "anthropic-messages")
        assert caught.value.error.param == "messages[0].content[0].source"
        return
    made = platform.request(CASES[field], "anthropic-messages")
    assert [warning.loss for warning in made.warnings] == [row]


BINDING = "thinking-binding-controls-2026-08-01"


@pytest.mark.parametrize("platform", [Bedrock(), Vertex()], ids=lambda platform: platform.NAME)
def test_a_member_of_thinking_goes_with_its_beta(platform: Platform) -> None:
    """What is malformed stays as it is: the provider judges it."""
    drop = {"prefix_mismatch_behavior": "drop_block"}
    asked = wire(beta=BINDING, thinking={"type": "adaptive", "block_binding": drop})
    made = platform.request(asked, "anthropic-messages")
    assert json.loads(made.body)["thinking"] == {"type": "adaptive"}
    noted = [(warning.loss.field, warning.path) for warning in made.warnings]
    assert noted == [("betas", "anthropic-beta"), ("platform.fields", "thinking.block_binding")]
    for odd in (["block_binding"], "block_binding", {"type": "block_binding"}):
        made = platform.request(wire(thinking=odd), "anthropic-messages")
        assert json.loads(made.body)["thinking"] == odd
        assert made.warnings == ()


def test_a_member_of_thinking_stays_where_its_beta_may() -> None:
    thinking = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "error"}}
    made = prepare(wire(beta=BINDING, thinking=thinking), "v", (BINDING,), {})
    assert json.loads(made.wire.body)["thinking"] == thinking
    assert (made.betas, made.wire.warnings) == ((BINDING,), ())


def test_a_search_result_is_no_address() -> None:
    block = {"type": "search_result", "source": "https://e.x", "title": "url", "content": []}
    asked = wire(
        messages=[{"role": "user", "content": [block]}, {"role": "user", "content": "url"}]
    )
    assert Vertex().request(asked, "anthropic-messages").warnings == ()


@pytest.mark.parametrize(
    ("platform", "dialect", "wanted"),
    [
        (Bedrock(), anthropic_messages, ("authorization", "Bearer k")),
        (Bedrock(), bedrock_converse, ("authorization", "Bearer k")),
        (Vertex(), anthropic_messages, ("authorization", "Bearer k")),
        (Vertex(), openai_chat, ("authorization", "Bearer k")),
        (Azure(), openai_chat, ("api-key", "k")),
        (Azure(), anthropic_messages, ("api-key", "k")),
    ],
)
def test_keys(platform: Platform, dialect: Any, wanted: tuple[str, str]) -> None:
    assert platform.authorize(dialect, "k") == (wanted,)


@pytest.mark.parametrize(
    ("platform", "dialect", "body", "speaks"),
    [
        (Bedrock(), "anthropic-messages", b'{"message":"no"}', False),
        (Bedrock(), "anthropic-messages", b'{"type":"error","error":{}}', True),
        (Vertex(), "anthropic-messages", b'[{"error":{"code":429}}]', False),
        (Vertex(), "openai-chat", b'[{"error":{"code":429}}]', False),
        (Vertex(), "gemini", b'{"error":{"code":429}}', True),
        (Azure(), "openai-chat", b'{"error":{"code":"content_filter"}}', True),
    ],
)
def test_whose_errors_a_client_may_see(
    platform: Platform, dialect: str, body: bytes, speaks: bool
) -> None:
    assert platform.speaks(dialect, body) is speaks
