"""The config as frozen data with its defaults filled in.

Loading never fails: what the shape check took out falls to its default.  The secrets in here are
references; there are no values to leak.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from plexus.compiler.paths import Path

Json: TypeAlias = Any
OnLoss: TypeAlias = Literal["warn", "error"]
Repair: TypeAlias = Literal["never", "translated", "always"]


class Secret(Struct, frozen=True):
    """Where a secret is: an environment variable or a file."""

    env: str | None = None
    file: str | None = None


class Timeouts(Struct, frozen=True):
    """Seconds; None inherits."""

    connect: float | None = None
    first_content: float | None = None
    idle: float | None = None

    def over(self, other: Timeouts) -> Timeouts:
        """These, and the other's where these say nothing."""
        return Timeouts(
            self.connect if self.connect is not None else other.connect,
            self.first_content if self.first_content is not None else other.first_content,
            self.idle if self.idle is not None else other.idle,
        )


class StepUse(Struct, frozen=True):
    """One entry of ``transformer.use``; ``path`` is its place."""

    name: str
    options: dict[str, Json]
    path: Path


class Model(Struct, frozen=True):
    name: str
    max_output_tokens: int | None = None
    context_window: int | None = None
    capabilities: dict[str, Json] = {}
    steps: tuple[StepUse, ...] = ()
    timeouts: Timeouts = Timeouts()


class Credential(Struct, frozen=True):
    """A credential that is made anew at run time; ``type`` is ``aws`` or ``google``."""

    type: str
    region: str | None = None
    service: str | None = None
    profile: str | None = None
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    key: Secret | None = None

    def secrets(self) -> Iterator[tuple[str, Secret]]:
        """By the name of their key."""
        for name in ("access_key_id", "secret_access_key", "session_token", "key"):
            value = getattr(self, name)
            if value is not None:
                yield name, value


class Provider(Struct, frozen=True):
    """``urls`` is empty for echo; ``models`` is None when the config does not list them.

    ``repair``: which refused requests are mended and sent once more.
    """

    name: str
    type: str | None = None
    urls: dict[str, str] = {}
    platform: str | None = None
    api_version: str | None = None
    api_key: Secret | None = None
    credential: Credential | None = None
    models: dict[str, Model] | None = None
    headers: dict[str, str | Secret] = {}
    extra_body: dict[str, Json] = {}
    steps: tuple[StepUse, ...] = ()
    model_steps: dict[str, tuple[StepUse, ...]] = {}
    profile: str | None = None
    capabilities: dict[str, Json] = {}
    repair: Repair = "translated"
    timeouts: Timeouts = Timeouts()
    proxy: str | Secret | None = None
    ca_file: str | None = None
    allow_http: bool = False
    enabled: bool = True
    display_name: str | None = None

    @property
    def echo(self) -> bool:
        return self.type == "echo"


class AliasTarget(Struct, frozen=True):
    """``index`` is its place in the list as written; an empty name was malformed."""

    provider: str
    model: str
    weight: float
    index: int

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}"


class Alias(Struct, frozen=True):
    name: str
    targets: tuple[AliasTarget, ...] = ()
    selector: str = "random"
    description: str | None = None
    additional: tuple[tuple[int, str], ...] = ()
    reveal_model: bool = True
    on_loss: OnLoss = "warn"
    timeouts: Timeouts = Timeouts()


class Key(Struct, frozen=True):
    name: str
    secret: Secret | None = None
    sha256: str | None = None
    aliases: tuple[str, ...] | None = None
    expires: str | None = None


class Server(Struct, frozen=True):
    host: str = "127.0.0.1"
    port: int = 4000
    cors: tuple[str, ...] = ()
    body_limit: int = 32 * 1024 * 1024
    forward_rate_limits: bool | None = None
    estimate_tokens: bool = True


class Log(Struct, frozen=True):
    level: str = "info"
    format: str | None = None


class Config(Struct, frozen=True):
    """Everything ``plexus.json`` says; maps are sorted by name."""

    providers: dict[str, Provider]
    aliases: dict[str, Alias]
    server: Server = Server()
    keys: dict[str, Key] = {}
    timeouts: Timeouts = Timeouts()
    direct: bool = False
    on_loss: OnLoss = "warn"
    log: Log = Log()


def load(data: dict[str, Json]) -> Config:
    """Shape-checked data → Config."""
    on_loss: OnLoss = data.get("on_loss", "warn")
    return Config(
        providers={name: _provider(name, item) for name, item in _members(data, "providers")},
        aliases={name: _alias(name, item, on_loss) for name, item in _members(data, "aliases")},
        server=_server(data.get("server", {})),
        keys={name: _key(name, item) for name, item in _members(data, "keys")},
        timeouts=_timeouts(data),
        direct=data.get("direct", False),
        on_loss=on_loss,
        log=Log(**data.get("log", {})),
    )


def _members(data: dict[str, Json], key: str) -> Iterator[tuple[str, Json]]:
    yield from sorted(data.get(key, {}).items())


