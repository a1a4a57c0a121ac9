"""The canonical request to a generateContent body (gemini.md §2, mappings.md §2-§12).

Only fields Google knows are written: it answers 400 to any other.
"""

from collections.abc import Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw

from plexus.transformers.base import TRACING, WireRequest, picked
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.gemini.losses import REQUEST_LOSSES
from plexus.transformers.gemini.names import NAME, legal_names
from plexus.transformers.gemini.thinking import format_thinking
from plexus.transformers.gemini.tools import ToolFormatter, format_choice
from plexus.transformers.gemini.turns import TurnWriter
from plexus.transformers.gemini.writer import PartWriter, Written
from plexus.transformers.losses import LossLog
from plexus.transformers.unread import unread
from plexus.transformers.usual import is_usual
from plexus.unified.content import TextContent, ToolCallContent
from plexus.unified.request import (
    CustomTool,
    FunctionTool,
    Source,
    UnifiedChatRequest,
    UnifiedMessage,
)

Body = dict[str, Any]

STOP_LIMIT = 5
INSTRUCTION = "Answer with one JSON object and nothing else. It must match this JSON Schema:\n"
_TIERS = {
    "standard": "standard",
    "standard_only": "standard",
    "default": "standard",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}
_LOST: tuple[tuple[str, object], ...] = (
    ("repetition_penalty", 1),
    ("min_p", 0),
    ("logit_bias", None),
    ("verbosity", "medium"),
    ("prediction", None),
    ("moderation", None),
    ("max_tool_calls", None),
    ("truncation", "disabled"),
    ("region", None),
    ("container", None),
    ("context_management", None),
    ("mcp_servers", None),
)
"""Fields Google has no word for, with the value whose loss changes nothing."""

_BLANK = UnifiedChatRequest(model="", messages=(), source=Source(dialect=""))
_shape = attrgetter("n", "stop", "response_format", "modalities", "reasoning")
_SHAPELESS = _shape(_BLANK)
_SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
_sampling = attrgetter(*_SAMPLING)


@lru_cache(1024)
def model_place(model: str) -> str:
    """The path of a model below the base URL."""
    name = model.removeprefix("models/")
    kind, slash, rest = name.partition("/")
    if slash and kind == "tunedModels":
        return f"/tunedModels/{quote(rest, safe='')}"
    return f"/models/{quote(name, safe='')}"


def model_path(model: str, stream: bool, array: bool = False) -> str:
    """The path of a call below the base URL; ``array``: a stream as a JSON array."""
    place = model_place(model)
    if not stream:
        return f"{place}:generateContent"
    return f"{place}:streamGenerateContent" + ("" if array else "?alt=sse")


def format_request(request: UnifiedChatRequest, target: TargetModel) -> WireRequest:
    """Raises PlexusError (400) for what Google cannot mean at all."""
    return _Formatter(request, target).format()


