"""The output folder: exchanged in one step, locked, repaired, and nothing of others touched."""

from __future__ import annotations

import fcntl
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from plexus import manifest
from plexus.compiler.output import OutputError, Written, differences, repair, write
from plexus.manifest import ManifestError
from tests.compiler.builds import build, files, small

ONE = small(direct=False)
TWO = small(direct=True)


def content(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def beside(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.iterdir() if path != out)


def test_a_build_writes_exactly_its_files(tmp_path: Path) -> None:
    out = tmp_path / "generated"
    assert write(out, files(ONE)) == Written(True)
    assert content(out) == files(ONE)
    assert beside(out) == []


def test_the_same_again_touches_nothing(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    before = [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*")]
    assert write(out, files(ONE)) == Written(False)
    assert [
        (path, path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*")
    ] == before


def test_a_rebuild_replaces_all_and_leaves_nothing_over(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    (out / "aliases" / "gone.py").write_bytes((out / "routes.py").read_bytes())
    (out / "__pycache__").mkdir()
    (out / "__pycache__" / "routes.cpython-311.pyc").write_bytes(b"\x00")
    write(out, files(TWO))
    assert content(out) == files(TWO)
    assert beside(out) == []


def test_hand_edits_are_replaced_and_named(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    (out / "routes.py").write_text("# mine\n")
    assert write(out, files(ONE)) == Written(True, ("routes.py",))
    assert content(out) == files(ONE)


def test_an_empty_folder_is_taken_and_folders_above_are_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert content(build(ONE, tmp_path / "empty")) == files(ONE)
    assert content(build(ONE, tmp_path / "a" / "b" / "c")) == files(ONE)


def refused(out: Path, code: str) -> str:
    with pytest.raises(OutputError) as caught:
        write(out, files(TWO))
    assert caught.value.code == code
    assert not [name for name in beside(out) if name.startswith(".")]
    return caught.value.message


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "generated"
    out.mkdir()
    (out / "thesis.txt").write_text("ten years of work")
    refused(out, "P503")
    assert content(out) == {"thesis.txt": b"ten years of work"}


@pytest.mark.parametrize("name", ["notes.txt", "aliases/mine.py", "new/x.py", "targets/x.pth"])
def test_a_file_of_others_in_the_folder_is_refused_by_name(tmp_path: Path, name: str) -> None:
    out = build(ONE, tmp_path / "generated")
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("keep me")
    assert str(out / name) in refused(out, "P504")
    assert content(out) == {**files(ONE), name: b"keep me"}


def test_another_programs_manifest_is_not_ours(tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    (out / "manifest.json").write_text('{"name": "app"}')
    (out / "index.html").write_text("x")
    refused(out, "P504")


def test_a_damaged_manifest_does_not_stop_a_build(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    (out / "manifest.json").write_text("{")
    write(out, files(ONE))
    assert content(out) == files(ONE)


def test_links_are_refused_and_never_followed(tmp_path: Path) -> None:
    canary = build(ONE, tmp_path / "canary")
    link = tmp_path / "generated"
    link.symlink_to(canary)
    refused(link, "P502")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    refused(tmp_path / "dangling", "P502")
    out = build(ONE, tmp_path / "out")
    (out / "aliases" / "link.py").symlink_to(canary / "routes.py")
    refused(out, "P504")
    (out / "aliases" / "link.py").unlink()
    (out / "targets" / "__pycache__").symlink_to(canary)
    refused(out, "P504")
    (out / "targets" / "__pycache__").unlink()
    (out / "routes.py").unlink()
    (out / "routes.py").symlink_to(canary / "routes.py")
    refused(out, "P504")
    assert content(canary) == files(ONE)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "generated").write_text("a file")
    refused(tmp_path / "generated", "P502")


def test_differences_are_a_diff_of_what_a_build_would_change(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    assert differences(out, files(ONE)) == {}
    (out / "keys.py").unlink()
    (out / "extra.py").write_text("extra\n")
    routes = (out / "routes.py").read_text()
    (out / "routes.py").write_text(routes.replace("FastResource", "SlowResource"))
    text = "".join(differences(out, files(ONE)).values())
    assert "--- /dev/null\n+++ b/generated/keys.py\n" in text
    assert "--- a/generated/extra.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-extra\n" in text
    assert '+        resource="FastResource",\n' in text or '+    "fast": Entry(' in text
    assert content(out) != files(ONE)
    assert (
        "+++ b/none/manifest.json\n" in differences(tmp_path / "none", files(ONE))["manifest.json"]
    )


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder on which nothing can be written, for root too."""
    subprocess.run(["chattr", "+i", str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True, capture_output=True)


def test_a_disk_that_cannot_be_written_is_an_error_and_the_old_output_stays(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    if os.geteuid() == 0:
        try:
            with read_only(tmp_path):
                message = refused(out, "P501")
        except (FileNotFoundError, subprocess.CalledProcessError):
            pytest.skip("root needs chattr, and a file system that has it, to be refused a write")
    else:
        tmp_path.chmod(0o500)
        message = refused(out, "P501")
        tmp_path.chmod(0o700)
    assert "cannot write" in message
    assert content(out) == files(ONE)


def test_a_full_disk_is_an_error_and_the_old_output_stays(tmp_path: Path) -> None:
    """A limit on the size of files fails writes as a full disk does."""
    out = build(ONE, tmp_path / "generated")
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from plexus.compiler.output import OutputError\n"
        "from tests.compiler.builds import build, small\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "try:\n"
        "    build(small(direct=True), Path(sys.argv[1]))\n"
        "except OutputError as error:\n"
        "    sys.exit(3 if error.code == 'P501' else 4)\n"
    )
    done = subprocess.run([sys.executable, "-B", "-c", code, str(out)], timeout=60)
    assert done.returncode == 3
    assert content(out) == files(ONE)
    assert beside(out) == []


# crash and concurrency


def test_a_build_that_died_before_the_exchange_is_cleared_away(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    (tmp_path / ".generated.new-0123abcd" / "aliases").mkdir(parents=True)
    (tmp_path / ".generated.new-0123abcd" / "aliases" / "half.py").write_text("x")
    repair(out)
    assert beside(out) == []
    assert content(out) == files(ONE)


def test_a_build_that_died_between_two_renames_is_taken_back(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    out.rename(tmp_path / ".generated.old-0123abcd")
    (tmp_path / ".generated.new-0123abcd").mkdir()
    repair(out)
    assert beside(out) == []
    assert content(out) == files(ONE)


def test_the_neighbours_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".generated2.new-0123abcd").mkdir()
    (tmp_path / ".generated.newer").mkdir()
    (tmp_path / ".generated.bak-0123abcd").mkdir()
    out = build(ONE, tmp_path / "generated")
    build(TWO, out)
    assert len(beside(out)) == 3


def test_where_folders_cannot_be_exchanged_two_renames_do(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    write(out, files(TWO), swap=lambda one, other: False)
    assert content(out) == files(TWO)
    assert beside(out) == []


def test_a_build_that_never_ends_is_not_waited_for_without_end(tmp_path: Path) -> None:
    out = build(ONE, tmp_path / "generated")
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OutputError) as caught:
            write(out, files(TWO), patience=0.05)
    finally:
        os.close(other)
    assert caught.value.code == "P505"
    assert caught.value.message == f"another build has been at work in {tmp_path} for 0.05 s"
    assert content(out) == files(ONE)
    assert write(out, files(TWO)) == Written(True)


def test_builds_at_once_never_mix(tmp_path: Path, long: bool) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.compiler.builds import build, small\n"
        "for turn in range(int(sys.argv[3])):\n"
        "    build(small(direct=sys.argv[2] == '1'), Path(sys.argv[1]))\n"
    )
    out = tmp_path / "generated"
    turns = "100" if long else "10"
    builders = [
        subprocess.Popen([sys.executable, "-B", "-c", code, str(out), str(i % 2), turns])
        for i in range(8 if long else 3)
    ]
    seen = set()
    while any(builder.poll() is None for builder in builders):
        with suppress(ManifestError):  # not there yet, or not there any more while it was read
            seen.add(manifest.verify(out)[0].digest)
        with suppress(subprocess.TimeoutExpired):
            builders[0].wait(0.01)
    assert [builder.returncode for builder in builders] == [0] * len(builders)
    assert seen <= {
        manifest.parse(f["manifest.json"].decode(), out).digest for f in map(files, (ONE, TWO))
    }
    assert content(out) in (files(ONE), files(TWO))
    assert beside(out) == []


BUILDER = """
import sys
from plexus.cli import main
main(["build", "--config", "one.json"])
print("ready", flush=True)
while True:
    for name in ("two.json", "one.json"):
        assert main(["build", "--config", name]) == 0
"""


def test_a_build_killed_at_any_moment_leaves_a_servable_folder(
    tmp_path: Path, long: bool, seeded: random.Random
) -> None:
    (tmp_path / "one.json").write_text(json.dumps(ONE))
    (tmp_path / "two.json").write_text(json.dumps(TWO))
    out = tmp_path / "generated"
    digests = set()
    kills = 1000 if long else 25
    for _ in range(kills):
        builder = subprocess.Popen(
            [sys.executable, "-B", "-c", BUILDER],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
        )
        assert builder.stdout is not None
        while builder.stdout.readline() not in (b"ready\n", b""):
            pass
        with suppress(subprocess.TimeoutExpired):
            builder.wait(seeded.uniform(0, 0.1))
        builder.kill()
        assert builder.wait(60) == -9
        builder.stdout.close()
        repair(out)
        digests.add(manifest.verify(out)[0].digest)
        assert beside(out) == ["one.json", "two.json"]
    print(f"{kills} kills, {len(digests)} different packages left, 0 unservable")
    assert len(digests) == 2
