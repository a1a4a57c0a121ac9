"""Literal secrets in a config: recognised so that they can be refused, and never printed.

Two nets.  By place: the text under a key such as ``api_key`` is a secret whatever it looks like.
By shape: the prefixes of well-known credentials are secrets wherever they stand, and in a header
value any long run that is as random as a key (reliability B13).
"""

from __future__ import annotations

import math
import re
from collections import Counter

_SHAPES = re.compile(
    r"""
      \b sk-[A-Za-z0-9_-]{16,}            # OpenAI, Anthropic, DeepSeek, OpenRouter
    | \b (?:csk|pplx|xai|nvapi)-[A-Za-z0-9_-]{16,}
    | \b (?:gsk|hf|r8|ghp|gho|ghs|fw|tgp_v1)_[A-Za-z0-9_-]{16,}
    | \b github_pat_[A-Za-z0-9_]{16,}
    | \b AIza[A-Za-z0-9_-]{20,}           # Google
    | \b (?:AKIA|ASIA)[A-Z0-9]{16} \b     # AWS
    | \b xox[abeoprs]-[A-Za-z0-9-]{10,}
    | \b eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*   # a signed token
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----
    """,
    re.VERBOSE,
)
_KEYED = re.compile(
    r'"[A-Za-z0-9_-]*(?:key|kye|secret|token|password|passwd|credential|auth|cookie)[A-Za-z0-9_-]*"'
    r'\s*:\s*"((?:[^"\\\n]|\\.)+)',
    re.IGNORECASE,
)
_USERINFO = re.compile(r'://([^/\s"@]*)@')
_RUN = re.compile(r"[A-Za-z0-9+=_]{24,}")
_BITS = 3.3


def looks_secret(text: str) -> bool:
    """Whether a text has the shape of a well-known credential."""
    return _SHAPES.search(text) is not None


def looks_random(text: str) -> bool:
    """Whether a text holds 24 or more characters in a row that only a generator would write."""
    return any(_entropy(run) > _BITS and _mixed(run) for run in _RUN.findall(text))


def _mixed(text: str) -> bool:
    return any(char.isdigit() for char in text) and any(char.isalpha() for char in text)


def _entropy(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def mask(text: str) -> tuple[str, tuple[str, ...]]:
    """A config's text with its secrets starred out (same length), and the secrets themselves.

    Works on the raw text, so that it also holds where the text is not JSON.
    """
    spans = [match.span(1) for match in _KEYED.finditer(text)]
    spans += [match.span(1) for match in _USERINFO.finditer(text)]
    spans += [match.span() for match in _SHAPES.finditer(text)]
    shown = list(text)
    for start, end in spans:
        shown[start:end] = "*" * (end - start)
    found = {text[start:end] for start, end in spans if end - start > 5}
    return "".join(shown), tuple(sorted(found, key=len, reverse=True))
