"""What the fuzz tests share: counts, seeds, calls, and the note that makes a failure repeatable."""

import json
import os
from collections.abc import Callable, Iterator
from random import Random, SystemRandom
from time import process_time

from plexus.compiler.profiles import profiles, typed
from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, gemini, openai_chat, openai_responses
from plexus.transformers.base import ClientCall, Dialect, ProviderDialect, WireRequest
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.translation import UNREADABLE, unreadable
from plexus.unified.chunks import MessageStop, StreamChunk, StreamError
from plexus.unified.errors import PlexusError
from plexus.unified.request import Source
from tests.fuzz.mutate import pieces

LONG = bool(os.environ.get("PLEXUS_LONG"))
DIALECTS: dict[str, Dialect] = {
    "openai-chat": openai_chat,
    "anthropic-messages": anthropic_messages,
    "openai-responses": openai_responses,
    "gemini": gemini,
}
PAIRS = [(client, upstream) for client in DIALECTS for upstream in DIALECTS]

_SECONDS_A_CASE = 2.0

TARGETS = (
    TargetModel(provider="p", model="m", family="openai"),
    TargetModel(provider="p", model="m", family="anthropic"),
    TargetModel(provider="p", model="gemini-2.5-flash", family="gemini"),
    TargetModel(
        provider="p",
        model="m",
        family="deepseek",
        capabilities=Capabilities(
            max_output_tokens=1000,
            sampling="none",
            thinking="budget",
            efforts=("low", "high"),
            prefill=False,
            mid_system=False,
            system_role="developer",
            json_schema=False,
            strict_tools=False,
            forced_tool_choice=False,
            stop_max=1,
            max_tokens_field="max_tokens",
        ),
    ),
    TargetModel(
        provider="p",
        model="m",
        family="anthropic",
        capabilities=Capabilities(
            thinking="adaptive",
            thinking_off="refused",
            temperature_max=1.0,
            images=False,
            documents=False,
            tools=False,
            cache_breakpoints=False,
            reasoning_field="reasoning",
        ),
    ),
)
"""Unknown capabilities, and two models that can do little."""


def _vendors() -> Iterator[TargetModel]:
    """A model of every vendor, and of every group of models with quirks of its own."""
    for name, profile in profiles().items():
        for known in ({}, *(quirks.capabilities for quirks in profile.models)):
            capabilities = typed({**profile.capabilities, **known})
            yield TargetModel(
                provider=name,
                model="m",
                family=profile.family,
                capabilities=Capabilities(**capabilities),
            )


VENDORS = (
    *_vendors(),
    TargetModel(
        provider="p",
        model="m",
        family="p",
        capabilities=Capabilities(
            system_role="user",
            json_object=False,
            json_schema=False,
            think_tags=("<think>", "</think>"),
            temperature_or_top_p=True,
            tool_description_max=5,
            reasoning_field="tags",
        ),
    ),
)
TARGETS = (*TARGETS, *VENDORS)

MINIMAL = {
    "openai-chat": b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,'
    b'"stream_options":{"include_usage":true}}',
    "anthropic-messages": b'{"model":"m","max_tokens":10,"stream":true,'
    b'"messages":[{"role":"user","content":"hi"}]}',
    "openai-responses": b'{"model":"m","input":"hi","stream":true}',
    "gemini": b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}',
}


def seed() -> int:
    """PLEXUS_SEED, else a new one in the long form and always the same in the short form."""
    given = os.environ.get("PLEXUS_SEED")
    if given is not None:
        return int(given)
    return SystemRandom().randrange(2**32) if LONG else 20261124


def run(
    what: str, count: int, make: Callable[[Random], Callable[[], bytes]], check: Callable[..., str]
) -> dict[str, int]:
    """Check ``count`` inputs of ``make(random)``; returns how often each outcome came.

    ``check(raw, random)`` names the outcome or raises; the exception then tells seed and input.
    """
    start = seed()
    print(f"{what}: {count:,} cases, PLEXUS_SEED={start}")
    random = Random(start)
    produce = make(random)
    outcomes: dict[str, int] = {}
    for number in range(count):
        raw = produce()
        began = process_time()
        try:
            outcome = check(raw, random)
        except Exception as problem:
            problem.add_note(f"{what}: PLEXUS_SEED={start}, case {number}, input {raw!r}")
            raise
        spent = process_time() - began
        assert spent < _SECONDS_A_CASE, f"{spent:.1f} s of CPU for {raw[:2000]!r}"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(f"{what}: {outcomes}")
    return outcomes


def client_call(dialect: str, body: JsonBody) -> ClientCall:
    # At Gemini the path says it.
    stream = dialect == "gemini" or bytes(body.fields.get("stream", b"")) == b"true"
    source = Source(dialect=dialect, received=1760000000, request_id="req_1")
    return ClientCall(model="m", stream=stream, body=body, source=source)


def must_be_ours(problem: PlexusError) -> None:
    """A refusal of a request is a 4xx with words."""
    assert 400 <= problem.error.http_status < 500, problem.error
    assert problem.error.message


def must_be_json(raw: bytes) -> None:
    """Valid UTF-8 and JSON as the grammar has it, without NaN and Infinity."""
    json.loads(raw.decode(), parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def wire_request(upstream: Dialect, target: TargetModel) -> WireRequest:
    """What a minimal request became: the context an answer is read in."""
    call = client_call(upstream.NAME, JsonBody.parse(MINIMAL[upstream.NAME]))
    return upstream.format_request(upstream.parse_request(call), target)


def parsed(
    upstream: ProviderDialect, wire: WireRequest, raw: bytes, random: Random
) -> list[StreamChunk]:
    """The parser's chunks, a failure as the StreamError that the relay makes of it.

    As there, nothing is wrong any more after the end.
    """
    decoder, parser = upstream.decoder(), upstream.stream_parser(wire)
    chunks: list[StreamChunk] = []
    try:
        for frame in [f for data in pieces(raw, random) for f in decoder.feed(data)]:
            chunks += parser.feed(frame)
            if chunks and isinstance(chunks[-1], StreamError):
                return chunks
        for frame in decoder.close():
            chunks += parser.feed(frame)
        chunks += parser.close()
    except UNREADABLE as problem:
        error = unreadable(wire.target, problem)
    except PlexusError as problem:
        error = problem.error
    else:
        return chunks
    ended = bool(chunks) and isinstance(chunks[-1], MessageStop)
    return chunks if ended else [*chunks, StreamError(error)]
