"""The loader: exactly what was built, or a refusal that names the file (reliability B9–B11)."""

from __future__ import annotations

import json
import os
import py_compile
import random
import subprocess
import sys
from pathlib import Path

import pytest

from plexus import __version__, manifest
from plexus.gateway.loader import load
from plexus.manifest import ManifestError
from tests.compiler.builds import build, files, small

CONFIG = small(
    keys={"a": {"secret": {"env": "A_KEY"}}},
    server={"port": 4123},
    aliases={
        "fast": {"targets": ["openai/gpt-5.4-mini", "echo/echo"]},
        "*": {"targets": ["echo/echo"]},
    },
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build(CONFIG, tmp_path / "generated")


def refusal(folder: Path) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        load(folder)
    return caught.value


def test_a_build_loads(folder: Path) -> None:
    generation = load(folder)
    assert generation.settings.port == 4123
    assert [key.name for key in generation.keys] == ["a"]
    assert [provider.name for provider in generation.providers] == ["echo", "openai"]
    resource = generation.resource(generation.table.models["fast"])
    assert resource.__name__ == "FastResource"
    assert [entry.target.name for entry in resource.targets] == [  # type: ignore[attr-defined]
        "openai/gpt-5.4-mini",
        "echo/echo",
    ]
    assert generation.table.wildcard is not None
    assert generation.resource(generation.table.wildcard).name == "*"
    assert resource.__module__.startswith(f"plexus_generated_{generation.digest[:16]}.")


def test_modules_are_imported_on_first_use(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom plexus.gateway.loader import load\n"
        "generation = load(Path(sys.argv[1]))\n"
        "def loaded():\n"
        "    mine = (name for name in sys.modules if name.startswith('plexus_generated_'))\n"
        "    return [name for name in mine if '.aliases' in name or '.targets' in name]\n"
        "assert not loaded()\n"
        "generation.resource(generation.table.models['fast'])\n"
        "assert loaded()\n"
        "assert not {'jinja2', 'jsonschema', 'plexus.compiler'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=60)


def test_loading_writes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys\nfrom pathlib import Path\nfrom plexus.gateway.loader import load\n"
            "g = load(Path(sys.argv[1])); g.resource(g.table.models['fast'])\n",
            str(folder),
        ],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        check=True,
        timeout=60,
    )
    assert sorted(folder.rglob("*")) == before


def test_an_alias_used_first_after_a_rebuild_is_still_the_old_one(folder: Path) -> None:
    generation = load(folder)
    build(small(aliases={"fast": {"selector": "in_order", "targets": ["echo/echo"]}}), folder)
    old = generation.resource(generation.table.models["fast"])
    new = load(folder)
    assert new.digest != generation.digest
    assert len(old.targets) == 2  # type: ignore[attr-defined]
    assert len(new.resource(new.table.models["fast"]).targets) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(files(CONFIG)))
def test_one_flipped_byte_in_any_file_is_refused_by_name(
    folder: Path, name: str, seeded: random.Random
) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    for place in {0, len(content) - 1, *(seeded.randrange(len(content)) for _ in range(20))}:
        flipped = bytearray(content)
        flipped[place] ^= 1 << seeded.randrange(8)
        path.write_bytes(flipped)
        error = refusal(folder)
        assert (error.kind, error.path) == ("edited", path)
    path.write_bytes(content)
    load(folder)


@pytest.mark.parametrize("name", sorted(files(CONFIG)))
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    error = refusal(folder)
    if name == manifest.NAME:
        assert (error.kind, error.path) == ("missing", folder)
    else:
        assert (error.kind, error.path) == ("edited", folder / name)


CANARY = 'import pathlib\npathlib.Path({path!r}).write_text("ran")\n'


