"""JSON as models write it: arguments of calls, and a member of them while it is being written."""

import re
from typing import Any

import msgspec
from msgspec import Raw

_COMPLETE = re.compile(
    r"""(?: [^"\\]+
          | \\[^u]
          | \\u(?![dD][89abAB])[0-9a-fA-F]{4}
          | \\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
        )*""",
    re.VERBOSE | re.DOTALL,
)
"""Characters and whole escapes; a pair of surrogates is one.

It always matches, so nothing is tried twice; possessive quantifiers are wrong before Python 3.11.5.
"""

_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL
)
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_SPACE = re.compile(r"\s*")
_LONGEST = len(r"\ud83d\ude00")
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_value = msgspec.json.Decoder(Raw).decode


class _CustomInput(msgspec.Struct):
    input: str


_custom = msgspec.json.Decoder(_CustomInput).decode


def compact(raw: Raw | bytes) -> bytes:
    """JSON without white space; strings and numbers keep their very characters."""
    data = bytes(raw)
    if b" " in data or b"\n" in data or b"\t" in data or b"\r" in data:
        return bytes(msgspec.json.format(data, indent=-1))
    return data


def is_json(text: str) -> bool:
    """``text`` is one complete JSON value."""
    try:
        _value(text.encode("utf-8", "surrogatepass"))
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def call_object(arguments: str) -> tuple[Raw | dict[str, Any], bool]:
    """A call's arguments as an object, and whether they had to be wrapped (mappings.md §5.4)."""
    if not arguments or arguments.isspace():
        return {}, False
    data = arguments.encode("utf-8", "surrogatepass")
    try:
        _members(data)
        return Raw(data), False
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:
        return {"value": _value(data)}, True
    except (msgspec.MsgspecError, RecursionError):
        return {"_raw": data.decode("utf-8", "replace")}, True


def custom_text(arguments: str) -> str:
    """The free text inside the object that a custom tool was called with."""
    try:
        return _custom(arguments).input
    except (msgspec.MsgspecError, RecursionError):
        return arguments


def two_values(arguments: str) -> bool:
    """``{…}{…}``: a complete object with more JSON behind it (traps T59)."""
    text = arguments.strip()
    if not text.startswith("{") or not text.endswith("}") or "}" not in text[:-1]:
        return False
    try:
        msgspec.json.decode(text.encode("utf-8", "surrogatepass"), type=Raw)
    except msgspec.DecodeError as problem:
        return "trailing characters" in str(problem)
    except RecursionError:
        return False
    return False


class TextMember:
    """The text of the member ``name`` of an object that comes in fragments.

    It streams when it is the first member, as a model with one parameter writes it; else it is
    found at the end.  Arguments without such a member are given as they are: nothing is lost.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._head = f'{{"{name}":"'
        self._blanks = {0, 1, len(name) + 3, len(name) + 4}
        """How much of the head was seen where white space may follow."""
        self._seen = 0
        self._all: list[str] = []
        self._held = ""
        self._state = "head"

    def feed(self, text: str) -> str:
        """What the fragment adds to the member's text."""
        if self._state in ("head", "odd"):
            self._all.append(text)
        if self._state == "head":
            text = self._read_head(text)
        return self._read(text, last=False) if self._state == "text" else ""

    def close(self) -> str:
        """The rest of the text; all of it when it could not be streamed."""
        if self._state in ("text", "end"):
            return self._read("", last=True) if self._state == "text" else ""
        return _found("".join(self._all), self._name)

    def _read_head(self, text: str) -> str:
        for at, char in enumerate(text):
            if char == self._head[self._seen]:
                self._seen += 1
            elif not (char.isspace() and self._seen in self._blanks):
                self._state = "odd"
                return ""
            if self._seen == len(self._head):
                self._state = "text"
                self._all.clear()
                return text[at + 1 :]
        return ""

    def _read(self, text: str, last: bool) -> str:
        held = self._held + text
        out, pos = [], 0
        while True:
            match = _COMPLETE.match(held, pos)
            end = pos if match is None else match.end()
            out.append(unescaped(held[pos:end]))
            if held.startswith('"', end):
                ends = _ends(held, end + 1, last)
                if ends is None:
                    self._held = held[end:]
                    break
                if ends:
                    self._state, self._held = "end", ""
                    break
                # A quotation mark that the model forgot to escape.
                out.append('"')
                pos = end + 1
                continue
            # Half an escape waits for its other half, unless it cannot have one.
            if end == len(held) or not (last or len(held) - end >= _LONGEST):
                self._held = held[end:]
                break
            size = 6 if _is_lone(held, end) else 1
            out.append(unescaped(held[end : end + size]))
            pos = end + size
        return "".join(out)


def _ends(held: str, pos: int, last: bool) -> bool | None:
    """Whether a quotation mark before ``pos`` ends the text; None while nobody can know."""
    match = _SPACE.match(held, pos)
    end = pos if match is None else match.end()
    if end < len(held):
        return held[end] in ",}"
    return True if last or end - pos > _LONGEST else None


def _is_lone(held: str, at: int) -> bool:
    """Half a pair of surrogates, alone."""
    return re.match(r"\\u[0-9a-fA-F]{4}", held[at : at + 6]) is not None


def unescaped(content: str) -> str:
    """The text that the content of a JSON string stands for; what is no escape stays as it is."""
    return _ESCAPE.sub(_meaning, content) if "\\" in content else content


def _meaning(escape: re.Match[str]) -> str:
    written = escape[0]
    if written[1] != "u" or len(written) == 2:
        return _SHORT.get(written[1], written)
    units = bytes.fromhex(written.replace("\\u", ""))
    return units.decode("utf-16-be", "replace")


def _found(arguments: str, name: str) -> str:
    try:
        found = _members(arguments.encode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        return "" if arguments.isspace() else arguments
    if not found:
        return ""
    if name not in found:
        return arguments
    value = bytes(found[name]).decode()
    return unescaped(value[1:-1]) if value.startswith('"') else "" if value == "null" else value
