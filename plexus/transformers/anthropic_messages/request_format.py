"""The canonical request to a Messages body (anthropic-messages.md §3-§5, mappings.md §2-§12).

Only fields Anthropic knows are written: it answers 400 to any other.
"""

import hashlib
import re

import msgspec
from msgspec import Raw

from plexus.transformers.anthropic_messages.blocks import BlockWriter, text_block
from plexus.transformers.anthropic_messages.cache import Block, CacheMarkers
from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.anthropic_messages.conversation import any_turns, plain_turns
from plexus.transformers.anthropic_messages.headers import translated_headers
from plexus.transformers.anthropic_messages.losses import REQUEST_LOSSES
from plexus.transformers.anthropic_messages.names import legal_names
from plexus.transformers.anthropic_messages.schema import strict_schema
from plexus.transformers.anthropic_messages.thinking import (
    ANSWER_ROOM,
    BINDING_BETA,
    Thinking,
    format_thinking,
    unbound,
)
from plexus.transformers.anthropic_messages.tools import ToolFormatter, web_search
from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.base import WireRequest
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.losses import LossLog
from plexus.transformers.unread import unread
from plexus.transformers.usual import is_usual
from plexus.unified.content import TextContent, ToolCallContent
from plexus.unified.errors import unsupported
from plexus.unified.request import (
    CustomTool,
    FunctionTool,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)

PATH = "/messages"
FAMILY = "anthropic"
"""Of Anthropic's own models; endpoints of others speak this dialect too."""
BEGIN, CONTINUE = "Begin.", "Continue."
DEFAULT_MAX_TOKENS = 32_000
UNARY_MAX_TOKENS = 16_000
"""``max_tokens`` when the client gave none: of a stream, and of a JSON answer (mappings.md §6)."""

_JSON_ONLY = "Answer with one valid JSON object and nothing else: no prose, no code fence."
_PERSONAL = re.compile(r"[^@\s]+@[^@\s]+|\+?[\d\s().-]{7,}")
_TIERS = {
    "auto": "auto",
    "standard": "standard_only",
    "standard_only": "standard_only",
    "default": "standard_only",
}
_LOST: tuple[tuple[str, object], ...] = (
    ("frequency_penalty", 0),
    ("presence_penalty", 0),
    ("repetition_penalty", 1),
    ("min_p", 0),
    ("seed", None),
    ("logit_bias", None),
    ("logprobs", False),
    ("verbosity", "medium"),
    ("prediction", None),
    ("moderation", None),
    ("max_tool_calls", None),
    ("store", False),
    ("safety_settings", None),
    ("truncation", "disabled"),
)
"""Fields Anthropic has no word for, with the value whose loss changes nothing."""
_SILENT = Thinking()


def format_request(request: UnifiedChatRequest, target: TargetModel) -> WireRequest:
    """Raises PlexusError (400) for what Anthropic cannot mean at all."""
    return _Formatter(request, target).format()


