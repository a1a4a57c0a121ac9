"""What to do differently after a provider's 400: the reactive fixes of errors.md §5.

A refusal is read for a fact about the target (a member it does not take, another name, a role), and
the fact is a change of its Capabilities: the formatter then writes the request right, and reports
what is lost by the rows it has for that.  A few refusals are about one conversation only; those
change the request and are not remembered.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from plexus.streaming.document import DocumentError, JsonBody
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.proofs import SENTINEL
from plexus.unified.content import Content, Origin, Proof, ThinkingContent, ToolCallContent
from plexus.unified.request import Reasoning, UnifiedChatRequest, UnifiedMessage


class Repair(Struct, frozen=True, kw_only=True):
    """One fact learned from a refusal.

    ``capabilities``: fields with their new values.  ``drop``: members to leave out.  ``beta``: a
    value of ``anthropic-beta`` to leave out, ``*`` for all.  ``without_proofs``: signatures and
    encrypted reasoning; ``without_thinking``: thinking is switched off; ``without_ids``: of items.
    ``with_sentinels``: calls without a signature of Gemini's get the one that is not checked.
    ``lasting``: true of the target, not of one conversation.
    """

    name: str
    capabilities: dict[str, Any] = {}
    drop: tuple[str, ...] = ()
    beta: str | None = None
    without_proofs: bool = False
    without_thinking: bool = False
    without_ids: bool = False
    with_sentinels: bool = False
    lasting: bool = True


Repairs = tuple[Repair, ...]


def applied(target: TargetModel, repairs: Repairs) -> TargetModel:
    """The target as it is known after ``repairs``."""
    known = target.capabilities
    for repair in repairs:
        if repair.capabilities:
            known = replace(known, **repair.capabilities)
        more = [name for name in repair.drop if name not in (known.drop or ())]
        if more:
            known = replace(known, drop=(*(known.drop or ()), *more))
    return target if known is target.capabilities else replace(target, capabilities=known)


def rewritten(request: UnifiedChatRequest, repairs: Repairs) -> UnifiedChatRequest:
    """The request without what these repairs take out of a conversation."""
    for repair in repairs:
        if repair.without_thinking:
            off = Reasoning(effort="none", enabled=False, mode="off")
            request = replace(request, reasoning=off)
        if repair.without_proofs:
            request = _changed(request, _unproved)
        if repair.with_sentinels:
            request = _changed(request, _signed)
        if repair.without_ids:
            request = _changed(request, _unnamed)
    return request


def _changed(
    request: UnifiedChatRequest, change: Callable[[UnifiedMessage], UnifiedMessage]
) -> UnifiedChatRequest:
    return replace(request, messages=tuple(map(change, request.messages)))


def _unproved(message: UnifiedMessage) -> UnifiedMessage:
    """Without thinking that carries a proof, and without proofs of other parts."""
    kept: list[Content] = []
    for part in message.content:
        if part.proof is None:
            kept.append(part)
        elif not isinstance(part, ThinkingContent):
            kept.append(replace(part, proof=None))
    return replace(message, content=tuple(kept))


def _signed(message: UnifiedMessage) -> UnifiedMessage:
    """With Google's sentinel on the first call of a turn, where no call has a signature."""
    calls = message.tool_calls
    if not calls or any(call.proof is not None for call in calls):
        return message
    first = next(n for n, part in enumerate(message.content) if part is calls[0])
    signed = replace(calls[0], proof=_SENTINEL)
    return replace(
        message, content=(*message.content[:first], signed, *message.content[first + 1 :])
    )


_SENTINEL = Proof(SENTINEL, "signature", Origin("gemini"))
"""Documented by Google for histories that another model wrote (canonical.md §6)."""


def _unnamed(message: UnifiedMessage) -> UnifiedMessage:
    """Without ids of items, and without reasoning that only an id ties to its call."""
    kept: list[Content] = []
    for part in message.content:
        if isinstance(part, ToolCallContent):
            kept.append(replace(part, item_id=None))
        elif not isinstance(part, ThinkingContent):
            kept.append(part)
    return replace(message, id=None, content=tuple(kept))


