"""Which addresses a provider may have (design §4; reliability B19).

Pure text: nothing is resolved or fetched.  A spelling that two programs could read differently
(decimal or hexadecimal addresses, user names, dot segments) is refused rather than understood.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network
from typing import Literal, TypeAlias

from msgspec import Struct

Place: TypeAlias = Literal["loopback", "private", "public"]
Address: TypeAlias = "IPv4Address | IPv6Address"

_SPLIT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_CLEAN = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_HIDDEN = re.compile(r"%(?:2e|2f|5c|00)", re.IGNORECASE)
_ENDPOINTS = re.compile(
    r"(?:/(?:chat/completions|completions|messages|responses|embeddings|models)"
    r"|/models/[^/]+:\w+)/*$"
)

_METADATA_HOSTS = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "metadata.platformequinix.com",
    }
)
# Link-local holds the metadata services of most clouds; the others are single addresses of
# Azure's agent, Alibaba, Oracle, and AWS over IPv6.
_METADATA_NETS = tuple(
    ip_network(net)
    for net in (
        "169.254.0.0/16",
        "168.63.129.16/32",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "fe80::/10",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    )
)
_PRIVATE_NETS = tuple(
    ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
_EMBEDDING_NETS = tuple(
    ip_network(net) for net in ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "2001::/32")
)
_PRIVATE_ENDS = (
    ".local",
    ".localdomain",
    ".internal",
    ".lan",
    ".intranet",
    ".home.arpa",
    ".svc",
    ".docker",
    ".test",
)


class UrlError(Exception):
    """Why a URL is refused: code, message without the URL itself, hint."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class Url(Struct, frozen=True):
    """A URL that may be used; ``text`` without the trailing slash."""

    text: str
    scheme: str
    host: str
    place: Place


def base_url(text: str, *, allow_http: bool) -> Url:
    """A provider's base URL.  Raises UrlError."""
    scheme, authority, path = _split(text)
    host, place = _authority(authority)
    if scheme == "http":
        _check_http(place, allow_http)
    _check_path(text, path)
    url = f"{scheme}://{authority.lower()}{path.rstrip('/')}"
    return Url(url, scheme, host, place)


def proxy_url(text: str) -> Url:
    """An HTTP proxy: it may be anywhere (it carries TLS), but has no path.  Raises UrlError."""
    scheme, authority, path = _split(text)
    host, place = _authority(authority)
    if path not in ("", "/"):
        raise UrlError("P401", "a proxy has no path")
    return Url(f"{scheme}://{authority.lower()}", scheme, host, place)


def _split(text: str) -> tuple[str, str, str]:
    """Scheme, authority and path of a URL without query and fragment."""
    if _CLEAN.fullmatch(text) is None:
        hint = "" if text.isascii() else "write an international host name in its xn-- form"
        raise UrlError("P401", "has a blank, a control or a non-ASCII character", hint)
    match = _SPLIT.fullmatch(text)
    if match is None or match[2] is None or match[1].lower() not in ("http", "https"):
        raise UrlError("P401", "is no http or https URL", 'it begins with "https://"')
    scheme, _, authority, path, query, fragment = match.groups()
    if "\\" in text:
        raise UrlError("P401", "has a backslash")
    if "@" in authority:
        raise UrlError("P405", "has a user name or password in it", 'use "api_key" or "headers"')
    if query is not None or fragment is not None:
        what = "query" if query is not None else "fragment"
        raise UrlError("P406", f"has a {what}, and paths are appended to it", "leave it out")
    return scheme.lower(), authority, path


def _authority(text: str) -> tuple[str, Place]:
    host, port = _host_and_port(text)
    if port is not None and (re.fullmatch(r"[1-9][0-9]{0,4}", port) is None or int(port) > 65535):
        raise UrlError("P409", "has no valid port", "a port is a number from 1 to 65535")
    host = host.lower()
    if host.startswith("["):
        return host, _place_of_address(_ipv6(host))
    if not host:
        raise UrlError("P401", "has no host")
    if _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return host, _place_of_address(_ipv4(host))
    return host, _place_of_name(host)


def _host_and_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, close, rest = text.partition("]")
        if not close or (rest and not rest.startswith(":")):
            raise UrlError("P401", "has a malformed IPv6 address")
        return host + close, rest[1:] if rest else None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _ipv4(host: str) -> IPv4Address:
    try:
        return IPv4Address(host)
    except AddressValueError:
        message = "has an IP address in an unusual form"
        raise UrlError("P408", message, "write it as four decimal numbers") from None


def _ipv6(host: str) -> IPv6Address:
    try:
        address = IPv6Address(host[1:-1])
    except AddressValueError:
        raise UrlError("P401", "has a malformed IPv6 address") from None
    if address.scope_id is not None:
        raise UrlError("P408", "has an IPv6 address with a zone")
    embedded = any(address in net for net in _EMBEDDING_NETS)
    if embedded and not address.is_loopback and not address.is_unspecified:
        raise UrlError("P408", "has an IPv4 address inside an IPv6 one", "write the IPv4 address")
    return address


def _place_of_address(address: Address) -> Place:
    if any(address in net for net in _METADATA_NETS):
        raise UrlError("P404", "is the address of a cloud's metadata service, which is refused")
    if address.is_loopback:
        return "loopback"
    if address.is_unspecified or address.is_multicast or address.is_reserved:
        raise UrlError("P401", "has an address no server can have")
    return "private" if any(address in net for net in _PRIVATE_NETS) else "public"


def _place_of_name(host: str) -> Place:
    if host.endswith("."):
        raise UrlError("P401", "has a host name that ends in a dot")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise UrlError("P401", "has no valid host name")
    if host in _METADATA_HOSTS:
        raise UrlError("P404", "is the address of a cloud's metadata service, which is refused")
    if host == "localhost" or host.endswith(".localhost"):
        return "loopback"
    return "private" if "." not in host or host.endswith(_PRIVATE_ENDS) else "public"


def _check_http(place: Place, allow_http: bool) -> None:
    if place == "public":
        raise UrlError("P402", "sends keys and prompts unencrypted", "use https://")
    if place == "private" and not allow_http:
        hint = 'use https://, or say "allow_http": true'
        raise UrlError("P403", "is http:// to a private address", hint)


def _check_path(text: str, path: str) -> None:
    if _HIDDEN.search(path) or any(segment in (".", "..") for segment in path.split("/")):
        raise UrlError("P407", 'has "." or ".." or a hidden slash in its path')
    segments = path.rstrip("/").split("/")[1:]
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise UrlError("P401", "has an empty or malformed path segment")
    if match := _ENDPOINTS.search(path):
        hint = f'write "{text[: len(text) - len(match[0])]}"'
        raise UrlError("P410", "has the endpoint in it, which Plexus adds itself", hint)