class _Formatter:
    """One request on its way out: what every part of the work asks for."""

    def __init__(self, request: UnifiedChatRequest, target: TargetModel) -> None:
        self.request = request
        self.target = target
        self.caps: Capabilities = target.capabilities
        self.native = request.source.dialect == NAME
        self.log = LossLog(REQUEST_LOSSES)
        self.markers = CacheMarkers(self.caps.cache_breakpoints is not False, self.log)
        names = _names(request)
        self.names = legal_names(names) if names else {}
        self.structured: str | None = None

    def format(self) -> WireRequest:
        """Parts of the work that nothing is asked of are not entered."""
        request, log = self.request, self.log
        usual, wanted = is_usual(request), request.reasoning
        if not usual:
            self._refuse()
        if wanted is not None and (lost := unread(wanted, NAME)):
            log.note("extra", lost)
        thinking = _SILENT
        if wanted is not None:
            thinking = format_thinking(wanted, self.caps, request.max_tokens, self.native, log)
        max_tokens = self._max_tokens(thinking)
        tools: list[Block | Raw] = []
        custom: set[str] = set()
        choice: Block | None = None
        if request.tools or request.tool_choice is not None or _adds_tools(request):
            tools, custom = self._tools()
            choice = self._choice(tools)
        prefix = request.system_prefix()
        system: list[Block] = []
        if prefix or request.response_format is not None:
            system = self._system(prefix)
        messages = self._messages(len(prefix))
        if thinking.budget is not None:
            thinking = self._provable(thinking, messages)
        if choice is not None:
            choice, thinking = self._reconciled(choice, thinking, messages)
        bound = self.caps.thinking_binding is True and _replays_thinking(messages)
        if bound:
            thinking = unbound(thinking)
        body: Block = {"model": self.target.model, "max_tokens": max_tokens, "messages": messages}
        if system:
            body["system"] = system
        if tools:
            body["tools"] = tools
        if choice is not None:
            body["tool_choice"] = choice
        self._rest(body, thinking, usual)
        if request.stream:
            body["stream"] = True
        return WireRequest(
            target=self.target,
            path=PATH,
            body=msgspec.json.encode(body),
            headers=translated_headers(request.source, BINDING_BETA if bound else None),
            stream=request.stream,
            warnings=log.warnings,
            tool_names={new: old for old, new in self.names.items() if new != old},
            custom_tools=frozenset(custom),
            structured_tool=self.structured,
        )

    def _rest(self, body: Block, thinking: Thinking, usual: bool) -> None:
        """The members behind the conversation; the order is that of their losses."""
        request = self.request
        if thinking is not _SILENT or request.response_format is not None:
            self._thinking(body, thinking)
        self._sampling(body, thinking)
        if request.stop:
            self._stops(body, request.stop)
        if request.user is not None or not usual:
            self._identity(body)
        auto = request.prompt_cache.auto if request.prompt_cache is not None else None
        if auto is not None or self.markers.found:
            marker = self.markers.write(auto)
            if marker is not None:
                body["cache_control"] = marker
        if self.native and request.extra:
            _restore(body, request.extra.get(NAME, {}))

    def _refuse(self) -> None:
        """What no Messages request can say, and what it can only leave out."""
        request, log = self.request, self.log
        if request.n > 1:
            log.note("n")
        if request.audio is not None or any(kind != "text" for kind in request.modalities):
            log.note("modalities")
        for name in request.server_state.keys() - request.extra.get(NAME, {}).keys():
            log.note("server_state", name)
        for field, neutral in _LOST:
            value = getattr(request, field)
            if value is not None and value != neutral:
                log.note(field)
        if request.include:
            log.note("include")
        if request.metadata:
            log.note("metadata")
        if request.prompt_cache is not None and request.prompt_cache.key is not None:
            log.note("prompt_cache.key")
        for dialect, fields in request.extra.items():
            if dialect != NAME and fields:
                log.note("extra", next(iter(fields)))

    def _max_tokens(self, thinking: Thinking) -> int:
        wanted, limit = self.request.max_tokens, self.caps.max_output_tokens
        if wanted is None:
            value = self.caps.default_max_tokens
            if value is None:
                value = min(limit or DEFAULT_MAX_TOKENS, DEFAULT_MAX_TOKENS)
                if not self.request.stream:
                    value = min(value, UNARY_MAX_TOKENS)
            if thinking.budget is not None:
                value = max(value, thinking.budget + ANSWER_ROOM)
            return value if limit is None else min(value, limit)
        if wanted <= 0 and not self.native:
            self.log.note("max_tokens.prewarm", "max_tokens")
        if limit is not None and wanted > limit:
            self.log.note("max_tokens")
            return limit
        return wanted

    def _tools(self) -> tuple[list[Block | Raw], set[str]]:
        request = self.request
        writer = ToolFormatter(self.names, self.caps, self.native, self.markers, self.log)
        chosen = request.tools
        choice = request.tool_choice
        if choice is not None and choice.mode == "allowed":
            self.log.note("tool_choice.allowed", "tool_choice")
            keep = set(choice.names) | _called(request)
            chosen = tuple(tool for tool in chosen if tool.name in keep)
        tools = writer.format(chosen)
        if request.web_search is not None:
            self.log.note("web_search")
            tools.append(web_search(request.web_search))
        self._structure(tools)
        return tools, writer.custom

    def _structure(self, tools: list[Block | Raw]) -> None:
        """Structured output as a forced tool, for models without the native form."""
        format_ = self.request.response_format
        if format_ is None or format_.type != "json_schema" or format_.schema is None:
            return
        if self.caps.json_schema is not False:
            return
        self.log.note("response_format.tool", "response_format")
        name = "structured_output"
        while name in self.names.values():
            name += "_"
        self.structured = name
        tools.append({"name": name, "input_schema": format_.schema})

    def _choice(self, tools: list[Block | Raw]) -> Block | None:
        """The choice as wanted, before what the model refuses is known."""
        request, wanted = self.request, self.request.tool_choice
        if wanted is not None and wanted.mode == "required" and not request.tools and not tools:
            return None  # It forces nothing (traps T11).
        # Left out in silence, the answer would be another one (canonical.md §9).
        if wanted is not None and _forces(wanted) and not tools:
            raise unsupported("the forced tool does not exist at this target", "tool_choice")
        named = {tool.name for tool in request.tools}
        if wanted is not None and wanted.mode == "function" and wanted.name not in named:
            raise unsupported(f"there is no tool {wanted.name!r} to force", "tool_choice")
        if not tools:
            return None
        out = self._wanted_choice(request.tool_choice)
        parallel = request.parallel_tool_calls
        if parallel is False and out is None:
            out = {"type": "auto"}
        if parallel is not None and out is not None and out["type"] != "none":
            out["disable_parallel_tool_use"] = not parallel
        return out

    def _wanted_choice(self, choice: ToolChoice | None) -> Block | None:
        if self.structured is not None:
            if not self.request.tools:
                return {"type": "tool", "name": self.structured}
            return {"type": "any"}
        if choice is None:
            return None
        if choice.mode in ("auto", "none"):
            return {"type": choice.mode}
        if choice.mode == "allowed":
            return {"type": "any" if choice.forced else "auto"}
        if choice.mode == "required" or choice.name is None:
            return {"type": "any"}
        return {"type": "tool", "name": self.names.get(choice.name, choice.name)}

    def _reconciled(
        self, choice: Block, thinking: Thinking, messages: list[Block]
    ) -> tuple[Block, Thinking]:
        """Forced tools where the model refuses them, and beside budget thinking (§5.3).

        The instruction goes into the last user turn: in ``system`` it would break cache and
        thinking binding.
        """
        if choice["type"] not in ("any", "tool"):
            return choice, thinking
        if self.caps.forced_tool_choice is not False:
            if thinking.budget is None:
                return choice, thinking
            if self.structured is None:
                self.log.note("reasoning.forced_tool", "reasoning")
                return choice, Thinking({"type": "disabled"})
        self.log.note("tool_choice.forced", "tool_choice")
        name = choice.pop("name", None)
        what = f"the tool {name}" if name is not None else "one of the tools"
        choice["type"] = "auto"
        for message in reversed(messages):
            content = message["content"]
            if message["role"] == "user" and isinstance(content, list):
                content.append({"type": "text", "text": f"Answer by calling {what}."})
                break
        return choice, thinking

    def _system(self, prefix: tuple[UnifiedMessage, ...]) -> list[Block]:
        blocks: list[Block] = []
        for index, message in enumerate(prefix):
            for number, part in enumerate(message.content):
                if type(part) is not TextContent:
                    path = f"messages[{index}].content[{number}]"
                    self.log.note("message.system_media", path)
                    continue
                block = None if self._alien(part.text) else text_block(part.text)
                if block is None:
                    self.markers.move("prefix", part.cache_control)
                    continue
                block.update(part.ext.get(NAME, {}))
                verbatim = "cache_control" in block
                self.markers.mark("prefix", block, None if verbatim else part.cache_control)
                blocks.append(block)
        format_ = self.request.response_format
        if format_ is not None:
            if format_.type == "grammar":
                self.log.note("response_format.grammar", "response_format")
            if format_.type == "json_object":
                self.log.note("response_format.json_object", "response_format")
                blocks.append({"type": "text", "text": _JSON_ONLY})
        return blocks

    def _alien(self, text: str) -> bool:
        """Claude Code's word to Anthropic, in a request to somebody else (traps T18)."""
        return self.target.family != FAMILY and text.startswith(ATTRIBUTION)

    def _messages(self, prefix: int) -> list[Block]:
        """The turns behind the system prefix, which is ``prefix`` messages long."""
        said = self.request.messages[prefix:] if prefix else self.request.messages
        messages = plain_turns(said)
        paused = False
        if messages is None:
            messages, paused = self._turns(said, prefix)
        if not messages or messages[0]["role"] != "user" or messages[-1]["role"] == "assistant":
            self._frame(messages, paused)
        return messages

    def _turns(self, said: tuple[UnifiedMessage, ...], first: int) -> tuple[list[Block], bool]:
        format_ = self.request.response_format
        writer = BlockWriter(
            family=self.target.family,
            caps=self.caps,
            names=self.names,
            native=self.native,
            citable=format_ is None or format_.type != "json_schema",
            markers=self.markers,
            log=self.log,
        )
        mid_system = self.caps.mid_system is not False
        return any_turns(said, first, mid_system, self.native, writer, self.log)

    def _frame(self, messages: list[Block], paused: bool) -> None:
        """A user turn first; no assistant turn last, except where the model continues it."""
        if not messages or messages[0]["role"] != "user":
            self.log.note(
                "message.first_assistant" if messages else "message.system_only", "messages"
            )
            messages.insert(0, _user(BEGIN))
        last = messages[-1]
        if last["role"] != "assistant" or paused:
            return
        if self.caps.prefill:
            _trim(last)
        elif not self.native or self.caps.prefill is not None:
            self.log.note("message.prefill", "messages")
            messages.append(_user(CONTINUE))

    def _provable(self, thinking: Thinking, messages: list[Block]) -> Thinking:
        """Budget thinking needs the last tool turn's own thinking (canonical.md §6, fallback)."""
        spoken = next((m for m in reversed(messages) if m["role"] == "assistant"), None)
        blocks = spoken["content"] if spoken is not None else None
        if not isinstance(blocks, list) or not any(_is(block, "tool_use") for block in blocks):
            return thinking
        if _is(blocks[0], "thinking") or _is(blocks[0], "redacted_thinking"):
            return thinking
        self.log.note("reasoning.history", "reasoning")
        return Thinking({"type": "disabled"})

    def _thinking(self, body: Block, thinking: Thinking) -> None:
        config: Block = {}
        if thinking.thinking is not None:
            body["thinking"] = thinking.thinking
        if thinking.effort is not None:
            config["effort"] = thinking.effort
        format_ = self.request.response_format
        if format_ is not None and format_.type == "json_schema" and self.structured is None:
            config["format"] = self._json_schema(format_.schema)
        if format_ is not None and format_.description is not None:
            self.log.note("response_format.description", "response_format")
        if config:
            body["output_config"] = config

    def _json_schema(self, schema: Raw | None) -> Block:
        if schema is None:
            return {"type": "json_schema", "schema": {"type": "object"}}
        if self.native:
            return {"type": "json_schema", "schema": schema}
        fitted, weakened = strict_schema(schema)
        if weakened:
            self.log.note("response_format.schema", "response_format")
        return {"type": "json_schema", "schema": fitted}

    def _sampling(self, body: Block, thinking: Thinking) -> None:
        request, caps = self.request, self.caps
        if request.temperature is None and request.top_p is None and request.top_k is None:
            return
        verbatim = caps.sampling is None and self.native
        allowed = caps.sampling == "full" or verbatim
        for field in ("temperature", "top_p", "top_k"):
            value = getattr(request, field)
            if value is None:
                continue
            tolerated = field == "top_p" and value >= 0.95
            beside = field == "top_p" and caps.temperature_or_top_p and "temperature" in body
            if not allowed or beside or (thinking.on and not tolerated and not verbatim):
                self.log.note(field)
                continue
            if field == "temperature" and value > (highest := caps.temperature_max or 1.0):
                self.log.note("temperature.range", "temperature")
                value = highest
            body[field] = value

    def _stops(self, body: Block, wanted: tuple[str, ...]) -> None:
        stops = [stop for stop in wanted if stop.strip()]
        if len(stops) < len(wanted):
            self.log.note("stop.blank", "stop")
        if stops:
            body["stop_sequences"] = stops

    def _identity(self, body: Block) -> None:
        """Who asks, how fast it wants the answer, and what only this dialect's clients mean."""
        request = self.request
        user = self._user_id()
        if user is not None:
            body["metadata"] = {"user_id": user}
        self._tier(body)
        for field, name in _NATIVE:
            value = getattr(request, field)
            if value is None:
                continue
            if self.native:
                body[name] = value
            else:
                self.log.note(field)

    def _user_id(self) -> str | None:
        user = self.request.safety_identifier or self.request.user
        if user is None or self.native:
            return user
        if len(user) > 128 or _PERSONAL.fullmatch(user):
            self.log.note("user")
            return hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return user

    def _tier(self, body: Block) -> None:
        tier = self.request.service_tier
        if tier is None:
            return
        found = _TIERS.get(tier)
        if found is None:
            self.log.note("service_tier")
        if found is not None or tier == "priority":
            body["service_tier"] = found or "auto"


