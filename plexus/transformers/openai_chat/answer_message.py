"""The message of a finished choice, unified to a chat client (mappings.md §12, §13, §15)."""

from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.annotations import format_annotation
from plexus.transformers.openai_chat.content import format_image
from plexus.transformers.openai_chat.finish import APPROXIMATED, format_finish
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.thinking import format_details, format_of, readable
from plexus.unified.content import (
    AudioContent,
    CompactionContent,
    Content,
    ImageContent,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import Choice

Wire = dict[str, Any]
TOKENS = frozenset({NAME, "openai-responses"})
"""Provider dialects whose log-probabilities have chat's form."""

_members = msgspec.json.Decoder(dict[str, Raw]).decode


def format_message(choice: Choice, request: UnifiedChatRequest, log: LossLog, dialect: str) -> Wire:
    """One entry of ``choices``."""
    sorted_out = _Sorted(log, f"choices[{choice.index}].message")
    for part in choice.message.content:
        sorted_out.add(part)
    calls, refusal = bool(sorted_out.calls), sorted_out.refusal
    legacy = request.source.legacy_functions
    if choice.finish.reason in APPROXIMATED:
        log.note("response.finish")
    if choice.finish.stop_sequence is not None:
        log.note("response.stop_sequence")
    logprobs = choice.logprobs
    if logprobs is not None and dialect not in TOKENS:
        log.note("response.logprobs")
        logprobs = None
    message = sorted_out.message(wants_reasoning(request), legacy)
    out: Wire = {
        "index": choice.index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": format_finish(choice.finish, calls, bool(refusal), legacy),
    }
    if dialect == NAME:
        for name, value in choice.ext.get(NAME, {}).items():
            if name == "message":
                message.update((k, v) for k, v in _members(value).items() if k not in message)
            else:
                out.setdefault(name, value)
    return out


def wants_reasoning(request: UnifiedChatRequest) -> bool:
    """Clients get readable reasoning unless they said no (mappings.md §3.5)."""
    return request.reasoning is None or request.reasoning.include is not False


def format_call(part: ToolCallContent) -> Wire:
    """A whole call; a Gemini signature stays with it (canonical.md §6)."""
    if part.kind == "custom":
        custom = {"name": part.name, "input": part.arguments}
        out: Wire = {"id": part.id, "type": "custom", "custom": custom}
    else:
        function = {"name": part.name, "arguments": part.arguments or "{}"}
        out = {"id": part.id, "type": "function", "function": function}
    if part.proof is not None and part.proof.origin.family == "gemini":
        out["extra_content"] = extra_content(part.proof)
    return out


def extra_content(proof: Proof) -> Wire:
    return {"google": {"thought_signature": proof.value}}


def proof_detail(proof: Proof, call_id: str, index: int) -> Wire:
    """The ``reasoning_details`` entry of a proof on a call."""
    return {
        "type": "reasoning.encrypted",
        "data": proof.value,
        "format": format_of(proof),
        "id": call_id,
        "index": index,
    }


def format_audio(part: AudioContent) -> Wire:
    return {
        "id": part.id or "",
        "data": part.source.data if part.source is not None else "",
        "expires_at": part.expires_at or 0,
        "transcript": part.transcript or "",
    }


class _Sorted:
    """Parts of one message by the member they go to."""

    def __init__(self, log: LossLog, path: str) -> None:
        self.calls: list[ToolCallContent] = []
        self.refusal: str | None = None
        self._log = log
        self._path = path
        self._texts: list[str] = []
        self._length = 0
        self._annotations: list[Any] = []
        self._thinking: list[ThinkingContent] = []
        self._signed: list[tuple[Proof, str]] = []
        self._text_proof: Proof | None = None
        self._audio: AudioContent | None = None
        self._images: list[Wire] = []

    def add(self, part: Content) -> None:
        match part:
            case TextContent():
                self._text(part)
            case ThinkingContent():
                self._thinking.append(part)
            case ToolCallContent():
                self.calls.append(part)
                if part.proof is not None:
                    self._signed.append((part.proof, part.id))
            case RefusalContent(text=text):
                self.refusal = (self.refusal or "") + text
            case AudioContent():
                self._audio = part
            case ImageContent():
                self._images.append(format_image(part.source, None))
            case ServerToolCallContent() | ServerToolResultContent():
                self._log.note("response.server_tools", self._path)
            case CompactionContent():
                self._log.note("response.compaction", self._path)
            case _:
                self._log.note("response.opaque", self._path)

    def _text(self, part: TextContent) -> None:
        if self.calls and part.text:
            self._log.note("response.order", self._path)
        for citation in part.citations:
            wire = format_annotation(citation, self._length, len(part.text))
            if wire is None:
                self._log.note("response.citations", self._path)
            else:
                self._annotations.append(wire)
        if part.proof is not None:
            self._text_proof = part.proof
        self._texts.append(part.text)
        self._length += len(part.text)

    def message(self, reasoning: bool, legacy: bool) -> Wire:
        silent = self.calls or self.refusal is not None or self._audio is not None
        text = "".join(self._texts)
        out: Wire = {"role": "assistant", "content": text if text or not silent else None}
        out["refusal"] = self.refusal
        if reasoning and (self._thinking or self._signed or self._text_proof is not None):
            self._reasoning(out)
        if legacy and self.calls:
            first = self.calls[0]
            out["function_call"] = {"name": first.name, "arguments": first.arguments or "{}"}
        elif self.calls:
            out["tool_calls"] = [format_call(call) for call in self.calls]
        if self._annotations:
            out["annotations"] = self._annotations
        if self._audio is not None:
            out["audio"] = format_audio(self._audio)
        if self._images:
            out["images"] = self._images
        return out

    def _reasoning(self, out: Wire) -> None:
        text = "\n\n".join(filter(None, map(readable, self._thinking)))
        if text:
            out["reasoning_content"] = text
        details = format_details(self._thinking)
        for proof, call_id in self._signed:
            details.append(proof_detail(proof, call_id, len(details)))
        if details:
            out["reasoning_details"] = details
        if self._text_proof is not None:
            out["extra_content"] = extra_content(self._text_proof)
        proved = self._signed or self._text_proof is not None
        if proved or any(part.proof is not None for part in self._thinking):
            self._log.note("response.thinking.proof", self._path)
