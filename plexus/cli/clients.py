"""``client``: the settings of a client for this config, ready to paste (docs/clients.md)."""

from __future__ import annotations

from argparse import Namespace

from plexus.cli.build import show
from plexus.cli.paths import config_path
from plexus.compiler.config import Config
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
    names = _names(config)
    listed = [name for name in names if name.startswith(_LISTED)]
    said = _PASTE[arguments.client].format(
        root=root,
        key=_key(config),
        model=(listed or names or ["<model>"])[0],
        listed=_SHOWN.format(names=", ".join(listed[:8])) if listed else _HIDDEN,
    )
    print(said, end="")
    return 0


def _key(config: Config) -> str:
    """What stands for the client's key: a variable, never a value."""
    if not config.keys:
        return "unused"
    named = next((key.secret.env for key in config.keys.values() if key.secret), None)
    return f"${named}" if named else "<your key>"


def _names(config: Config) -> list[str]:
    """Every name that a client may ask for."""
    names = [name for name in config.aliases if name != "*"]
    return names + [name for alias in config.aliases.values() for _, name in alias.additional]


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
# environment of Gemini CLI; the base URL has no /v1beta.
# Beside {model} it asks for small models by names of its own: the alias "*" takes them all.
export GOOGLE_GEMINI_BASE_URL={root}
export GEMINI_API_KEY={key}
gemini -m {model}
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
