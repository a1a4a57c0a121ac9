"""Tool calls of a streamed choice, in all the shapes vendors give them (traps.md T42-T45, T58)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from plexus.transformers.ids import base62
from plexus.transformers.jsontext import custom_text, two_values
from plexus.transformers.openai_chat.thinking import ExtraContent, gemini_proof
from plexus.unified.content import Proof, ToolCallContent, ToolCallKind

if TYPE_CHECKING:
    from plexus.transformers.openai_chat.choice_parser import PartMaker

_text = msgspec.json.Decoder(str).decode
HARMONY = "<|"
"""The beginning of a mark of the harmony format."""


class _Function(Struct):
    name: str | None = None
    arguments: Raw = Raw(b"null")


class _Custom(Struct):
    name: str | None = None
    input: str | None = None


class Fragment(Struct):
    """One entry of ``delta.tool_calls`` or ``message.tool_calls``."""

    index: int | None = None
    id: str | int | None = None
    type: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None
    extra_content: ExtraContent | None = None


_function = msgspec.json.Decoder(_Function).decode


class _Call:
    """A call on its way; ``part`` is None until its name is known."""

    __slots__ = ("arguments", "held", "id", "kind", "name", "part", "proof")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.kind: ToolCallKind = "function"
        self.arguments: list[str] = []
        self.held = False
        """A custom tool that was sent as a function: its text is known at the end only."""
        self.part: int | None = None
        self.proof: Proof | None = None


class CallParser:
    """The calls of one choice, keyed by ``index`` where the vendor gives one.

    ``custom``: names of custom tools that were sent as functions.
    """

    def __init__(self, choice: int, maker: "PartMaker", custom: frozenset[str]) -> None:
        self._custom = custom
        self._choice = choice
        self._maker = maker
        self._by_index: dict[int, _Call] = {}
        self._calls: list[_Call] = []
        self._legacy: _Call | None = None
        self._ids: set[str] = set()
        self.malformed = False
        """A call's name holds a mark of the harmony format: the server's parser failed (T76); or,
        known at the end, one call has the arguments of two (T59)."""
        self._proofs: dict[str, Proof] = {}

    @property
    def any(self) -> bool:
        return bool(self._calls)

    def read(self, fragment: Fragment, whole: bool) -> None:
        """``whole``: the fragment is a complete call of an unstreamed answer."""
        call = self._add(_Call()) if whole else self._find(fragment)
        if fragment.id is not None and not call.id:
            call.id = str(fragment.id)
        inner = fragment.function
        if _is_custom(fragment):
            call.kind = "custom"
            custom = fragment.custom or _Custom()
            self._more(call, custom.name, custom.input or "")
        elif inner is not None:
            self._more(call, inner.name, _arguments(inner.arguments))
        extra = fragment.extra_content
        if extra is not None and extra.signature:
            self._sign(call, gemini_proof(extra.signature, self._maker.origin))

    def read_legacy(self, raw: Raw) -> None:
        """The deprecated ``function_call``: one call without an id."""
        inner = _function(raw)
        arguments = _arguments(inner.arguments)
        if not inner.name and not arguments:
            return  # Snowflake fills every member with empty values.
        if self._legacy is None:
            self._legacy = self._add(_Call())
        self._more(self._legacy, inner.name, arguments)

    def prove(self, call_id: str, proof: Proof) -> None:
        """A proof for the call ``call_id``, which may come later."""
        for call in self._calls:
            if call.id == call_id:
                self._sign(call, proof)
                return
        self._proofs[call_id] = proof

    def sign_first(self, proof: Proof) -> bool:
        """A signature of the message is its first call's (traps.md T26); False without calls."""
        for call in self._calls:
            if call.proof is None:
                self._sign(call, proof)
                return True
        return bool(self._calls)

    def settle(self) -> None:
        """Calls that never got a name are opened as they are."""
        for call in self._calls:
            if call.part is None:
                self._open(call)

    def close(self) -> None:
        for call in self._calls:
            if call.part is None:
                continue
            arguments = "".join(call.arguments)
            if call.held:
                self._maker.add(call.part, "tool_args", custom_text(arguments))
            elif call.kind == "function" and two_values(arguments):
                self.malformed = True
            self._maker.close(call.part)

    def unclaimed(self) -> Iterator[Proof]:
        yield from self._proofs.values()

    # ------------------------------------------------------------------------------------------

    def _add(self, call: _Call) -> _Call:
        self._calls.append(call)
        return call

    def _find(self, fragment: Fragment) -> _Call:
        if fragment.index is None:
            return self._find_last(fragment)
        call = self._by_index.get(fragment.index)
        if call is None or _is_other(call, fragment):
            call = self._by_index[fragment.index] = self._add(_Call())
        return call

    def _find_last(self, fragment: Fragment) -> _Call:
        """Without an index: a new id or name starts a call, all else goes on with the last."""
        name = _name_of(fragment)
        last = self._calls[-1] if self._calls else None
        if last is None:
            return self._add(_Call())
        if fragment.id and str(fragment.id) != last.id and (name or last.id):
            known = [call for call in self._calls if call.id == str(fragment.id)]
            return known[0] if known else self._add(_Call())
        if name and last.name and not fragment.id:
            return self._add(_Call())
        return last

    def _more(self, call: _Call, name: str | None, arguments: str) -> None:
        if name and not call.name:
            call.name = name
        if call.part is None:
            if arguments:
                call.arguments.append(arguments)
            if call.name:
                self._open(call)
        elif arguments:
            call.arguments.append(arguments)
            if not call.held:
                self._maker.add(call.part, "tool_args", arguments)

    def _open(self, call: _Call) -> None:
        if not call.id or call.id in self._ids:
            # Ids must be unique and stable; some vendors send none, or one for all.
            call.id = "call_" + base62(f"{self._maker.seed} {self._choice} {len(self._ids)}")
        self._ids.add(call.id)
        self.malformed = self.malformed or HARMONY in call.name
        name = self._maker.names.get(call.name, call.name)
        if call.kind == "function" and call.name in self._custom:
            call.kind, call.held = "custom", True
        part = ToolCallContent(id=call.id, name=name, kind=call.kind)
        call.part = self._maker.open(part, self._choice)
        for arguments in () if call.held else call.arguments:
            self._maker.add(call.part, "tool_args", arguments)
        proof = self._proofs.pop(call.id, None) or call.proof
        if proof is not None:
            self._maker.add(call.part, "proof", proof)

    def _sign(self, call: _Call, proof: Proof) -> None:
        if call.part is None:
            call.proof = proof
        elif call.proof != proof:
            call.proof = proof
            self._maker.add(call.part, "proof", proof)


def _name_of(fragment: Fragment) -> str | None:
    if fragment.function is not None and fragment.function.name:
        return fragment.function.name
    return fragment.custom.name if fragment.custom is not None else None


def _is_custom(fragment: Fragment) -> bool:
    """Whether it calls a custom tool; Snowflake gives functions an empty ``custom`` as well."""
    custom = fragment.custom
    if fragment.function is None or custom is None:
        return custom is not None or fragment.type == "custom"
    return fragment.type == "custom" or bool(custom.name or custom.input)


def _is_other(call: _Call, fragment: Fragment) -> bool:
    """The same index, but another call (T43): a new id and a name, after a finished call."""
    if not fragment.id or not call.id or str(fragment.id) == call.id:
        return False
    name = _name_of(fragment)
    if not name:
        return False
    if name != call.name or not call.arguments:
        return True
    try:
        msgspec.json.decode("".join(call.arguments))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _arguments(raw: Raw) -> str:
    """Arguments as text: a string, an object as its own text, nothing for null (T58)."""
    first = bytes(memoryview(raw)[:1])
    if first == b'"':
        return _text(raw)
    return "" if first in (b"", b"n") else bytes(raw).decode()
