"""Images opened by their address: which are, from where, and what is said of all others."""

import os
import threading
import time
from functools import partial

import httpx
import pytest

from app import addresses
from app.addresses import Fetcher, Host, is_public, name_of, read_hosts
from app.limits import PageLimits
from app.state.pictures import Fetching, Picture
from tests.support.running import until
from tests.support.web import endless, page, serving
from uhrbat.errors import Cancelled, ImageError, InputError

URL = "https://images.example.org/harbour.tif"


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", []),
        (" Images.Example.org , *.example.com,", [Host("images.example.org"), Host("*.example.com")]),
        ("127.0.0.1:8000,[::1]:80", [Host("127.0.0.1", 8000), Host("::1", 80)]),
        ("*", [Host("*")]),
        ("bücher.example", [Host("xn--bcher-kva.example")]),
    ],
)
def test_the_hosts_are_read_from_their_list(text, hosts):
    assert list(read_hosts(text)) == hosts


@pytest.mark.parametrize(
    "text",
    ["https://a.org", "a.org/x", "*:80", "*.a.org:80", "a.*.org", "a.org:0", "a.org:99999", "::1", "a b", "*a.org"],
)
def test_what_is_no_host_is_refused_with_the_setting(text):
    with pytest.raises(InputError, match="UHRBAT_ADDRESSES has .* give hosts with commas between"):
        PageLimits(addresses=text)


@pytest.mark.parametrize(
    ("host", "address", "covered"),
    [
        ("images.example.org", URL, True),
        ("images.example.org", "http://IMAGES.example.ORG./a", True),
        ("images.example.org", "https://images.example.org:443/a", True),
        ("images.example.org", "https://images.example.org:8443/a", False),
        ("images.example.org", "https://images.example.org.evil.org/a", False),
        ("*.example.org", URL, True),
        ("*.example.org", "https://example.org/a", False),
        ("*.example.org", "https://evilexample.org/a", False),
        ("*", URL, True),
        ("*", "https://images.example.org:22/a", False),
        ("images.example.org:443", URL, True),
        ("images.example.org:443", "http://images.example.org/a", False),
        ("[::1]:8000", "http://[::1]:8000/a", True),
    ],
)
def test_which_addresses_a_host_covers(host, address, covered):
    assert Host.read(host).covers(httpx.URL(address)) is covered


@pytest.mark.parametrize("ip", ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_public_internet(ip):
    assert is_public(ip)


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "240.0.0.1", "255.255.255.255", "192.0.2.1", "::", "::1", "fe80::1", "fe80::1%2", "fc00::1", "fec0::1", "ff02::1",
     "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
     "2002:7f00:1::", "2001:0:7f00:1::", "4000::1"],
)  # fmt: skip
def test_all_other_addresses(ip):
    assert not is_public(ip)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (URL, "harbour.tif"),
        ("https://a.org/x/%2e%2e%2fup.tif?y=1#z", "up.tif"),
        ("https://a.org/..", "a.org"),
        ("https://a.org/", "a.org"),
        ("https://a.org/.hidden", "hidden"),
        ("https://a.org/a%00b%0Ac%5C..%5Cd.png", "d.png"),
        ("https://a.org/%E8%88%B9.png", "船.png"),
        ("https://a.org/" + "n" * 300 + ".png", "n" * 160 + ".png"),
        ("https://a.org/" + "n." + "p" * 300, ("n." + "p" * 300)[:160]),
    ],
)
def test_a_file_is_named_after_its_address(address, name):
    assert name_of(httpx.URL(address)) == name


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("ftp://images.example.org/a.tif", "begins with https://"),
        ("file:///etc/passwd", "begins with https://"),
        ("images.example.org/a.tif", "begins with https://"),
        ("https:///a.tif", "begins with https://"),
        ("https://me:secret@images.example.org/a.tif", "name or password"),
        ("https://elsewhere.org/a.tif", "'elsewhere.org' is not among the hosts in UHRBAT_ADDRESSES"),
        ("https://images.example.org:8443/a.tif", "'images.example.org:8443' is not among"),
        ("http://[::1/a.tif", "cannot be read"),
        ("http://a\x00b/", "cannot be read"),
        ("", "give one such as"),
        (5, "give one such as"),
        ("https://images.example.org/" + "a" * 5000, "give one such as"),
    ],
)
def test_addresses_that_are_not_opened(address, problem):
    with pytest.raises(InputError, match=problem):
        Fetcher(read_hosts("images.example.org"), 10**6, 60, 0).checked(address)


