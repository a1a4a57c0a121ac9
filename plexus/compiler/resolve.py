"""Names → what they name, and the cross checks (P3xx names, P4xx meaning), all at once.

Works on whatever the shape check left, so that one run finds every mistake; what is missing
because it was malformed is not reported a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from ipaddress import ip_address

from msgspec import Struct
from msgspec.structs import replace

from plexus.compiler import catalog, names, parents, platforms
from plexus.compiler.catalog import CatalogError
from plexus.compiler.config import Alias, AliasTarget, Config, Key, Provider, Secret, StepUse
from plexus.compiler.diagnostics import Diagnostic, quote, suggest
from plexus.compiler.factory import Constructor, OptionError, TransformerFactory
from plexus.compiler.paths import Path, dotted
from plexus.compiler.profiles import by_hosts, profiles
from plexus.compiler.secrets import looks_random, looks_secret
from plexus.compiler.shape import literal_secret, usual_url
from plexus.compiler.source import Document, Json
from plexus.compiler.urls import Url, UrlError, base_url, proxy_url

# Written by the HTTP client itself, or different for each hop.
_HOP = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_CREDENTIALS = frozenset(
    {"api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"}
)
_VENDORS = {
    "api.openai.com": "/v1",
    "api.anthropic.com": "/v1",
    "generativelanguage.googleapis.com": "/v1beta",
}


class Chosen(Struct, frozen=True):
    """A provider's profile, and what chose it.

    ``by``: the ``profile`` of the config, a ``step``'s name, or the ``host`` of its URL.
    """

    name: str
    by: str


class Resolved(Struct, frozen=True):
    """A config whose names are known to lead somewhere.

    ``steps``: constructors by the place of their entry.  ``urls``: checked base URLs by provider
    and dialect.  ``profiles``: by provider, for those that have one.  ``expires``: Unix seconds by
    key name.
    """

    config: Config
    steps: dict[Path, Constructor]
    selectors: dict[str, Constructor]
    urls: dict[str, dict[str, str]]
    profiles: dict[str, Chosen]
    expires: dict[str, float]


def resolve(document: Document, config: Config, written: Json) -> tuple[Resolved, list[Diagnostic]]:
    """Check everything that is more than shape; ``written`` is the config as it was written."""
    resolver = _Resolver(document, config, written)
    for provider in config.providers.values():
        resolver.provider(provider)
    resolver.collisions("provider", ("providers",), list(config.providers))
    for alias in config.aliases.values():
        resolver.alias(alias)
    resolver.alias_names()
    for key in config.keys.values():
        resolver.key(key)
    resolver.collisions("key", ("keys",), list(config.keys))
    resolver.server()
    resolver.shaped_like_secrets()
    resolved = Resolved(
        config,
        resolver.steps,
        resolver.selectors,
        resolver.urls,
        resolver.profiles,
        resolver.expires,
    )
    return resolved, resolver.found


class _Resolver:
    """The checks, one method for each part of the config; findings collect in ``found``."""

    def __init__(self, document: Document, config: Config, written: Json) -> None:
        self.document = document
        self.written = written
        self.config = config
        self.found: list[Diagnostic] = []
        self.factory = TransformerFactory()
        self.steps: dict[Path, Constructor] = {}
        self.selectors: dict[str, Constructor] = {}
        self.urls: dict[str, dict[str, str]] = {}
        self.hosts: dict[str, dict[str, str]] = {}
        self.profiles: dict[str, Chosen] = {}
        self.expires: dict[str, float] = {}
        self.digests: dict[str | None, str] = {}

    def error(self, path: Path, code: str, message: str, hint: str = "") -> None:
        line, column = self.document.value_at(path)
        self.found.append(Diagnostic(self.document.file, line, column, code, message, hint))

    def at_key(self, path: Path, code: str, message: str, hint: str = "") -> None:
        line, column = self.document.key_at(path)
        self.found.append(Diagnostic(self.document.file, line, column, code, message, hint))

    def warn(self, path: Path, code: str, message: str, hint: str = "") -> None:
        line, column = self.document.key_at(path)
        self.found.append(
            Diagnostic(self.document.file, line, column, code, message, hint, "warning")
        )

    def collisions(self, what: str, at: Path, given: list[str]) -> None:
        for first, second in names.collisions(given):
            message = f"{what} names {quote(first)} and {quote(second)} differ only in case or form"
            self.at_key((*at, second), "P304", message)

    # providers

    def provider(self, provider: Provider) -> None:
        at: Path = ("providers", provider.name)
        if not isinstance(self._written(at), dict):
            return
        self.dialect_and_url(provider, at)
        self.secret(provider.api_key, (*at, "api_key"))
        self.cloud(provider, at)
        self.headers(provider, at)
        self.proxy(provider, at)
        self.extra_body(provider, at)
        self.profile(provider, at)
        self.models(provider, at)
        for fault in parents.faults(provider, catalog.dialects()):
            self.error(fault.path, fault.code, fault.message, fault.hint)

    def dialect_and_url(self, provider: Provider, at: Path) -> None:
        typed = self.document.has((*at, "type"))
        placed = self.document.has((*at, "api_base_url"))
        if provider.echo:
            if placed:
                message = "the echo provider answers in process and has no address"
                self.at_key((*at, "api_base_url"), "P411", message, "leave it out")
            return
        if typed and isinstance(self._written((*at, "api_base_url")), dict):
            message = "has both a type and a map of dialects"
            hint = "leave the type out"
            self.at_key((*at, "type"), "P412", f"{dotted(at)} {message}", hint)
            return
        if not placed:
            self.no_url(provider, at, typed)
        elif (
            not typed
            and provider.urls == {}
            and isinstance(self._written((*at, "api_base_url")), str)
        ):
            message = f"{dotted(at)} has an address but no type"
            self.at_key(at, "P204", message, f'add "type": one of {", ".join(catalog.dialects())}')
        self.addresses(provider, at)

    def no_url(self, provider: Provider, at: Path, typed: bool) -> None:
        if provider.type is None and typed:
            return
        usual = usual_url(provider.type or "")
        hint = f"the vendor's own is {usual}" if usual else 'or "type": "echo"'
        self.at_key(at, "P204", f'{dotted(at)} has no "api_base_url"', hint)

    def addresses(self, provider: Provider, at: Path) -> None:
        mapped = isinstance(self._written((*at, "api_base_url")), dict)
        checked: dict[str, str] = {}
        for dialect, text in provider.urls.items():
            path = (*at, "api_base_url", dialect) if mapped else (*at, "api_base_url")
            url = self.url(path, text, partial(base_url, allow_http=provider.allow_http))
            if url is not None:
                checked[dialect] = url.text
                self.hosts.setdefault(provider.name, {})[dialect] = url.host
                self.usual_slips(provider, url, path)
        self.urls[provider.name] = checked

    def usual_slips(self, provider: Provider, url: Url, path: Path) -> None:
        end = _VENDORS.get(url.host)
        if end is not None and url.text == f"{url.scheme}://{url.host}":
            self.warn(path, "P451", f"the API of {url.host} is at {url.text}{end}")
        if url.host in _VENDORS and provider.api_key is None and not provider.headers:
            at: Path = ("providers", provider.name)
            if not self.document.has((*at, "api_key")):
                self.warn(at, "P452", f"{dotted(at)} has no api_key, which {url.host} demands")

    def url(self, path: Path, text: str, check: Callable[[str], Url]) -> Url | None:
        try:
            return check(text)
        except UrlError as error:
            self.error(path, error.code, f"{dotted(path)} {error.message}", error.hint)
            return None

    def secret(self, secret: Secret | None, path: Path) -> None:
        if secret is not None and (secret.env is None) == (secret.file is None):
            self.error(path, "P413", f'{dotted(path)} needs one of "env" and "file"')

    def cloud(self, provider: Provider, at: Path) -> None:
        """Platform and credential; a bad address was reported already."""
        if provider.credential is not None:
            for name, secret in provider.credential.secrets():
                self.secret(secret, (*at, "credential", name))
        checked = replace(provider, urls=self.urls.get(provider.name, {}))
        for fault in platforms.faults(checked):
            place = self.at_key if fault.on_key else self.error
            said = fault.message if fault.code == "P419" else f"{dotted(at)} {fault.message}"
            if fault.code == "P420":
                said = f"{dotted((*at, *fault.key))} {fault.message}"
            place((*at, *fault.key), fault.code, said, fault.hint)
        keyed = any(self.document.has((*at, key)) for key in ("api_key", "credential", "headers"))
        if provider.platform is not None and not provider.echo and not keyed:
            message = f"has no api_key or credential, which {provider.platform} demands"
            self.warn(at, "P452", f"{dotted(at)} {message}")

    def headers(self, provider: Provider, at: Path) -> None:
        seen: dict[str, str] = {}
        for name, value in provider.headers.items():
            path = (*at, "headers", name)
            lower = name.lower()
            if lower in _HOP:
                self.at_key(path, "P414", f"header {quote(name)} is written by the HTTP client")
            if lower in seen:
                message = f"headers {quote(seen[lower])} and {quote(name)} are the same"
                self.at_key(path, "P414", message)
            seen[lower] = name
            if isinstance(value, Secret):
                self.secret(value, path)
            elif value and (lower in _CREDENTIALS or looks_random(value)):
                self._literal(path, value)

    def _literal(self, path: Path, value: str) -> None:
        problem = literal_secret(path, value)
        self.error(path, problem.code, problem.message, problem.hint)

    def proxy(self, provider: Provider, at: Path) -> None:
        proxy = provider.proxy
        path = (*at, "proxy")
        if isinstance(proxy, Secret):
            self.secret(proxy, path)
        elif proxy is not None:
            self.url(path, proxy, proxy_url)

    def extra_body(self, provider: Provider, at: Path) -> None:
        for name in provider.extra_body:
            if name in parents.OWN_MEMBERS:
                path = (*at, "extra_body", name)
                message = f"extra_body cannot set {quote(name)}, which every request sets itself"
                self.at_key(path, "P415", message)

    def profile(self, provider: Provider, at: Path) -> None:
        """The one that the config names, else the one that its hosts agree upon."""
        named = provider.profile
        if named is None:
            found = by_hosts(self.hosts.get(provider.name, {}))
            if found is not None:
                self.profiles[provider.name] = Chosen(found, "host")
        elif named in profiles():
            by = "profile" if self.document.has((*at, "profile")) else "step"
            self.profiles[provider.name] = Chosen(named, by)
        else:
            hint = suggest(named, profiles()) or f"there are {', '.join(profiles())}"
            message = f"there is no profile {quote(named)}"
            self.error((*at, "profile"), "P311", message, hint)

    def models(self, provider: Provider, at: Path) -> None:
        models = provider.models or {}
        path = (*at, "models")
        as_list = isinstance(self._written(path), list)
        for first, second in names.collisions(models):
            place = path if as_list else (*path, second)
            message = f"models {quote(first)} and {quote(second)} differ only in case or form"
            self.at_key(place, "P304", message)
        for name, model in models.items():
            place = path if as_list else (*path, name)
            if not name.isprintable() or name != name.strip():
                self.at_key(place, "P301", f"{quote(name)} is no model name: unprintable or blank")
            self.limits(provider, name, place)
            self.use(model.steps, provider)
        self.use(provider.steps, provider)
        for name, steps in provider.model_steps.items():
            if provider.models is not None and name not in models:
                message = f"provider {quote(provider.name)} has no model {quote(name)}"
                place = (*at, "transformer", name)
                self.at_key(place, "P313", message, suggest(name, [*models, "use"]))
            self.use(steps, provider)
        self.repeated(provider.steps)
        for name in {**models, **provider.model_steps}:
            own = models[name].steps if name in models else ()
            self.repeated((*provider.steps, *provider.model_steps.get(name, ()), *own))

    def limits(self, provider: Provider, name: str, place: Path) -> None:
        model = (provider.models or {})[name]
        most, window = model.max_output_tokens, model.context_window
        if most is not None and window is not None and most > window:
            message = f"{quote(name)} cannot write more tokens than its context window holds"
            self.at_key((*place, "max_output_tokens"), "P416", message)

    def use(self, steps: tuple[StepUse, ...], provider: Provider) -> None:
        for step in steps:
            if step.name in parents.DIALECTS:
                continue
            try:
                made = self.steps[step.path] = self.factory.make(step)
                self.named_models(step, made, provider)
            except CatalogError as error:
                self.error(step.path, error.code, error.message, error.hint)
            except OptionError as error:
                for problem in error.problems:
                    place = self.at_key if problem.on_key else self.error
                    place(problem.path, problem.code, problem.message, problem.hint)

    def named_models(self, step: StepUse, made: Constructor, provider: Provider) -> None:
        """Models that the options of a step name are models of its provider."""
        for place, model in catalog.named_models(step.name, made.arguments).items():
            if not self._lists(provider, model):
                message = f"step {step.name} names model {quote(model)}, which provider"
                hint = suggest(model, provider.models or ()) or "add it to its models"
                message = f"{message} {quote(provider.name)} does not list"
                self.error((*step.path, 1, *place), "P303", message, hint)

    def repeated(self, chain: tuple[StepUse, ...]) -> None:
        """A step twice in one list, or with the same options in two lists of one model.

        With other options a model's list may well say more than its provider's.
        """
        for number, use in enumerate(chain):
            before = (other for other in chain[:number] if other.name == use.name)
            again = any(
                other.path[:-1] == use.path[:-1] or other.options == use.options for other in before
            )
            if again and use.name not in parents.DIALECTS:
                message = f"step {quote(use.name)} is named again for the same model"
                self.warn(use.path, "P456", message, "it runs as often as it is named")

    # aliases

    def alias(self, alias: Alias) -> None:
        at: Path = ("aliases", alias.name)
        self.selector(alias, at)
        seen: dict[str, AliasTarget] = {}
        live = 0
        for target in alias.targets:
            path = (*at, "targets", target.index)
            if target.name in seen and target.provider and target.model:
                message = f"alias {quote(alias.name)} names {quote(target.name)} twice"
                self.error(path, "P417", message, 'one with a "weight" is enough')
            seen[target.name] = target
            live += self.target(alias, target, path)
        if alias.targets and not live:
            message = f"no provider of alias {quote(alias.name)} is enabled"
            self.at_key(at, "P418", message)
        self.weights(alias, at)

    def selector(self, alias: Alias, at: Path) -> None:
        if alias.selector in self.selectors:
            return
        try:
            found = catalog.selector(alias.selector)
        except CatalogError as error:
            self.error((*at, "selector"), error.code, error.message, error.hint)
            return
        self.selectors[alias.selector] = Constructor(
            found.__module__, found.__name__, {}, False, alias.selector
        )

    def target(self, alias: Alias, target: AliasTarget, path: Path) -> bool:
        """Whether the target can answer, as far as is known."""
        providers = self.config.providers
        if not providers or not target.provider:
            return True
        who = f"alias {quote(alias.name)}"
        provider = providers.get(target.provider)
        written = "provider" if self.document.has((*path, "provider")) else None
        if provider is None:
            place = (*path, written) if written else path
            message = f"{who} names provider {quote(target.provider)}"
            hint = suggest(target.provider, providers) or f"there are {', '.join(providers)}"
            self.error(place, "P302", message, hint)
            return True
        if target.model and not self._lists(provider, target.model):
            place = (*path, "model") if written else path
            message = f"{who} names model {quote(target.model)}, which provider"
            hint = suggest(target.model, provider.models or ()) or "add it to its models"
            self.error(place, "P303", f"{message} {quote(provider.name)} does not list", hint)
        return provider.enabled

    def _lists(self, provider: Provider, model: str) -> bool:
        """Whether the config lists a model, if only as a name that cannot stay."""
        if provider.models is None:
            return True
        written = self._written(("providers", provider.name, "models"))
        return model in (provider.models or {}) or (isinstance(written, list) and model in written)

    def weights(self, alias: Alias, at: Path) -> None:
        if alias.selector == "random":
            return
        for target in alias.targets:
            path = (*at, "targets", target.index, "weight")
            if self.document.has(path):
                self.warn(path, "P453", f"selector {quote(alias.selector)} takes no weights")

    def alias_names(self) -> None:
        """Aliases and additional aliases share one space of names."""
        taken: dict[str, tuple[str, Path]] = {}
        for name, path in self._alias_names():
            other = taken.setdefault(names.fold(name), (name, path))
            if other[1] == path:
                continue
            differ = f"names {quote(other[0])} and {quote(name)} differ only in case or form"
            same = f"name {quote(name)} is taken twice"
            self.at_key(path, "P304", f"alias {same if other[0] == name else differ}")
        if self.config.direct:
            self.shadowed(taken)

    def _alias_names(self) -> Iterator[tuple[str, Path]]:
        for alias in self.config.aliases.values():
            yield alias.name, ("aliases", alias.name)
        for alias in self.config.aliases.values():
            for index, name in alias.additional:
                yield name, ("aliases", alias.name, "additional_aliases", index)

    def shadowed(self, taken: dict[str, tuple[str, Path]]) -> None:
        for name, path in taken.values():
            provider, _, model = name.partition("/")
            known = self.config.providers.get(provider)
            if known is not None and model in (known.models or {}):
                self.warn(path, "P454", f"alias {quote(name)} hides the direct name of that target")

    # keys and server

    def key(self, key: Key) -> None:
        at: Path = ("keys", key.name)
        written = [name for name in ("secret", "sha256") if self.document.has((*at, name))]
        if len(written) != 1:
            self.at_key(at, "P413", f'{dotted(at)} needs one of "secret" and "sha256"')
        self.secret(key.secret, (*at, "secret"))
        other = self.digests.setdefault(key.sha256, key.name)
        if key.sha256 is not None and other != key.name:
            message = f"key {quote(key.name)} has the same secret as key {quote(other)}"
            self.error((*at, "sha256"), "P419", message, "give each client a key of its own")
        known = self.config.aliases
        for index, name in enumerate(key.aliases or ()):
            if known and name is not None and name not in known and not self._direct(name):
                message = f"key {quote(key.name)} names alias {quote(name)}"
                hint = suggest(name, known) or f"there are {', '.join(known)}"
                self.error((*at, "aliases", index), "P312", message, hint)
        if key.expires is not None:
            self.expiry(key.name, key.expires, (*at, "expires"))

    def _direct(self, name: str) -> bool:
        provider, _, model = name.partition("/")
        found = self.config.providers.get(provider) if self.config.direct else None
        return found is not None and (found.models is None or model in found.models)

    def expiry(self, name: str, text: str, path: Path) -> None:
        try:
            self.expires[name] = parse_expiry(text)
        except (ValueError, OverflowError):
            self.error(path, "P205", f"{dotted(path)} {quote(text)} is no day or time")

    def server(self) -> None:
        server = self.config.server
        if not self.config.keys and not is_loopback(server.host):
            message = f"serving on {server.host} without client keys will be refused"
            hint = 'add "keys", or serve with --allow-anonymous'
            self.warn(("server", "host"), "P455", message, hint)

    # everywhere

    def shaped_like_secrets(self) -> None:
        """No text of the config may be a credential; where one has been reported is enough."""
        reported = {(item.line, item.column) for item in self.found}
        for path, text in _texts(self.written, ()):
            if looks_secret(text) and self.document.value_at(path) not in reported:
                self._literal(path, text)

    def _written(self, path: Path) -> object:
        """What the config has at ``path``, right or wrong."""
        found: object = self.written
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        return found


def _texts(data: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _texts(value, (*path, index))


def parse_expiry(text: str) -> float:
    """RFC 3339 → Unix seconds; a bare date ends with that day in UTC.  Raises ValueError."""
    if len(text) == 10:
        day = date.fromisoformat(text) + timedelta(days=1)
        return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    return datetime.fromisoformat(text.upper()).timestamp()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on ``host``."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