_NATIVE = (
    ("speed", "speed"),
    ("region", "inference_geo"),
    ("container", "container"),
    ("context_management", "context_management"),
    ("mcp_servers", "mcp_servers"),
)
"""Fields only this dialect's clients can mean."""


def _names(request: UnifiedChatRequest) -> list[str]:
    """All function names of a request, definitions first."""
    own = (FunctionTool, CustomTool)
    names = [tool.name for tool in request.tools if tool.name or isinstance(tool, own)]
    if request.tool_choice is not None and request.tool_choice.name is not None:
        names.append(request.tool_choice.name)
    for message in request.messages:
        for part in message.content:
            if type(part) is ToolCallContent:
                names.append(part.name)
    return names


def _adds_tools(request: UnifiedChatRequest) -> bool:
    """Whether what is no tool of the request may become one."""
    return request.web_search is not None or request.response_format is not None


def _called(request: UnifiedChatRequest) -> set[str]:
    return {call.name for message in request.messages for call in message.tool_calls}


def _forces(choice: ToolChoice) -> bool:
    return choice.mode in ("required", "function", "custom", "server") or choice.forced


def _user(text: str) -> Block:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _is(block: object, kind: str) -> bool:
    return isinstance(block, dict) and block.get("type") == kind


def _replays_thinking(messages: list[Block]) -> bool:
    """Whether signed thinking of earlier turns goes back."""
    return any(
        _is(block, kind)
        for message in messages
        if message["role"] == "assistant" and isinstance(message["content"], list)
        for block in message["content"]
        for kind in ("thinking", "redacted_thinking")
    )


def _trim(message: Block) -> None:
    """A prefill must not end in white space (traps T84)."""
    content = message["content"]
    block = content[-1] if isinstance(content, list) else None
    if isinstance(block, dict) and block.get("type") == "text":
        block["text"] = str(block["text"]).rstrip()


def _restore(body: Block, extra: dict[str, Raw]) -> None:
    """Unknown fields of a client of this dialect; ``a.b`` goes back into the object ``a``."""
    for name, value in extra.items():
        outer, dot, inner = name.partition(".")
        if dot and outer in ("output_config", "metadata"):
            holder = body.setdefault(outer, {})
            if isinstance(holder, dict):
                holder[inner] = value
        elif name != "cache_control" or "cache_control" in body:
            body[name] = value
