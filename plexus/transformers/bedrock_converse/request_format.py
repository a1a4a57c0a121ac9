"""The canonical request to a Converse body (reference/bedrock-vertex.md §3, mappings.md §2-§12)."""

import hashlib
import re

import msgspec
from msgspec import Raw

from plexus.transformers.anthropic_messages.cache import Block, CacheMarkers
from plexus.transformers.anthropic_messages.content import NAME as MESSAGES
from plexus.transformers.anthropic_messages.schema import strict_schema
from plexus.transformers.anthropic_messages.thinking import (
    ANSWER_ROOM,
    Thinking,
    format_thinking,
)
from plexus.transformers.anthropic_messages.turns import Turn, build_turns
from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.base import WireRequest
from plexus.transformers.bedrock_converse.blocks import BlockWriter, text_block, with_points
from plexus.transformers.bedrock_converse.effort import nova_reasoning, openai_effort
from plexus.transformers.bedrock_converse.losses import REQUEST_LOSSES
from plexus.transformers.bedrock_converse.models import (
    CLAUDE,
    NAME,
    NOVA,
    OPENAI,
    family_of,
    model_path,
)
from plexus.transformers.bedrock_converse.tools import ToolFormatter, called, forces
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.names import ToolNames
from plexus.transformers.unread import unread
from plexus.unified.content import TextContent
from plexus.unified.errors import unsupported
from plexus.unified.request import CustomTool, FunctionTool, ToolChoice, UnifiedChatRequest

BEGIN, CONTINUE = "Begin.", "Continue."
STOP_LIMIT = 2500

_JSON_ONLY = "Answer with one valid JSON object and nothing else: no prose, no code fence."
_PERSONAL = re.compile(r"[^@\s]+@[^@\s]+|\+?[\d\s().-]{7,}")
_LABEL = re.compile(r"[A-Za-z0-9\s:_@$#=/+,.-]{1,256}")
_LABELS = 16
_CACHING = frozenset({CLAUDE, NOVA})
"""Families whose models take cache points; others refuse them."""
_TIERS = {
    "standard": "default",
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "reserved": "reserved",
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
    ("web_search", None),
    ("region", None),
    ("container", None),
    ("context_management", None),
    ("mcp_servers", None),
)
"""Fields Converse has no word for, with the value whose loss changes nothing."""


def format_request(request: UnifiedChatRequest, target: TargetModel) -> WireRequest:
    """Raises PlexusError (400) for what Converse cannot mean at all."""
    return _Formatter(request, target).format()


