"""What the commands print and how they exit (design §5)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from plexus.cli import CLIENTS, DIALECTS, main
from plexus.compiler import catalog

GOOD = {"providers": {"e": {"type": "echo"}}, "aliases": {"a": {"targets": ["e/m"]}}}
WARNS = {**GOOD, "server": {"host": "0.0.0.0"}}
BAD = {"providers": {"e": {"type": "echo"}}, "aliases": {"a": {"targets": ["o/m"]}}}

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, GOOD)
    return tmp_path


def write(folder: Path, config: object) -> None:
    (folder / "plexus.json").write_text(json.dumps(config))


def test_check_and_build(here: Path, capsys: Capture) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "plexus.json: ok\n"
    assert not (here / "generated").exists()
    assert main(["build"]) == 0
    assert capsys.readouterr().out.startswith("generated written: 1 alias, 1 target")
    assert main(["build"]) == 0
    assert "is up to date" in capsys.readouterr().out
    assert main(["build", "--check"]) == 0
    assert capsys.readouterr() == ("", "")


def test_mistakes(here: Path, capsys: Capture) -> None:
    write(here, BAD)
    for command in (["check"], ["build"], ["build", "--check"], ["explain", "a"]):
        assert main(command) == 1
        assert 'error P302: alias "a" names provider "o"' in capsys.readouterr().err
    assert not (here / "generated").exists()
    assert main(["check", "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["code"], found["line"], found["severity"]) == ("P302", 1, "error")
    assert main(["check", "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith("::error file=plexus.json,line=1,col=")


def test_no_config(here: Path, capsys: Capture) -> None:
    (here / "plexus.json").unlink()
    for command in (["check"], ["build"], ["serve", "--port", "0"], ["explain", "a"]):
        assert main(command) == 1
        assert "plexus.json" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_stale_output_in_every_format(here: Path, capsys: Capture, form: str) -> None:
    main(["build"])
    write(here, {**WARNS, "aliases": {"a": {"targets": ["e/other"]}}})
    capsys.readouterr()
    assert main(["build", "--check", "--format", form]) == 3
    out, err = capsys.readouterr()
    if form == "text":
        assert "+++ b/generated/targets/e__other.py" in out
        assert "generated is not what plexus.json builds; run `plexus build`" in err
        assert "warning P455" in err
        return
    assert err == ""
    if form == "json":
        found = json.loads(out)
        assert found[0]["code"] == "P455"
        names = [item["file"] for item in found if item["code"] == "P507"]
        assert {"generated/aliases/a.py", "generated/targets/e__m.py"} <= set(names)
    else:
        assert "::error file=generated/aliases/a.py,line=1,col=1" in out


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody whom file modes hold back; root is not."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_output_that_cannot_be_read_is_an_error(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not in tmp_path, into which nobody but its owner may look.
    with TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        monkeypatch.chdir(name)
        write(Path(name), GOOD)
        assert main(["build"]) == 0
        assert main(["build", "--check"]) == 0
        (Path(name) / "generated" / "keys.py").chmod(0)
        capsys.readouterr()
        with unprivileged():
            assert main(["build", "--check"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("generated: error P506: cannot be read: Permission denied")
        monkeypatch.undo()


def test_a_remark_makes_nothing_stale(here: Path, capsys: Capture) -> None:
    main(["build"])
    alias = {"$comment": "the only one", **GOOD["aliases"]["a"]}
    write(here, {**GOOD, "$comment": "x", "aliases": {"a": alias}})
    assert main(["build", "--check"]) == 0
    assert main(["serve", "--generated", "generated", "--host", "0.0.0.0", "--port", "0"]) == 1
    assert "is stale" not in capsys.readouterr().err


def test_serve_refuses_an_edited_folder(here: Path, capsys: Capture) -> None:
    """Stale output is built again; somebody's edits are not thrown away."""
    main(["build"])
    module = here / "generated" / "aliases" / "a.py"
    module.write_text(module.read_text() + "# mine\n")
    for command in (["serve", "--port", "0"], ["serve", "--generated", "generated"]):
        assert main(command) == 3
        said = capsys.readouterr().err
        assert said == (
            "generated/aliases/a.py: was edited since it was built; run `plexus build`\n"
        )
    assert module.read_text().endswith("# mine\n")
    assert main(["build"]) == 0
    assert "aliases/a.py: had been edited by hand; written anew" in capsys.readouterr().err