def headers_without(
    headers: tuple[tuple[str, str], ...], repairs: Repairs
) -> tuple[tuple[str, str], ...]:
    """Headers without the betas that the provider refused."""
    refused = {repair.beta for repair in repairs if repair.beta is not None}
    if not refused:
        return headers
    kept = []
    for name, value in headers:
        if name == "anthropic-beta":
            betas = [beta.strip() for beta in value.split(",")]
            value = ",".join(b for b in betas if b not in refused and "*" not in refused)
            if not value:
                continue
        kept.append((name, value))
    return tuple(kept)


def body_edits(body: JsonBody, repairs: Repairs) -> dict[str, bytes | None]:
    """The same facts as edits of a client's own bytes (pass-through, where that is enabled).

    Top-level members, the roles of messages, and Claude's thinking, all of it: more would be a
    translation.
    """
    changes: dict[str, bytes | None] = {}
    for repair in repairs:
        if repair.without_proofs:
            changes.update(_thoughtless(body))
        changes.update({name: None for name in repair.drop if name in body.fields})
        for name, value in repair.capabilities.items():
            changes.update(_edits(body, name, value))
    return changes


def _edits(body: JsonBody, name: str, value: Any) -> dict[str, bytes | None]:
    fields = body.fields
    match name, value:
        case "max_tokens_field", str():
            other = _OTHER_LIMIT[value]
            if other in fields and value not in fields:
                return {other: None, value: bytes(fields[other])}
        case "stream_usage", "never":
            return {"stream_options": None} if "stream_options" in fields else {}
        case "thinking_form", "none":
            return {"reasoning_effort": None} if "reasoning_effort" in fields else {}
        case "temperature_or_top_p", True:
            return {"top_p": None} if {"temperature", "top_p"} <= fields.keys() else {}
        case "tool_choices", ():
            return {"tool_choice": None} if "tool_choice" in fields else {}
        case "stop_max", 0:
            return {"stop": None} if "stop" in fields else {}
        case "system_role", "system":
            return _roles(body)
    return {}


def _roles(body: JsonBody) -> dict[str, bytes | None]:
    """``developer`` messages as ``system`` messages; every other byte of them stays."""
    try:
        messages = _raws(body.fields.get("messages", b"null"))
        written = [_as_system(bytes(message)) for message in messages]
    except (DocumentError, msgspec.DecodeError):
        return {}
    if all(old == new for old, new in zip(messages, written, strict=True)):
        return {}
    return {"messages": b"[%b]" % b",".join(written)}


def _as_system(message: bytes) -> bytes:
    if b'"developer"' not in message:
        return message
    document = JsonBody.parse(message)
    if bytes(document.fields.get("role", b"")) != b'"developer"':
        return message
    return document.edit({"role": b'"system"'})


def _thoughtless(body: JsonBody) -> dict[str, bytes | None]:
    """Messages without blocks of thinking; a budget for it would demand them after a call."""
    try:
        messages = _raws(body.fields.get("messages", b"null"))
        kept = [written for message in messages if (written := _without_thoughts(bytes(message)))]
        thinking = _type(body.fields.get("thinking", b"{}")).type
    except (DocumentError, msgspec.DecodeError):
        return {}
    if [bytes(message) for message in messages] == kept:
        return {}
    changes: dict[str, bytes | None] = {"messages": b"[%b]" % b",".join(kept)}
    if thinking == "enabled" and any(b'"tool_use"' in message for message in kept[-2:]):
        changes["thinking"] = b'{"type":"disabled"}'
    return changes


def _without_thoughts(message: bytes) -> bytes:
    """Every other byte of it stays; empty when nothing but thinking was in it."""
    if b'thinking"' not in message:
        return message
    document = JsonBody.parse(message)
    content = bytes(document.fields.get("content", b""))
    if not content.startswith(b"["):
        return message
    blocks = _raws(content)
    kept = [bytes(block) for block in blocks if _type(block).type not in _THOUGHTS]
    if len(kept) == len(blocks):
        return message
    return document.edit({"content": b"[%b]" % b",".join(kept)}) if kept else b""


_THOUGHTS = ("thinking", "redacted_thinking")


class _Type(Struct):
    type: str = ""


_type = msgspec.json.Decoder(_Type).decode
_raws = msgspec.json.Decoder(list[Raw]).decode
_OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