@pytest.mark.parametrize(
    "name",
    [
        "aliases/fast.pyc",
        "aliases/__pycache__/fast.cpython-{tag}.pyc",
        "__pycache__/routes.cpython-{tag}.pyc",
        "aliases/planted.py",
        "planted.pth",
        "sitecustomize.py",
        "aliases/fast/__init__.py",
        "falcon.py",
        "aliases/fast.cpython-{tag}-x86_64-linux-gnu.so",
    ],
)
def test_planted_files_are_refused_and_never_run(folder: Path, tmp_path: Path, name: str) -> None:
    ran = tmp_path / "ran"
    source = tmp_path / "canary.py"
    source.write_text(CANARY.format(path=str(ran)))
    planted = folder / name.format(tag=f"{sys.version_info[0]}{sys.version_info[1]}")
    planted.parent.mkdir(exist_ok=True)
    if planted.suffix == ".pyc":
        # As fresh as its source, unchecked: the usual import would run it.
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(source), str(planted), invalidation_mode=mode)
    else:
        planted.write_bytes(source.read_bytes())
    error = refusal(folder)
    assert error.kind == "foreign"
    assert planted == error.path or error.path in planted.parents
    assert not ran.exists()


def test_a_pyc_planted_after_loading_does_not_run(folder: Path, tmp_path: Path) -> None:
    generation = load(build(small(on_loss="error"), folder))
    ran = tmp_path / "ran"
    source = tmp_path / "canary.py"
    source.write_text(CANARY.format(path=str(ran)))
    for stem in ("fast", "__init__"):
        cached = folder / "aliases" / "__pycache__" / f"{stem}.{sys.implementation.cache_tag}.pyc"
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(source), str(cached), invalidation_mode=mode)
    (folder / "aliases" / "fast.py").write_bytes(source.read_bytes())
    generation.resource(generation.table.models["fast"])
    assert not ran.exists()


def test_links_in_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / "routes.py"
    path.rename(tmp_path / "routes.py")
    path.symlink_to(tmp_path / "routes.py")
    assert refusal(folder).path == path


def test_a_device_or_a_pipe_does_not_hang_the_loader(folder: Path) -> None:
    (folder / "routes.py").unlink()
    os.mkfifo(folder / "routes.py")
    assert refusal(folder).path == folder / "routes.py"


def test_another_version_is_refused(folder: Path) -> None:
    path = folder / manifest.NAME
    found = manifest.read(folder)
    path.write_text(found._replace(version="0.0.1").text())
    error = refusal(folder)
    assert (error.kind, error.path) == ("stale", folder)
    assert "0.0.1" in error.message and __version__ in error.message


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"files": {}}', "[" * 100_000, '{"files": {"../x.py": ""}}', "\x00"],
)
def test_a_manifest_that_is_none(folder: Path, text: str) -> None:
    (folder / manifest.NAME).write_text(text)
    assert refusal(folder).kind == "edited"


def test_a_manifest_cannot_name_files_elsewhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("")
    found = manifest.read(folder)
    empty = manifest.digest(b"")
    for name in ("../outside.py", "/etc/hosts", "a/b/c.py", "x.pyc", "A.py", "aliases/../x.py"):
        changed = found._replace(files={**found.files, name: empty})
        (folder / manifest.NAME).write_text(changed.text())
        assert refusal(folder).kind == "edited"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").kind == "missing"
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").kind == "missing"


def test_the_config_digest_ignores_layout_schema_and_remarks_but_nothing_else() -> None:
    one = json.loads('{"a": 1, "b": {"c": 2}, "$schema": "x", "$comment": "one"}')
    two = json.loads('{"b": {"$comment": "two", "c": 2}, "a": 1, "$schema": "y"}')
    assert manifest.canonical(one) == manifest.canonical(two)
    assert manifest.canonical(one) != manifest.canonical({**one, "a": 2})
    assert manifest.canonical({"a": True}) != manifest.canonical({"a": 1})
    # What stands in the body of a provider is no remark of ours.
    for name in ("extra_body", "use"):
        remark = {name: [{"$comment": "x"}]}
        assert manifest.canonical(remark) != manifest.canonical({name: [{"$comment": "y"}]})
