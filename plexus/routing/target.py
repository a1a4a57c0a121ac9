"""Providers, targets and how they are chosen between: the data that generated code is made of."""

from msgspec import Struct
from msgspec.structs import replace

from plexus.transformers.base import VENDOR, ClientCall, Dialect, Platform
from plexus.transformers.translation import Translation


class SecretRef(Struct, frozen=True):
    """Where a secret is: an environment variable or a file.  Never the value."""

    env: str | None = None
    file: str | None = None


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds: to connect; to the first content; between two reads of a stream."""

    connect: float = 10.0
    first_content: float = 600.0
    idle: float = 120.0

    def within(self, limit: float) -> "Timeouts":
        """None longer than ``limit``."""
        return Timeouts(
            connect=min(self.connect, limit),
            first_content=min(self.first_content, limit),
            idle=min(self.idle, limit),
        )


class AwsSignature(Struct, frozen=True, kw_only=True):
    """Requests are signed (SigV4) for ``service`` in ``region``.

    The keys are the three references when they are given, else what the AWS credential chain finds
    (environment, files with ``profile``, container or instance role).
    """

    region: str
    service: str = "bedrock"
    profile: str | None = None
    access_key_id: SecretRef | None = None
    secret_access_key: SecretRef | None = None
    session_token: SecretRef | None = None


class GoogleToken(Struct, frozen=True, kw_only=True):
    """An OAuth token of Google: for the service account whose key file's text ``key`` refers to,
    else for what Application Default Credentials find.
    """

    key: SecretRef | None = None


class Provider(Struct, frozen=True, kw_only=True):
    """An upstream.

    ``urls`` maps each dialect to its base URL (no trailing slash).  ``echo`` marks the built-in
    provider, which answers in process.  ``headers`` are fixed extra headers, values literal or
    secret references.  ``credential`` takes the place of ``api_key``.
    """

    name: str
    urls: dict[str, str] = {}
    echo: bool = False
    platform: Platform = VENDOR
    api_key: SecretRef | None = None
    credential: AwsSignature | GoogleToken | None = None
    headers: dict[str, str | SecretRef] = {}
    proxy: str | SecretRef | None = None
    ca_file: str | None = None


class Condition(Struct, frozen=True):
    """A capability rule: holds when the request shows all of ``facts`` (transformers/facts.py)."""

    name: str
    facts: tuple[str, ...]


class Candidate(Struct, frozen=True):
    """One way to serve a client dialect; ``condition`` None always matches."""

    condition: Condition | None
    translation: Translation


class Target(Struct, frozen=True, kw_only=True):
    """A provider and a model.

    ``translations`` maps each client dialect to its candidates; the first match wins.

    ``timeouts`` are final: alias, model, provider and server settings merged at build.
    """

    name: str
    provider: Provider
    model: str
    translations: dict[str, tuple[Candidate, ...]]
    timeouts: Timeouts = Timeouts()

    def candidate(self, dialect: Dialect, call: ClientCall) -> Candidate | None:
        """The first that matches a client's call; None when the dialect is not served here.

        The call is looked into only where a condition asks for it.
        """
        facts: frozenset[str] | None = None
        for candidate in self.translations.get(dialect.NAME, ()):
            condition = candidate.condition
            if condition is None:
                return candidate
            if facts is None:
                facts = dialect.request_facts(call)
            if facts.issuperset(condition.facts):
                return candidate
        return None

    def translation(self, dialect: Dialect, call: ClientCall) -> Translation | None:
        """The translation of that candidate."""
        found = self.candidate(dialect, call)
        return None if found is None else found.translation

    def with_timeouts(self, timeouts: Timeouts) -> "Target":
        """The same target under the limits of an alias."""
        return replace(self, timeouts=timeouts)


class Weighted(Struct, frozen=True):
    """A target of an alias; ``weight`` > 0 is its share under ``random``."""

    target: Target
    weight: float = 1.0
