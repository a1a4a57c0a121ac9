"""What a client strips from its history, given back (canonical.md §6, layer 2).

Pure: which turns are worth keeping and by which keys, which keys a request asks for, and where what
was kept goes.  Where it is kept is the gateway's business (``gateway/vault.py``).

A key is bound to what stands before the turn, for its thinking is.  Where an id is one of a kind
that is the question alone, which every client repeats.  Vendors that count their ids do so in every
conversation, at times in every answer, and words are said in many: there it is all that system and
user said, and the step after the question.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.ids import anthropic_id, is_made, openai_id
from plexus.transformers.proofs import ROUTERS, SENTINEL
from plexus.unified.chunks import (
    FinishReport,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
)
from plexus.unified.content import (
    Content,
    Proof,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.request import UnifiedChatRequest, UnifiedMessage

CHAT = "openai-chat"
GEMINI = "gemini"

Key = bytes

_DIGEST = 16
"""Bytes of a SHA-256 that are enough."""
_ID = "id "
_ID_LIMIT = 128
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""An id that no dialect changes."""
_RUN = re.compile(r"[A-Za-z0-9]{20,}")
"""So many letters and digits are no count."""
_DIGIT = re.compile(r"[0-9]")
_LEGAL = re.compile(r"(?:toolu|call)_[A-Za-z0-9]{24}")
"""What an id may have become that its client's dialect does not take (ids.py)."""
_PART_BYTES = 256
"""What a part costs beside its text, roughly."""


class Called(Struct, frozen=True):
    """A call of a turn, by the names it is found with."""

    names: tuple[str, ...]
    proof: Proof | None

    def __repr__(self) -> str:
        return "Called()"


class Spoken(Struct, frozen=True):
    """A text of a turn, by its digest."""

    digest: bytes
    proof: Proof | None

    def __repr__(self) -> str:
        return "Spoken()"


class Turn(Struct, frozen=True):
    """What the provider must see again of an answer, in order, and beside what it stood.

    ``family``: who reads thinking without a proof again.  ``size`` in bytes, at most about.  Its
    contents are shown in no log.
    """

    parts: tuple[ThinkingContent | TextContent | Called | Spoken, ...]
    family: str
    size: int

    def __repr__(self) -> str:
        return f"Turn({len(self.parts)} parts)"


class Kept(Struct, frozen=True):
    """A turn and all keys it can be found by; ``calls``: by its calls, else by its words."""

    keys: tuple[Key, ...]
    turn: Turn
    calls: bool = True


class Recalled(Struct, frozen=True):
    """A parsed request, and the turns that are known of its messages, by their index."""

    request: UnifiedChatRequest
    turns: Mapping[int, Sequence[Turn]] = {}


def takes_plain(dialect: str, target: TargetModel) -> bool:
    """Whether thinking without a proof goes back: a chat vendor wants it with its calls (T80)."""
    caps = target.capabilities
    takes = caps.reasoning_field is not None and caps.reasoning_field != "none"
    return dialect == CHAT and takes and caps.reasoning_echo is not None


# -- what to keep ------------------------------------------------------------------------------


def keep(
    parts: Sequence[Content], request: UnifiedChatRequest, target: TargetModel, dialect: str
) -> Kept | None:
    """What is worth keeping of an answer of ``target`` in ``dialect``, None for nothing.

    ``request``: as the client sent it, for it will send it so again.
    """
    calls = proofs = thoughts = False
    for part in parts:
        calls = calls or isinstance(part, ToolCallContent)
        proofs = proofs or _is_proof(part)
        thoughts = thoughts or _is_thought(part)
    if not (proofs or (calls and thoughts and takes_plain(dialect, target))):
        return None
    asked = _Asked(request.messages)
    asked.go_to(len(request.messages))
    by_content = request.source.dialect == GEMINI
    kept: list[ThinkingContent | TextContent | Called | Spoken] = []
    keys: list[Key] = []
    size = 0
    for part in parts:
        match part:
            case ThinkingContent():
                kept.append(part)
                size += _bytes(part.text) + sum(map(_bytes, part.summary or ()))
            case TextContent(text="") if part.proof is not None:
                # It stands beside nothing that a client would keep.
                kept.append(TextContent(text="", proof=part.proof))
            case TextContent():
                kept.append(Spoken(_digest(part.text), part.proof))
            case ToolCallContent():
                names = tuple(_names(part, by_content))
                kept.append(Called(names, part.proof))
                drawn = is_drawn(part)
                keys += [asked.key(name, drawn) for name in names]
            case _:
                continue
        size += _PART_BYTES + (0 if part.proof is None else len(part.proof.value))
    if not calls and (text := _text_name(parts)):
        keys.append(asked.key(text))
    if not keys:
        return None
    turn = Turn(tuple(kept), target.family, size)
    return Kept(tuple(dict.fromkeys(keys)), turn, calls)


