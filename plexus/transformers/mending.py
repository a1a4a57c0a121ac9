"""Tool arguments that are almost JSON, put right while they are being written.

``Mender`` reads one object in fragments and gives it back as JSON.  What is JSON already comes back
byte for byte; what cannot be put right stays as the model wrote it.  The result does not depend on
how the text was cut: whatever a decision needs to see is waited for.
"""

import re
from collections.abc import Callable

import msgspec

_SPACE = re.compile(r"\s*")
_JSON_SPACE = " \t\n\r"
_PLAIN = re.compile(r"""[^\\"'`\u2018\u2019\u201c\u201d\x00-\x1f]+""")
_COMMENT = re.compile(r"\s(?://|/\*|#)")
_HEX = re.compile(r"[0-9a-fA-F]*")
_LOW = re.compile(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HALF_LOW = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?")
_BARE = {"key": re.compile(r"[^\s:,{}\[\]]+"), "value": re.compile(r'[^,}\]\n\r"]+')}
_PRELUDE = 192
_BEFORE = re.compile(r"\s{0,64}(```\w{0,61}\s{0,64})?(?=\{)")
_HALF_FENCE = re.compile(r"\s*(?:`{0,3}|```\w*\s*)")
_LEFTOVERS = re.compile(r"(?:[\s}\]);,`]|</?\w+>)*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_LAX_NUMBER = re.compile(r"([+-]?)(?:(0[xX][0-9a-fA-F]+)|(\d*)\.(\d*)|([1-9]\d*(?:_\d+)*|0))")

_CLOSES = {mark: mark for mark in "\"'`\u2019\u201d"} | {"\u2018": "\u2019", "\u201c": "\u201d"}
"""Quotation marks that open a string, with those that close it."""

_WORDS = {"true": "true", "false": "false", "null": "null", "none": "null", "nil": "null"}
_WORDS |= {"undefined": "null", "nan": "null", "infinity": "null", "-infinity": "null"}
_CONTROL = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_BLANKS = 64
"""White space behind a quotation mark that is looked through, in characters."""


class Mender:
    """One object's text.  ``whole``: nothing is missing from it, so far as that can be known.

    Mended are: control characters, wrong escapes and forgotten ones in strings; other quotation
    marks or none; Python's and JavaScript's words and numbers; commas missing or too many;
    comments; code fences; brackets missing or too many; an object written as a string.
    """

    def __init__(self) -> None:
        self._state: Callable[[bool], bool] = self._root
        self._held = ""
        self._pos = 0
        self._out: list[str] = []
        self._stack: list[str] = []
        self._depth = {"{": 0, "[": 0}
        self._expect = "value"
        """``key``, ``colon``, ``value`` or ``comma``, in the innermost bracket."""
        self._lead: list[str] = []
        """Comma, key and colon before a value that has not come: without one they go."""
        self._word: list[str] = []
        self._quote = '"'
        self._aside: list[str] = []
        """What stands before or behind the object."""

    @property
    def whole(self) -> bool:
        return self._state == self._behind

    def feed(self, text: str) -> str:
        self._held, self._pos = self._held[self._pos :] + text, 0
        return self._run(last=False)

    def close(self, cut: bool = False) -> str:
        """The rest.  ``cut``: the model was stopped midway, and nothing is added to what it wrote.

        A call made whole after that would be one that the model did not make.
        """
        if cut and not self.whole:
            return "".join([*self._lead, *self._word, *self._aside, self._held[self._pos :]])
        out = self._run(last=True)
        if self._state == self._root:
            return _outside("".join(self._aside))
        if self._state == self._behind:
            rest = "".join(self._aside)
            return out if rest.strip() and _LEFTOVERS.fullmatch(rest) else out + rest
        return out + "".join("]" if bracket == "[" else "}" for bracket in reversed(self._stack))

    def _run(self, last: bool) -> str:
        while self._state(last):
            pass
        out, self._out = "".join(self._out), []
        return out

    # States.  Each takes from the front of what is held and says whether to go on; ``last``:
    # nothing comes behind what is held.

    def _root(self, last: bool) -> bool:
        """Before the object: a code fence goes, anything else is looked at in the end."""
        self._aside = ["".join([*self._aside, self._rest()])]
        text = self._aside[0]
        before = _BEFORE.match(text)
        if before is None:
            if len(text) > _PRELUDE or _HALF_FENCE.fullmatch(text) is None:
                self._state = self._strange
            return False
        if before[1] is None:
            self._out.append(_json_space(before[0]))
        self._held, self._pos, self._aside = text, before.end(), []
        self._state = self._between
        return True

    def _strange(self, last: bool) -> bool:
        self._aside.append(self._rest())
        if last:
            self._state = self._root
        return False

    def _behind(self, last: bool) -> bool:
        self._aside.append(self._rest())
        return False

    def _rest(self) -> str:
        text, self._pos = self._held[self._pos :], len(self._held)
        return text

    def _between(self, last: bool) -> bool:
        """Between two tokens."""
        if self._pos == len(self._held):
            return False
        char = self._held[self._pos]
        if char.isspace():
            self._blank(char)
        elif char == "/" or char == "#":
            return self._maybe_comment(char, last)
        elif char in "{[":
            self._open(char)
        elif char in "}]":
            self._close_bracket(char)
        elif char in ",:":
            self._separate(char)
        elif char in _CLOSES:
            self._quote = _CLOSES[char]
            self._begin_token()
            self._write('"')
            self._state = self._string
        else:
            self._begin_token()
            self._state = self._bare
            return True
        self._pos += 1
        return True

    def _blank(self, char: str) -> None:
        self._write(char if char in _JSON_SPACE else " ")

    def _maybe_comment(self, char: str, last: bool) -> bool:
        two = self._held[self._pos : self._pos + 2]
        if char == "/" and len(two) < 2 and not last:
            return False
        if char == "#" or two == "//":
            self._state = self._line_comment
        elif two == "/*":
            self._pos += 2
            self._state = self._block_comment
        else:
            self._begin_token()
            self._state = self._bare
        return True

    def _line_comment(self, last: bool) -> bool:
        end = self._held.find("\n", self._pos)
        self._pos = len(self._held) if end < 0 else end
        if end >= 0 or last:
            self._state = self._between
        return end >= 0

    def _block_comment(self, last: bool) -> bool:
        end = self._held.find("*/", self._pos)
        if end >= 0:
            self._pos = end + 2
            self._state = self._between
            return True
        self._pos = len(self._held) if last else max(self._pos, len(self._held) - 1)
        return False

    def _open(self, bracket: str) -> None:
        """An object in place of a key is a brace too many."""
        if self._stack and self._place() == "key":
            return
        self._begin_token()
        self._begin_value()
        self._out.append(bracket)
        self._stack.append(bracket)
        self._depth[bracket] += 1
        self._expect = "key" if bracket == "{" else "value"

    def _close_bracket(self, bracket: str) -> None:
        opening = "{" if bracket == "}" else "["
        if not self._depth[opening]:
            return
        while True:
            self._drop_lead()
            top = self._stack.pop()
            self._depth[top] -= 1
            self._out.append("}" if top == "{" else "]")
            self._expect = "comma"
            if top == opening:
                break
        if not self._stack:
            self._state = self._behind

    def _separate(self, char: str) -> None:
        if char == ":" and self._expect == "colon":
            self._lead.append(":")
            self._expect = "value"
        elif char == "," and self._expect == "comma":
            self._lead.append(",")
            self._expect = "key" if self._stack[-1] == "{" else "value"
        elif char == "," and self._expect in ("colon", "value") and self._stack[-1] == "{":
            self._drop_pair()

    def _place(self) -> str:
        """What a token that comes now would be: ``key`` or ``value``."""
        if self._expect == "comma":
            return "key" if self._stack[-1] == "{" else "value"
        return "value" if self._expect == "colon" else self._expect

    def _begin_token(self) -> None:
        """A string or word: a comma or colon that is missing before it is put there."""
        if self._expect == "comma" and self._stack:
            self._lead.append(",")
            self._expect = self._place()
        elif self._expect == "colon":
            self._lead.append(":")
            self._expect = "value"
        if self._expect == "value":
            self._begin_value()

    def _begin_value(self) -> None:
        self._out += self._lead
        self._lead = []

    def _end_token(self) -> None:
        self._expect = "colon" if self._expect == "key" else "comma"
        self._state = self._between

    def _write(self, text: str) -> None:
        """Keys wait for their values; blanks behind a comma wait with it."""
        waiting = self._lead or self._expect in ("key", "colon")
        (self._lead if waiting else self._out).append(text)

    def _drop_lead(self) -> None:
        """A comma before a bracket goes, a key without a value too; blanks stay."""
        self._out += [text for text in self._lead if text in _JSON_SPACE]
        self._lead = []

    def _drop_pair(self) -> None:
        """A key without a value, before a comma: its comma may serve the next one."""
        comma = self._lead[:1] == [","]
        self._lead = [","] if comma else []
        self._expect = "key"

    # Strings and words.

    def _string(self, last: bool) -> bool:
        held, pos = self._held, self._pos
        plain = _PLAIN.match(held, pos)
        if plain is not None:
            self._write(plain[0])
            self._pos = plain.end()
            return True
        if pos == len(held):
            if last:
                self._cut_string()
            return last
        char = held[pos]
        if char == "\\":
            return self._escape(last)
        if char == self._quote:
            ends = self._ends(last)
            if ends is None:
                return False
            if ends:
                self._write('"')
                self._pos += 1
                self._end_token()
                return True
        self._write('\\"' if char == '"' else _visible(char))
        self._pos += 1
        return True

    def _cut_string(self) -> None:
        """The text ended inside a string: a key goes, a value ends here."""
        if self._expect == "key":
            self._lead = []
        else:
            self._write('"')
        self._end_token()

    def _escape(self, last: bool) -> bool:
        held, pos = self._held, self._pos
        if pos + 1 == len(held):
            if not last:
                return False
            self._pos += 1  # Half an escape at the end of a text says nothing.
            return True
        char = held[pos + 1]
        if char in '"\\/bfnrt':
            self._write(held[pos : pos + 2])
            self._pos += 2
            return True
        if char in "ux":
            return self._hex_escape(char, last)
        if char in _CLOSES:
            self._pos += 1
            self._write(char)
        else:
            # Not JSON's: the model meant the backslash (a path, a pattern).
            self._write("\\\\")
        self._pos += 1
        return True

    def _hex_escape(self, char: str, last: bool) -> bool:
        size = 4 if char == "u" else 2
        begin = self._pos + 2
        found = _HEX.match(self._held, begin, begin + size)
        digits = "" if found is None else found[0]
        end = begin + len(digits)
        if len(digits) == size:
            return self._code(digits.zfill(4), end, last)
        if not last and end == len(self._held):
            return False
        self._write("\\\\")
        self._pos += 1
        return True

    def _code(self, digits: str, end: int, last: bool) -> bool:
        """An escape that is complete: half a pair of surrogates alone is no character."""
        half = digits[:2].lower()
        if half[0] == "d" and half[1] in "89ab":
            other = _LOW.match(self._held, end)
            if other is not None:
                digits, end = digits + other[0], other.end()
            elif not last and _HALF_LOW.fullmatch(self._held, end) is not None:
                return False
            else:
                digits = "fffd"
        elif half[0] == "d" and half[1] in "cdef":
            digits = "fffd"
        self._write(f"\\u{digits}")
        self._pos = end
        return True

    def _ends(self, last: bool) -> bool | None:
        """Whether a quotation mark ends its string; None while that cannot be known.

        One that the model forgot to escape is followed by more text, not by what follows a value.
        """
        if self._expect == "key":
            return True
        held, pos = self._held, self._pos + 1
        match = _SPACE.match(held, pos, pos + _BLANKS)
        end = pos if match is None else match.end()
        if end - pos == _BLANKS:
            return True
        if end == len(held):
            return True if last else None
        if held[end] == "/" and end > pos:
            if end + 1 == len(held) and not last:
                return None
            return held[end + 1 : end + 2] in ("/", "*")
        return held[end] in ",}]" or (held[end] in _CLOSES and "\n" in held[pos:end])

    def _bare(self, last: bool) -> bool:
        """A word without quotation marks; a value may have blanks in it."""
        match = _BARE["key" if self._expect == "key" else "value"].match(self._held, self._pos)
        if match is not None:
            self._word.append(match[0])
            self._pos = match.end()
        if self._pos == len(self._held) and not last:
            return False
        text = "".join(self._word)
        comment = _COMMENT.search(text)
        word = text[: None if comment is None else comment.start()].rstrip()
        self._word = []
        self._write(_token(word) if self._expect != "key" else _quoted(word))
        self._end_token()
        for char in text[len(word) :] if comment is None else "":
            self._blank(char)
        return True


def mended(text: str) -> str:
    """A whole text."""
    mender = Mender()
    return mender.feed(text) + mender.close()


def is_object(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode("utf-8", "surrogatepass"), type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _outside(text: str) -> str:
    """Arguments that do not begin with a brace: an object in a string, in prose, or without it."""
    bare = text.strip()
    if not bare:
        return "{}" if not text else f"{_json_space(text)}{{}}"
    tries = []
    if bare.startswith('"'):
        try:
            tries.append(str(msgspec.json.decode(bare.encode("utf-8", "surrogatepass"), type=str)))
        except msgspec.MsgspecError:
            tries.append(f"{{{bare}}}")
    if "{" in bare:
        tries.append(bare[bare.index("{") :])
    for one in tries:
        if one.lstrip().startswith("{") and is_object(found := mended(one)) and found != "{}":
            return found
    return text


def _json_space(text: str) -> str:
    return "".join(char if char in _JSON_SPACE else " " for char in text)


def _visible(char: str) -> str:
    """A character of a string as JSON may hold it."""
    if char >= " ":
        return char
    return _CONTROL.get(char, f"\\u{ord(char):04x}")


def _token(word: str) -> str:
    """A bare value: JSON's own, another language's, or text."""
    if _NUMBER.fullmatch(word):
        return word
    known = _WORDS.get(word.lower())
    if known is not None:
        return known
    lax = _LAX_NUMBER.fullmatch(word)
    if lax is None or word.strip("+-") in ("", "."):
        return _quoted(word)
    sign = "-" if lax[1] == "-" else ""
    if lax[2]:
        return f"{sign}{int(lax[2], 16)}"
    if lax[5]:
        return f"{sign}{lax[5].replace('_', '')}"
    return f"{sign}{lax[3].lstrip('0') or '0'}.{lax[4] or '0'}"


def _quoted(word: str) -> str:
    return msgspec.json.encode(word.encode("utf-8", "replace").decode()).decode()
