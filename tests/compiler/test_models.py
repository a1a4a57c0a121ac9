"""The makers' data files: well formed, with sources, of values the schema has; who gets which."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from plexus.compiler import catalog, models
from plexus.compiler.explain import as_data, explain
from plexus.compiler.models import MAKERS, bare, known, maker
from plexus.compiler.pipeline import planned
from plexus.compiler.plan import PlannedTarget
from plexus.compiler.profiles import profiles, typed
from plexus.compiler.shape import validator_for
from plexus.streaming.document import JsonBody
from plexus.transformers import openai_chat
from plexus.transformers.base import ClientCall
from plexus.transformers.capabilities import Capabilities
from plexus.unified.errors import PlexusError
from plexus.unified.request import Source
from tests.compiler.builds import examined

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT.parent / "shared" / "reference"
SCHEMA = json.loads((ROOT / "schema" / "plexus.schema.json").read_text(encoding="utf-8"))
FOLDER = ROOT / "plexus" / "compiler" / "models"
OWN_KEYS = {"context_window", "max_output_tokens"}
"""Those stand beside ``capabilities`` in a config."""

OTHERS = ("models.dev", "genai-prices")
"""Sources that are no section of the reference; NOTICE.txt has their licences."""


def test_every_file_is_a_maker() -> None:
    assert sorted(MAKERS) == sorted(path.stem for path in FOLDER.glob("*.json"))
    beginnings = [beginning for names in MAKERS.values() for beginning in names]
    for one in beginnings:
        assert not any(other != one and one.startswith(other) for other in beginnings), one


@pytest.mark.parametrize("name", MAKERS)
def test_what_a_row_says_could_stand_in_a_config(name: str) -> None:
    validator = validator_for({**SCHEMA["$defs"]["capabilities"], "$defs": SCHEMA["$defs"]})
    for row in maker(name).models:
        said = row.capabilities | row.native
        assert not row.capabilities.keys() & row.native.keys()
        assert all(type(said[key]) is int and said[key] > 0 for key in OWN_KEYS & said.keys())
        inner = {key: value for key, value in said.items() if key not in OWN_KEYS}
        assert [error.message for error in validator.iter_errors(inner)] == []
        assert list(row.capabilities) == sorted(row.capabilities)
        assert list(row.native) == sorted(row.native)
        Capabilities(**typed(said))


@pytest.mark.parametrize("name", MAKERS)
def test_every_row_has_a_source_and_a_date(name: str) -> None:
    notice = (FOLDER / "NOTICE.txt").read_text(encoding="utf-8")
    for row in maker(name).models:
        assert row.source
        assert date.fromisoformat(row.date)
        for source in row.source:
            assert source in OTHERS or ".md §" in source, source
            assert source not in OTHERS or f'"{source}"' in notice


@pytest.mark.parametrize("name", MAKERS)
def test_sections_that_are_named_exist(name: str) -> None:
    if not REFERENCE.is_dir():
        pytest.skip("*** SKIPPED: the protocol reference is not beside this checkout ***")
    for row in maker(name).models:
        for source in row.source:
            page, _, section = source.partition(" §")
            if section:
                text = (REFERENCE / page).read_text(encoding="utf-8")
                assert f"# {section}" in text.replace("###", "#").replace("##", "#"), source


@pytest.mark.parametrize("name", MAKERS)
def test_every_row_is_reached_and_by_its_own_maker(name: str) -> None:
    found = maker(name)
    for number, row in enumerate(found.models):
        for pattern in row.match:
            plain = bare(pattern.replace("*", ""))
            assert plain.startswith(MAKERS[name])
            first = next(other for other in found.models if other.fits(plain))
            assert first is found.models[number], pattern


@pytest.mark.parametrize("name", MAKERS)
def test_a_maker_is_a_family_with_its_dialects(name: str) -> None:
    found = maker(name)
    families = {profile.family for profile in profiles().values()}
    assert found.family in families or not any(row.native for row in found.models)
    assert set(found.dialects) <= set(catalog.dialects())


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("claude-haiku-4-5", "claude-haiku-4-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("claude-opus-4-6@default", "claude-opus-4-6"),
        ("anthropic/claude-haiku-4.5:beta", "claude-haiku-4-5"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
        ("anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("us-gov.openai.gpt-oss-120b-1:0", "gpt-oss-120b-1"),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "nova-lite",
        ),
        ("models/gemini-2.5-flash", "gemini-2-5-flash"),
        ("gpt-5.4-2026-03-05", "gpt-5-4"),
        ("GPT-4o", "gpt-4o"),
        ("mistral-large-2512", "mistral-large-2512"),
        ("mistral-large-latest", "mistral-large"),
        ("llama3.3:70b", "llama3-3"),
        ("", ""),
        ("a/b/", ""),
    ],
)
def test_a_name_without_what_clouds_and_versions_add(written: str, name: str) -> None:
    assert bare(written) == name


@pytest.mark.parametrize(
    "name",
    ["claude-opus-5-7", "claude-opus", "gpt-7", "gpt-5.4-codex", "my-claude-haiku-4-5", "o1x", "m"],
)
def test_nothing_is_guessed_of_a_neighbour(name: str) -> None:
    assert known(name, "anthropic", ["anthropic-messages"]) is None


def test_only_the_files_of_the_makers_in_use_are_read() -> None:
    models.maker.cache_clear()
    known("claude-opus-5", "anthropic", ["anthropic-messages"])
    known("some-model", "openai", ["openai-chat"])
    assert models.maker.cache_info().currsize == 1


def target(name: str, model: dict[str, Any] | None = None, **provider: Any) -> PlannedTarget:
    """The planned target of a provider with one model."""
    given = {"type": "openai-chat", "api_base_url": "https://llm.example.com/v1", **provider}
    config = {
        "providers": {"p": {"models": {name: model or {}}, **given}},
        "aliases": {"a": {"targets": [f"p/{name}"]}},
    }
    return planned(examined(config)).targets[f"p/{name}"]


def test_limits_and_habits_hold_at_the_maker_s_service_only() -> None:
    at_home = target("claude-haiku-4-5", **CLAUDE).capabilities
    router = target("anthropic/claude-haiku-4.5", api_base_url="https://openrouter.ai/api/v1")
    assert (at_home["images"], at_home["max_output_tokens"]) == (True, 64000)
    assert (at_home["thinking"], at_home["forced_tool_choice"]) == ("budget", True)
    assert router.capabilities["images"] is True
    assert not {"max_output_tokens", "context_window", "sampling"} & router.capabilities.keys()


def test_a_cloud_s_name_tells_the_maker() -> None:
    bedrock = {
        "type": "bedrock-converse",
        "api_base_url": "https://bedrock-runtime.us-east-1.amazonaws.com",
        "api_key": {"env": "KEY"},
    }
    claude = target("us.anthropic.claude-haiku-4-5-20251001-v1:0", **bedrock)
    llama = target("us.meta.llama3-3-70b-instruct-v1:0", **bedrock)
    assert (claude.proofs, claude.capabilities["max_output_tokens"]) == ("anthropic", 64000)
    assert (llama.proofs, llama.capabilities) == ("meta", {"images": False})


def test_the_profile_and_the_config_win_key_by_key() -> None:
    deepseek = {"api_base_url": "https://api.deepseek.com"}
    shipped = target("deepseek-v4-pro", **deepseek).capabilities
    assert (shipped["images"], shipped["json_schema"]) == (False, False)
    model = {"context_window": 5, "max_output_tokens": 4, "capabilities": {"images": True}}
    own = target("deepseek-v4-pro", model, **deepseek).capabilities
    assert (own["images"], own["json_schema"]) == (True, False)
    assert (own["context_window"], own["max_output_tokens"]) == (5, 4)
    provider = target("deepseek-v4-pro", **deepseek, capabilities={"images": True})
    assert provider.capabilities["images"] is True


def test_nothing_is_known_of_an_echo() -> None:
    config = {
        "providers": {"p": {"type": "echo", "models": ["claude-haiku-4-5"]}},
        "aliases": {"a": {"targets": ["p/claude-haiku-4-5"]}},
    }
    plan = planned(examined(config))
    found = plan.targets["p/claude-haiku-4-5"]
    assert (found.data, found.capabilities) == (None, {})
    assert "known by its name" not in explain(plan, "a")


def test_explain_names_source_and_date() -> None:
    config = {
        "providers": {"p": {"type": "openai-chat", "api_base_url": "https://llm.example.com/v1"}},
        "aliases": {"a": {"targets": ["p/gpt-4o"]}},
    }
    plan = planned(examined(config))
    text = explain(plan, "a")
    (told,) = as_data(plan, "a")["targets"]
    assert "model known by its name (2026-11-26)" in text
    assert told["model"] == {
        "source": ("openai-chat.md §7", "mappings.md §5.3", "models.dev"),
        "date": "2026-11-26",
    }
    assert "images=true" in text
    assert "images             at every target" in text


CLAUDE = {"type": "anthropic-messages", "api_base_url": "https://api.anthropic.com/v1"}


def sent(name: str, asked: dict[str, Any], **provider: Any) -> dict[str, Any]:
    """The body that a chat client's request becomes for a model of which data is shipped."""
    to = target(name, **(provider or CLAUDE))
    body = {"model": "a", "messages": [{"role": "user", "content": "hi"}], **asked}
    source = Source(dialect="openai-chat")
    call = ClientCall(
        model="a", stream=True, body=JsonBody.parse(json.dumps(body).encode()), source=source
    )
    dialect = catalog.dialect(to.routes[0].upstream)
    wire = dialect.format_request(openai_chat.parse_request(call), to.to())
    made: dict[str, Any] = json.loads(wire.body)
    return made


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("claude-3-5-haiku-20241022", 8192),
        ("claude-opus-5", 32_000),
        ("claude-some-day", 32_000),
    ],
)
def test_the_default_of_max_tokens_fits_the_model(name: str, tokens: int) -> None:
    assert sent(name, {})["max_tokens"] == tokens


