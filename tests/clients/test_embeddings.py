"""The same floats through openai-python and openai-node, whatever form they ask for.

Both SDKs ask for base64 when nobody says a format, and openai-node takes a list of floats that it
gets instead for bytes, without a word.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.conftest import EMBEDDINGS
from tests.clients.embeddings_provider import floats
from tests.clients.processes import Gateway, Node
from tests.clients.scenarios import CLIENT_KEY
from tests.clients.sdk_openai import connect

TEXTS = ["red", "blue – 蓝"]


def python(base: str, model: str, form: str | None) -> list[Any]:
    asked: dict[str, Any] = {} if form is None else {"encoding_format": form}
    found = connect(base, CLIENT_KEY).embeddings.create(model=model, input=TEXTS, **asked)
    return [item.embedding for item in found.data]


def node_js(node: Node, base: str, model: str, form: str | None) -> list[Any]:
    ask = {"base": base, "key": CLIENT_KEY, "model": model, "input": TEXTS, "format": form}
    vectors: list[Any] = node.call({"embed": ask})["vectors"]
    return vectors


@pytest.mark.parametrize("model", EMBEDDINGS)
@pytest.mark.parametrize("form", [None, "float", "base64"])
@pytest.mark.parametrize("language", ["python", "node"])
def test_embeddings_are_equal(
    language: str,
    form: str | None,
    model: str,
    gateways: Callable[[str], Gateway],
    request: pytest.FixtureRequest,
) -> None:
    """A provider with both formats, one that knows only floats, and one of another dialect."""
    base = f"http://127.0.0.1:{gateways('echo').port}/v1"
    if language == "node":
        vectors = node_js(request.getfixturevalue("node"), base, model, form)
    else:
        vectors = python(base, model, form)
    if form == "base64":
        packed = [base64.b64decode(vector, validate=True) for vector in vectors]
        vectors = [list(struct.unpack(f"<{len(data) // 4}f", data)) for data in packed]
    assert vectors == [floats(0), floats(1)]