class _Formatter:
    """One request on its way out: what every part of the work asks for."""

    def __init__(self, request: UnifiedChatRequest, target: TargetModel) -> None:
        self.request = request
        self.target = target
        self.caps: Capabilities = target.capabilities
        self.family = family_of(target)
        self.native = self.family == CLAUDE and request.source.dialect == MESSAGES
        """Claude's own words, which mean on Converse what they mean anywhere."""
        self.log = LossLog(REQUEST_LOSSES)
        marks = self.caps.cache_breakpoints
        self.markers = CacheMarkers(self.family in _CACHING if marks is None else marks, self.log)
        self.names = ToolNames(_names(request))
        self.structured: str | None = None

    def format(self) -> WireRequest:
        request = self.request
        self._refuse()
        thinking = self._claude_thinking()
        tools, custom = self._tools()
        choice = self._choice(tools)
        system = self._system()
        messages = self._messages()
        thinking = self._provable(thinking, messages)
        choice, thinking = self._reconciled(choice, thinking, messages)
        auto = request.prompt_cache.auto if request.prompt_cache is not None else None
        if auto is not None:
            _mark_last(messages, self.markers.write(auto))
        else:
            self.markers.write(None)
        for message in messages:
            message["content"] = with_points(message["content"])  # type: ignore[arg-type]
        body: Block = {"messages": messages}
        if system:
            body["system"] = with_points(system)
        more: Block = {}
        config = self._inference(thinking, more)
        if config:
            body["inferenceConfig"] = config
        if tools:
            body["toolConfig"] = {"tools": with_points(tools)}
            if choice is not None:
                body["toolConfig"]["toolChoice"] = choice  # type: ignore[index]
        self._reasoning(thinking, more)
        self._parallel(tools, choice, more)
        self._structure(body)
        if more:
            body["additionalModelRequestFields"] = more
        self._rest(body)
        operation = "converse-stream" if request.stream else "converse"
        return WireRequest(
            target=self.target,
            path=model_path(self.target.model, operation),
            body=msgspec.json.encode(body),
            stream=request.stream,
            warnings=self.log.warnings,
            tool_names=dict(self.names.back),
            custom_tools=frozenset(custom),
            structured_tool=self.structured,
        )

    def _refuse(self) -> None:
        """What no Converse request can say, and what it can only leave out."""
        request, log = self.request, self.log
        if request.n > 1:
            log.note("n")
        if request.audio is not None or any(kind != "text" for kind in request.modalities):
            log.note("modalities")
        for name in request.server_state:
            log.note("server_state", name)
        for field, neutral in _LOST:
            value = getattr(request, field)
            if value is not None and value != neutral:
                log.note(field)
        if request.include:
            log.note("include")
        if request.prompt_cache is not None and request.prompt_cache.key is not None:
            log.note("prompt_cache.key")
        for fields in request.extra.values():
            if fields:
                log.note("extra", next(iter(fields)))
        if lost := unread(request.reasoning, NAME):
            log.note("extra", lost)

    # messages

    def _system(self) -> list[Block]:
        blocks: list[Block] = []
        for index, message in enumerate(self.request.system_prefix()):
            for number, part in enumerate(message.content):
                path = f"messages[{index}].content[{number}]"
                if not isinstance(part, TextContent):
                    self.log.note("message.system_media", path)
                    continue
                if any(part.ext.values()):
                    self.log.note("part.ext", path)
                block = None if part.text.startswith(ATTRIBUTION) else text_block(part.text)
                if block is None:
                    self.markers.move("prefix", part.cache_control)
                    continue
                self.markers.mark("prefix", block, part.cache_control)
                blocks.append(block)
        format_ = self.request.response_format
        if format_ is not None and format_.type == "grammar":
            self.log.note("response_format.grammar", "response_format")
        if format_ is not None and format_.type == "json_object":
            self.log.note("response_format.json_object", "response_format")
            blocks.append({"text": _JSON_ONLY})
        return blocks

    def _messages(self) -> list[Block]:
        prefix = len(self.request.system_prefix())
        turns = build_turns(
            self.request.messages[prefix:], prefix, self.caps.mid_system is True, self.log
        )
        writer = BlockWriter(
            family=self.family,
            caps=self.caps,
            names=self.names,
            markers=self.markers,
            log=self.log,
        )
        messages: list[Block] = []
        for turn in turns:
            self._append(messages, turn, writer)
        return self._framed(messages)

    def _append(self, messages: list[Block], turn: Turn, writer: BlockWriter) -> None:
        if turn.fields:
            self.log.note("message.ext", turn.items[0][1] if turn.items else "messages")
        content: list[Block] = []
        for part, path in turn.items:
            block = writer.write(part, path, turn.ids)
            if block is not None:
                self._add(content, block, path)
        if not content:
            return
        last = messages[-1] if messages else None
        if last is not None and last["role"] == turn.role and isinstance(last["content"], list):
            last["content"] += content
        else:
            messages.append({"role": turn.role, "content": content})

    def _add(self, content: list[Block], block: Block, path: str) -> None:
        """No model takes documents, video or sound beside a tool result (traps T83)."""
        result = next((b["toolResult"] for b in reversed(content) if "toolResult" in b), None)
        if isinstance(result, dict) and block.keys() & {"document", "video", "audio"}:
            self.log.note("part.tool_result.media", path)
            result["content"].append(block)
            return
        content.append(block)

    def _framed(self, messages: list[Block]) -> list[Block]:
        """A user turn first; no assistant turn last, except where the model continues it."""
        if not messages or messages[0]["role"] != "user":
            field = "message.first_assistant" if messages else "message.system_only"
            self.log.note(field, "messages")
            messages.insert(0, _user(BEGIN))
        last = messages[-1]
        if last["role"] != "assistant":
            return messages
        if self.caps.prefill or (self.native and self.caps.prefill is None):
            _trim(last)
        else:
            self.log.note("message.prefill", "messages")
            messages.append(_user(CONTINUE))
        return messages

    # tools

    def _tools(self) -> tuple[list[Block], set[str]]:
        request = self.request
        writer = ToolFormatter(self.names, self.caps, self.family == CLAUDE, self.markers, self.log)
        chosen, choice = request.tools, request.tool_choice
        if choice is not None and choice.mode == "allowed":
            self.log.note("tool_choice.allowed", "tool_choice")
            keep = set(choice.names) | set(called(request))
            chosen = tuple(tool for tool in chosen if tool.name in keep)
        if choice is not None and choice.mode == "none" and chosen:
            self.log.note("tool_choice.none", "tool_choice")
            chosen = chosen if called(request) else ()
        tools = writer.format(chosen)
        format_ = request.response_format
        if (
            format_ is not None
            and format_.type == "json_schema"
            and format_.schema is not None
            and self.caps.json_schema is False
        ):
            self.log.note("response_format.tool", "response_format")
            self.structured = self.names("structured_output")
            spec = {"name": self.structured, "inputSchema": {"json": format_.schema}}
            tools.append({"toolSpec": spec})
        if not tools:
            # Converse wants the tools as soon as the history has calls.
            tools = [_spoken_of(self.names(name)) for name in called(request)]
        return tools, writer.custom

    def _choice(self, tools: list[Block]) -> Block | None:
        """The choice as wanted, before what the model refuses is known."""
        choice = self.request.tool_choice
        if choice is not None and forces(choice) and not self.request.tools:
            choice = None
        if choice is not None and forces(choice) and not tools:
            raise unsupported("the forced tool does not exist at this target", "tool_choice")
        if not tools:
            return None
        if self.structured is not None:
            if not self.request.tools:
                return {"tool": {"name": self.structured}}
            return {"any": {}}
        return self._wanted_choice(choice)

    def _wanted_choice(self, choice: ToolChoice | None) -> Block | None:
        if choice is None or choice.mode == "none":
            return None
        if choice.mode == "auto" or (choice.mode == "allowed" and not choice.forced):
            return {"auto": {}}
        if choice.mode in ("required", "allowed") or choice.name is None:
            return {"any": {}}
        return {"tool": {"name": self.names(choice.name)}}

    def _reconciled(
        self, choice: Block | None, thinking: Thinking, messages: list[Block]
    ) -> tuple[Block | None, Thinking]:
        """Forced tools where the model refuses them, and beside budget thinking (§5.3)."""
        if choice is None or "auto" in choice:
            return choice, thinking
        if self.caps.forced_tool_choice is not False:
            if thinking.budget is None:
                return choice, thinking
            if self.structured is None:
                self.log.note("reasoning.forced_tool", "reasoning")
                return choice, Thinking({"type": "disabled"})
        self.log.note("tool_choice.forced", "tool_choice")
        one = choice.get("tool")
        what = f"the tool {one['name']}" if isinstance(one, dict) else "one of the tools"
        for message in reversed(messages):
            content = message["content"]
            if message["role"] == "user" and isinstance(content, list):
                content.append({"text": f"Answer by calling {what}."})
                break
        return {"auto": {}}, thinking

    def _parallel(self, tools: list[Block], choice: Block | None, more: Block) -> None:
        parallel = self.request.parallel_tool_calls
        if parallel is not False or not tools:
            return
        if self.family != CLAUDE:
            self.log.note("parallel_tool_calls")
            return
        wanted: Block = {"type": "auto"}
        if choice is not None and "any" in choice:
            wanted = {"type": "any"}
        elif choice is not None and isinstance(one := choice.get("tool"), dict):
            wanted = {"type": "tool", "name": one["name"]}
        more["tool_choice"] = {**wanted, "disable_parallel_tool_use": True}

    # thinking and sampling

    def _claude_thinking(self) -> Thinking:
        if self.family != CLAUDE:
            return Thinking()
        return format_thinking(
            self.request.reasoning, self.caps, self.request.max_tokens, self.native, self.log
        )

    def _provable(self, thinking: Thinking, messages: list[Block]) -> Thinking:
        """Budget thinking needs the last tool turn's own thinking (canonical.md §6, fallback)."""
        if thinking.budget is None:
            return thinking
        spoken = next((m for m in reversed(messages) if m["role"] == "assistant"), None)
        blocks = spoken["content"] if spoken is not None else None
        if not isinstance(blocks, list) or not any("toolUse" in block for block in blocks):
            return thinking
        if "reasoningContent" in blocks[0]:
            return thinking
        self.log.note("reasoning.history", "reasoning")
        return Thinking({"type": "disabled"})

    def _reasoning(self, thinking: Thinking, more: Block) -> None:
        reasoning = self.request.reasoning
        if self.family == CLAUDE:
            if thinking.thinking is not None:
                more["thinking"] = thinking.thinking
            if thinking.effort is not None:
                more["output_config"] = {"effort": thinking.effort}
        elif reasoning is None or self.caps.thinking == "none":
            if reasoning is not None and reasoning.effort not in (None, "none"):
                self.log.note("reasoning.effort")
        elif self.family == NOVA:
            more.update(nova_reasoning(reasoning, self.log))
        elif self.family == OPENAI:
            more.update(openai_effort(reasoning, self.caps, self.log))
        elif reasoning.effort not in (None, "none") or reasoning.max_tokens:
            self.log.note("reasoning.effort")

    def _inference(self, thinking: Thinking, more: Block) -> Block:
        request, caps = self.request, self.caps
        config: Block = {}
        limit = self._max_tokens(thinking)
        if limit is not None:
            config["maxTokens"] = limit
        refused = self._refuses_sampling(thinking)
        for field, name in (("temperature", "temperature"), ("top_p", "topP")):
            value = getattr(request, field)
            if value is None:
                continue
            if refused and not (field == "top_p" and value >= 0.95 and caps.sampling != "none"):
                self.log.note(field)
                continue
            if field == "temperature" and value > (highest := caps.temperature_max or 1.0):
                self.log.note("temperature.range", "temperature")
                value = highest
            config[name] = value
        self._top_k(refused, more)
        stops = self._stops()
        if stops:
            config["stopSequences"] = stops
        return config

    def _refuses_sampling(self, thinking: Thinking) -> bool:
        """A Claude that is not known is one of the newest, which take none (mappings.md §6)."""
        known = self.caps.sampling
        if known is None and self.native:
            return False
        if thinking.on or known == "none":
            return True
        return self.family == CLAUDE and known != "full"

    def _top_k(self, refused: bool, more: Block) -> None:
        value = self.request.top_k
        if value is None:
            return
        if refused or self.family not in _CACHING:
            self.log.note("top_k")
        elif self.family == CLAUDE:
            more["top_k"] = value
        else:
            more["inferenceConfig"] = {"topK": value}

    def _max_tokens(self, thinking: Thinking) -> int | None:
        wanted, limit = self.request.max_tokens, self.caps.max_output_tokens
        if wanted is None:
            value = self.caps.default_max_tokens
            if thinking.budget is not None:
                value = max(value or 0, thinking.budget + ANSWER_ROOM)
            return value if limit is None or value is None else min(value, limit)
        if wanted <= 0:
            self.log.note("max_tokens.prewarm", "max_tokens")
        if limit is not None and wanted > limit:
            self.log.note("max_tokens")
            return limit
        return wanted

    def _stops(self) -> list[str]:
        stops = [stop for stop in self.request.stop if stop.strip()]
        if len(stops) < len(self.request.stop):
            self.log.note("stop.blank", "stop")
        most = self.caps.stop_max or STOP_LIMIT
        if len(stops) > most:
            self.log.note("stop")
        return stops[:most]

    # the rest

    def _structure(self, body: Block) -> None:
        format_ = self.request.response_format
        if format_ is None or format_.type != "json_schema" or self.structured is not None:
            return
        schema: object = format_.schema if format_.schema is not None else {"type": "object"}
        if self.family == CLAUDE and not self.native and isinstance(schema, Raw):
            schema, weakened = strict_schema(schema)
            if weakened:
                self.log.note("response_format.schema", "response_format")
        wanted: Block = {"schema": msgspec.json.encode(schema).decode()}
        if format_.name:
            wanted["name"] = format_.name
        if format_.description:
            wanted["description"] = format_.description
        body["outputConfig"] = {
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": wanted}}
        }

    def _rest(self, body: Block) -> None:
        request = self.request
        if request.stop and self.family == CLAUDE:
            # Converse itself does not say which sequence it was.
            body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
        labels = self._labels()
        if labels:
            body["requestMetadata"] = labels
        tier = request.service_tier
        if tier is not None and tier != "auto":
            if tier not in _TIERS:
                self.log.note("service_tier")
            else:
                body["serviceTier"] = {"type": _TIERS[tier]}
        if request.speed == "fast":
            self.log.note("speed")
            body["performanceConfig"] = {"latency": "optimized"}

    def _labels(self) -> dict[str, str]:
        labels: dict[str, str] = {}
        user = self.request.safety_identifier or self.request.user
        if user is not None:
            self.log.note("user")
            if _LABEL.fullmatch(user) is None or _PERSONAL.fullmatch(user):
                user = hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            labels["user_id"] = user
        for key, value in (self.request.metadata or {}).items():
            fits = _LABEL.fullmatch(key) and (not value or _LABEL.fullmatch(value))
            if fits and len(labels) < _LABELS:
                labels.setdefault(key, value)
            else:
                self.log.note("metadata", f"metadata.{key}")
        return labels


def _names(request: UnifiedChatRequest) -> list[str]:
    """All function names of a request, definitions first."""
    own = (FunctionTool, CustomTool)
    names = [tool.name for tool in request.tools if tool.name or isinstance(tool, own)]
    return [*names, *called(request)]


def _spoken_of(name: str) -> Block:
    """A tool of which only earlier calls are left."""
    spec = {"name": name, "inputSchema": {"json": {"type": "object", "properties": {}}}}
    return {"toolSpec": spec}


def _user(text: str) -> Block:
    return {"role": "user", "content": [{"text": text}]}


def _trim(message: Block) -> None:
    """A prefill must not end in white space (traps T84)."""
    content = message["content"]
    block = content[-1] if isinstance(content, list) else None
    if isinstance(block, dict) and isinstance(block.get("text"), str):
        block["text"] = str(block["text"]).rstrip()


def _mark_last(messages: list[Block], marker: Block | None) -> None:
    """The request's own marker stands at the end of what there is."""
    content = messages[-1]["content"]
    if marker is not None and isinstance(content, list):
        content[-1].setdefault("cache_control", marker)
