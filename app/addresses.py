"""Images opened by their address on the web: which hosts may be asked, and how a file is fetched from one of them."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import shutil
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from anyio import to_thread

from uhrbat.errors import Cancelled, ImageError, InputError, quoted

logger = logging.getLogger(__name__)
VARIABLE = "UHRBAT_ADDRESSES"
OFF = (
    "images are not opened by address here: upload the file, or start the explorer with "
    f"{VARIABLE}=host to allow a host"
)
REDIRECTS = 5
"""How often a host may send on to another address."""
MOST_CHARACTERS = 4000
SILENCE_SECONDS = 20
"""How long a host may take to connect, or to send anything."""
_TRIED = 4
"""Of a host's addresses, so many are tried."""
_TICK = 0.1
_PORTS = {"http": 80, "https": 443}
_ENTRY = re.compile(r"(?P<below>(?:\*\.)?)(?P<name>[^*:/\[\]\s@?#]+|\[[0-9a-fA-F:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_INTERNET = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True)
class Host:
    """An entry of the list of hosts that may be asked.

    name: a host's own name, *.name for every host below it, or * for any.
    port: None: the usual port of http or https, and public addresses only. A host that is listed with its port may have
    a private address.
    """

    name: str
    port: int | None = None

    @classmethod
    def read(cls, text: str) -> Host:
        """An entry as it is written; InputError where it is none."""
        if text == "*":
            return cls(text)
        found, name, port = _ENTRY.fullmatch(text), "", None
        with suppress(httpx.InvalidURL, UnicodeError):
            name = _name(httpx.URL(f"https://{found['name']}")) if found else ""
        below = found["below"] if found else ""
        if found and found["port"]:
            port = int(found["port"])
        if not name or (port is not None and (below or not 0 < port < 2**16)):
            examples = "images.example.org, *.example.com, * (any public host) or 127.0.0.1:8000"
            raise InputError(f"{VARIABLE} has {quoted(text)}: give hosts with commas between, such as {examples}")
        return cls(below + name, port)

    def covers(self, url: httpx.URL) -> bool:
        """Whether an address is one of this host."""
        name = _name(url)
        if self.port is not None:
            return (name, url.port or _PORTS[url.scheme]) == (self.name, self.port)
        below = self.name.startswith("*.") and name.endswith(self.name[1:])
        return url.port is None and (self.name == "*" or name == self.name or below)


def read_hosts(text: str) -> tuple[Host, ...]:
    """The hosts of a list with commas between; InputError where an entry is none."""
    return tuple(Host.read(entry.strip()) for entry in text.split(",") if entry.strip())


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; of an IPv6 one that stands for an IPv4 one, that."""
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.sixtofour is not None or ip.teredo is not None:
            return False  # tunnels to whatever IPv4 address stands in them
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _INTERNET:
            return False
    # `is_global` alone is not enough: it is true of multicast.
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_link_local)


def resolve(name: str, port: int) -> list[str]:
    """The IP addresses of a host, without repetition; ImageError where it has none."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ImageError(f"there is no host {quoted(name)}: check the address") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def name_of(url: httpx.URL) -> str:
    """A file name after an address's last part, fit for any folder; after its host where it has none."""
    last = re.split(r"[/\\]", url.path)[-1]
    name = "".join(character for character in last if character.isprintable()).strip(" .") or _name(url)
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 16:
        stem, dot, ending = name, "", ""
    return stem.encode()[:160].decode(errors="ignore") + dot + ending


@dataclass(frozen=True)
class Fetcher:
    """Fetches files by their addresses.

    hosts: that may be asked; none: no address is opened. most: bytes of a file. seconds: that fetching one may take.
    spare: bytes of the disk that are left free.
    """

    hosts: tuple[Host, ...]
    most: int
    seconds: float
    spare: int

    def checked(self, address: object) -> httpx.URL:
        """An address that may be opened; InputError for any other."""
        if not self.hosts:
            raise InputError(OFF)
        if not isinstance(address, str) or not address.strip() or len(address) > MOST_CHARACTERS:
            raise InputError(
                f"the address is {quoted(address)}: give one such as https://images.example.org/harbour.tif"
            )
        try:
            url = httpx.URL(address.strip())
            url = url.copy_with(fragment=None)
        except (httpx.InvalidURL, UnicodeError):
            raise InputError(f"the address {quoted(address)} cannot be read: check it") from None
        self._host(url)
        return url

    def fetch(self, url: httpx.URL, folder: Path, report: Callable[[float], None], stopped: Callable[[], bool]) -> Path:
        """The file at an address, in a folder, under a name after the address.

        url: as `checked` gave it. report: called with how far it is (0..1), where the host says how long the file is.
        stopped: whether it is not wanted any more; Cancelled is raised then. ImageError where the file cannot be had.
        """
        return asyncio.run(_unless(self._fetch(url, folder, report), stopped, self.seconds))

    def _host(self, url: httpx.URL) -> Host:
        """The entry that allows an address; InputError where none does."""
        if url.scheme not in _PORTS or not url.host:
            raise InputError(f"the address {quoted(str(url))} cannot be opened: give one that begins with https://")
        if url.userinfo:
            raise InputError("an address with a user's name or password is not opened: give one without")
        found = [host for host in self.hosts if host.covers(url)]
        if not found:
            raise InputError(f"{quoted(_authority(url))} is not among the hosts in {VARIABLE}: upload the file instead")
        return max(found, key=lambda host: host.port is not None)

    async def _fetch(self, url: httpx.URL, folder: Path, report: Callable[[float], None]) -> Path:
        path = folder / name_of(url)
        # Nothing of the environment: a proxy would look up names itself, and a .netrc has passwords.
        tls, silence = httpx.create_ssl_context(), httpx.Timeout(SILENCE_SECONDS)
        async with httpx.AsyncClient(trust_env=False, verify=tls, timeout=silence) as client:
            with _problems_of(url):
                response, url = await self._answer(client, url)
                try:
                    await self._save(response, url, path, report)
                finally:
                    await response.aclose()
        logger.info("fetched %d bytes from %s", path.stat().st_size, _authority(url))
        return path

    async def _answer(self, client: httpx.AsyncClient, url: httpx.URL) -> tuple[httpx.Response, httpx.URL]:
        """The first answer that does not send on to another address, and the address that gave it."""
        for _ in range(REDIRECTS + 1):
            response = await self._ask(client, url)
            if not response.has_redirect_location:
                return response, url
            await response.aclose()
            before, url = url, url.join(response.headers["Location"])
            if before.scheme == "https" and url.scheme == "http":
                raise ImageError(f"{_authority(before)} sends on to an address without encryption: give another one")
        raise ImageError(f"{_authority(url)} sends on to another address again and again: give the file's own")

    async def _ask(self, client: httpx.AsyncClient, url: httpx.URL) -> httpx.Response:
        """A host's answer, whose content is yet to be read. Its name is looked up once, and that connected to."""
        host, name = self._host(url), _name(url)
        # A look-up that hangs is left behind, not waited for.
        found = await to_thread.run_sync(resolve, name, url.port or _PORTS[url.scheme], abandon_on_cancel=True)
        if host.port is None and not all(map(is_public, found)):
            raise InputError(
                f"{quoted(name)} has an address that is not public: list the host with its port in {VARIABLE}"
            )
        failed: httpx.TransportError | None = None
        for address in found[:_TRIED]:
            request = client.build_request(
                "GET",
                url.copy_with(host=address),
                headers={"Host": _authority(url), "Accept": "image/*, */*", "Accept-Encoding": "identity"},
                extensions={"sni_hostname": name},  # certificates are of names
            )
            try:
                return await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        raise failed or ImageError(f"there is no host {quoted(name)}: check the address")

    async def _save(
        self, response: httpx.Response, url: httpx.URL, path: Path, report: Callable[[float], None]
    ) -> None:
        """Write an answer's content to a file."""
        host = _authority(url)
        if response.status_code != 200:
            status = " ".join(f"{response.status_code} {response.reason_phrase}".split())
            raise ImageError(f"{host} answers {quoted(status)} instead of a file: check the address")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ImageError(f"{host} sends the file compressed, which was not asked for: upload it instead")
        announced = response.headers.get("Content-Length", "")
        length = int(announced) if announced.isascii() and announced.isdigit() else 0
        self._check(length, path.parent, length)
        received = 0
        with path.open("xb") as file:
            async for part in response.aiter_raw():
                received += len(part)
                self._check(received, path.parent)
                file.write(part)
                report(min(1.0, received / length) if length else 0.0)

    def _check(self, size: int, folder: Path, more: int = 0) -> None:
        """ImageError where a file of a size is too large, or where the disk has no room for so many bytes more."""
        if size > self.most:
            raise ImageError(f"the file at this address has more than the {self.most / 2**20:,.0f} MiB accepted")
        if more + self.spare > shutil.disk_usage(folder).free:
            raise ImageError("the disk is full: free some space, or open a smaller file")


@contextmanager
def _problems_of(url: httpx.URL) -> Iterator[None]:
    """What goes wrong between here and a host, as one sentence."""
    host = _authority(url)
    try:
        yield
    except httpx.TimeoutException:
        raise ImageError(f"{host} sent nothing for {SILENCE_SECONDS} seconds: try again later") from None
    except httpx.ConnectError as error:
        raise ImageError(f"{host} cannot be reached ({_words(error)}): check the address") from None
    except httpx.TransportError as error:
        raise ImageError(f"{host} broke off ({_words(error)}): try again") from None


async def _unless(work: Coroutine[Any, Any, Path], stopped: Callable[[], bool], seconds: float) -> Path:
    """What work comes to, unless it is stopped (Cancelled) or takes too long (ImageError)."""
    task = asyncio.ensure_future(work)
    late = asyncio.get_running_loop().time() + seconds
    while not (await asyncio.wait({task}, timeout=_TICK))[0]:
        if stopped():
            raise Cancelled("stopped")  # what is under way ends with its loop
        if asyncio.get_running_loop().time() > late:
            raise ImageError(f"the file took more than {seconds:,.0f} seconds: upload it instead")
    return task.result()


def _name(url: httpx.URL) -> str:
    """A host's name as it is looked up and compared: in ASCII, lower case, without a dot at its end."""
    return url.raw_host.decode("ascii").lower().rstrip(".")


def _authority(url: httpx.URL) -> str:
    """A host's name with its port, where that is not the usual one."""
    return url.netloc.decode("ascii")


def _words(error: Exception) -> str:
    """An error in words, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