def test_serve_refuses_a_foreign_file_and_a_stale_folder(here: Path, capsys: Capture) -> None:
    main(["build"])
    stranger = here / "generated" / "stranger.py"
    stranger.write_text("raise SystemExit('ran')\n")
    assert main(["serve", "--port", "0"]) == 3
    assert "stranger.py: was not written by a build" in capsys.readouterr().err
    stranger.unlink()
    write(here, {**GOOD, "direct": True})
    assert main(["serve", "--generated", "generated"]) == 3
    assert "is stale: plexus.json has changed since" in capsys.readouterr().err


def test_the_config_of_another_folder_says_nothing_about_an_output(
    here: Path, capsys: Capture
) -> None:
    """Only beside a folder that is served alone is its config looked for."""
    (here / "a").mkdir()
    write(here / "a", WARNS)
    command = ["serve", "--port", "0", "--config", "a/plexus.json", "--out", "generated"]
    for _ in range(2):
        assert main(command) == 1
        assert "--allow-anonymous" in capsys.readouterr().err
    assert main(["serve", "--port", "0", "--generated", "generated"]) == 3
    assert "is stale: plexus.json has changed since" in capsys.readouterr().err


def test_serve_on_all_addresses_needs_keys(here: Path, capsys: Capture) -> None:
    write(here, WARNS)
    assert main(["serve", "--port", "0"]) == 1
    assert "--allow-anonymous" in capsys.readouterr().err


def test_explain(here: Path, capsys: Capture) -> None:
    assert main(["explain", "a"]) == 0
    assert "e/m" in capsys.readouterr().out
    assert main(["explain", "b"]) == 1
    assert capsys.readouterr().err == 'plexus.json: no alias "b"; there are a\n'


