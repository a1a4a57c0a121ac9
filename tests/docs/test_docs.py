"""The documentation says what the code does: names, tables, examples and links."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest

from plexus.compiler.pipeline import examine
from plexus.transformers import steps
from plexus.transformers.base import Step, WireStep
from plexus.transformers.capabilities import Capabilities
from tests.docs.pages import DOCS, PAGES, ROOT, blocks
from tools import losses, matrix, models, vendors


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(markdown: str) -> dict[str, list[str]]:
    """Table rows that begin with a `code` cell: its content → the other cells."""
    lines = re.findall(r"^\| `([^`]+)` \| (.*) \|$", markdown, re.MULTILINE)
    return {name: cells.split(" | ") for name, cells in lines}


def section(markdown: str, heading: str) -> str:
    """The text under ``heading`` up to the next heading of any level."""
    found = re.search(rf"^#+ {heading}\n(.*?)(?=^#+ |\Z)", markdown, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page}: {link}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_step_stands_in_the_docs_with_its_kind_and_options() -> None:
    documented = rows(text("steps.md"))
    modules = [module.name for module in pkgutil.iter_modules(steps.__path__)]
    assert modules
    for name in modules:
        module = importlib.import_module(f"{steps.__name__}.{name}")
        (step,) = (
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Step | WireStep)
            and value.__module__ == module.__name__
        )
        kind, options, _ = documented[step.NAME]
        assert kind == ("wire" if issubclass(step, WireStep) else "unified, ends pass-through")
        if getattr(step, "OPEN", None) is None:
            assert re.findall(r"`(\w+)`(?! *\))", options.replace("(`true`)", "")) == list(
                step.__struct_fields__
            )


def test_every_capability_is_described() -> None:
    described = set(rows(section(text("configuration.md"), "Models")))
    own_keys = {"max_output_tokens", "context_window"}
    assert set(Capabilities.__struct_fields__) | own_keys <= described


@pytest.mark.parametrize(
    ("heading", "definition"),
    [
        ("Top level", None),
        ("server", "server"),
        ("keys", "key"),
        ("timeouts", "timeouts"),
        ("log", "log"),
        ("Providers", "provider"),
        ("Credentials", "credential"),
        ("Models", "model"),
        ("Aliases", "alias"),
    ],
)
def test_the_configuration_reference_has_every_key_and_no_other(
    heading: str, definition: str | None
) -> None:
    schema = json.loads((ROOT / "schema" / "plexus.schema.json").read_text(encoding="utf-8"))
    part = schema["$defs"][definition] if definition else schema
    documented = rows(section(text("configuration.md"), heading))
    assert set(documented) - set(Capabilities.__struct_fields__) <= set(part["properties"])
    assert set(part["properties"]) <= set(documented)


def test_the_capabilities_are_those_of_the_schema() -> None:
    schema = json.loads((ROOT / "schema" / "plexus.schema.json").read_text(encoding="utf-8"))
    own_keys = {"max_output_tokens", "context_window"}
    assert set(schema["$defs"]["capabilities"]["properties"]) | own_keys == set(
        Capabilities.__struct_fields__
    )


def test_the_losses_are_those_of_the_code() -> None:
    assert text("losses.md") == losses.page(), "run `make regen`"


def test_the_vendors_are_those_of_the_profiles() -> None:
    assert text("vendors.md") == vendors.page(), "run `make regen`"


def test_the_matrix_is_that_of_the_tables() -> None:
    assert text("matrix.md") == matrix.page(), "run `make regen`"


def test_the_models_are_those_of_the_data_files() -> None:
    assert text("models.md") == models.page(), "run `make regen`"


def complete(example: str) -> dict[str, object]:
    """A whole plexus.json around an example that is only one member of one."""
    if example.startswith("{"):
        whole: dict[str, object] = json.loads(example)
        return whole
    part: dict[str, object] = json.loads(f"{{{example}}}")
    echo = {"echo": {"type": "echo"}, "openai": {"type": "echo"}, "anthropic": {"type": "echo"}}
    aliases = {"fast": {"targets": ["echo/echo"]}}
    if "keys" in part:
        return {"providers": echo, "aliases": aliases, **part}
    if '"targets"' in example:
        return {"providers": echo, "aliases": {**aliases, **part}}
    return {"providers": {**echo, **part}, "aliases": aliases}


EXAMPLES = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page, "json"))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_a_configuration_is_right(example: str, tmp_path: Path) -> None:
    config = tmp_path / "plexus.json"
    config.write_text(json.dumps(complete(example)), encoding="utf-8")
    assert [found.message for found in examine(config).diagnostics] == []
