"""One signed message to one allowed URL (Standard Webhooks, https://www.standardwebhooks.com)."""

import base64
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from secrets import token_bytes

import httpx2
from standardwebhooks import Webhook

from encoders.errors import RequestError

_LONGEST = 2000
_PORTS = range(1, 65536)
_CARRYING = (IPv6Network("::/96"), IPv6Network("64:ff9b::/96"))
"""An IPv4 address is the end of these: IPv4-compatible ones and NAT64."""
_GIVEN_OUT = IPv6Network("2000::/3")
"""IANA has given out no other unicast addresses of IPv6."""
_NOT_REACHED = (IPv4Network("192.0.0.0/24"), IPv6Network("3fff::/20"))
"""By IANA's registries of special purposes, which the ``ipaddress`` of older Pythons does not know in full."""
_REMEDY = "use a public address, or listen on loopback alone (AUDIENCE_HOST=127.0.0.1)"


def checked_url(url: str, private: bool) -> str:
    """A URL one may send to, as far as can be told without looking up its name.

    Args:
        url: http or https.
        private: whether addresses that are not public are allowed.

    Raises:
        RequestError: it is no such URL.
    """
    url = url.strip()
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        parsed = httpx2.URL("")
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _LONGEST
    if parsed.scheme not in ("http", "https") or not parsed.host or not plain:
        raise RequestError(f"'{url[:80]}' is no address to send to; give a URL like https://example.com/hook.")
    if parsed.userinfo:
        raise RequestError("A URL may not hold a name or password; messages are signed with the secret instead.")
    if parsed.port is not None and parsed.port not in _PORTS:
        raise RequestError(f"There is no port {parsed.port}; ports are 1 to {_PORTS[-1]:,}.")
    if literal := _literal(parsed.host):
        _check(literal, parsed.host, private)
    return url


def _literal(host: str) -> str:
    """The address that a host is, in any form that looking it up takes for one; empty where it is a name."""
    with suppress(ValueError):
        return str(ip_address(host))
    with suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(host))  # '2130706433', '127.1', '0x7f.1'
    return ""


def addresses(url: httpx2.URL, private: bool) -> list[str]:
    """The addresses of the host of a URL, looked up now.

    Raises:
        RequestError: it has none, or one of them may not be sent to.
    """
    try:
        found = socket.getaddrinfo(url.host, url.port or 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RequestError(f"There is no address for the name {url.host[:80]}.") from None
    unique = list(dict.fromkeys(str(each[4][0]) for each in found))
    for address in unique:
        _check(address, url.host, private)
    return unique


def _check(address: str, host: str, private: bool) -> None:
    if not private and not _public(ip_address(address)):
        raise RequestError(f"{host[:80]} is not on the public internet; {_REMEDY}.")


def _public(address: IPv4Address | IPv6Address) -> bool:
    """Whether anybody reaches it; an IPv6 address that carries an IPv4 one is as public as that."""
    if isinstance(address, IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if any(address in each for each in _CARRYING):
            carried = IPv4Address(int(address) & 0xFFFFFFFF)
        if carried is not None:
            return _public(carried)
        if address not in _GIVEN_OUT:
            return False
    return address.is_global and not address.is_multicast and not any(address in each for each in _NOT_REACHED)


SECONDS = 10.0
"""How long to wait for a connection, and for the answer."""

_SHORTEST_SECRET = 24
_LONGEST_WAIT = 24 * 3600


@dataclass(frozen=True)
class PostResult:
    """What came of one try."""

    status: int
    """Of HTTP; 0 where there was no answer."""
    words: str
    wait: int = 0
    """Seconds that the receiver asks to be left alone for."""

    @property
    def taken(self) -> bool:
        """Whether the message arrived."""
        return 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more of them."""
        return self.status == httpx2.codes.GONE

    @property
    def worth_repeating(self) -> bool:
        """Whether the same message may be taken in a moment."""
        return self.status in (0, 408, 425, 429) or self.status >= 500


def new_secret() -> str:
    """A secret to sign with, as receivers are given it: 256 random bits."""
    return f"whsec_{base64.b64encode(token_bytes(32)).decode()}"


def _is_secret(secret: str) -> bool:
    """Whether a secret can be signed with: at least 24 bytes, as the specification of standard webhooks asks."""
    try:
        return len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) >= _SHORTEST_SECRET
    except ValueError:
        return False


def post(url: str, secret: str, message: str, body: str, private: bool) -> PostResult:
    """Send a message once. Redirects are answers like any other, and of the answer nothing but its head is read.

    Args:
        url: where to.
        secret: whsec_..., what the message is signed with.
        message: its id, the same on every try.
        body: JSON.
        private: whether addresses that are not public are allowed.
    """
    if not _is_secret(secret):
        return PostResult(0, "its secret is empty or short; remove the webhook and add it again")
    now = datetime.now(UTC)
    parsed = httpx2.URL(url)
    headers = {
        "content-type": "application/json",
        "host": parsed.netloc.decode(),
        "user-agent": "audience-targeting",
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message, now, body),
    }
    answer = PostResult(0, "there is no address")
    try:
        for address in addresses(parsed, private):
            answer = _post(parsed, address, headers, body)
            if answer.status:
                break
    except RequestError as error:
        return PostResult(0, str(error))
    return answer


def _post(url: httpx2.URL, address: str, headers: dict[str, str], body: str) -> PostResult:
    """Send to one address that was checked; TLS still asks for the certificate of the name."""
    try:
        with connections().stream(
            "POST",
            url.copy_with(host=address),
            headers=headers,
            content=body.encode(),
            extensions={"sni_hostname": url.raw_host.decode()},
        ) as response:
            asked = response.headers.get("retry-after", "")
            wait = min(int(asked), _LONGEST_WAIT) if asked.isdecimal() else 0
            return PostResult(response.status_code, f"answered {response.status_code}", wait)
    except httpx2.TimeoutException:
        return PostResult(0, f"no answer within {SECONDS:.0f} seconds")
    except httpx2.HTTPError as error:
        return PostResult(0, f"no connection ({type(error).__name__})")


@cache
def connections() -> httpx2.Client:
    """Connects anew for every message: two names at one address must not share a connection that knows but one."""
    limits = httpx2.Limits(max_keepalive_connections=0)
    return httpx2.Client(timeout=SECONDS, limits=limits, trust_env=False, follow_redirects=False)
