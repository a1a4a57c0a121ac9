"""Tool definitions of a Converse request (reference/bedrock-vertex.md §3, mappings.md §5)."""

from collections.abc import Iterable

from msgspec import Raw

from plexus.transformers.anthropic_messages.cache import Block, CacheMarkers
from plexus.transformers.anthropic_messages.schema import object_schema, strict_schema
from plexus.transformers.bedrock_converse.models import NAME
from plexus.transformers.capabilities import Capabilities
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.names import ToolNames
from plexus.unified.errors import invalid, unsupported
from plexus.unified.request import (
    ClientBuiltinTool,
    CustomTool,
    FunctionTool,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedTool,
)

_CUSTOM_SCHEMA = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}


def called(request: UnifiedChatRequest) -> tuple[str, ...]:
    """Names of the tools that earlier turns called, each once."""
    calls = (call.name for message in request.messages for call in message.tool_calls)
    return tuple(dict.fromkeys(calls))


def forces(choice: ToolChoice) -> bool:
    return choice.mode in ("required", "function", "custom", "server") or choice.forced


class ToolFormatter:
    """Writes the tools of one request; ``claude``: strict schemas follow Claude's subset."""

    def __init__(
        self,
        names: ToolNames,
        caps: Capabilities,
        claude: bool,
        markers: CacheMarkers,
        log: LossLog,
    ) -> None:
        self._names = names
        self._caps = caps
        self._claude = claude
        self._markers = markers
        self._log = log
        self.custom: set[str] = set()
        """Names, as sent, of custom tools written as functions."""

    def format(self, tools: Iterable[UnifiedTool]) -> list[Block]:
        """Raises PlexusError for a tool this dialect cannot mean, or a name used twice."""
        out: list[Block] = []
        seen: set[str] = set()
        for index, tool in enumerate(tools):
            path = f"tools[{index}]"
            if tool.name and tool.name in seen:
                raise invalid("two tools have the same name", f"{path}.name")
            seen.add(tool.name)
            block = self._tool(tool, path)
            if block is not None:
                out.append(block)
        return out

    def _tool(self, tool: UnifiedTool, path: str) -> Block | None:
        match tool:
            case FunctionTool():
                block = self._function(tool, path)
                self._markers.mark("prefix", block, tool.cache_control)
                return block
            case CustomTool():
                return self._custom(tool, path)
            case ClientBuiltinTool():
                self._log.note("tool.builtin", path)
            case _:
                self._log.note("tool.server", path)
        return None

    def _name(self, name: str, path: str) -> str:
        legal = self._names(name)
        if legal != name:
            self._log.note("tool.name", f"{path}.name")
        return legal

    def _function(self, tool: FunctionTool, path: str) -> Block:
        spec: Block = {"name": self._name(tool.name, path)}
        if tool.description and tool.description.strip():
            spec["description"] = tool.description
        strict = tool.strict if self._caps.strict_tools is not False else None
        if strict != tool.strict and tool.strict:
            self._log.note("tool.strict", f"{path}.strict")
        schema: Raw | Block | None = object_schema(tool.parameters)
        if schema is None:
            raise unsupported("the parameters of a tool must be an object", f"{path}.parameters")
        if strict and self._claude:
            schema, weakened = strict_schema(schema)
            if weakened:
                self._log.note("tool.strict", f"{path}.strict")
        spec["inputSchema"] = {"json": schema}
        if strict:
            spec["strict"] = True
        for dialect, fields in tool.ext.items():
            if dialect != NAME and fields:
                self._log.note("tool.ext", path)
        return {"toolSpec": spec}

    def _custom(self, tool: CustomTool, path: str) -> Block:
        self._log.note("tool.custom", path)
        if any(tool.ext.values()):
            self._log.note("tool.ext", path)
        name = self._name(tool.name, path)
        self.custom.add(name)
        pieces = [tool.description] if tool.description else []
        if tool.format is not None:
            pieces.append(f"The input must follow this format: {bytes(tool.format).decode()}")
        spec: Block = {"name": name}
        if pieces:
            spec["description"] = "\n\n".join(pieces)
        spec["inputSchema"] = {"json": _CUSTOM_SCHEMA}
        return {"toolSpec": spec}