class _Formatter:
    """One request on its way out: what every part of the work asks for."""

    def __init__(self, request: UnifiedChatRequest, target: TargetModel) -> None:
        self.request = request
        self.target = target
        self.caps: Capabilities = target.capabilities
        self.native = request.source.dialect == NAME
        self.log = LossLog(REQUEST_LOSSES)
        self.names = _names(request)
        self.writer = PartWriter(target, self.names, self.native, self.log)

    def format(self) -> WireRequest:
        request, source = self.request, self.request.source
        usual = is_usual(request) and not _says_more(request)
        if not usual:
            self._leave_out()
        tooling: Body = {}
        custom: frozenset[str] = frozenset()
        if request.tools or request.tool_choice is not None or request.web_search is not None:
            custom = self._tools(tooling)
        system, prefix = self._system()
        turns = TurnWriter(self.writer, self.target.family, self.native, self.log)
        messages = request.messages[prefix:] if prefix else request.messages
        body: Body = {"contents": turns.write(messages, prefix)}
        if system:
            body["systemInstruction"] = {"parts": system}
        body.update(tooling)
        config = self._config()
        if config:
            body["generationConfig"] = config
        if not usual:
            self._rest(body)
        traced = not TRACING.isdisjoint(source.headers)
        return WireRequest(
            target=self.target,
            path=model_path(self.target.model, request.stream),
            body=msgspec.json.encode(body),
            headers=picked(source, TRACING) if traced else (),
            stream=request.stream,
            warnings=self.log.warnings,
            tool_names={new: old for old, new in self.names.items() if new != old},
            custom_tools=custom,
        )

    def _tools(self, body: Body) -> frozenset[str]:
        """``tools`` and ``toolConfig``; the custom tools among them, as they are called there."""
        request = self.request
        writer = ToolFormatter(self.names, self.caps, self.native, self.log)
        tools = writer.format(request.tools, request.web_search)
        calling = format_choice(
            request.tool_choice, request.tools, writer, self.names, self.caps, self.log
        )
        if tools:
            body["tools"] = tools
        if calling:
            body["toolConfig"] = {"functionCallingConfig": calling}
        return frozenset(writer.custom)

    def _leave_out(self) -> None:
        """What no request of this dialect can say."""
        request, log = self.request, self.log
        for field, neutral in _LOST:
            value = getattr(request, field)
            if value is not None and value != neutral:
                log.note(field)
        if request.max_tokens == 0 and not self.native:
            log.note("max_tokens.prewarm", "max_tokens")
        if request.parallel_tool_calls is False and request.tools:
            log.note("parallel_tool_calls")
        if request.include:
            log.note("include")
        if not self.native:
            self._leave_out_foreign()
        for dialect, fields in request.extra.items():
            if dialect != NAME and fields:
                log.note("extra", next(iter(fields)))
        if lost := unread(request.reasoning, NAME):
            log.note("extra", lost)

    def _leave_out_foreign(self) -> None:
        request, log = self.request, self.log
        if request.audio is not None:
            log.note("audio")
        if request.store:
            log.note("store")
        if request.metadata:
            log.note("metadata")
        if request.user is not None or request.safety_identifier is not None:
            log.note("user")
        if request.prompt_cache is not None:
            log.note("prompt_cache")
        if request.reasoning is not None and request.reasoning.summary is not None:
            log.note("reasoning.summary")
        for name in request.server_state:
            log.note("server_state", name)

    def _system(self) -> tuple[list[Any], int]:
        """``systemInstruction`` parts, and how many messages they were."""
        parts: list[Any] = []
        count = 0
        for index, message in enumerate(self.request.messages):
            if message.role not in ("system", "developer"):
                break
            count += 1
            plain = self.writer.texts(message.content)
            parts += self._instructions(message, index) if plain is None else plain
        form = self.request.response_format
        if form is not None and form.schema is not None and self.caps.json_schema is False:
            parts.append({"text": INSTRUCTION + bytes(form.schema).decode()})
        return parts, count

    def _instructions(self, message: UnifiedMessage, index: int) -> Iterator[Written]:
        for number, part in enumerate(message.content):
            path = f"messages[{index}].content[{number}]"
            if not isinstance(part, TextContent) and not self.native:
                self.log.note("message.system_media", path)
            yield from self.writer.write(part, path)

    def _config(self) -> Body:
        """``generationConfig``."""
        request = self.request
        config: Body = {}
        limit, most = request.max_tokens, self.caps.max_output_tokens
        if limit is not None and most is not None and limit > most:
            self.log.note("max_tokens")
            limit = most
        if limit is not None:
            config["maxOutputTokens"] = limit
        self._sample(config)
        if _shape(request) == _SHAPELESS:
            return config
        if request.n != 1:
            config["candidateCount"] = request.n
        stops = list(request.stop)
        if len(stops) > STOP_LIMIT and not self.native:
            self.log.note("stop")
            stops = stops[:STOP_LIMIT]
        if stops:
            config["stopSequences"] = stops
        config.update(self._format())
        config.update(self._modalities())
        thinking = format_thinking(
            request.reasoning, self.target.model, self.caps, limit, self.native, self.log
        )
        if thinking:
            config["thinkingConfig"] = thinking
        return config

    def _sample(self, config: Body) -> None:
        request, highest = self.request, self.caps.temperature_max
        values = dict(zip(_SAMPLING, _sampling(request), strict=True))
        temperature = request.temperature
        if temperature is not None and highest is not None and temperature > highest:
            self.log.note("temperature.range", "temperature")
            values["temperature"] = highest
        if request.seed is not None:
            values["seed"] = self._seed(request.seed)
        for field, value in values.items():
            if value is None:
                continue
            if self.caps.sampling == "none" and field in _SAMPLED:
                self.log.note(field)
            elif value is not False or self.native:
                config[_SAMPLING[field]] = value

    def _seed(self, seed: int) -> int:
        """Google's is a signed 32-bit number."""
        if -(2**31) <= seed < 2**31:
            return seed
        self.log.note("seed")
        return seed % 2**31

    def _format(self) -> Iterator[tuple[str, Any]]:
        form = self.request.response_format
        if form is None:
            return
        if form.type == "text":
            if self.native:
                yield "responseMimeType", "text/plain"
            return
        if form.type == "grammar":
            self.log.note("response_format.grammar", "response_format")
            return
        yield "responseMimeType", "application/json"
        if form.description is not None:
            self.log.note("response_format.description", "response_format")
        if form.schema is not None and self.caps.json_schema is False:
            self.log.note("response_format.schema", "response_format")
        elif form.schema is not None:
            yield "responseJsonSchema", form.schema

    def _modalities(self) -> Iterator[tuple[str, Any]]:
        kinds = self.request.modalities
        if not kinds or (kinds == ("text",) and not self.native):
            return
        if not self.native:
            self.log.note("modalities")
        yield "responseModalities", [kind.upper() for kind in kinds]

    def _rest(self, body: Body) -> None:
        request = self.request
        if request.safety_settings is not None:
            body["safetySettings"] = request.safety_settings
        tier = request.service_tier
        if request.speed == "fast" and not self.native:
            self.log.note("speed")
            tier = "fast"
        if tier is not None and tier != "auto":
            found = tier if self.native else _TIERS.get(tier)
            if found is None:
                self.log.note("service_tier")
            else:
                body["serviceTier"] = found
        if self.native:
            if request.store is not None:
                body["store"] = request.store
            if request.metadata:
                body["labels"] = request.metadata
            body.update(request.server_state)
            _restore(body, request.extra.get(NAME, {}))


