"""Names → modules, classes, constants: always identifiers, never two alike, never an escape."""

from __future__ import annotations

import builtins
import keyword
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexus.compiler.names import assign, class_name, collisions, constant, slug

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


@given(st.sets(ANY, max_size=30))
def test_every_name_gets_its_own_identifier(names: set[str]) -> None:
    given_names = assign(names)
    assert given_names.keys() == names
    assert len(set(given_names.values())) == len(names)
    for module in given_names.values():
        assert IDENTIFIER.fullmatch(module)
        assert not keyword.iskeyword(module)
        assert len(module) <= 70
        assert class_name(module, "Resource").isidentifier()
        assert constant(module).isidentifier()


@given(st.sets(ANY, max_size=12), st.randoms())
def test_the_order_of_names_means_nothing(names: set[str], chance: random.Random) -> None:
    shuffled = sorted(names)
    chance.shuffle(shuffled)
    assert assign(shuffled) == assign(sorted(names))


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("fast", "fast"),
        ("gpt-4.1", "gpt_4_1"),
        ("GPT-4o", "gpt_4o"),
        ("openai/gpt", "openai_gpt"),
        ("4o", "m_4o"),
        ("*", "any_other"),
        ("__init__", "init"),
        ("../../etc/passwd", "etc_passwd"),
        ("..", "m"),
    ],
)
def test_slugs(name: str, module: str) -> None:
    assert slug(name) == module


def test_names_whose_slugs_meet_all_get_their_digest() -> None:
    modules = assign(["gpt-4.1", "gpt_4.1", "gpt-4", "Fast"])
    assert modules == {
        "gpt-4.1": "gpt_4_1_5c51a6",
        "gpt_4.1": "gpt_4_1_92c4d9",
        "gpt-4": "gpt_4",
        "Fast": "fast",
    }


def test_a_name_that_is_spelt_like_a_digest_does_not_take_it() -> None:
    names = ["gpt-4.1", "gpt_4.1", "gpt_4_1_5c51a6"]
    assert len(set(assign(names).values())) == 3


@pytest.mark.parametrize("name", ["con", "NUL", "aux", "com1", "lpt9", "class", "None", "import"])
def test_what_python_or_windows_keep_gets_a_digest(name: str) -> None:
    assert re.fullmatch(rf"{name.lower()}_[0-9a-f]{{6}}", assign([name])[name])


def test_keywords_and_builtins_work_as_names() -> None:
    names = [*keyword.kwlist, *keyword.softkwlist, *dir(builtins)]
    modules = assign(names)
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in modules.values())


def test_long_names_are_cut() -> None:
    modules = assign(["x" * 300, "x" * 301])
    assert len(set(modules.values())) == 2
    assert all(len(module) <= 60 for module in modules.values())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("file", "\ufb01le"),
        ("a", "A"),
        ("straße", "STRASSE"),
        ("ｆａｓｔ", "fast"),
        ("é", "e\u0301"),
        ("K", "\u212a"),
        ("²", "2"),
    ],
)
def test_names_equal_after_nfkc_and_folding_collide(first: str, second: str) -> None:
    assert collisions([first, second]) == [(first, second)]


def test_homoglyphs_and_others_do_not_collide() -> None:
    assert collisions(["a", "\u0430", "b", "ab"]) == []