class Recorder:
    """Watches a stream as its client gets it; what ``feed`` returns is to be kept.

    Only of the first choice: a client that asked for more goes on with one it does not name.
    """

    def __init__(self, request: UnifiedChatRequest, target: TargetModel, dialect: str) -> None:
        self._request = request
        self._target = target
        self._dialect = dialect
        self._open: set[int] = set()
        self._parts: dict[int, Content] = {}
        self._done = False

    def feed(self, chunk: StreamChunk) -> Kept | None:
        if isinstance(chunk, PartDelta):
            return None
        match chunk:
            case PartStart(index=index, choice=0):
                self._open.add(index)
            case PartStop(index=index, part=part) if index in self._open:
                self._open.discard(index)
                self._parts[index] = part
            case FinishReport(choice=0) if not self._open:
                return self._end()
            case MessageStop():
                return self._end()
            case _:
                pass
        return None

    def _end(self) -> Kept | None:
        """Clients leave as soon as they know how it finished."""
        if self._done:
            return None
        self._done = True
        parts = [self._parts[index] for index in sorted(self._parts)]
        return keep(parts, self._request, self._target, self._dialect)


# -- what to look for --------------------------------------------------------------------------


def wanted(
    request: UnifiedChatRequest, calls: bool = True, words: bool = True
) -> dict[int, tuple[Key, ...]]:
    """The keys of the turns that Plexus may know, by the index of their message.

    ``calls``, ``words``: whether turns with calls are looked for, and turns without.
    """
    found: dict[int, tuple[Key, ...]] = {}
    if not (calls or words):
        return found
    asked = _Asked(request.messages)
    for index, message in enumerate(request.messages):
        if message.role == "assistant":
            asked.go_to(index)
            if names := tuple(_turn_keys(message, asked, calls, words)):
                found[index] = names
    return found


def recalled(
    request: UnifiedChatRequest,
    keys: Mapping[int, Sequence[Key]],
    known: Mapping[Key, Turn],
) -> Recalled:
    """What was ``wanted`` with what is ``known`` of it."""
    if not known:
        return Recalled(request)
    turns: dict[int, Sequence[Turn]] = {}
    for index, names in keys.items():
        found = {id(turn): turn for name in names if (turn := known.get(name)) is not None}
        if found:
            turns[index] = tuple(found.values())
    return Recalled(request, turns)


def _turn_keys(message: UnifiedMessage, asked: "_Asked", calls: bool, words: bool) -> Iterator[Key]:
    spoken = True
    for part in message.content:
        if isinstance(part, ToolCallContent):
            spoken = False
            if not calls:
                break
            yield from _call_keys(part, asked)
    if spoken and words and (text := _text_name(message.content)):
        yield asked.key(text)


def _call_keys(call: ToolCallContent, asked: "_Asked") -> Iterator[Key]:
    drawn = is_drawn(call)
    if not _PLAIN.fullmatch(call.id) or is_made(call.id):
        # A client that leaves out ids gets ones that say nothing (ids.py).
        for name in _names(call, is_made(call.id)):
            yield asked.key(name, drawn)
        return
    yield asked.key(_ID + call.id, drawn)
    if _LEGAL.fullmatch(call.id):
        # What it was made from may be of the other kind.
        yield asked.key(_ID + call.id, not drawn)


