"""Which addresses a provider may have: one row for each (design §4, reliability B19)."""

from __future__ import annotations

import pytest

from plexus.compiler.urls import UrlError, base_url, proxy_url

GOOD = [
    # (url, allow_http, as it is used)
    ("https://api.openai.com/v1", False, "https://api.openai.com/v1"),
    ("https://api.openai.com/v1/", False, "https://api.openai.com/v1"),
    ("HTTPS://API.OpenAI.com/v1", False, "https://api.openai.com/v1"),
    ("https://api.deepseek.com", False, "https://api.deepseek.com"),
    ("https://api.example.com:8443/openai/v1", False, "https://api.example.com:8443/openai/v1"),
    ("https://xn--bcher-kva.example/v1", False, "https://xn--bcher-kva.example/v1"),
    ("https://8.8.8.8/v1", False, "https://8.8.8.8/v1"),
    ("https://[2606:4700::1111]/v1", False, "https://[2606:4700::1111]/v1"),
    ("https://10.0.0.5/v1", False, "https://10.0.0.5/v1"),
    ("https://vllm.internal/v1", False, "https://vllm.internal/v1"),
    ("http://127.0.0.1:8000/v1", False, "http://127.0.0.1:8000/v1"),
    ("http://127.8.9.1/v1", False, "http://127.8.9.1/v1"),
    ("http://localhost:11434/v1", False, "http://localhost:11434/v1"),
    ("http://LOCALHOST:11434/v1", False, "http://localhost:11434/v1"),
    ("http://api.localhost/v1", False, "http://api.localhost/v1"),
    ("http://[::1]:8000/v1", False, "http://[::1]:8000/v1"),
    ("http://10.0.0.5:8000/v1", True, "http://10.0.0.5:8000/v1"),
    ("http://172.16.0.1/v1", True, "http://172.16.0.1/v1"),
    ("http://192.168.1.20:1234/v1", True, "http://192.168.1.20:1234/v1"),
    ("http://100.64.0.1/v1", True, "http://100.64.0.1/v1"),
    ("http://[fd12:3456::1]/v1", True, "http://[fd12:3456::1]/v1"),
    ("http://ollama:11434/v1", True, "http://ollama:11434/v1"),
    ("http://my_vllm:8000/v1", True, "http://my_vllm:8000/v1"),
    ("http://nas.local/v1", True, "http://nas.local/v1"),
    ("http://host.docker.internal:8000/v1", True, "http://host.docker.internal:8000/v1"),
    ("http://vllm.ml.svc/v1", True, "http://vllm.ml.svc/v1"),
    ("https://example.com/a/b~c/%41", False, "https://example.com/a/b~c/%41"),
    ("https://example.com:65535", False, "https://example.com:65535"),
    ("https://example.com/messages-api/v1", False, "https://example.com/messages-api/v1"),
]

