"""Claude on a cloud: what its Messages body may say there (reference/bedrock-vertex.md §2)."""

from fnmatch import fnmatchcase

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from plexus.streaming.document import JsonBody
from plexus.transformers.base import Headers, WireRequest
from plexus.transformers.losses import Loss, LossLog, table

BETA = "anthropic-beta"

LOSSES = table(
    (
        Loss(
            "betas",
            "lost",
            "betas that the cloud is not known to take are left out",
            "bedrock-vertex §2",
        ),
        Loss(
            "platform.fields",
            "lost",
            "fields of betas and of Anthropic's own API are left out",
            "bedrock-vertex §2",
        ),
        Loss(
            "part.image.url",
            "refused",
            "Claude on this cloud takes pictures and documents as base64 only; Plexus fetches none",
            "bedrock-vertex §2",
        ),
    )
)

_FIELDS = {
    "context_management": "context-management-*",
    "container": "",
    "diagnostics": "",
    "fallbacks": "",
    "inference_geo": "",
    "mcp_servers": "",
    "speed": "",
}
"""Top-level members that are no member there, and the beta that makes them one."""

_BINDING, _BINDING_BETA = "block_binding", "thinking-binding-controls-*"
"""The member of ``thinking`` that a beta makes one."""

_TOOL_FIELDS = ("allowed_callers", "defer_loading", "eager_input_streaming", "input_examples")
_TOOL_MARKS = tuple(f'"{name}"'.encode() for name in _TOOL_FIELDS)

_raws = msgspec.json.Decoder(list[Raw]).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode


class Prepared(Struct, frozen=True):
    """A body without ``model``, with its version; the betas that may stay; all other headers."""

    wire: WireRequest
    betas: tuple[str, ...]


def prepare(
    wire: WireRequest, version: str, allowed: tuple[str, ...], changes: dict[str, bytes | None]
) -> Prepared:
    """``allowed`` are patterns of betas.  Raises PlexusError (400) for media given by address."""
    log = LossLog(LOSSES)
    body = JsonBody.parse(wire.body)
    betas = _betas(wire.headers, allowed, log)
    changes = {"model": None, **changes, "anthropic_version": msgspec.json.encode(version)}
    for name, beta in _FIELDS.items():
        kept = beta and any(fnmatchcase(own, beta) for own in betas)
        if name in body.fields and not kept:
            log.note("platform.fields", name)
            changes[name] = None
    thinking = body.fields.get("thinking")
    may_bind = any(fnmatchcase(own, _BINDING_BETA) for own in betas)
    if thinking is not None and _BINDING.encode() in bytes(thinking) and not may_bind:
        changes["thinking"] = _plain_thinking(thinking, log)
    tools = body.fields.get("tools")
    if tools is not None and any(mark in bytes(tools) for mark in _TOOL_MARKS):
        changes["tools"] = _plain_tools(tools, log)
    _check_media(body, log)
    headers = tuple(pair for pair in wire.headers if not pair[0].startswith("anthropic-"))
    wire = replace(
        wire,
        body=body.edit(changes),
        headers=headers,
        warnings=wire.warnings + log.warnings,
    )
    return Prepared(wire, betas)


def _betas(headers: Headers, allowed: tuple[str, ...], log: LossLog) -> tuple[str, ...]:
    given = [beta.strip() for name, value in headers if name == BETA for beta in value.split(",")]
    given = [beta for beta in dict.fromkeys(given) if beta]
    kept = [beta for beta in given if any(fnmatchcase(beta, known) for known in allowed)]
    if len(kept) < len(given):
        log.note("betas", BETA)
    return tuple(kept)


def _plain_thinking(thinking: Raw, log: LossLog) -> bytes:
    try:
        members = _members(thinking)
    except msgspec.MsgspecError:
        return bytes(thinking)
    if members.pop(_BINDING, None) is not None:
        log.note("platform.fields", f"thinking.{_BINDING}")
    return msgspec.json.encode(members)


def _plain_tools(tools: Raw, log: LossLog) -> bytes:
    """The tools without the members that only betas know; what is malformed stays as it is."""
    try:
        written = []
        for number, raw in enumerate(_raws(tools)):
            if any(mark in bytes(raw) for mark in _TOOL_MARKS):
                members = _members(raw)
                for name in _TOOL_FIELDS:
                    if members.pop(name, None) is not None:
                        log.note("platform.fields", f"tools[{number}].{name}")
                raw = Raw(msgspec.json.encode(members))
            written.append(raw)
        return msgspec.json.encode(written)
    except msgspec.MsgspecError:
        return bytes(tools)


class _Source(Struct):
    type: str = ""


class _Block(Struct):
    source: _Source | None = None
    content: Raw = Raw()


class _Message(Struct):
    content: Raw = Raw()


_messages = msgspec.json.Decoder(list[_Message]).decode
_block = msgspec.json.Decoder(_Block).decode


def _check_media(body: JsonBody, log: LossLog) -> None:
    """Raises PlexusError where a picture or document is an address or a file id."""
    messages = body.fields.get("messages")
    if messages is None or not (b'"url"' in bytes(messages) or b'"file"' in bytes(messages)):
        return
    try:
        found = _messages(messages)
    except msgspec.MsgspecError:
        return
    for number, message in enumerate(found):
        _check_blocks(message.content, f"messages[{number}].content", log)


def _check_blocks(content: Raw, path: str, log: LossLog) -> None:
    if not bytes(content).lstrip().startswith(b"["):
        return
    for number, raw in enumerate(_raws(content)):
        try:
            block = _block(raw)
        except msgspec.MsgspecError:
            # A search result's source is text; the provider judges the rest.
            continue
        if block.source is not None and block.source.type in ("url", "file"):
            log.note("part.image.url", f"{path}[{number}].source")
        _check_blocks(block.content, f"{path}[{number}].content", log)


def is_messages_error(body: bytes) -> bool:
    """Whether an error's body is Anthropic's own."""
    try:
        return bytes(_members(body).get("type", b"")) == b'"error"'
    except msgspec.MsgspecError:
        return False
