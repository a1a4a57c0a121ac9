"""Ids of a response and its items (openai-responses.md §4): the provider's own, or made from it.

Every made id is a function of what it names, so the same answer always has the same ids.
"""

from hashlib import sha256

from plexus.transformers.openai_responses.losses import NAME

_DIGITS = 48


def made_id(prefix: str, seed: str) -> str:
    """``prefix`` (``msg_``, ``fc_``, ...) and 48 hexadecimal digits."""
    digest = sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()
    return prefix + digest[:_DIGITS]


def response_id(given: str, dialect: str) -> str:
    """The ``resp_…`` id of an answer; a provider of this dialect keeps its own."""
    if given and (dialect == NAME or given.startswith("resp_")):
        return given
    return made_id("resp_", given or dialect)
