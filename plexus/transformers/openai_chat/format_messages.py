"""Messages, unified to a chat provider (mappings.md §4, §5.5, §12)."""

from typing import Any

import msgspec
from msgspec.structs import replace

from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.openai_chat.answer_message import proof_detail
from plexus.transformers.openai_chat.content import format_text
from plexus.transformers.openai_chat.format_parts import Writing, compact, note_text, write_part
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.names import ToolNames, legal_id
from plexus.transformers.openai_chat.start import THINK_TAGS, opening
from plexus.transformers.openai_chat.thinking import format_details, readable
from plexus.transformers.placing import placed
from plexus.transformers.proofs import ROUTERS
from plexus.unified.content import (
    AudioContent,
    Content,
    DocumentContent,
    ImageContent,
    OpaqueContent,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)
from plexus.unified.request import Role, UnifiedMessage

Wire = dict[str, Any]
GEMINI = "gemini"
"""The family of Google's endpoint for OpenAI's clients, which signs calls (vendors.md §11)."""
NO_RESULT = "Error: no result was provided for this call"
_MEDIA = {ImageContent: "image", DocumentContent: "document", AudioContent: "audio"}


class MessageWriter:
    """Writes the messages of one request, in order.

    Results must follow their calls at once, so media of results wait until the results end; calls
    of other dialects that never got a result get a synthetic one.
    """

    def __init__(self, writing: Writing, names: ToolNames) -> None:
        self.messages: list[Wire] = []
        self._writing = writing
        self._names = names
        self._id_length = writing.target.capabilities.tool_id_length
        self._media: list[Any] = []
        self._waiting: dict[str, str] = {}

    def write(self, messages: tuple[UnifiedMessage, ...]) -> list[Wire]:
        for number, message in enumerate(messages):
            text = plain_text(message)
            if text is None:
                self.any_message(message, f"messages[{number}]")
                continue
            if self._waiting or self._media:
                self._settle()
            role: str = message.role
            if role == "system" or role == "developer":
                role = self._role(message.role)
            self.messages.append({"role": role, "content": text})
        self._settle()
        return self.messages

    def any_message(self, message: UnifiedMessage, path: str) -> None:
        """A message, whatever is in it."""
        if message.ext.keys() - {NAME}:
            self._writing.log.note("extra", path)
        if message.role == "assistant":
            self._settle()
            self._assistant(message, path)
            return
        others: list[tuple[str, Content]] = []
        for number, part in enumerate(message.content):
            where = f"{path}.content[{number}]"
            if isinstance(part, ToolResultContent):
                self._result(part, message, where)
            else:
                others.append((where, part))
        if others or message.role != "tool":
            self._said(message, others)

    def _said(self, message: UnifiedMessage, parts: list[tuple[str, Content]]) -> None:
        """A system, developer or user message."""
        wire = [write_part(part, where, self._writing) for where, part in parts]
        content = [part for part in wire if part is not None]
        had_results = len(parts) < len(message.content)
        if not content and (parts or had_results):
            return
        self._settle()
        out: Wire = {"role": self._role(message.role), "content": compact(content)}
        self._finish(out, message)

    def _role(self, role: Role) -> str:
        if role == "tool":
            return "user"
        wanted = self._writing.target.capabilities.system_role
        if wanted is not None and role in ("system", "developer"):
            # A role of its own is taken away last, when all system messages stand (system.py).
            return "system" if wanted == "user" else wanted
        return role

    def _finish(self, out: Wire, message: UnifiedMessage) -> None:
        if message.name is not None:
            out["name"] = message.name
        self._add(out, message)

    def _add(self, out: Wire, message: UnifiedMessage) -> None:
        """With the members only chat clients know, unless the vendor refuses strange ones."""
        own = message.ext.get(NAME, {}) if message.ext else {}
        if own and self._writing.target.capabilities.known_fields_only:
            self._writing.log.note("message.ext", "messages")
        else:
            out.update(own)
        self.messages.append(out)

    def _settle(self) -> None:
        """The results are over: missing ones are made up, moved media follow."""
        if self._waiting and not self._writing.native:
            for call_id, where in self._waiting.items():
                self._writing.log.note("part.tool_result.missing", where)
                self.messages.append(
                    {"role": "tool", "tool_call_id": call_id, "content": NO_RESULT}
                )
        self._waiting = {}
        if self._media:
            self.messages.append({"role": "user", "content": self._media})
            self._media = []

    # -- results ---------------------------------------------------------------------------------

    def _result(self, part: ToolResultContent, message: UnifiedMessage, path: str) -> None:
        call_id = legal_id(part.tool_call_id, self._id_length)
        if self._waiting.pop(call_id, None) is None and not self._writing.native:
            self._writing.log.note("part.tool_result.orphan", path)
            return
        self._foreign(part, path)
        content: list[Any] = []
        for number, inner in enumerate(part.content):
            content += self._result_part(inner, part.tool_call_id, f"{path}.content[{number}]")
        if part.is_error:
            self._writing.log.note("part.tool_result.is_error", path)
            content = _prefixed(content)
        out: Wire = {"role": "tool", "tool_call_id": call_id, "content": compact(content)}
        self._add(out, message)

    def _result_part(self, part: Content, call_id: str, path: str) -> list[Any]:
        wire = write_part(part, path, self._writing)
        if wire is None:
            return []
        kind = _MEDIA.get(type(part))
        is_text = isinstance(wire, dict) and wire.get("type") == "text"
        if kind is None or is_text or self._writing.native:
            return [_bare(wire) if is_text else wire]
        self._writing.log.note("part.tool_result.media", path)
        self._media.append(wire)
        label = f"[{kind} {len(self._media)} of tool result {call_id} below]"
        return [format_text(label)]

    # -- assistant -------------------------------------------------------------------------------

    def _assistant(self, message: UnifiedMessage, path: str) -> None:
        content: list[Any] = []
        calls: list[Wire] = []
        refusal: list[str] = []
        out: Wire = {"role": "assistant"}
        if self._writing.may_replay(GEMINI) and not self._writing.native:
            message = _signed(message)
        for number, part in enumerate(message.content):
            where = f"{path}.content[{number}]"
            match part:
                case ThinkingContent():
                    pass
                case TextContent(text="") if len(message.content) > 1 and not self._writing.native:
                    # Google ends a stream with one.
                    pass
                case ToolCallContent():
                    calls.append(self._call(part, where))
                case RefusalContent(text=text) if self._knows_refusals:
                    refusal.append(text)
                case AudioContent(id=audio_id) if audio_id is not None:
                    out["audio"] = {"id": audio_id}
                case _:
                    said = self._spoken(part, where)
                    if said is not None and calls:
                        self._writing.log.note("part.tool_call.order", where)
                    content += [] if said is None else [said]
        bare = calls or refusal or "audio" in out
        out["content"] = compact(content) if content or not bare else None
        if refusal:
            out["refusal"] = "".join(refusal)
        self._thinking(message, out, bool(calls), path)
        if calls:
            out["tool_calls"] = calls
        self._finish(out, message)

    @property
    def _knows_refusals(self) -> bool:
        return not self._writing.target.capabilities.known_fields_only

    def _spoken(self, part: Content, path: str) -> Any | None:
        """Text of an assistant message; what chat has no form for is told in words."""
        match part:
            case TextContent() | OpaqueContent():
                wire = write_part(part, path, self._writing)
                return _bare(wire) if isinstance(wire, dict) and not self._writing.native else wire
            case ImageContent() | DocumentContent() | AudioContent() | VideoContent():
                self._writing.log.note("part.opaque", path)
                return None
        text = note_text(part, path, self._writing)
        return None if text is None else format_text(text)

    def _call(self, part: ToolCallContent, path: str) -> Wire:
        call_id = legal_id(part.id, self._id_length)
        self._foreign(part, path)
        self._waiting[call_id] = path
        name = self._names(part.name)
        arguments = part.arguments or "{}"
        if part.kind == "custom":
            if self._writing.target.capabilities.custom_tools is not False:
                custom = {"name": name, "input": part.arguments}
                return {"id": call_id, "type": "custom", "custom": custom}
            self._writing.log.note("part.tool_call.custom", path)
            arguments = msgspec.json.encode({"input": part.arguments}).decode()
        function = {"name": name, "arguments": arguments}
        out: Wire = {"id": call_id, "type": "function", "function": function}
        proof, family = part.proof, self._writing.target.family
        if proof is not None and proof.origin.family == family == GEMINI:
            out["extra_content"] = {"google": {"thought_signature": proof.value}}
        return out

    def _foreign(self, part: Content, path: str) -> None:
        """Members of a call or a result that only another dialect knows."""
        if part.ext.keys() - {NAME}:
            self._writing.log.note("extra", path)

    def _thinking(self, message: UnifiedMessage, out: Wire, calls: bool, path: str) -> None:
        """Reasoning goes back only to a vendor that takes it, and never a foreign proof."""
        writing, field = self._writing, self._writing.reasoning_field
        came = self._as_it_came(message)
        capabilities = writing.target.capabilities
        kept: list[ThinkingContent] = []
        for part in message.thinking:
            if part.proof is not None and not writing.may_replay(part.proof.origin.family):
                writing.log.note("part.thinking.foreign", path)
            elif field is not None:
                kept.append(part)
            elif not came:
                writing.log.note("part.thinking", path)
        if field is None:
            out.update(came)
            return
        # DeepSeek refuses a call whose reasoning is missing, even an empty one (traps.md T80).
        if kept or (calls and capabilities.reasoning_echo == "required"):
            _put(out, field, "".join(map(readable, kept)), capabilities.think_tags or THINK_TAGS)
        if capabilities.known_fields_only:
            return
        router = writing.target.family in ROUTERS
        signed = [(p, call.id) for call in message.tool_calls if router and (p := call.proof)]
        proofs = [p for part in kept if (p := part.proof)] + [p for p, _ in signed]
        if proofs:
            details = format_details(kept, proofs[0])
            for proof, call_id in signed:
                call_id = legal_id(call_id, self._id_length)
                details.append(proof_detail(proof, call_id, len(details)))
            out["reasoning_details"] = details

    def _as_it_came(self, message: UnifiedMessage) -> dict[str, msgspec.Raw]:
        """The members of a chat client's reasoning, for a vendor that nothing is known of.

        They reach it in pass-through too; one that refuses them is repaired (errors.md §5).
        """
        capabilities = self._writing.target.capabilities
        if capabilities.reasoning_field is not None or capabilities.known_fields_only:
            return {}
        if not self._writing.native:
            return {}
        return {k: v for part in message.thinking for k, v in part.ext.get(NAME, {}).items()}


