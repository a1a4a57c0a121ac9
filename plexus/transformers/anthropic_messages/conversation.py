"""The turns of a conversation as the messages of a request (anthropic-messages.md §4)."""

from collections.abc import Iterable

from msgspec import Raw

from plexus.transformers.anthropic_messages.blocks import BlockWriter
from plexus.transformers.anthropic_messages.cache import Block
from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.anthropic_messages.turns import Turn, build_turns, without_media
from plexus.transformers.losses import LossLog
from plexus.unified.content import (
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
)
from plexus.unified.request import UnifiedMessage


def plain_turns(messages: Iterable[UnifiedMessage]) -> list[Block] | None:
    """The usual conversation, text of the user and the assistant, at a fifth of the full cost.

    None where anything else is said.  Nothing here is another truth: what is written is what
    ``any_turns`` would write, and a test holds that for every recorded request.
    """
    turns: list[Block] = []
    content: list[Block] = []
    last = ""
    for message in messages:
        role = message.role
        if (role != "user" and role != "assistant") or message.name is not None or message.ext:
            return None
        blocks: list[Block] = []
        for part in message.content:
            if type(part) is not TextContent or part.citations or part.ext or part.cache_control:
                return None
            text = part.text
            # Blank text is refused (traps T57).
            if text and not text.isspace():
                blocks.append({"type": "text", "text": text})
        if not blocks:
            continue
        if role == last:
            content += blocks
        else:
            turns.append({"role": role, "content": blocks})
            content, last = blocks, role
    return turns


def any_turns(
    messages: Iterable[UnifiedMessage],
    first: int,
    mid_system: bool,
    native: bool,
    writer: BlockWriter,
    log: LossLog,
) -> tuple[list[Block], bool]:
    """The turns behind the system prefix, and whether the last one is to be continued.

    ``first`` is the index of the first message; ``mid_system``: the model takes system messages
    between turns; ``native``: the client speaks this dialect.
    """
    turns = build_turns(messages, first, mid_system, log)
    out: list[Block] = []
    for turn in turns:
        if turn.role == "assistant" and not native:
            without_media(turn, log)
        _append(out, turn, writer)
    return out, bool(turns) and _paused(turns[-1])


def _append(messages: list[Block], turn: Turn, writer: BlockWriter) -> None:
    content: list[Block | Raw] = []
    for part, path in turn.items:
        block = writer.write(part, path, turn.ids)
        if block is not None:
            content.append(block)
    if not content:
        return
    last = messages[-1] if messages else None
    if last is not None and last["role"] == turn.role and turn.role != "system":
        existing = last["content"]
        if isinstance(existing, list):
            existing += content
    else:
        messages.append({"role": turn.role, "content": content, **turn.fields})


def _paused(turn: Turn) -> bool:
    """An assistant turn that ends in a server tool is sent back to be continued (§6)."""
    if turn.role != "assistant" or not turn.items:
        return False
    part = turn.items[-1][0]
    server = isinstance(part, ServerToolCallContent | ServerToolResultContent)
    return server and getattr(part, "dialect", "") == NAME
