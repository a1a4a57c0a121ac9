"""The usual whole answer, of texts, refusals, reasoning and calls, without the events of a stream.

Nothing here is another truth: what is written is what the last event of a stream would say, and a
test holds that for every recorded answer.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.losses import LossLog, LossWarning
from plexus.transformers.openai_responses.answer import (
    CallNames,
    complete,
    estimated,
    is_readable,
    note_citations,
    note_finish,
    opening,
    tokens_of,
)
from plexus.transformers.openai_responses.citations import format_citation
from plexus.transformers.openai_responses.format_parts import Wire, item_fields, own_fields
from plexus.transformers.openai_responses.ids import made_id
from plexus.transformers.openai_responses.losses import NAME, RESPONSE_LOSSES
from plexus.transformers.openai_responses.slots import call_item, reasoning_item, sealed
from plexus.unified.content import (
    Content,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import UnifiedChatResponse

_encode = msgspec.json.Encoder().encode
_text = msgspec.json.Decoder(str).decode


def write_whole(
    response: UnifiedChatResponse, request: UnifiedChatRequest
) -> tuple[bytes, tuple[LossWarning, ...]] | None:
    """The ``response`` object, or None for an answer that holds anything else."""
    if len(response.choices) != 1:
        return None
    choice = response.choices[0]
    parts = choice.message.content
    if choice.index or not all(map(_is_usual, parts)):
        return None
    log = LossLog(RESPONSE_LOSSES)
    head = opening(response, request, log)
    items = _Items(response, request, log)
    if choice.logprobs is not None:
        items.tokens = tokens_of(choice.logprobs)
    for part in parts:
        _WRITE[type(part)](items, part)
    note_finish(choice.finish, items.native, log)
    usage = response.usage
    if usage is None:
        usage = estimated(request, sum(map(_characters, parts)))
    whole = complete(head, items.done, choice.finish, usage, items.refused, items.native)
    return _encode(whole), log.warnings


def _is_usual(part: Content) -> bool:
    return type(part) in _WRITE and not (type(part) is ThinkingContent and part.redacted)


class _Items:
    """The items of one answer, each part complete when it comes.

    Texts next to each other are parts of one message item.  ``tokens`` are log-probabilities of the
    next text.
    """

    def __init__(
        self, response: UnifiedChatResponse, request: UnifiedChatRequest, log: LossLog
    ) -> None:
        self.done: list[Wire | Raw] = []
        self.native = response.dialect == NAME
        self.refused = False
        self.tokens: list[Raw] = []
        self._seed = response.id or request.source.request_id
        self._request = request
        self._log = log
        self._names: CallNames | None = None
        self._message: Wire | None = None

    def text(self, part: TextContent) -> None:
        if part.proof is not None:
            self._note_proof()
        text = part.text
        if text or self.native:
            tokens: list[Raw] = []
            if text and self.tokens:
                tokens, self.tokens = self.tokens, []
            wire: Wire = {
                "type": "output_text",
                "text": text,
                "annotations": [],
                "logprobs": tokens,
            }
            if part.ext or part.citations:
                wire.update(own_fields(part))
                found = [format_citation(citation, text) for citation in part.citations]
                wire["annotations"] = [citation for citation in found if citation is not None]
            self._say(part, wire)
        if part.citations:
            note_citations(part, self._log)
        if part.proof is not None:
            self._late_proof(part)

    def refusal(self, part: RefusalContent) -> None:
        if part.proof is not None:
            self._note_proof()
        if part.text:
            self.refused = True
        if part.text or self.native:
            self._say(part, {"type": "refusal", "refusal": part.text})
        if part.proof is not None:
            self._late_proof(part)

    def thinking(self, part: ThinkingContent) -> None:
        """Its text is a summary here, except a provider's own; see ``slots.ReasoningSlot``."""
        self._message = None
        proof = part.proof
        if proof is not None:
            self._note_proof()
        text, summary = "", [piece for piece in part.summary or () if piece]
        if not is_readable(self._request):
            summary = []
        elif self.native:
            text = part.text
        elif part.text:
            summary = [part.text]
        if not (summary or proof is not None or self.native):
            return
        own = part.id if self.native else None
        if not self.native:
            proof = sealed(proof)
        item = reasoning_item(own or self._made_id("rs_"), summary, proof)
        if text:
            item["content"] = [{"type": "reasoning_text", "text": text}]
        if self.native:
            item.update(own_fields(part))
        self.done.append(item)

    def call(self, part: ToolCallContent) -> None:
        self._message = None
        if part.proof is not None:
            self._note_proof()
            self._late_proof(part)
        if self._names is None:
            self._names = CallNames(self._request)
        custom = part.kind == "custom"
        own = part.item_id if self.native else None
        item_id = own or self._made_id("ctc_" if custom else "fc_")
        text = part.arguments or ("" if custom else "{}")
        item = call_item(part, item_id, self._names(part), "completed", text)
        if self.native:
            item.update(part.ext.get(NAME, {}))
        self.done.append(item)

    def _say(self, part: Content, wire: Wire) -> None:
        """One more part of the open message; an id its provider gave tells items apart."""
        fields = item_fields(part)
        message = self._message
        item_id = _text(fields["id"]) if "id" in fields else None
        if message is None or item_id not in (None, message["id"]):
            message = self._message = {
                "id": item_id or self._made_id("msg_"),
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [],
            }
            self.done.append(message)
        message["content"].append(wire)
        if "phase" in fields:
            message["phase"] = fields["phase"]
        message["status"] = fields.get("status", "completed")

    def _late_proof(self, part: Content) -> None:
        """A reasoning item for the proof of a part that has no place for one."""
        self._message = None
        self.done.append(reasoning_item(self._made_id("rs_"), [], part.proof))

    def _note_proof(self) -> None:
        if not self.native:
            self._log.note("response.thinking.proof")

    def _made_id(self, prefix: str) -> str:
        return made_id(prefix, f"{self._seed} {len(self.done)}")


_WRITE: dict[type, Callable[[_Items, Any], None]] = {
    TextContent: _Items.text,
    RefusalContent: _Items.refusal,
    ThinkingContent: _Items.thinking,
    ToolCallContent: _Items.call,
}


def _characters(part: Content) -> int:
    if isinstance(part, ToolCallContent):
        return len(part.arguments)
    if isinstance(part, ThinkingContent):
        return len(part.text) + sum(map(len, part.summary or ()))
    return len(part.text) if isinstance(part, TextContent | RefusalContent) else 0
