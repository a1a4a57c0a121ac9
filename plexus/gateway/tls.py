"""The certificate authorities an upstream is checked against."""

import ssl
from pathlib import Path

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def trust(ca_file: str | None = None) -> ssl.SSLContext:
    """A client context that trusts ``ca_file``, or the system's authorities.

    Not ``create_default_context``: that obeys SSL_CERT_FILE and SSLKEYLOGFILE, and the environment
    has no say here (reliability.md G15).  Raises OSError for a file that cannot be loaded.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
        return context
    paths = ssl.get_default_verify_paths()
    for bundle in (paths.openssl_cafile, *_BUNDLES):
        if Path(bundle).is_file():
            context.load_verify_locations(cafile=bundle)
            return context
    if Path(paths.openssl_capath).is_dir():
        context.load_verify_locations(capath=paths.openssl_capath)
    return context
