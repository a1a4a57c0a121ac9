"""The certificate authorities an upstream is checked against."""

import ssl
from collections.abc import Iterable
from pathlib import Path

from plexus.plain_files import load_authorities
from plexus.routing.target import Provider

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def trust(ca_file: Path | None = None) -> ssl.SSLContext:
    """A client context that trusts ``ca_file``, or the system's authorities.

    Not ``create_default_context``: that obeys SSL_CERT_FILE and SSLKEYLOGFILE, and the environment
    has no say here (reliability.md G15).  Raises OSError for a file that cannot be loaded.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        load_authorities(context, ca_file)
        return context
    paths = ssl.get_default_verify_paths()
    for bundle in (paths.openssl_cafile, *_BUNDLES):
        if Path(bundle).is_file():
            context.load_verify_locations(cafile=bundle)
            return context
    if Path(paths.openssl_capath).is_dir():
        context.load_verify_locations(capath=paths.openssl_capath)
    return context


def contexts(
    providers: Iterable[Provider], base: Path
) -> tuple[dict[str, ssl.SSLContext], list[str]]:
    """The context of each provider that is reached over TLS, and what is wrong with its file.

    ``base`` is where a relative ``ca_file`` starts from.
    """
    found: dict[str, ssl.SSLContext] = {}
    problems = []
    system = None
    for provider in providers:
        if not any(url.startswith("https:") for url in provider.urls.values()):
            continue
        if provider.ca_file is None:
            # Loading a bundle takes some 20 ms; all providers can share one.
            found[provider.name] = system = system or trust()
            continue
        path = base / provider.ca_file
        try:
            found[provider.name] = trust(path)
        except OSError as problem:
            problems.append(f"ca_file {path} of provider {provider.name}: {problem.strerror}")
    return found, problems
