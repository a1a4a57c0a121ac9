"""Literals: they mean what went in, whatever that was, and a formatter leaves them alone."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plexus.compiler.imports import Imports
from plexus.compiler.literal import Call, Expr, Name, Spread, py

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALAR = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUE: st.SearchStrategy[Expr] = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(TEXT, inner)
        | st.frozensets(TEXT)
    ),
    max_leaves=12,
)


@given(VALUE, st.integers(0, 60))
@example({"0" * 90: ""}, 0)
def test_a_literal_means_what_went_in(value: Expr, lead: int) -> None:
    source = py(value, lead)
    assert source.isascii()
    assert eval(source, {"frozenset": frozenset, "__builtins__": {}}) == value
    assert type(eval(source, {"frozenset": frozenset})) is type(value)


@given(TEXT)
def test_text_is_one_token_and_nothing_else(value: str) -> None:
    tree = ast.parse(py({value: value}), mode="eval").body
    assert isinstance(tree, ast.Dict)
    assert [type(node) for node in (*tree.keys, *tree.values)] == [ast.Constant] * 2


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j])
def test_what_has_no_literal_form_is_refused(value: Expr) -> None:
    with pytest.raises(TypeError):
        py(value)


VALUES: list[Expr] = [
    "",
    'say "hi"',
    "it's",
    "both ' and \"",
    "\\ \n \t \x00 é \u202e \u2028 \U0001f600",
    "x" * 85,
    *("x" * width for width in range(86, 100)),
    *([key * width] for key in ("y",) for width in range(90, 98)),
    "long text with spaces, " * 20,
    "'\"" * 80,
    "é" * 60,
    1e16,
    1.5e-7,
    -3,
    10**60,
    ("one",),
    ("x" * 90,),
    ("a", "b"),
    [["nested", ["deep", {"k": None}]]],
    {},
    {"a": {"b": {"c": "y" * 90}}},
    {"k" * 70: "v" * 70},
    frozenset(),
    frozenset({"a", "b"}),
    frozenset({"z" * 100}),
    Call("Empty"),
    Call("Short", (1, Name("a.b")), (("x", "y"),)),
    Call("Long", (), tuple((f"keyword_{i}", f"value {i}") for i in range(8))),
    Call("Outer", (Call("Inner", (), (("a", ("t",)),)), None), (("b", {"k": Call("Deep")}),)),
    (Call("Candidate", (None, Call("T", (Name("a" * 30), Name("b" * 30), Name("c" * 30))))),),
    Spread(("A", "B")),
]


def test_a_formatter_leaves_literals_alone(tmp_path: Path) -> None:
    lines = [f"V{i} = {py(value, len(f'V{i} = '))}\n" for i, value in enumerate(VALUES)]
    nested = [f"class C{i}:\n    value = {py(value, 12, 4)}\n" for i, value in enumerate(VALUES)]
    text = "".join(lines) + "\n\n" + "\n\n".join(nested)
    (tmp_path / "values.py").write_text(text)
    ruff(tmp_path, "format", "--diff", "--line-length", "100", "values.py")


def random_value(chance: random.Random, depth: int) -> Expr:
    """Something a config can hold, with the lengths that lines break at."""
    kind = chance.randrange(10 if depth else 6)
    text = "".join(chance.choices("ab \"'\\\né", k=chance.choice([0, 3, 20, 60, 80, 90, 200])))
    if kind >= 6:
        items = [random_value(chance, depth - 1) for _ in range(chance.randrange(4))]
        keys = [f"k{i}" * chance.choice([1, 10, 30]) for i in range(len(items))]
        keywords = tuple(zip((f"a{i}" for i in range(len(items))), items, strict=True))
        return (items, tuple(items), dict(zip(keys, items, strict=True)), Call("C", (), keywords))[
            kind - 6
        ]
    number = chance.choice([0.0, 1e16, 1e-7, chance.random(), chance.random() * 1e300])
    return (text, None, True, chance.randrange(-(10**20), 10**20), number, Name("a.b"))[kind]


def test_a_formatter_leaves_random_literals_alone(tmp_path: Path, seeded: random.Random) -> None:
    values = [random_value(seeded, 3) for _ in range(300)]
    lines = [f"VALUE = {py(value, 8)}\n" for value in values]
    (tmp_path / "values.py").write_text("".join(lines))
    ruff(tmp_path, "format", "--diff", "--line-length", "100", "values.py")


def test_imports_are_sorted_as_the_linter_sorts_them(tmp_path: Path) -> None:
    imports = Imports()
    for module, name in [
        ("b.module", "beta"),
        ("b.module", "Alpha"),
        ("b.module", "CONSTANT"),
        ("b.module", "A"),
        ("a", "x"),
        ("a.b", "x2"),
        ("a_b", "x3"),
        ("..targets", "gpt_4__x"),
        ("..targets", "gpt_10__x"),
        ("..targets", "gpt_04__x"),
        ("..targets", "gpt__x"),
        ("..targets", "gpt_4_1__x"),
        ("..targets", "gpt4__x"),
        ("..targets", "m_2024_11__a_very_long_name_that_does_not_fit_the_line_any_more"),
        ("..providers", "ONE"),
    ]:
        imports.add(module, name)
    (tmp_path / "values.py").write_text(imports.text())
    ruff(tmp_path, "format", "--diff", "--line-length", "100", "values.py")
    ruff(tmp_path, "check", "--select", "I", "--line-length", "100", "--diff", "values.py")


def test_a_second_class_of_the_same_name_is_renamed() -> None:
    imports = Imports()
    assert imports.add("a", "Step") == "Step"
    assert imports.add("b", "Step") == "Step2"
    assert imports.add("c", "Step") == "Step3"
    assert imports.add("b", "Step") == "Step2"
    assert imports.text() == (
        "from a import Step\nfrom b import Step as Step2\nfrom c import Step as Step3\n"
    )


def ruff(folder: Path, *arguments: str) -> None:
    command = [
        sys.executable,
        "-m",
        "ruff",
        arguments[0],
        "--isolated",
        "--no-cache",
        *arguments[1:],
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
