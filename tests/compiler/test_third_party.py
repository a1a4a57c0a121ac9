"""Steps of installed packages: imported, typed and written into the package at build."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plexus.compiler.explain import explain
from plexus.compiler.pipeline import planned
from plexus.gateway.loader import load
from plexus.streaming.document import JsonBody
from plexus.transformers import openai_chat
from plexus.transformers.base import ClientCall
from plexus.unified.request import Source
from tests.compiler.builds import build, examined, files, heads, small
from tests.docs.pages import DOCS, blocks

PACKAGE = "company_steps"
WIRE = '''
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep


class Label(Struct, frozen=True):
    """One label."""

    name: Annotated[str, Meta(min_length=1)]
    level: Literal["low", "high"] = "low"


class Tagger(WireStep, frozen=True):
    """Labels every request."""

    NAME = "tagger"

    labels: tuple[Label, ...]
    member: str = "labels"

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        return {self.member: msgspec.json.encode(self.labels)}


class NoStep:
    """Something else."""
'''


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A package with these modules, importable until the test ends."""
    folder = tmp_path / "site" / PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder.parent)

    def write(**modules: str) -> None:
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source, encoding="utf-8")

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def using(*use: Any) -> dict[str, Any]:
    echo = {"type": "echo", "transformer": {"use": list(use)}}
    return small(providers={"echo": echo}, aliases={"a": {"targets": ["echo/m"]}})


def example() -> str:
    """The step that docs/steps.md shows."""
    (source,) = blocks(DOCS / "steps.md", "python")
    return source


def test_the_example_of_the_docs_is_built_loaded_and_applied(
    install: Install, tmp_path: Path
) -> None:
    install(cooler=example())
    config = using([f"{PACKAGE}.cooler:Cooler", {"by": 0.3}])
    text = files(config)["targets/echo__m.py"].decode()
    assert f"from {PACKAGE}.cooler import Cooler" in text
    assert "STEPS = (Cooler(by=0.3),)" in text
    generation = load(build(config, tmp_path / "generated"))
    resource: Any = generation.resource(generation.table.models["a"])
    (entry,) = resource.targets
    body = {"model": "a", "temperature": 1.0, "messages": [{"role": "user", "content": "hi"}]}
    call = ClientCall(
        model="a",
        stream=False,
        body=JsonBody.parse(json.dumps(body).encode()),
        source=Source(dialect="openai-chat"),
    )
    prepared = entry.target.translation(openai_chat, call).prepare(call)
    assert json.loads(prepared.wire.body)["temperature"] == 0.7
    said = explain(planned(examined(config)), "a")
    assert f"{PACKAGE}.cooler:Cooler (step, ends pass-through) by=0.3" in said


def test_options_of_any_type_are_written_as_typed_constructors(install: Install) -> None:
    install(tags=WIRE)
    labels = [{"name": "a", "level": "high"}, {"name": "b"}]
    text = files(using([f"{PACKAGE}.tags:Tagger", {"labels": labels}]))[
        "targets/echo__m.py"
    ].decode()
    assert f"from {PACKAGE}.tags import Label, Tagger" in text
    assert 'Label(name="a", level="high"),' in text and 'Label(name="b"),' in text
    assert "Passthrough(openai_chat, MODEL, WIRE_STEPS)" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, 'P309: step company_steps.tags:Tagger has no "labels"'),
        (
            {"lables": []},
            'unknown key "lables" in step company_steps.tags:Tagger; did you mean "labels"?',
        ),
        ({"labels": 5}, "P309: labels must be a list, not the number 5"),
        ({"labels": [{"name": ""}]}, "P309: labels[0].name is empty"),
        (
            {"labels": [{"name": "a", "level": "mid"}]},
            'P309: labels[0].level cannot be "mid"; one of high, low',
        ),
        ({"labels": [{"name": "a", "nam": 1}]}, 'P309: unknown key "nam" in labels[0]'),
        ({"labels": [], "member": None}, "P309: member must be text, not null"),
    ],
)
def test_options_are_checked_by_the_types_of_the_fields(
    install: Install, options: dict[str, Any], said: str
) -> None:
    install(tags=WIRE)
    found = heads(using([f"{PACKAGE}.tags:Tagger", options]))
    assert any(said in head for head in found), found


def test_code_that_fails_when_it_is_asked_is_an_error_with_its_place(install: Install) -> None:
    asked = "    def named_models(self) -> dict:\n        return {}[1]\n"
    install(asking=example() + "\n" + asked)
    (head,) = heads(using(f"{PACKAGE}.asking:Cooler"))
    assert "error P308" in head and "cannot be asked for its models: KeyError" in head


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tags:NoStep", "is no step"),
        ("tags:Nothing", "is no step"),
        ("tags:Label", "is no step"),
        ("nothing:Tagger", "there is no module"),
        ("broken:Tagger", "cannot be imported: SyntaxError"),
        ("raising:Tagger", "cannot be imported: RuntimeError"),
        ("tags:Tagger:x", "names no class of a package"),
        ("../tags:Tagger", "names no class of a package"),
    ],
)
def test_what_leads_to_no_step_is_an_error_with_its_place(
    install: Install, name: str, said: str
) -> None:
    """CCR#1131, CCR#1354: one that fails to load ends the process, or is dropped."""
    install(tags=WIRE, broken="class Tagger(:", raising="raise RuntimeError('secret text')")
    (head,) = heads(using(f"{PACKAGE}.{name}"))
    assert "error P308" in head and said in head
    assert head.startswith("plexus.json:") and "secret text" not in head
