"""A config is hostile input: no traceback, no code, no file elsewhere, no secret anywhere.

Short counts here, the long ones with PLEXUS_LONG=1; every seed is printed.
"""

from __future__ import annotations

import builtins
import copy
import json
import keyword
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plexus import manifest
from plexus.compiler.diagnostics import as_github, as_json
from plexus.compiler.pipeline import Examined, examine_text, generated, planned
from tests.compiler.builds import build, examined, files, small, text

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[2]

SCALARS: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, 10**40, 1e308, -0.0, 0.5, "", " ", "x", "*", "a/b", "/",
    "\x00", "\u202e", "\ufeff", "{{x}}", "{% x %}", "'", '"', "\\", "\n", "../..", "env", "$schema",
    "x" * 300, "\U0001f600", "https://a.example/v1", "http://[", "json:loads", "maxtoken",
    "openai-chat", "echo", "9" * 400, [], {}, [[]], {"": None}, {"env": "A"}, {"use": ["maxtoken"]},
    ["maxtoken", {"max_tokens": 1}], {"$ref": "http://127.0.0.1:9/x"}, {"$ref": "file:///etc/passwd"},
]  # fmt: skip


def mutate_data(data: Any, chance: random.Random) -> Any:
    """A copy of a config with one to four values replaced, removed, renamed, added or moved."""
    data = json.loads(json.dumps(data))
    for _ in range(chance.randint(1, 4)):
        holder = chance.choice(containers(data))
        if isinstance(holder, dict):
            mutate_dict(holder, chance, data)
        elif holder and chance.random() < 0.8:
            index = chance.randrange(len(holder))
            holder[index] = strange(chance)
        else:
            holder.append(strange(chance))
    return data


def strange(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(SCALARS))


def mutate_dict(holder: dict[str, Any], chance: random.Random, data: Any) -> None:
    keys = sorted(holder)
    key = chance.choice(keys) if keys else "new"
    match chance.randrange(5):
        case 0:
            holder[key] = strange(chance)
        case 1:
            holder.pop(key, None)
        case 2:
            holder[f"{key}{chance.choice(['x', '_', '', ' '])}"[chance.randrange(2) :]] = (
                holder.get(key)
            )
        case 3:
            holder[str(strange(chance))] = strange(chance)
        case _:
            holder[key] = json.loads(json.dumps(chance.choice(containers(data))))


def containers(data: Any) -> list[Any]:
    found: list[Any] = []
    if isinstance(data, dict | list):
        found.append(data)
        for value in data.values() if isinstance(data, dict) else data:
            found += containers(value)
    return found