def test_no_address_is_opened_unless_hosts_are_named():
    with pytest.raises(InputError, match="start the explorer with UHRBAT_ADDRESSES=host"):
        PageLimits().fetcher.checked(URL)


def fetched(folder, url=URL, hosts="*", seconds=60.0, spare=0, stopped=lambda: False):
    """The file at an address."""
    fetcher = Fetcher(read_hosts(hosts), 10**6, seconds, spare)
    return fetcher.fetch(fetcher.checked(url), folder, lambda _: None, stopped)


def test_a_name_is_looked_up_once_and_connected_to_by_what_was_found(tmp_path, monkeypatch):
    """The address, the name in the request and the name in the certificate: none is looked up again."""
    found, asked = [], []

    def answer(request):
        asked.append((str(request.url), request.headers["Host"], request.extensions["sni_hostname"]))
        if len(asked) == 1:
            raise httpx.ConnectError("no route", request=request)
        moved = {"Location": "/moved/b.tif"} if len(asked) == 2 else {}
        return httpx.Response(302 if moved else 200, headers=moved, stream=httpx.ByteStream(b"II*\0"))

    def resolve(name, port):
        found.append((name, port))
        return ["2606:2800:21f:cb07::1", "93.184.215.14"]

    monkeypatch.setattr(addresses, "resolve", resolve)
    client = partial(httpx.AsyncClient, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(addresses.httpx, "AsyncClient", client)
    path = fetched(tmp_path)
    assert (path.name, path.read_bytes()) == ("harbour.tif", b"II*\0")
    host = "images.example.org"
    assert asked == [
        ("https://[2606:2800:21f:cb07::1]/harbour.tif", host, host),
        ("https://93.184.215.14/harbour.tif", host, host),
        ("https://[2606:2800:21f:cb07::1]/moved/b.tif", host, host),
    ]
    assert found == [(host, 443)] * 2  # once for each address


@pytest.mark.parametrize("ips", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::ffff:169.254.169.254"]])
def test_a_name_that_leads_into_a_private_network_is_refused(tmp_path, monkeypatch, ips):
    monkeypatch.setattr(addresses, "resolve", lambda *_: ips)
    with pytest.raises(InputError, match="not public: list the host with its port in UHRBAT_ADDRESSES"):
        fetched(tmp_path)


def test_a_number_for_a_private_address_is_refused(tmp_path):
    for host in ("127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"):
        with pytest.raises(InputError, match="not public"):
            fetched(tmp_path, f"http://{host}/a.tif")


def test_a_host_that_does_not_exist_is_named(tmp_path, monkeypatch):
    def unknown(*_, **__):
        raise OSError

    monkeypatch.setattr(addresses.socket, "getaddrinfo", unknown)
    with pytest.raises(ImageError, match="there is no host 'images.example.org'"):
        fetched(tmp_path)


WRONG = {
    "/missing": (None, "answers '404 Not Found' instead of a file"),
    "/long": (page(Content_Length=str(2**21)), "more than the 1 MiB accepted"),
    "/endless": (endless, "more than the 1 MiB accepted"),
    "/cut": (page(b"II*\0", Content_Length="5000"), "broke off"),
    "/gzip": (page(b"II*\0", Content_Encoding="gzip"), "compressed"),
    "/loop": (page(status=302, Location="/loop"), "again and again"),
    "/away": (page(status=307, Location="https://elsewhere.org/"), "'elsewhere.org' is not among the hosts"),
    "/file": (page(status=302, Location="file:///etc/passwd"), "begins with https://"),
    "/inside": (page(status=301, Location="http://127.0.0.1/a"), "'127.0.0.1' is not among the hosts"),
    "/nonsense": (page(status=301, Location="http://[::1/a"), "broke off .*location"),
    "/noise": (lambda request: request.wfile.write(b"not HTTP\r\n\r\n"), "broke off"),
}


def test_what_a_host_does_wrong_is_one_sentence_and_leaves_nothing(explorer):
    with serving({path: answer for path, (answer, _) in WRONG.items() if answer}) as (port, asked):
        explorer.shelf.limits = PageLimits(addresses=f"127.0.0.1:{port}", upload_bytes=2**20)
        for path, (_, problem) in WRONG.items():
            with pytest.raises((ImageError, InputError), match=problem) as raised:
                list(explorer.shelf.fetch(f"http://127.0.0.1:{port}{path}"))
            assert "\n" not in str(raised.value)
        assert len(asked) == len(WRONG) + addresses.REDIRECTS
        server = f"127.0.0.1:{port}"
    with pytest.raises(ImageError, match=f"{server} cannot be reached"):
        list(explorer.shelf.fetch(f"http://{server}/a.tif"))
    assert os.listdir(explorer.shelf._originals.folder) == []


def test_an_image_is_fetched_and_goes_the_way_of_an_upload(explorer, worker, wide_photo):
    content, path = wide_photo.read_bytes(), "/a/wide%20photo.jpg?key=1"
    pages = {path: page(content), "/moved": page(status=302, Location=path), "/bad.jpg": page(b"no image")}
    with serving(pages) as (port, asked):
        explorer.shelf.limits = PageLimits(addresses=f"127.0.0.1:{port}")
        first, *_, picture = explorer.shelf.fetch(f"http://127.0.0.1:{port}/moved")
        assert isinstance(first, Fetching) and isinstance(picture, Picture)
        assert (picture.name, picture.info.width, picture.address) == ("moved", 900, f"http://127.0.0.1:{port}/moved")
        assert worker.files[picture.image].read_bytes() == content
        assert asked[0].headers["Host"] == f"127.0.0.1:{port}" and asked[0].headers["Accept-Encoding"] == "identity"
        (kept,) = os.listdir(explorer.shelf._originals.folder)
        assert kept == picture.id
        *_, named = explorer.shelf.fetch(f"http://127.0.0.1:{port}{path}")
        assert named.name == "wide photo.jpg"
        with pytest.raises(ImageError, match=r"bad\.jpg"):
            list(explorer.shelf.fetch(f"http://127.0.0.1:{port}/bad.jpg"))
        assert len(os.listdir(explorer.shelf._originals.folder)) == 2


def test_a_disk_that_is_full_is_said_before_anything_is_written(tmp_path):
    with serving({"/a.tif": page(b"II*\0")}) as (port, _):
        host = f"127.0.0.1:{port}"
        with pytest.raises(ImageError, match="the disk is full"):
            fetched(tmp_path, f"http://{host}/a.tif", host, spare=2**62)
    assert os.listdir(tmp_path) == []


@pytest.fixture
def slow():
    """A host that sends a byte now and then, for ever; who asked it; and whether it noticed that they left."""
    left = threading.Event()

    def drip(request):
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"x")
                time.sleep(0.02)
        except OSError:
            left.set()

    with serving({"/slow.tif": drip}) as (port, asked):
        yield f"127.0.0.1:{port}", asked, left


def test_fetching_takes_only_so_long(tmp_path, slow):
    host, _, left = slow
    with pytest.raises(ImageError, match="took more than 1 seconds"):
        fetched(tmp_path, f"http://{host}/slow.tif", host, seconds=1)
    assert left.wait(60)


def test_leaving_ends_the_fetching(explorer, slow):
    host, asked, left = slow
    explorer.shelf.limits = PageLimits(addresses=host)
    steps = explorer.shelf.fetch(f"http://{host}/slow.tif")
    next(steps)
    until(lambda: asked)
    steps.close()
    assert os.listdir(explorer.shelf._originals.folder) == []
    assert left.wait(60)


def test_a_stop_is_noticed_while_little_comes(tmp_path, slow):
    host, asked, left = slow
    with pytest.raises(Cancelled):
        fetched(tmp_path, f"http://{host}/slow.tif", host, stopped=lambda: bool(asked))
    assert left.wait(60)
