"""What an attempt's failure means for the next target: one table (reliability.md §3.3)."""

from enum import Enum

import msgspec
from msgspec import Raw

from plexus.transformers.base import ClientCall
from plexus.unified.errors import ErrorKind, UnifiedError


class Verdict(Enum):
    """``NEXT``: try the next target.  ``RETURN``: the client gets this error."""

    NEXT = "next"
    RETURN = "return"


VERDICTS: dict[ErrorKind, Verdict] = {
    # The client's request: another target will not mend it.
    "invalid_request": Verdict.RETURN,
    "context_length": Verdict.RETURN,
    "content_filter": Verdict.RETURN,
    "too_large": Verdict.RETURN,
    "cancelled": Verdict.RETURN,
    # This target cannot say it; another one may.
    "unsupported": Verdict.NEXT,
    # The target's account, model or health.
    "authentication": Verdict.NEXT,
    "billing": Verdict.NEXT,
    "permission": Verdict.NEXT,
    "not_found": Verdict.NEXT,
    "conflict": Verdict.NEXT,
    "rate_limit": Verdict.NEXT,
    "quota": Verdict.NEXT,
    "server": Verdict.NEXT,
    "upstream": Verdict.NEXT,
    "overloaded": Verdict.NEXT,
    "timeout": Verdict.NEXT,
}
CLIENT_STATUSES = frozenset({400, 413, 422})
_TARGET_STATUSES = frozenset({408, 409, 425, 429})
LOSS_CODE = "plexus_loss"


def judge(error: UnifiedError, status: int | None = None) -> Verdict:
    """The verdict on ``error``; ``status`` is the provider's HTTP status when it answered at all.

    A kind read from the provider's words counts more than its status, but a status that is about
    the target (408, 409, 425, 429) is never held against the client.
    """
    if error.code == LOSS_CODE:
        return Verdict.NEXT
    if status in _TARGET_STATUSES:
        return Verdict.NEXT
    if status in CLIENT_STATUSES and error.kind == "unsupported":
        return Verdict.RETURN
    return VERDICTS[error.kind]


_FUNCTIONS = frozenset({None, "function", "custom"})


def repeatable(call: ClientCall) -> bool:
    """Whether a request that was sent but not answered may be sent to another target.

    Not when it makes the provider act or keep something: stored or background responses,
    server-side tools, MCP servers.
    """
    fields = call.body.fields
    if any(bytes(fields.get(name, b"")) == b"true" for name in ("store", "background")):
        return False
    if "mcp_servers" in fields or "web_search_options" in fields:
        return False
    if "contents" in fields:
        return "tools" not in fields or _only_declarations(fields["tools"])
    return b'"type"' not in bytes(fields.get("tools", b"")) or _only_functions(fields["tools"])


class _Tool(msgspec.Struct):
    type: str | None = None


_tools = msgspec.json.Decoder(list[_Tool]).decode
_entries = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_DECLARATIONS = frozenset({"functionDeclarations", "function_declarations"})


def _only_functions(tools: Raw) -> bool:
    try:
        return all(tool.type in _FUNCTIONS for tool in _tools(tools))
    except msgspec.DecodeError:
        # The dialect or the provider will say what is wrong with them.
        return True


def _only_declarations(tools: Raw) -> bool:
    """Gemini's: whatever is no list of functions is a tool that Google runs."""
    try:
        return all(entry.keys() <= _DECLARATIONS for entry in _entries(tools))
    except msgspec.DecodeError:
        return True