_SAMPLED = frozenset(
    {"temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "logprobs"}
)


def _says_more(request: UnifiedChatRequest) -> bool:
    """Whether a usual request has something that this dialect may have no word for."""
    reasoning, calls, user = request.reasoning, request.parallel_tool_calls, request.user
    return request.max_tokens == 0 or (reasoning, calls, user) != (None, None, None)


def _names(request: UnifiedChatRequest) -> dict[str, str]:
    """All function names of a request with their legal forms, definitions first."""
    names = [t.name for t in request.tools if isinstance(t, FunctionTool | CustomTool)]
    choice = request.tool_choice
    if choice is not None:
        names += [name for name in (choice.name, *choice.names) if name is not None]
    names += [
        part.name
        for message in request.messages
        for part in message.content
        if type(part) is ToolCallContent
    ]
    return legal_names(names) if names else {}


def _restore(body: Body, extra: dict[str, Raw]) -> None:
    """Unknown fields of a client of this dialect; ``a.b`` goes back into the object ``a``."""
    for path, value in extra.items():
        holder = body
        *outer, name = path.split(".")
        if outer and outer[0] not in ("generationConfig", "toolConfig"):
            body[path] = value
            continue
        for step in outer:
            inner = holder.setdefault(step, {})
            if not isinstance(inner, dict):
                break
            holder = inner
        holder[name] = value
