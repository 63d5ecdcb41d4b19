"""Where messages may be sent: public addresses, and private ones only from a server that nobody else can reach.

Whoever may add a webhook could otherwise have this machine knock on doors inside its own network. A name is looked up
when something is sent, every address it has is checked, and the connection goes to an address that was checked, so that
a name which changes in between gains nothing.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx2

from encoders.errors import RequestError

_LONGEST = 2000
_NAT64 = IPv6Network("64:ff9b::/96")
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
    try:
        literal = str(ip_address(parsed.host))
    except ValueError:
        return url
    _check(literal, parsed.host, private)
    return url


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
        if address in _NAT64:
            carried = IPv4Address(int(address) & 0xFFFFFFFF)
        if carried is not None:
            return _public(carried)
    return address.is_global and not address.is_multicast
