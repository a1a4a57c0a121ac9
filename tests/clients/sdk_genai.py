"""google-genai for Python as a client."""

from __future__ import annotations

import base64
import functools
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types

from tests.clients.scenarios import IMAGE_URL, PNG
from tests.clients.sdk import OPEN, SYSTEM, TOOLS, Ask, Failed, Json, Outcome, Result, Turn
from tests.clients.sdk_openai import Weather

PICTURE = types.FunctionResponsePart(
    inline_data=types.FunctionResponseBlob(mime_type="image/png", data=base64.b64decode(PNG))
)


class GenaiPython:
    """``helper`` is the chat object, which keeps the history by itself."""

    name = "google-genai-python"
    dialect = "gemini"
    path = ""

    def run(self, ask: Ask) -> Outcome:
        seen: list[str] = []
        turns: list[Turn] = []
        client = connect(ask.base, ask.key)
        try:
            talk = _chat if ask.mode == "helper" else _contents
            talk(client, ask, turns, seen)
        # The SDK lets the transport's errors through inside a stream.
        except (errors.APIError, errors.UnknownApiResponseError, httpx2.HTTPError) as problem:
            return Outcome(turns, _failed(problem, "".join(seen)))
        return Outcome(turns)

    def models(self, ask: Ask) -> list[str]:
        client = connect(ask.base, ask.key)
        names = [model.name for model in client.models.list()]
        names.append(client.models.get(model=ask.model).name)
        return [str(name).removeprefix("models/") for name in names]


@functools.cache
def connect(base: str, key: str) -> genai.Client:
    """Kept, since making one reads all certificates of the machine."""
    options = types.HttpOptions(base_url=base, timeout=20_000)
    client = genai.Client(api_key=key, http_options=options)
    OPEN.append(client)
    return client


def _user(ask: Ask) -> list[types.Part]:
    text = types.Part.from_text(text=ask.prompt)
    if not ask.image:
        return [text]
    inline = types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
    return [text, inline, types.Part.from_uri(file_uri=IMAGE_URL, mime_type="image/png")]


def _config(ask: Ask) -> types.GenerateContentConfig:
    config = types.GenerateContentConfig(system_instruction=SYSTEM)
    if ask.mode.startswith("loop"):
        config.tools = [_function(tool["name"], ask) for tool in TOOLS]
    elif ask.tools:
        declared = [
            types.FunctionDeclaration(
                name=tool["name"],
                description=tool["description"],
                parameters_json_schema=tool["schema"],
            )
            for tool in TOOLS
        ]
        config.tools = [types.Tool(function_declarations=declared)]
    if ask.thinking:
        level = types.ThinkingLevel.HIGH
        config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_level=level)
    if ask.schema:
        config.response_mime_type, config.response_schema = "application/json", Weather
    return config


def _function(name: str, ask: Ask) -> Any:
    """A function of Python that the SDK calls by itself."""

    def get_weather(city: str, unit: str = "celsius") -> str:
        """The weather of a city."""
        return ask.results["get_weather"].text

    def get_time() -> str:
        """The time."""
        return ask.results["get_time"].text

    return {"get_weather": get_weather, "get_time": get_time}[name]


def _contents(client: genai.Client, ask: Ask, turns: list[Turn], seen: list[str]) -> None:
    """The history kept by the caller."""
    contents = [types.Content(role="user", parts=_user(ask))]
    for _ in range(2 if ask.results and not ask.mode.startswith("loop") else 1):
        del seen[:]
        asked: Json = {"model": ask.model, "contents": contents, "config": _config(ask)}
        if ask.mode in ("iterate", "loop-stream"):
            chunks = _read(client.models.generate_content_stream(**asked), seen)
        else:
            chunks = [client.models.generate_content(**asked)]
        turns.append(_note(ask, chunks, seen))
        if not chunks[-1].candidates or ask.mode != "json":
            return
        said = chunks[-1].candidates[0].content
        assert said is not None
        contents += [said, types.Content(role="user", parts=_results(ask, said.parts or []))]


def _chat(client: genai.Client, ask: Ask, turns: list[Turn], seen: list[str]) -> None:
    chat = client.chats.create(model=ask.model, config=_config(ask))
    parts = _user(ask)
    for _ in range(2 if ask.results else 1):
        del seen[:]
        chunks = _read(chat.send_message_stream(list(parts)), seen)
        turns.append(_note(ask, chunks, seen))
        parts = _results(ask, [part for chunk in chunks for part in chunk.parts or ()])


def _read(stream: Any, seen: list[str]) -> list[types.GenerateContentResponse]:
    chunks = []
    for chunk in stream:
        chunks.append(chunk)
        seen.extend(part.text for part in _texts(chunk, thought=False))
    return chunks


def _texts(chunk: types.GenerateContentResponse, thought: bool) -> list[Any]:
    parts = chunk.parts or []
    return [part for part in parts if part.text and bool(part.thought) is thought]


def _results(ask: Ask, parts: list[types.Part]) -> list[types.Part]:
    """The answers to the calls among ``parts``."""
    found = []
    for part in parts:
        call = part.function_call
        if call is None or call.name not in ask.results:
            continue
        result: Result = ask.results[call.name]
        said = {"error" if result.is_error else "output": result.text}
        response = types.FunctionResponse(id=call.id, name=call.name, response=said)
        if result.picture:
            response.parts = [PICTURE]
        found.append(types.Part(function_response=response))
    return found


def _note(ask: Ask, chunks: list[types.GenerateContentResponse], seen: list[str]) -> Turn:
    last = chunks[-1]
    parts = [part for chunk in chunks for part in chunk.parts or ()]
    thoughts = [part.text for chunk in chunks for part in _texts(chunk, thought=True)]
    texts = [part.text for chunk in chunks for part in _texts(chunk, thought=False)]
    finish = last.candidates[0].finish_reason if last.candidates else None
    headers = last.sdk_http_response.headers if last.sdk_http_response else None
    return Turn(
        text="".join(texts),
        finish=None if finish is None else finish.value,
        model=last.model_version or "",
        calls=[
            {"id": call.id, "name": call.name, "arguments": call.args or {}}
            for call in (part.function_call for part in parts)
            if call is not None
        ],
        thinking="".join(thoughts) if thoughts else None,
        redacted=[],
        usage=_usage(last.usage_metadata),
        parsed=_parsed(ask, last, "".join(texts)),
        request_id=(headers or {}).get("x-request-id"),
        pieces=len(seen),
    )


def _parsed(ask: Ask, last: types.GenerateContentResponse, text: str) -> Json | None:
    """What the SDK has read of a whole answer; of a stream the caller reads it."""
    if not ask.schema:
        return None
    whole = last.parsed if ask.mode == "json" else Weather.model_validate_json(text)
    assert isinstance(whole, Weather)
    return whole.model_dump()


def _usage(usage: types.GenerateContentResponseUsageMetadata | None) -> Json | None:
    if usage is None:
        return None
    return {
        "input": usage.prompt_token_count,
        "cached": usage.cached_content_token_count or 0,
        "output": (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
    }


def _failed(problem: Exception, text: str) -> Failed:
    headers = getattr(getattr(problem, "response", None), "headers", None) or {}
    return Failed(
        name=type(problem).__name__,
        status=getattr(problem, "code", None),
        message=str(problem),
        type=getattr(problem, "status", None),
        code=None,
        request_id=headers.get("x-request-id"),
        retry_after=headers.get("retry-after"),
        text=text,
    )
