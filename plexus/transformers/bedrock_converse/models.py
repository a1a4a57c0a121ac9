"""Models on Bedrock: whose they are, and where they are called (reference/bedrock-vertex.md §1)."""

import re
from typing import Final
from urllib.parse import quote

from plexus.transformers.capabilities import TargetModel

NAME: Final = "bedrock-converse"
FAMILY: Final = "bedrock"
"""The family that a config without a profile gives: the model's id then tells."""

CLAUDE, NOVA, OPENAI = "anthropic", "amazon", "bedrock-openai"

_VENDOR = re.compile(r"[a-z0-9]+")
_REGIONS = frozenset({"us", "eu", "ap", "apac", "global", "us-gov", "jp", "au", "ca"})
_FAMILIES = {"openai": OPENAI}


def family_of(target: TargetModel) -> str:
    """Whose proofs the model takes, and which extra fields it knows.

    ``us.anthropic.claude-…`` and ``arn:…:foundation-model/amazon.nova-…`` say it themselves; the
    ARN of an application's inference profile does not, and needs a profile in the config.
    """
    if target.family != FAMILY:
        return target.family
    names = target.model.rpartition("/")[2].split(".")
    if names[0] in _REGIONS:
        del names[0]
    vendor = names[0]
    if len(names) < 2 or _VENDOR.fullmatch(vendor) is None:
        return FAMILY
    return _FAMILIES.get(vendor, vendor)


def base_model(model: str) -> str:
    """The model behind an inference profile across regions: ``us.amazon.nova-…`` → its own id.

    Only models have a counter, no profiles.  ARNs stay as they are.
    """
    region, dot, rest = model.partition(".")
    return rest if dot and region in _REGIONS else model


def model_path(model: str, operation: str) -> str:
    """The path of an operation; the slashes of an ARN are hidden, its colons stay."""
    return f"/model/{quote(model, safe=':')}/{operation}"
