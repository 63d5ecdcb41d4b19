"""The names this app answers to. A name of others that leads here is how a web page reaches what is not its own."""

import re
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from encoders.errors import RequestError

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
_USUAL_PORTS = {"http": "80", "https": "443"}
_LAST_PORT = 65_535


class Origin(NamedTuple):
    """Scheme, name and port, as RFC 6454 has it."""

    scheme: str
    name: str
    port: str


def is_public(host: str) -> bool:
    """Whether an address to listen on can be reached from other machines; a name other than 'localhost' counts so."""
    if host == "localhost":
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


class Names:
    """What the header Host may say."""

    def __init__(self, host: str, hosts: str = "") -> None:
        """Take the address that is listened on, and further names.

        Args:
            host: the setting AUDIENCE_HOST.
            hosts: the setting AUDIENCE_HOSTS: names with commas between, each with or without scheme and port.

        Raises:
            RequestError: one of them is no name.
        """
        self._listening = host
        self._given = [_given(each.strip()) for each in hosts.split(",") if each.strip()]
        self.public = is_public(host) or bool(self._given)
        """Others than the owner can reach the app, directly or through a proxy; everybody needs a token."""

    def origin(self, header: str, local_address: str) -> Origin | None:
        """The origin that a Host header names, None where it is not one of ours.

        Args:
            header: as it was sent.
            local_address: the address of this machine that the connection came in at.
        """
        found = _read_host(header)
        if found is None:
            return None
        name, port = found["name"].lower().strip("[]"), found["port"]
        for given in self._given:
            if name == given.name and given.port in ("", port or _USUAL_PORTS[given.scheme]):
                return Origin(given.scheme, name, port or _USUAL_PORTS[given.scheme])
        ours = not is_public(name) or name == self._listening or _same_address(name, local_address)
        return Origin("http", name, port or _USUAL_PORTS["http"]) if ours else None


def read_origin(header: str) -> Origin | None:
    """The origin that an Origin header names; None where it is 'null' or none."""
    scheme, separator, host = header.partition("://")
    found = _read_host(host)
    if not separator or found is None or scheme not in _USUAL_PORTS:
        return None
    return Origin(scheme, found["name"].lower().strip("[]"), found["port"] or _USUAL_PORTS[scheme])


def _read_host(text: str) -> re.Match[str] | None:
    """A name and a port that there can be; None for anything else."""
    found = _HOST.fullmatch(text)
    return found if found and int(found["port"] or 0) <= _LAST_PORT else None


def _given(text: str) -> Origin:
    parts = urlsplit(text if "://" in text else f"http://{text}")
    found = _read_host(parts.netloc)
    if found is None or parts.scheme not in _USUAL_PORTS or parts.path.strip("/") or parts.query:
        raise RequestError(
            f"'{text[:100]}' in AUDIENCE_HOSTS is no name; write names such as audience.example.com, or "
            "https://audience.example.com behind TLS, with commas between."
        )
    return Origin(parts.scheme, found["name"].lower().strip("[]"), found["port"] or "")


def _same_address(name: str, local_address: str) -> bool:
    """Whether a Host is the very address that was connected to: a name of others is never an address."""
    try:
        return ip_address(name) == ip_address(local_address)
    except ValueError:
        return False
