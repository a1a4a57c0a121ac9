"""Simon Willison's llm, with a model of ``extra-openai-models.yaml``."""

from __future__ import annotations

import json
from pathlib import Path

import llm

from tests.clients.py.driver import Job


def run(job: Job) -> str:
    settings = [
        {
            "model_id": f"plexus-{job.model}",
            "model_name": job.model,
            "api_base": f"{job.base}/v1",
            "api_key_name": "plexus",
            "supports_tools": True,
        }
    ]
    # JSON is YAML.
    Path(llm.user_dir(), "extra-openai-models.yaml").write_text(json.dumps(settings))
    model = llm.get_model(f"plexus-{job.model}")
    chain = model.chain(job.prompt, tools=[job.get_weather], stream=job.stream, key=job.key)
    return "".join(chain)