def is_drawn(call: ToolCallContent) -> bool:
    """Whether an id is a random one, as far as it shows, and not one that counts.

    A count is short, or it is the name of the function that makes it long; digits at the end are
    the count.
    """
    if len(call.id) > _ID_LIMIT or is_made(call.id):
        return False
    own = call.id.replace(call.name, "") if call.name else call.id
    runs = _RUN.findall(own.replace("-", "").replace("_", ""))
    return any(_DIGIT.search(run.rstrip("0123456789")) for run in runs)


def _names(call: ToolCallContent, by_content: bool) -> Iterator[str]:
    """By its id, in every form a client may have been given it; by what it says."""
    yield _ID + call.id
    if not _PLAIN.fullmatch(call.id):
        yield _ID + anthropic_id(call.id, "toolu_")
        yield _ID + openai_id(call.id)
    if by_content:
        yield f"call {call.name} {_digest(_sorted(call.arguments)).hex()}"


def _text_name(parts: Iterable[Content]) -> str:
    """Empty when there is no text."""
    text = "".join(part.text for part in parts if isinstance(part, TextContent)).strip()
    return f"text {text}" if text else ""


class _Asked:
    """What was asked before a place in a conversation, and how many answers came after it.

    Each message is read once, and hashed at most once.
    """

    def __init__(self, messages: Sequence[UnifiedMessage]) -> None:
        self._messages = messages
        self._at = self._hashed = 0
        self._question = ""
        self._step = 0
        self._answered = False
        self._said = sha256()
        self._by_question = self._by_prefix = b""

    def go_to(self, index: int) -> None:
        """Only onwards."""
        for message in self._messages[self._at : index]:
            if message.role == "assistant":
                self._answered = True
                continue
            self._by_prefix = b""
            # An answer that a client has made several messages of is one step.
            self._step += self._answered
            self._answered = False
            if message.role == "user" and (text := message.text):
                self._question, self._step, self._by_question = text, 0, b""
        self._at = index

    def key(self, name: str, drawn: bool = False) -> Key:
        """Of a call or of words; ``drawn``: a call's id is found wherever its question is."""
        if not name.startswith(_ID):
            return (self._by_prefix or self._prefix()) + _digest(name)
        said = _encoded(name)
        said = said if len(said) <= _ID_LIMIT else _digest(name)
        if not drawn:
            return (self._by_prefix or self._prefix()) + said
        self._by_question = self._by_question or _digest(self._question)
        return self._by_question + said

    def _prefix(self) -> bytes:
        """Of what system and user said: neither what a client may strip, nor how it is cut."""
        for message in self._messages[self._hashed : self._at]:
            if message.role not in ("assistant", "tool"):
                self._said.update(_framed(message))
        self._hashed = self._at
        self._by_prefix = b"%b%d " % (self._said.digest()[:_DIGEST], self._step)
        return self._by_prefix


def _framed(message: UnifiedMessage) -> bytes:
    """What a message adds to the prefix, with its length: two are never taken for one."""
    texts = (part.text for part in message.content if isinstance(part, TextContent))
    text = _encoded("".join(t for t in texts if not t.startswith(ATTRIBUTION)).strip())
    kind = b"user" if message.role == "user" else b"system"
    return b"%b %d\n%b" % (kind, len(text), text) if text else b""


def _digest(text: str) -> bytes:
    return sha256(_encoded(text.strip())).digest()[:_DIGEST]


def _bytes(text: str) -> int:
    """What a text takes in memory, at most."""
    return len(text) if text.isascii() else 4 * len(text)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _sorted(arguments: str) -> str:
    """JSON as everybody writes it again."""
    try:
        return msgspec.json.encode(msgspec.json.decode(arguments), order="sorted").decode()
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return arguments


# -- where it goes -----------------------------------------------------------------------------


def restored(known: Recalled, target: TargetModel, dialect: str) -> UnifiedChatRequest:
    """The request with what its client stripped, as far as ``target`` may and can read it."""
    if not known.turns:
        return known.request
    plain = takes_plain(dialect, target) or target.family in ROUTERS
    messages = list(known.request.messages)
    for index, turns in known.turns.items():
        for turn in turns:
            usable = _Usable(target, plain and turn.family == target.family)
            messages[index] = _mended(messages[index], turn, usable)
    return replace(known.request, messages=tuple(messages))