def test_explain_one_dialect(here: Path, capsys: Capture) -> None:
    for dialect in DIALECTS:
        assert main(["explain", "a", "--dialect", dialect]) == 0
        assert f"\n{dialect}: nothing is lost\n" in capsys.readouterr().out
    assert main(["explain", "a", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [target["name"] for target in data["targets"]] == ["e/m"]
    assert {route["client"] for route in data["targets"][0]["routes"]} == set(DIALECTS)


def test_the_dialects_of_the_command_line_are_those_of_clients() -> None:
    assert sorted(catalog.client_dialects()) == list(DIALECTS)


@pytest.mark.parametrize("name", CLIENTS)
def test_client(here: Path, capsys: Capture, name: str) -> None:
    """The address, a model of the config, and never a key's value."""
    keys = {"team": {"secret": {"env": "TEAM_KEY"}}}
    write(here, {**GOOD, "keys": keys, "aliases": {"claude-a": {"targets": ["e/m"]}}})
    assert main(["client", name]) == 0
    said = capsys.readouterr().out
    assert "http://127.0.0.1:4000" in said
    assert "claude-a" in said
    assert "$TEAM_KEY" in said
    # Braces are the settings' own, none is left of the template.
    assert "{root}" not in said and "{{" not in said.replace("${{", "")


def test_T96_what_claude_code_lists(here: Path, capsys: Capture) -> None:
    """Only names that begin like Claude's reach its picker."""
    assert main(["client", "claude-code"]) == 0
    out = capsys.readouterr().out
    assert "shows only those that begin" in out and "additional_aliases" in out
    assert "DISCOVERY" not in out
    alias = {"targets": ["e/m"], "additional_aliases": ["anthropic-a", "claude-a"]}
    write(here, {**WARNS, "aliases": {"a": alias, "b": {"targets": ["e/m"]}}})
    assert main(["client", "claude-code"]) == 0
    out = capsys.readouterr().out
    assert 'begin with "claude" or "anthropic": anthropic-a, claude-a\n' in out
    assert "export CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY=1\n" in out
    assert "export ANTHROPIC_MODEL=anthropic-a\n" in out


def test_init(here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["init"]) == 1
    assert "--force" in capsys.readouterr().err
    monkeypatch.setenv("OPENAI_API_KEY", "sk-51c0ffee51c0ffee51c0ffee")
    assert main(["init", "--force"]) == 0
    assert "51c0ffee" not in (here / "plexus.json").read_text() + repr(capsys.readouterr())
    assert main(["build"]) == 0


def test_init_writes_all_or_says_what_is_in_the_way(here: Path, capsys: Capture) -> None:
    (here / "plexus.json").unlink()
    (here / "schema").write_text("a file")
    assert main(["init"]) == 1
    assert capsys.readouterr().err == "schema: cannot be written: File exists\n"
    assert not (here / "plexus.json").exists()
    (here / "schema").unlink()
    assert main(["init"]) == 0
    assert (here / "schema" / "plexus.schema.json").exists()


def test_lists(here: Path, capsys: Capture) -> None:
    assert main(["transformers"]) == 0
    out = capsys.readouterr().out
    assert "openai-chat" in out and "maxtoken" in out and "in_order" in out
    # What a config may name is served: each of the parents' names builds somewhere in the tests.
    assert "vertex-claude" in out and "not served" not in out
    assert "api.groq.com" in out
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "required: COMMAND"),
        (["bild"], "invalid choice: 'bild'"),
        (["explain"], "required: ALIAS"),
        (["explain", "a", "--dialect", "bedrock-converse"], "invalid choice"),
        (["serve", "--port", "x"], "argument --port: 'x' is no port: 0 to 65535"),
        (["serve", "--port", "70000"], "argument --port: '70000' is no port: 0 to 65535"),
        (["serve", "--port", "\u0663"], "argument --port: '\u0663' is no port: 0 to 65535"),
        (["serve", "--workers", "0"], "argument --workers: '0' is no number from 1 up"),
        (["serve", "--workers", "9" * 5000], "is no number from 1 up"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_usage(argv: list[str], words: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit:
        main(argv)
    assert exit.value.code == 2
    said = capsys.readouterr().err
    assert "usage: plexus" in said
    assert words in said


def test_generated_takes_no_config(here: Path, capsys: Capture) -> None:
    assert main(["serve", "--generated", "generated", "--config", "plexus.json"]) == 2


def test_env_names_what_is_missing(
    here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {
        "type": "openai-chat",
        "api_base_url": "https://a.example/v1",
        "api_key": {"env": "PLEXUS_TEST_UNSET"},
        "proxy": {"file": "none.txt"},
    }
    write(here, {"providers": {"p": own}, "aliases": {"a": {"targets": ["p/m"]}}})
    assert main(["check"]) == 0
    assert main(["check", "--env"]) == 1
    said = capsys.readouterr().err
    assert "P601: variable PLEXUS_TEST_UNSET is not set" in said
    assert 'P601: file "none.txt" cannot be read' in said
    (here / "none.txt").write_text("http://proxy:3128\n")
    (here / "key.txt").write_text("sk-x\n")
    (here / "ca.pem").write_text("none")
    write(here, {"providers": {"p": {**own, "api_key": {"file": "key.txt"}, "ca_file": "ca.pem"}}})
    config = json.loads((here / "plexus.json").read_text())
    write(here, {**config, "aliases": {"a": {"targets": ["p/m"]}}})
    (here / "other").mkdir()
    monkeypatch.chdir(here / "other")
    assert main(["check", "--env", "--config", "../plexus.json"]) == 1
    said = capsys.readouterr().err
    assert 'P601: file "../ca.pem" cannot be read: no PEM file of certificates' in said
    assert said.endswith("1 error\n")


def test_client_shows_a_key_and_a_model_that_go_together(here: Path, capsys: Capture) -> None:
    """No key that has expired, no model that it may not use, the echo and vectors last."""
    providers = {
        "e": {"type": "echo"},
        "o": {
            "type": "openai-chat",
            "api_base_url": "https://api.openai.com/v1",
            "api_key": {"env": "O"},
            "models": ["gpt-5.4-mini", "text-embedding-3-small"],
        },
    }
    aliases = {
        "a-vector": {"targets": ["o/text-embedding-3-small"]},
        "b-echo": {"targets": ["e/m"]},
        "claude-b": {"targets": ["e/m"]},
        "fast": {"targets": ["o/gpt-5.4-mini"]},
        "other": {"targets": ["o/gpt-5.4-mini"]},
    }
    keys = {
        "old": {"secret": {"env": "OLD_KEY"}, "expires": "2020-01-01"},
        "team": {"secret": {"env": "TEAM_KEY"}, "aliases": ["a-vector", "b-echo", "other"]},
    }
    write(here, {"providers": providers, "aliases": aliases, "keys": keys})
    assert main(["client", "openai"]) == 0
    said = capsys.readouterr().out
    assert "$TEAM_KEY" in said and 'model="other"' in said
    assert main(["client", "openai", "--model", "b-echo"]) == 0
    assert 'model="b-echo"' in capsys.readouterr().out
    write(here, {"providers": providers, "aliases": aliases})
    assert main(["client", "langchain"]) == 0
    assert 'model="fast"' in capsys.readouterr().out
    assert main(["client", "claude-code"]) == 0
    assert "ANTHROPIC_MODEL=claude-b" in capsys.readouterr().out
