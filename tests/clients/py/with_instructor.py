"""instructor, which forces one function and sends its own objections back as the result."""

from __future__ import annotations

import instructor
import openai
from pydantic import BaseModel

from tests.clients.py.driver import Job


class Weather(BaseModel):
    city: str
    degrees: int


def run(job: Job) -> str:
    client = openai.OpenAI(base_url=f"{job.base}/v1", api_key=job.key, max_retries=0)
    extract = instructor.from_openai(client, mode=instructor.Mode.TOOLS)
    asked = {"model": job.model, "messages": [{"role": "user", "content": job.prompt}]}
    if job.stream:
        partial = list(extract.chat.completions.create_partial(Weather, **asked))
        return str(partial[-1].model_dump_json())
    found = extract.chat.completions.create(response_model=Weather, max_retries=2, **asked)
    return str(found.model_dump_json())
