"""``client``: the settings of a client for this config, ready to paste (docs/clients.md)."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping
from math import inf

from plexus.cli.build import show
from plexus.cli.paths import config_path
from plexus.compiler.config import Alias, Config, Key
from plexus.compiler.pipeline import examine


def client(arguments: Namespace) -> int:
    """Settings of a client for this config, ready to paste."""
    examined = examine(config_path(arguments))
    if examined.resolved is None:
        show(examined, "text")
        return 1
    config = examined.resolved.config
    host = config.server.host
    if host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1"
    root = f"http://{f'[{host}]' if ':' in host else host}:{config.server.port}"
    key = _key(config, examined.resolved.expires)
    names = _names(config, key)
    listed = [name for name in names if name.startswith(_LISTED)]
    best = listed if arguments.client == "claude-code" and listed else names
    said = _PASTE[arguments.client].format(
        root=root,
        key=_shown(config, key),
        model=arguments.model or (best or ["<model>"])[0],
        listed=_SHOWN.format(names=", ".join(listed[:8])) if listed else _HIDDEN,
    )
    print(said, end="")
    return 0


def _key(config: Config, expires: Mapping[str, float]) -> Key | None:
    """The client key to show: one that is still good, if there is one."""
    now = time.time()
    good = [key for key in config.keys.values() if expires.get(key.name, inf) > now]
    return next((key for key in good if key.secret), next(iter(good), None))


def _shown(config: Config, key: Key | None) -> str:
    """What stands for the key: a variable, never a value."""
    if not config.keys:
        return "unused"
    named = key.secret.env if key is not None and key.secret else None
    return f"${named}" if named else "<your key>"


def _names(config: Config, key: Key | None) -> list[str]:
    """The names that the key may ask for; models that talk to people come first."""
    allowed = None if key is None else key.aliases
    mine = [a for a in config.aliases.values() if allowed is None or a.name in allowed]
    mine.sort(key=lambda alias: _rank(config, alias))
    names = [alias.name for alias in mine if alias.name != "*"]
    return names + [name for alias in mine for _, name in alias.additional]


def _rank(config: Config, alias: Alias) -> int:
    """Behind the others: what only echoes, and what by its models' names makes vectors."""
    providers = (config.providers.get(target.provider) for target in alias.targets)
    if all(provider is not None and provider.echo for provider in providers):
        return 1
    return 2 if any("embed" in target.model for target in alias.targets) else 0


_LISTED = ("claude", "anthropic")
"""How a name must begin for Claude Code to list it (ecosystem.md §1.3; traps T96)."""
_SHOWN = """\
# /model lists the names of this gateway that begin with "claude" or "anthropic": {names}
export CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY=1"""
_HIDDEN = """\
# /model lists no name of this gateway: it shows only those that begin with "claude" or "anthropic".
# Give an alias one more name for it, as in  "additional_aliases": ["claude-fast"]"""

_PASTE = {
    "openai": """\
# environment, read by the OpenAI SDKs and most tools built on them
export OPENAI_BASE_URL={root}/v1
export OPENAI_API_KEY={key}

# python
from openai import OpenAI
client = OpenAI()
client.chat.completions.create(model="{model}", messages=[{{"role": "user", "content": "Hello"}}])
""",
    "anthropic": """\
# environment, read by the Anthropic SDKs; the base URL has no /v1
export ANTHROPIC_BASE_URL={root}
export ANTHROPIC_API_KEY={key}

# python
from anthropic import Anthropic
client = Anthropic()
client.messages.create(
    model="{model}", max_tokens=1024, messages=[{{"role": "user", "content": "Hello"}}]
)
""",
    "claude-code": """\
# environment of Claude Code; the base URL has no /v1
export ANTHROPIC_BASE_URL={root}
export ANTHROPIC_AUTH_TOKEN={key}
export ANTHROPIC_MODEL={model}
export ANTHROPIC_DEFAULT_HAIKU_MODEL={model}
{listed}
claude
""",
    "codex": """\
# ~/.codex/config.toml; env_key names the variable that holds the key
model = "{model}"
model_provider = "plexus"

[model_providers.plexus]
name = "Plexus"
base_url = "{root}/v1"
env_key = "PLEXUS_KEY"
wire_api = "responses"

# environment
export PLEXUS_KEY={key}
codex
# supports_websockets = true in the block above makes it open one WebSocket instead of a request a
# turn.  It warns that it has no metadata of a model whose name it does not know: that is all right.
""",
    "gemini": """\
# environment, read by google-genai; the base URL has no /v1beta
export GOOGLE_GEMINI_BASE_URL={root}
export GEMINI_API_KEY={key}

# python
from google import genai
client = genai.Client()
client.models.generate_content(model="{model}", contents="Hello")
""",
    "gemini-cli": """\
# ~/.gemini/settings.json: without it this client takes the address for another kind of gateway
{{"security": {{"auth": {{"selectedType": "gemini-api-key"}}}}}}

# environment of Gemini CLI; the base URL has no /v1beta
export GOOGLE_GEMINI_BASE_URL={root}
export GEMINI_API_KEY={key}
gemini -m {model}
# It also asks for small models by names of its own: the alias "*" takes them all.
""",
    "opencode": """\
// opencode.json; it reads {{env:NAME}} itself
{{
  "$schema": "https://opencode.ai/config.json",
  "model": "plexus/{model}",
  "small_model": "plexus/{model}",
  "provider": {{
    "plexus": {{
      "npm": "@ai-sdk/openai-compatible",
      "name": "Plexus",
      "options": {{"baseURL": "{root}/v1", "apiKey": "{{env:PLEXUS_KEY}}"}},
      "models": {{"{model}": {{"name": "{model}"}}}}
    }}
  }}
}}

# environment
export PLEXUS_KEY={key}
opencode
""",
    "aider": """\
# environment of aider; the model's name needs the prefix openai/
export OPENAI_API_BASE={root}/v1
export OPENAI_API_KEY={key}
aider --model openai/{model}
""",
    "llm": """\
# extra-openai-models.yaml, in the folder that `dirname "$(llm logs path)"` prints
- model_id: "{model}"
  model_name: "{model}"
  api_base: "{root}/v1"
  supports_tools: true
  supports_schema: true

# shell
llm -m {model} --key {key} "Hello"
""",
    "vercel-ai-sdk": """\
// openai() and anthropic() of the SDK want the same baseURL, with /v1; google() wants /v1beta
import {{ createOpenAICompatible }} from "@ai-sdk/openai-compatible";
import {{ generateText }} from "ai";

const plexus = createOpenAICompatible({{
  name: "plexus",
  baseURL: "{root}/v1",
  apiKey: process.env.PLEXUS_KEY,
}});
const {{ text }} = await generateText({{ model: plexus("{model}"), prompt: "Hello" }});

// environment
// export PLEXUS_KEY={key}
""",
    "langchain": """\
# environment; for ChatAnthropic it is ANTHROPIC_BASE_URL={root}, without /v1
export OPENAI_API_BASE={root}/v1
export OPENAI_API_KEY={key}

# python; embeddings: OpenAIEmbeddings(model=..., check_embedding_ctx_length=False)
from langchain_openai import ChatOpenAI
ChatOpenAI(model="{model}").invoke("Hello")
""",
    "pydantic-ai": """\
# environment; anthropic: models read ANTHROPIC_BASE_URL={root}, without /v1
export OPENAI_BASE_URL={root}/v1
export OPENAI_API_KEY={key}

# python; openai: is the Responses API, openai-chat: Chat Completions
from pydantic_ai import Agent
Agent("openai-chat:{model}").run_sync("Hello")
""",
}
