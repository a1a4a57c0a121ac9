"""What models can do, as data: one JSON file for each maker, read when a config names its models.

Every row names where its facts come from (sections of the protocol reference, models.dev,
genai-prices; NOTICE.txt has their licences) and the day they were written down.  A name without a
row is an unknown model: nothing is guessed from its neighbours.  Profiles and the config win.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

from plexus.compiler.profiles import typed

MAKERS = {
    "amazon": ("nova-",),
    "anthropic": ("claude-",),
    "deepseek": ("deepseek-",),
    "google": ("gemini-", "gemma-"),
    "meta": ("llama",),
    "mistral": ("codestral", "devstral", "magistral", "mistral-", "open-mistral-", "pixtral"),
    "moonshot": ("kimi-",),
    "openai": ("gpt-", "o1", "o3", "o4"),
    "qwen": ("qwen",),
    "xai": ("grok-",),
    "zai": ("glm-",),
}
"""Data file → how the names of its models begin: what decides which files are read."""

_BEDROCK = re.compile(r"^(?:[a-z]{2,6}(?:-gov)?\.)?[a-z]+\.(?=[a-z])")
_VERSION = re.compile(
    r"(?:[-@]20\d{6}|-20\d{2}-\d{2}-\d{2}|@default|-latest)?(?:-v\d)?(?::[^:]*)?$"
)


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """The models whose names match one of the patterns; the first row that fits tells all.

    ``capabilities`` are the model's own, wherever it is served; ``native`` holds besides only where
    its maker's service, or a cloud in its name, answers in one of the maker's dialects.
    """

    match: tuple[str, ...]
    source: tuple[str, ...]
    date: str
    capabilities: dict[str, Any] = {}
    native: dict[str, Any] = {}

    def fits(self, name: str) -> bool:
        return any(fnmatchcase(name, _dashed(pattern)) for pattern in self.match)


class Maker(Struct, frozen=True, forbid_unknown_fields=True):
    """``family``: whose proofs the models take; ``dialects``: those that their maker serves."""

    title: str
    family: str
    dialects: tuple[str, ...]
    models: tuple[Model, ...]


class Known(Struct, frozen=True):
    """What is known about one target's model, and where and when from."""

    capabilities: dict[str, Any]
    source: tuple[str, ...]
    date: str


_decode = msgspec.json.Decoder(Maker).decode


@cache
def maker(name: str) -> Maker:
    """One data file; ``name`` is a key of ``MAKERS``."""
    return _decode((files(__package__ or "") / f"{name}.json").read_bytes())


def bare(model: str) -> str:
    """A model's name without its path, cloud, region, date and version, dots as dashes.

    ``us.anthropic.claude-haiku-4-5-20251001-v1:0``, ``anthropic/claude-haiku-4.5:beta`` and
    ``claude-haiku-4-5@20251001`` are all ``claude-haiku-4-5``.
    """
    name = model.lower().rpartition("/")[2]
    return _dashed(_VERSION.sub("", _BEDROCK.sub("", name, count=1), count=1))


def known(model: str, family: str, dialects: Iterable[str]) -> Known | None:
    """The row of a model for a target of ``family`` that is spoken to in ``dialects``."""
    name = bare(model)
    for file, beginnings in MAKERS.items():
        if name.startswith(beginnings):
            found = maker(file)
            row = next((row for row in found.models if row.fits(name)), None)
            if row is None:
                return None
            own = found.family == family and not set(found.dialects).isdisjoint(dialects)
            said = row.capabilities | (row.native if own else {})
            return Known(typed(said), row.source, row.date)
    return None


def _dashed(name: str) -> str:
    return name.replace(".", "-")