BAD = [
    # (url, allow_http, code)
    ("", False, "P401"),
    ("api.openai.com/v1", False, "P401"),
    ("htp://api.openai.com/v1", False, "P401"),
    ("htp:/nope", False, "P401"),
    ("https:/api.openai.com", False, "P401"),
    ("https:api.openai.com", False, "P401"),
    ("//api.openai.com/v1", False, "P401"),
    ("ftp://example.com", False, "P401"),
    ("file:///etc/passwd", False, "P401"),
    ("unix:/run/x.sock", False, "P401"),
    ("javascript:alert(1)", False, "P401"),
    ("https://", False, "P401"),
    ("https:///v1", False, "P401"),
    ("https://exa mple.com", False, "P401"),
    (" https://example.com", False, "P401"),
    ("https://example.com\n", False, "P401"),
    ("https://example.com/\x00", False, "P401"),
    ("https://example.com\\@evil.com", False, "P401"),
    ("https://bücher.example/v1", False, "P401"),
    ("https://exаmple.com/v1", False, "P401"),  # a Cyrillic letter
    ("https://example..com", False, "P401"),
    ("https://.example.com", False, "P401"),
    ("https://example.com.", False, "P401"),
    ("https://-example.com", False, "P401"),
    ("https://" + "a" * 64 + ".com", False, "P401"),
    ("https://" + "a." * 130 + "com", False, "P401"),
    ("https://[::1", False, "P401"),
    ("https://[::1]x/v1", False, "P401"),
    ("https://[zz::1]/v1", False, "P401"),
    ("https://example.com//v1", False, "P401"),
    ("https://example.com/%zz", False, "P401"),
    ("http://0.0.0.0:8000", True, "P401"),
    ("http://[::]:8000", True, "P401"),
    ("https://224.0.0.1", False, "P401"),
    ("https://240.0.0.1", False, "P401"),
    ("https://255.255.255.255", False, "P401"),
    ("http://api.openai.com/v1", False, "P402"),
    ("http://api.openai.com/v1", True, "P402"),
    ("http://8.8.8.8/v1", True, "P402"),
    ("http://172.32.0.1/v1", True, "P402"),
    ("http://[2606:4700::1111]/v1", True, "P402"),
    ("http://10.0.0.5/v1", False, "P403"),
    ("http://192.168.1.1/v1", False, "P403"),
    ("http://ollama:11434", False, "P403"),
    ("http://nas.local/v1", False, "P403"),
    ("http://169.254.169.254/latest", True, "P404"),
    ("https://169.254.169.254/latest", True, "P404"),
    ("https://169.254.170.2", True, "P404"),
    ("http://[fe80::1]/v1", True, "P404"),
    ("http://[fd00:ec2::254]/latest", True, "P404"),
    ("http://metadata.google.internal/v1", True, "P404"),
    ("http://METADATA.google.internal/v1", True, "P404"),
    ("http://metadata/v1", True, "P404"),
    ("http://100.100.100.200/latest", True, "P404"),
    ("http://168.63.129.16/machine", True, "P404"),
    ("https://user:pass@example.com", False, "P405"),
    ("https://user@example.com", False, "P405"),
    ("https://api.openai.com@evil.com/v1", False, "P405"),
    ("https://example.com/v1?api-version=1", False, "P406"),
    ("https://example.com/v1?", False, "P406"),
    ("https://example.com/v1#top", False, "P406"),
    ("https://example.com#@evil.com", False, "P406"),
    ("https://example.com/../admin", False, "P407"),
    ("https://example.com/v1/..", False, "P407"),
    ("https://example.com/./v1", False, "P407"),
    ("https://example.com/%2e%2e/admin", False, "P407"),
    ("https://example.com/%2E./admin", False, "P407"),
    ("https://example.com/a%2fb", False, "P407"),
    ("https://example.com/a%5cb", False, "P407"),
    ("http://2130706433/v1", False, "P408"),
    ("http://0x7f000001/v1", False, "P408"),
    ("http://0x7f.0.0.1/v1", False, "P408"),
    ("http://0177.0.0.1/v1", False, "P408"),
    ("http://127.1/v1", False, "P408"),
    ("http://127.0.0.1./v1", False, "P408"),
    ("http://256.0.0.1/v1", False, "P408"),
    ("http://1.2.3.4.5/v1", False, "P408"),
    ("http://[::ffff:127.0.0.1]/v1", False, "P408"),
    ("http://[::ffff:a9fe:a9fe]/v1", True, "P408"),
    ("http://[::127.0.0.1]/v1", False, "P408"),
    ("http://[64:ff9b::a9fe:a9fe]/v1", True, "P408"),
    ("http://[2002:7f00:1::]/v1", True, "P408"),
    ("http://[fe80::1%25eth0]/v1", True, "P408"),
    ("https://example.com:0/v1", False, "P409"),
    ("https://example.com:/v1", False, "P409"),
    ("https://example.com:65536", False, "P409"),
    ("https://example.com:08080", False, "P409"),
    ("https://example.com:80a", False, "P409"),
    ("https://example.com:80:80", False, "P409"),
    ("https://[::1]:99999", False, "P409"),
    ("https://api.openai.com/v1/chat/completions", False, "P410"),
    ("https://api.openai.com/v1/chat/completions/", False, "P410"),
    ("https://api.openai.com/v1/responses", False, "P410"),
    ("https://api.anthropic.com/v1/messages", False, "P410"),
    ("https://api.openai.com/v1/embeddings", False, "P410"),
    ("https://api.openai.com/v1/models", False, "P410"),
    ("https://g.example/v1beta/models/x:generateContent", False, "P410"),
]


def test_the_table_is_long_enough() -> None:
    assert len({url for url, _, _ in [*GOOD, *BAD]}) >= 60


@pytest.mark.parametrize(("url", "allow_http", "used"), GOOD, ids=[row[0] for row in GOOD])
def test_allowed(url: str, allow_http: bool, used: str) -> None:
    assert base_url(url, allow_http=allow_http).text == used


@pytest.mark.parametrize(
    ("url", "allow_http", "code"), BAD, ids=[f"{i}-{row[2]}" for i, row in enumerate(BAD)]
)
def test_refused(url: str, allow_http: bool, code: str) -> None:
    with pytest.raises(UrlError) as caught:
        base_url(url, allow_http=allow_http)
    assert caught.value.code == code
    if code == "P405":
        assert "user:pass" not in caught.value.message + caught.value.hint


def test_the_hint_for_an_endpoint_is_the_base_url() -> None:
    with pytest.raises(UrlError) as caught:
        base_url("https://api.openai.com/v1/chat/completions", allow_http=False)
    assert caught.value.hint == 'write "https://api.openai.com/v1"'


def test_proxies() -> None:
    assert proxy_url("http://proxy.corp:3128/").text == "http://proxy.corp:3128"
    assert proxy_url("http://8.8.8.8:3128").text == "http://8.8.8.8:3128"
    for url, code in [
        ("http://user:pass@proxy:3128", "P405"),
        ("socks5://proxy:1080", "P401"),
        ("http://proxy:3128/path", "P401"),
        ("http://169.254.169.254", "P404"),
    ]:
        with pytest.raises(UrlError) as caught:
            proxy_url(url)
        assert caught.value.code == code
