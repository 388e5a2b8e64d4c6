"""What is served: weight, headers, no outside requests, nothing serious for an accessibility checker."""

import http.client
import re
import ssl
import zlib
from urllib.parse import urlsplit

import pytest

from calls import accept, call, connected, idle, ring, sees_picture
from page import requests, serious_findings

PHONE = {"width": 390, "height": 844, "phone": True}
LAPTOP = {"width": 1280, "height": 800, "phone": False}


def get(url: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl._create_unverified_context()  # noqa: S323 - self-signed, made at the first start
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body


@pytest.mark.browser
def test_the_page_is_light_and_asks_nobody_else(browser, person, cluster):
    bob = person("Bob")
    tab = browser()
    tab.open("about:blank")
    tab.cdp("Network.setCacheDisabled", cacheDisabled=True)
    tab.browser.driver.get_log("performance")
    tab.name, tab.home = "Ann of the scales", cluster.url()
    tab.open(f"{cluster.url()}/?name=Ann%20of%20the%20scales&signin=1")
    tab.report_where(lambda r: r["state"] == "signed-in", "signed in")
    call(tab, bob)
    sees_picture(tab)
    tab.click("Hang up")
    idle(tab)
    made = requests(tab)
    tab.cdp("Network.setCacheDisabled", cacheDisabled=False)
    home = urlsplit(cluster.url()).netloc
    outside = [r["url"] for r in made if urlsplit(r["url"]).netloc not in (home, "") and not r["url"].startswith(("blob:", "data:"))]
    assert outside == []
    weight = sum(r["bytes"] for r in made)
    assert 1_000 < weight < 150 * 1024, f"{weight} bytes: {made}"


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_pages_are_served_with_safe_headers(cluster, secure):
    url = cluster.https_url() if secure else cluster.url()
    status, headers, body = get(url, "/")
    assert status == 200 and b"<!doctype html" in body[:200].lower()
    policy = {d.split()[0]: d.split()[1:] for d in headers["content-security-policy"].split(";") if d.strip()}
    assert policy["default-src"] in (["'none'"], ["'self'"])
    for directive in ("script-src", "style-src"):
        assert policy.get(directive, policy["default-src"]) == ["'self'"]
    everything = headers["content-security-policy"]
    assert "unsafe-inline" not in everything and "unsafe-eval" not in everything and "*" not in everything
    assert policy["frame-ancestors"] == ["'none'"]
    assert policy["base-uri"] in (["'none'"], ["'self'"])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    permissions = headers["permissions-policy"]
    assert "camera=(self)" in permissions and "microphone=(self)" in permissions and "geolocation=()" in permissions
    assert "server" not in headers or not re.search(r"\d", headers["server"])


def test_files_are_compressed_and_can_be_cached(cluster):
    status, headers, body = get(cluster.url(), "/roost.js", **{"Accept-Encoding": "gzip"})
    assert status == 200 and headers["content-encoding"] == "gzip"
    assert "javascript" in headers["content-type"]
    plain = zlib.decompress(body, 31)
    assert len(body) < len(plain) / 2
    _, bare, uncompressed = get(cluster.url(), "/roost.js", **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in bare and uncompressed == plain
    assert "vary" in headers and "accept-encoding" in headers["vary"].lower()
    assert "cache-control" in headers and "etag" in headers
    status, _, body = get(cluster.url(), "/roost.js", **{"If-None-Match": headers["etag"], "Accept-Encoding": "gzip"})
    assert status == 304 and body == b""


@pytest.mark.parametrize(
    "path", ["/../Package.swift", "/..%2f..%2fPackage.swift", "/%2e%2e/%2e%2e/etc/passwd", "/nothing.js", "//etc/passwd", "/README.md%00.js"]
)
def test_only_the_pages_own_files_are_served(cluster, path):
    status, _, body = get(cluster.url(), path)
    assert status in (400, 404), (status, body[:200])
    assert b"root:" not in body and b"swift-tools" not in body


@pytest.mark.browser
def test_where_there_is_nothing_a_browser_is_shown_the_way(browser, cluster):
    browsers_words = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    for path in ("/nothing", "/room/", "/missing", "/a/b/c.html"):
        status, headers, body = get(cluster.url(), path, **browsers_words)
        assert status == 404 and headers["content-type"].startswith("text/html") and b"<h1>" in body, path
    status, headers, _ = get(cluster.url(), "/nothing.js")
    assert status == 404 and headers["content-type"].startswith("text/plain")
    tab = browser()
    tab.open(f"{cluster.url()}/no/such/page")
    tab.sees("There is nothing at this address")
    tab.run("document.querySelector('main a').click(); return true")
    tab.offers("Come in")


def test_a_socket_from_another_site_is_refused(cluster):
    """A page elsewhere must not speak for the person who looks at it."""
    parts = urlsplit(cluster.url())
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request(
        "GET", "/ws",
        headers={
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Protocol": "roost.1", "Origin": "https://elsewhere.example",
        },
    )  # fmt: skip
    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.browser
@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_an_accessibility_checker_finds_nothing_serious(browser, person, cluster, size, dark):
    ann = browser()
    ann.appearance(**size, dark=dark)
    ann.open(cluster.url())
    ann.sees("Your name")
    assert serious_findings(ann) == []
    ann.fill("Your name", "Ann")
    ann.name = "Ann"
    bob = person("Bob")
    ann.open(f"{cluster.url()}/?name=Ann%20{'dark' if dark else 'light'}%20{size['width']}&signin=1")
    ann.offers(f"Call {bob.name} with video")
    ann.name = ann.report()["name"]
    assert serious_findings(ann) == []
    ring(bob, ann)
    assert serious_findings(ann) == []
    accept(ann)
    connected(ann)
    sees_picture(ann)
    assert serious_findings(ann) == []
    ann.click("Call details")
    ann.sees("Round trip")
    assert serious_findings(ann) == []
    ann.click("Hang up")
    idle(ann)
    assert serious_findings(ann) == []