def _provider(name: str, data: dict[str, Json]) -> Provider:
    at: Path = ("providers", name)
    transformer = data.get("transformer", {})
    path = (*at, "transformer")
    return Provider(
        name=name,
        type=data.get("type"),
        urls=_urls(data),
        platform=data.get("platform"),
        api_version=data.get("api_version"),
        api_key=_secret(data.get("api_key")),
        credential=_credential(data.get("credential")),
        models=_models(at, data),
        headers={
            key: value if isinstance(value, str) else Secret(**value)
            for key, value in _members(data, "headers")
        },
        extra_body=data.get("extra_body", {}),
        steps=_steps(path, transformer),
        model_steps={
            model: _steps((*path, model), inner)
            for model, inner in sorted(transformer.items())
            if model != "use"
        },
        profile=data.get("profile"),
        capabilities=_capabilities(data.get("capabilities", {})),
        repair=data.get("repair", "translated"),
        timeouts=_timeouts(data),
        proxy=_reference(data.get("proxy")),
        ca_file=data.get("ca_file"),
        allow_http=data.get("allow_http", False),
        enabled=data.get("enabled", True),
        display_name=data.get("display_name"),
    )


def _urls(data: dict[str, Json]) -> dict[str, str]:
    urls = data.get("api_base_url")
    if isinstance(urls, dict):
        return dict(sorted(urls.items()))
    if isinstance(urls, str) and "type" in data:
        return {data["type"]: urls}
    return {}


def _credential(data: dict[str, Json] | None) -> Credential | None:
    if not data or "type" not in data:
        return None
    return Credential(
        type=data["type"],
        region=data.get("region"),
        service=data.get("service"),
        profile=data.get("profile"),
        access_key_id=_secret(data.get("access_key_id")),
        secret_access_key=_secret(data.get("secret_access_key")),
        session_token=_secret(data.get("session_token")),
        key=_secret(data.get("key")),
    )


def _models(at: Path, data: dict[str, Json]) -> dict[str, Model] | None:
    models = data.get("models")
    if models is None:
        return None
    if isinstance(models, list):
        return {name: Model(name) for name in sorted(models, key=str) if name is not None}
    path = (*at, "models")
    return {name: _model((*path, name), name, item) for name, item in sorted(models.items())}


def _model(at: Path, name: str, data: dict[str, Json]) -> Model:
    return Model(
        name=name,
        max_output_tokens=_whole(data.get("max_output_tokens")),
        context_window=_whole(data.get("context_window")),
        capabilities=_capabilities(data.get("capabilities", {})),
        steps=_steps((*at, "transformer"), data.get("transformer", {})),
        timeouts=_timeouts(data),
    )


def _capabilities(data: dict[str, Json]) -> dict[str, Json]:
    whole = (
        "default_max_tokens",
        "n_max",
        "stop_max",
        "tool_description_max",
        "tool_id_length",
        "tools_max",
    )
    return {
        key: _whole(value) if key in whole else _listed(value)
        for key, value in sorted(data.items())
    }


def _listed(value: Json) -> Json:
    """Lists as tuples, without items that were wrong."""
    if isinstance(value, dict):
        return {name: _listed(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(item for item in value if item is not None)
    return value


def _steps(at: Path, data: dict[str, Json]) -> tuple[StepUse, ...]:
    found = []
    for index, entry in enumerate(data.get("use", [])):
        path = (*at, "use", index)
        name, options = (entry, {}) if isinstance(entry, str) else _pair(entry)
        if isinstance(name, str):
            found.append(StepUse(name, options or {}, path))
    return tuple(found)


def _pair(entry: list[Json] | None) -> tuple[Json, Json]:
    name, options = [*(entry or []), None, None][:2]
    return name, options


def _alias(name: str, data: dict[str, Json], on_loss: OnLoss) -> Alias:
    additional = enumerate(data.get("additional_aliases", []))
    return Alias(
        name=name,
        targets=tuple(
            _target(index, item)
            for index, item in enumerate(data.get("targets", []))
            if item is not None
        ),
        selector=data.get("selector", "random"),
        description=data.get("description"),
        additional=tuple((index, item) for index, item in additional if item is not None),
        reveal_model=data.get("reveal_model", True),
        on_loss=data.get("on_loss", on_loss),
        timeouts=_timeouts(data),
    )


def _target(index: int, data: Json) -> AliasTarget:
    if isinstance(data, str):
        provider, _, model = data.partition("/")
        return AliasTarget(provider, model, 1.0, index)
    provider, model = data.get("provider", ""), data.get("model", "")
    return AliasTarget(provider, model, float(data.get("weight", 1)), index)


def _server(data: dict[str, Json]) -> Server:
    return Server(
        host=data.get("host", "127.0.0.1"),
        port=int(data.get("port", 4000)),
        cors=tuple(sorted(item for item in data.get("cors", []) if item is not None)),
        body_limit=int(data.get("body_limit", 32 * 1024 * 1024)),
        forward_rate_limits=data.get("forward_rate_limits"),
        estimate_tokens=data.get("estimate_tokens", True),
    )


def _key(name: str, data: dict[str, Json]) -> Key:
    aliases = data.get("aliases")
    digest = data.get("sha256")
    return Key(
        name=name,
        secret=_secret(data.get("secret")),
        sha256=digest.lower() if digest is not None else None,
        aliases=tuple(aliases) if aliases is not None else None,
        expires=data.get("expires"),
    )


def _timeouts(data: dict[str, Json]) -> Timeouts:
    limits = data.get("timeouts", {})
    return Timeouts(**{key: float(value) for key, value in limits.items()})


def _secret(data: dict[str, str] | None) -> Secret | None:
    return Secret(**data) if data else None


def _reference(data: str | dict[str, str] | None) -> str | Secret | None:
    return data if isinstance(data, str) else _secret(data)


def _whole(value: float | None) -> int | None:
    """JSON Schema takes 8192.0 for a whole number."""
    return int(value) if value is not None else None
