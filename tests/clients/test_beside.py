"""What the official SDKs call beside chat: counts, embeddings, lists, Azure's addresses."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.gateway.harness import Gateway, gateway

CONFIG = {
    "providers": {
        "echo": {"type": "echo", "models": {"m": {"context_window": 9000}}},
        "chat": {
            "type": "openai-chat",
            # Nothing listens there, and nothing shall ask.
            "api_base_url": "http://127.0.0.1:9/v1",
            "models": ["m"],
        },
    },
    "aliases": {
        "m": {"targets": ["echo/m"], "additional_aliases": ["claude-m", "org/m"]},
        "uncounted": {"targets": ["chat/m"]},
    },
}
SAID = "one two three"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(CONFIG, tmp_path_factory.mktemp("beside")) as found:
        yield found


@pytest.fixture
def claude(served: Gateway) -> Iterator[anthropic.Anthropic]:
    base = f"http://127.0.0.1:{served.port}"
    with anthropic.Anthropic(base_url=base, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(served: Gateway) -> Iterator[openai.OpenAI]:
    base = f"http://127.0.0.1:{served.port}/v1"
    with openai.OpenAI(base_url=base, api_key="k", max_retries=0) as client:
        yield client


def test_anthropic_counts(claude: anthropic.Anthropic) -> None:
    for model, tokens in (("m", 3), ("uncounted", 24)):
        found = claude.messages.count_tokens(
            model=model, messages=[{"role": "user", "content": SAID}]
        )
        assert found.input_tokens == tokens
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    document = [{"role": "user", "content": [{"type": "document", "source": source}]}]
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.count_tokens(model="uncounted", messages=document)  # type: ignore[arg-type]


def test_T96_anthropic_lists(claude: anthropic.Anthropic) -> None:
    listed = list(claude.models.list(limit=2))
    assert [model.id for model in listed] == ["claude-m", "m", "org/m", "uncounted"]
    assert [model.max_input_tokens for model in listed] == [9000, 9000, 9000, None]
    assert claude.models.retrieve("claude-m").display_name == "claude-m"


def test_openai_counts(gpt: openai.OpenAI) -> None:
    assert gpt.responses.input_tokens.count(model="m", input=SAID).input_tokens == 3
    assert gpt.responses.input_tokens.count(model="uncounted", input=SAID).input_tokens == 24
    with pytest.raises(openai.NotFoundError):
        gpt.responses.compact(model="uncounted", input=SAID)


def test_openai_embeds(gpt: openai.OpenAI) -> None:
    """Base64, which the SDK asks for on its own, and floats are the same vectors."""
    packed = gpt.embeddings.create(model="m", input=[SAID, "x"])
    plain = gpt.embeddings.create(model="m", input=[SAID, "x"], encoding_format="float")
    assert len(packed.data) == len(plain.data) == 2
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, rel=1e-6)


@pytest.mark.parametrize("model", ["m", "org/m"])
def test_azures_client(served: Gateway, model: str) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=f"http://127.0.0.1:{served.port}",
        api_key="k",
        api_version="2024-10-21",
        max_retries=0,
    ) as client:
        chat = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": SAID}]
        )
        assert chat.choices[0].message.content == SAID
        assert client.responses.create(model=model, input=SAID).output_text == SAID
        assert len(client.embeddings.create(model=model, input=SAID).data) == 1
        assert next(item.id for item in client.models.list()) == "claude-m"