def mutate_bytes(raw: bytes, chance: random.Random) -> bytes:
    """The text of a config with a few bytes changed, cut, doubled or inserted."""
    content = bytearray(raw)
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(content) + 1)
        match chance.randrange(4):
            case 0:
                content[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del content[at : at + chance.randint(1, 30)]
            case 2:
                content[at:at] = content[at : at + chance.randint(1, 60)]
            case _:
                token = chance.choice(
                    ['"', "{", "}", "[", "]", ",", ":", "\\u", "//", "/*", "NaN", "1e999"]
                )
                content[at:at] = token.encode()
    return bytes(content)


def survives(found: Examined) -> bool:
    """Every way of printing works, and what has no error can be built.  True for the latter."""
    text(found)
    as_github(found.diagnostics)
    for row in json.loads(as_json(found.diagnostics)):
        assert row["code"].startswith("P") and row["message"]
    if found.failed:
        return False
    planned(found)
    generated(found)
    return True


def test_mutated_configs_give_diagnostics_and_no_traceback(
    long: bool, seeded: random.Random
) -> None:
    count = 100_000 if long else 2_000
    sources = [path.read_bytes() for path in sorted(CASES.glob("*/plexus.json"))]
    trees = [json.loads(raw) for raw in sources if b"//" not in raw.split(b"\n")[1]]
    built = 0
    for turn in range(count):
        if turn % 2:
            raw = mutate_bytes(seeded.choice(sources), seeded)
        else:
            raw = json.dumps(mutate_data(seeded.choice(trees), seeded)).encode()
        try:
            built += survives(examine_text(raw, "plexus.json"))
        except Exception:
            print(f"turn {turn}: {raw!r}")
            raise
    print(f"{count} mutated configs, {built} of them could be built, 0 tracebacks")
    assert 0 < built < count


# names

PIECES = [
    '"; import os; os.system("touch CANARY") #',
    "'); __import__('os').system('touch CANARY')  #",
    *('"""', "'''", "\\", "\\\\", "\\N{BULLET}", "{{ 7*7 }}", "{% for x in y %}", "{#", "#}"),
    *("%s", "%(x)s", "{0}", "${HOME}", "`touch CANARY`", "$(touch CANARY)", "\n", "\r\n", "\r"),
    *("\x00", "\x1b[2J", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\ufeff"),
    *("\u0430", "\uff0e\uff0e\uff0f", "\U0001f600", "\u0301", "\ufb01le", "\xa0", "\t"),
    *("../", "..\\", "/etc/passwd", "%2e%2e%2f", "con", "NUL", "aux.txt", "com1", "a" * 300),
    *(".", "..", "-rf", "~", "*", "__init__", "__pycache__", "__import__", "manifest.json"),
    *keyword.kwlist,
    *dir(builtins),
]


def hostile_names(count: int, chance: random.Random) -> list[str]:
    names = dict.fromkeys(piece for piece in PIECES)
    while len(names) < count:
        parts = chance.choices([*PIECES, "x", "/", " "], k=chance.randint(1, 4))
        names["".join(parts)] = None
    return list(names)[:count]


def with_names(names: list[str]) -> dict[str, Any]:
    """One config with each name wherever a free text may stand."""
    providers: dict[str, Any] = {}
    aliases: dict[str, Any] = {}
    for index, name in enumerate(names):
        providers[f"p{index}"] = {
            "type": "echo",
            "models": [name],
            "extra_body": {name or "x": [name, {name: name}]},
            "display_name": name,
            "ca_file": f"/{name}",
            "api_key": {"file": name or "x"},
            "transformer": {"use": [["customparams", {name: name}]]},
        }
        aliases[f"a{index}"] = {
            "targets": [{"provider": f"p{index}", "model": name}],
            "description": name,
        }
    return {"providers": providers, "aliases": aliases}


def accepted(names: list[str]) -> list[str]:
    """The names that may stand everywhere of ``with_names``; the others have a diagnostic."""
    good = []
    for name in names:
        found = examined(with_names([name]))
        if found.failed:
            assert {item.code for item in found.diagnostics} <= {"P205", "P207", "P301", "P415"}, (
                name
            )
        else:
            good.append(name)
    return good


CHILD = """
import sys
sys.dont_write_bytecode = True
from pathlib import Path
import json
import plexus.gateway.loader as loader
from plexus.transformers import anthropic_messages, openai_chat
from plexus.routing.selectors import in_order, random
from plexus.transformers.steps import customparams
names = json.loads(Path(sys.argv[2]).read_text())
sources = Path(sys.argv[1])
def watch(event, arguments):
    if event.split(".")[0] in ("os", "subprocess", "socket", "shutil", "ctypes", "urllib"):
        if event not in ("os.listdir", "os.scandir"):
            raise SystemExit(f"{event} {arguments}")
    if event == "open" and arguments[1] not in ("r", "rb", None):
        raise SystemExit(f"open {arguments}")
sys.addaudithook(watch)
generation = loader.load(sources)
for index, name in enumerate(names):
    target = generation.resource(generation.table.aliases[f"a{index}"]).targets[0].target
    assert target.model == name, (target.model, name)
    assert target.name == f"p{index}/{name}"
    assert target.provider.api_key.file == (name or "x")
    assert target.provider.ca_file == f"/{name}"
    assert generation.table.targets[target.name].name == target.name
    steps = [c.translation.wire_steps for cs in target.translations.values() for c in cs]
    for extra, own in steps:
        assert extra.params == {name or "x": [name, {name: name}]}
        assert own.params == {name: name}
print("ok", len(names))
"""


def test_hostile_names_are_data_or_diagnostics(
    tmp_path: Path, long: bool, seeded: random.Random
) -> None:
    count = 10_000 if long else 600
    names = hostile_names(count, seeded)
    good = accepted(names)
    assert len(good) > count / 10
    for start in range(0, len(good), 500):
        batch = good[start : start + 500]
        folder = tmp_path / f"batch{start}"
        folder.mkdir()
        out = build(with_names(batch), folder / "generated")
        (folder / "names.json").write_text(json.dumps(batch))
        modules = {path.name for path in out.rglob("*.py")}
        assert all(
            name.replace("_", "").removesuffix(".py").isalnum() and name.isascii()
            for name in modules
        )
        assert sorted(path.name for path in folder.iterdir()) == ["generated", "names.json"]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(out), str(folder / "names.json")],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert (done.stdout, done.returncode) == (f"ok {len(batch)}\n", 0), done.stderr
        assert not list(tmp_path.rglob("CANARY"))
    print(f"{count} hostile names, {len(good)} accepted as data, 0 executed, 0 files outside")


def test_the_audit_hook_of_the_child_catches_code(tmp_path: Path) -> None:
    """The negative control: a package that does something is caught."""
    out = build(with_names(["x"]), tmp_path / "generated")
    (tmp_path / "names.json").write_text('["x"]')
    path = out / "aliases" / "a0.py"
    path.write_text(path.read_text() + "\nimport os\nos.system('touch CANARY')\n")
    found = manifest.read(out)
    changed = {**found.files, "aliases/a0.py": manifest.digest(path.read_bytes())}
    (out / manifest.NAME).write_text(found._replace(files=changed).text())
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(out), str(tmp_path / "names.json")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "os.system" in done.stderr
    assert done.returncode == 1
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize("where", ["providers", "aliases", "keys"])
def test_hostile_names_of_things_are_refused_or_work(where: str, seeded: random.Random) -> None:
    """Provider, alias and key names come near file names and identifiers, so they are narrow."""
    for name in hostile_names(400, seeded):
        config = small()
        if where == "providers":
            config["providers"][name] = {"type": "echo"}
        elif where == "aliases":
            config["aliases"][name] = {"targets": ["echo/echo"]}
        else:
            config["keys"] = {name: {"sha256": "0" * 64}}
        found = examined(config)
        if found.failed:
            assert {item.code for item in found.diagnostics} <= {"P202", "P301", "P304"}
        else:
            assert name.isascii() and name.isprintable() and '"' not in name and "\\" not in name
            for content in files(config).values():
                compile(content, "x", "exec") if not content.startswith(b"{") else None


def test_a_hostile_file_name_is_only_a_comment(tmp_path: Path) -> None:
    raw = json.dumps(small()).encode()
    for name in ('x"""\nimport os\n.json', "x\u2028y\r.json", "\u0430.json", "{{x}}.json"):
        for path, content in generated(examine_text(raw, name)).items():
            if path.endswith(".py"):
                assert content.isascii()
                first, second, *_ = content.decode().split("\n")
                assert first.startswith("# Generated by `plexus build` from ")
                assert second == ""


# secrets

CANARIES = {
    "openai": "sk-proj-CanaryCanaryCanaryCanaryCanary0123456789",
    "anthropic": "sk-ant-api03-CanaryCanaryCanaryCanary-0123456789",
    "google": "AIzaSyCanaryCanaryCanaryCanaryCanary012",
    "groq": "gsk_CanaryCanaryCanaryCanaryCanary0123",
    "xai": "xai-CanaryCanaryCanaryCanaryCanary0123",
    "openrouter": "sk-or-v1-canarycanarycanarycanary0123456789abcdef",
    "aws": "AKIACANARYCANARY1234",
    "huggingface": "hf_CanaryCanaryCanaryCanaryCanary0",
}
PLACES = [
    ("providers", "openai", "api_key"),
    ("providers", "openai", "api_kye"),
    ("providers", "openai", "apiKey"),
    ("providers", "openai", "headers", "Authorization"),
    ("providers", "openai", "headers", "X-Custom"),
    ("providers", "openai", "extra_body", "nested"),
    ("providers", "openai", "display_name"),
    ("providers", "openai", "api_base_url"),
    ("providers", "openai", "proxy"),
    ("providers", "openai", "profile"),
    ("providers", "openai", "type"),
    ("providers", "openai", "nonsense"),
    ("providers", "openai", "api_key", "env"),
    ("providers", "openai", "transformer", "use"),
    ("keys", "client", "secret"),
    ("keys", "client", "sha256"),
    ("keys", "client", "expires"),
    ("aliases", "fast", "description"),
    ("aliases", "fast", "selector"),
    ("aliases", "fast", "targets"),
    ("server", "host"),
    ("on_loss",),
    ("log", "level"),
]


@pytest.mark.parametrize("place", PLACES, ids=".".join)
@pytest.mark.parametrize("vendor", sorted(CANARIES))
def test_a_secret_is_refused_anywhere_and_never_repeated(
    place: tuple[str, ...], vendor: str
) -> None:
    secret = CANARIES[vendor]
    config = small()
    holder: Any = config
    for step in place[:-1]:
        if not isinstance(holder.get(step), dict):
            holder[step] = {}
        holder = holder[step]
    shapes: list[Any] = [
        secret,
        [secret],
        f"https://user:{secret}@a.example/v1",
        {"x": secret},
        f"Bearer {secret}",
    ]
    for value in shapes:
        holder[place[-1]] = value
        for layout in (None, 2):
            found = examine_text(json.dumps(config, indent=layout).encode(), "plexus.json")
            assert found.failed
            printed = text(found) + as_json(found.diagnostics) + as_github(found.diagnostics)
            assert secret not in printed
            assert secret[10:] not in printed


@pytest.mark.parametrize("vendor", sorted(CANARIES))
def test_a_secret_in_a_broken_file_is_not_shown_either(vendor: str) -> None:
    secret = CANARIES[vendor]
    for broken in (
        f'{{"providers": {{"a": {{"api_key": "{secret}" "type": "echo"}}}}}}',
        f'{{"api_key": "{secret}',
        f'{{"api_key": {secret}}}',
        f"{{'api_key': '{secret}'}}",
        f'{{"a": "{secret}", "a": 1,}}',
        f'{{"{secret}": 1}}',
    ):
        found = examine_text(broken.encode(), "plexus.json")
        assert found.failed
        printed = text(found) + as_json(found.diagnostics) + as_github(found.diagnostics)
        assert secret not in printed, printed
        assert secret[12:] not in printed, printed


def test_digests_and_long_model_names_are_no_secrets() -> None:
    model = "accounts/fireworks/models/llama-v3p1-405b-instruct-long-context-2026-01-01"
    config = small(
        keys={"a": {"sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}}
    )
    config["providers"]["openai"]["models"] = [model, "gpt-5.4-mini"]
    config["providers"]["openai"]["headers"] = {
        "OpenAI-Organization": "org-short",
        "X-Title": "My Application",
    }
    assert [item.head() for item in examined(config).diagnostics] == []


# nothing is fetched


def test_nothing_is_ever_fetched() -> None:
    """References in a config are data; the schema itself has only local ones."""
    code = (
        "import json, sys\n"
        "def watch(event, arguments):\n"
        "    if event.split('.')[0] in ('socket', 'urllib'):\n"
        "        raise SystemExit(event)\n"
        "    if event == 'open' and 'passwd' in str(arguments[0]):\n"
        "        raise SystemExit(event)\n"
        "sys.addaudithook(watch)\n"
        "from plexus.compiler.pipeline import examine_text\n"
        "config = json.loads(sys.argv[1])\n"
        "for target in ('http://127.0.0.1:9/x', 'file:///etc/passwd', '#'):\n"
        "    config['$schema'] = target\n"
        "    config['providers']['echo']['extra_body'] = {'$ref': target, '$dynamicRef': target}\n"
        "    assert not examine_text(json.dumps(config).encode(), 'p').failed\n"
        "    config['$ref'] = target\n"
        "    assert examine_text(json.dumps(config).encode(), 'p').failed\n"
        "    del config['$ref']\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(small())],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_the_schema_refers_to_itself_alone() -> None:
    schema = json.loads((ROOT / "schema" / "plexus.schema.json").read_text())
    references = [
        holder["$ref"]
        for holder in containers(schema)
        if isinstance(holder, dict) and "$ref" in holder
    ]
    assert references
    assert all(reference.startswith("#/$defs/") for reference in references)