def plain_text(message: UnifiedMessage) -> str | None:
    """The text of a message that is one text and nothing else, whoever says it; None for others.

    Nearly all messages are such.  Nothing here is another truth: what is written of them is what
    ``any_message`` would write, and a test holds that for every recorded request.
    """
    parts = message.content
    if len(parts) != 1 or message.ext or message.name is not None or message.role == "tool":
        return None
    part = parts[0]
    if type(part) is not TextContent or part.cache_control or part.ext or part.citations:
        return None
    return None if part.text.startswith(ATTRIBUTION) else part.text


def _signed(message: UnifiedMessage) -> UnifiedMessage:
    """A turn whose calls carry their signatures, for which other dialects have no field (T27)."""
    items = placed(((part, "") for part in message.content), GEMINI)
    kept = (part for part, _ in items if not isinstance(part, TextContent) or part.text)
    return replace(message, content=tuple(kept))


def _put(out: Wire, field: str, text: str, tags: tuple[str, str]) -> None:
    """Reasoning of an earlier turn, in the vendor's place for it (vendors.md §1, §4, §6, §13)."""
    content = out["content"] or ""
    parts = [format_text(content)] if isinstance(content, str) and content else content or []
    match field:
        case "both":
            out["reasoning"] = out["reasoning_content"] = text
        case "chunks":
            chunk = {"type": "thinking", "thinking": [format_text(text)], "closed": True}
            out["content"] = [chunk, *parts] if text else content
        case "tags" if text:
            before, after = tags[0] or opening(tags[1]), tags[1]
            marked = f"{before}{text}{after}"
            plain = isinstance(content, str)
            out["content"] = marked + content if plain else [format_text(marked), *parts]
        case "tags":
            pass
        case _:
            out[field] = text


def _bare(part: Wire) -> Wire:
    """Assistant and tool texts carry no cache marker of OpenAI (openai-chat.md §2)."""
    part.pop("prompt_cache_breakpoint", None)
    return part


def _prefixed(content: list[Any]) -> list[Any]:
    for number, part in enumerate(content):
        if isinstance(part, dict) and part.get("type") == "text":
            changed = {**part, "text": "Error: " + part["text"]}
            return [*content[:number], changed, *content[number + 1 :]]
    return [format_text("Error: "), *content]