def test_more_tokens_than_the_model_has_are_not_asked_for() -> None:
    assert sent("claude-haiku-4-5", {"max_tokens": 100_000})["max_tokens"] == 64_000
    assert sent("claude-some-day", {"max_tokens": 100_000})["max_tokens"] == 100_000


TOOL = {
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "required",
}


def test_a_model_that_refuses_forcing_is_asked_in_words() -> None:
    assert sent("claude-opus-5", TOOL)["tool_choice"] == {"type": "any"}
    refused = sent("claude-opus-5-5", TOOL)
    assert refused.get("tool_choice", {"type": "auto"}) == {"type": "auto"}
    assert len(refused["messages"][-1]["content"]) == 2


def test_an_older_model_thinks_within_a_budget() -> None:
    asked = {"reasoning_effort": "low", "max_tokens": 20_000}
    assert sent("claude-haiku-4-5", asked)["thinking"]["type"] == "enabled"
    assert sent("claude-opus-5", asked)["thinking"]["type"] == "adaptive"


IMAGE = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is it?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            ],
        }
    ]
}


def test_an_image_is_refused_for_a_model_that_reads_only_text() -> None:
    router = {"type": "openai-chat", "api_base_url": "https://llm.example.com/v1"}
    with pytest.raises(PlexusError, match="takes no images"):
        sent("deepseek/deepseek-v4-pro", IMAGE, **router)
    assert sent("gpt-4o", IMAGE, **router)["messages"][0]["content"][1]["type"] == "image_url"