class _Usable(Struct, frozen=True):
    """What a target reads again: proofs of its own family, a router any."""

    target: TargetModel
    plain: bool

    def proof(self, proof: Proof | None) -> Proof | None:
        if proof is None or not proof.value:
            return None
        family = self.target.family
        return proof if proof.origin.family == family or family in ROUTERS else None

    def thought(self, part: ThinkingContent | TextContent) -> bool:
        if part.proof is not None:
            return self.proof(part.proof) is not None
        return self.plain


def _mended(message: UnifiedMessage, turn: Turn, usable: _Usable) -> UnifiedMessage:
    """The message with the thinking and the proofs of its turn, in the turn's order.

    One with thinking of another origin is left alone, and so is one whose plain thinking is there.
    """
    known = {_bytes_of(p) for part in turn.parts if (p := usable.proof(part.proof)) is not None}
    thoughts = [part for part in message.content if isinstance(part, ThinkingContent)]
    if any(_is_proof(part) and _bytes_of(part.proof) not in known for part in thoughts):
        return message
    if not known:
        mine = [part for part in turn.parts if isinstance(part, ThinkingContent)]
        if any(map(_is_thought, thoughts)) or not any(map(usable.thought, mine)):
            return message
    rest = [part for part in message.content if not isinstance(part, ThinkingContent)]
    content = tuple(_placed(rest, turn, usable))
    return message if content == message.content else replace(message, content=content)


def _placed(rest: Sequence[Content], turn: Turn, usable: _Usable) -> list[Content]:
    """The parts of a turn without thinking, with it.

    Thinking stands before what it led to; what began the turn begins it.
    """
    out: list[Content] = []
    waiting: list[Content] = []
    at = 0
    for kept in turn.parts:
        if isinstance(kept, ThinkingContent | TextContent):
            if usable.thought(kept):
                waiting.append(kept)
            continue
        found = _find(rest, at, kept)
        if found is None:
            if isinstance(kept, Called):
                # The client has made two messages of the turn: its thinking is in the other one.
                waiting = []
            continue
        between = rest[at:found]
        out += [*between, *waiting] if out else [*waiting, *between]
        out.append(_signed(rest[found], kept, usable))
        waiting, at = [], found + 1
    return [*out, *rest[at:], *waiting] if out else [*waiting, *rest[at:]]


def _find(rest: Sequence[Content], at: int, kept: Called | Spoken) -> int | None:
    """Where the part is that ``kept`` was.

    A text may have been joined with others or trimmed: then it is the next one before a call.
    """
    if isinstance(kept, Called):
        for index in range(at, len(rest)):
            part = rest[index]
            if isinstance(part, ToolCallContent) and _is_named(part, kept.names):
                return index
        return None
    first: int | None = None
    for index in range(at, len(rest)):
        part = rest[index]
        if isinstance(part, ToolCallContent):
            break
        if isinstance(part, TextContent) and part.text:
            if _digest(part.text) == kept.digest:
                return index
            first = index if first is None else first
    return first


def _is_named(call: ToolCallContent, names: Sequence[str]) -> bool:
    if _ID + call.id in names:
        return True
    return any(name in names for name in _names(call, is_made(call.id)))


def _signed(part: Content, kept: Called | Spoken, usable: _Usable) -> Content:
    """With the proof it came with; Google's sentinel is none."""
    proof = usable.proof(kept.proof)
    if proof is None or (part.proof is not None and part.proof.value != SENTINEL):
        return part
    if isinstance(part, TextContent) and isinstance(kept, Spoken):
        return replace(part, proof=proof) if _digest(part.text) == kept.digest else part
    return replace(part, proof=proof)


def _is_proof(part: Content) -> bool:
    return part.proof is not None and part.proof.value not in ("", SENTINEL)


def _is_thought(part: Content) -> bool:
    return isinstance(part, ThinkingContent) and bool(part.text or part.summary)


def _bytes_of(proof: Proof | None) -> str:
    """A value in one spelling of base64: Google's SDK writes it anew (traps T28)."""
    return "" if proof is None else proof.value.replace("-", "+").replace("_", "/").rstrip("=")
