"""Which database a spec means, and what of it may be said: an address yes, a password never.

A connection is a URL, or ``env:NAME`` for a URL that stands in the environment. Only the latter may hold a password.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

from encoders.errors import DataError

ON_DISK = ("sqlite", "duckdb", "delta", "iceberg")
"""Kinds whose connection names a file or a folder, relative to the spec."""
SCHEMES = {
    **{kind: kind for kind in ON_DISK},
    "iceberg+catalog": "iceberg+catalog",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
}
"""What a connection begins with, before the colon, and the kind of database that this is."""

_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_PASSWORD = re.compile(r"://[^:@/?#]*:(.+)@")
_SHOWN_PASSWORD = re.compile(r"(://[^\s:@/]*:)[^\s@]*@")
_SECRET_NAME = re.compile(r"passw|passcode|pwd|secret|token|credential|(api|access|private)_?key", re.IGNORECASE)
_SHORTEST_SECRET = 4
"""Values of the environment that are shorter are no secrets, whatever their names are; nor are parts of passwords."""
_TAKEN_APART = "/?#@:&="
"""Signs at which a URL is taken apart."""


@dataclass(frozen=True)
class Connection:
    """One database, with all that it takes to open it."""

    kind: str
    """One of the kinds in ``SCHEMES``."""
    url: str = field(repr=False)
    """What its driver is given: a path for what lies on a disk. It may hold a password."""
    shown: str
    """What messages call it; it holds none."""


def checked_connection(text: str) -> str:
    """See that a connection can stand in a file that others read.

    Raises:
        ValueError: it holds a password, or is of no kind that is known.
    """
    if text.startswith("env:"):
        if not _ENV.fullmatch(text):
            raise ValueError("'env:' is followed by the name of an environment variable, such as env:SHOP_DB")
        return text
    if _PASSWORD.search(text) or any(_SECRET_NAME.search(name) for name, _ in _parameters(text)):
        raise ValueError(
            "a password may not stand here; put the URL into an environment variable and write its name, such as "
            'connection = "env:SHOP_DB", or let the driver find the password there, such as PGPASSWORD'
        )
    if _kind(text) is None:
        raise ValueError(f"a connection begins with {_known()}")
    return text


def connection_of(text: str, base: Path) -> Connection:
    """The database that a connection means.

    Args:
        text: as ``checked_connection`` lets it pass.
        base: the folder that paths are relative to.

    Raises:
        DataError: the environment has no such variable, or it holds no connection.
    """
    shown, url = text, text
    if named := _ENV.fullmatch(text):
        url = os.environ.get(named[1], "").strip()
        if not url:
            raise DataError(
                f"The environment variable {named[1]} is not set; set it to the URL of the database, such as "
                "postgresql://ann:password@db.example.com/shop."
            )
    kind = _kind(url)
    if kind is None:
        raise DataError(f"The environment variable {shown[4:]} holds no connection; one begins with {_known()}.")
    return Connection(kind, _path(url, base) if kind in ON_DISK else url, shown)


def absolute_connection(text: str, base: Path) -> str:
    """The same connection from whatever folder it is read: a path in it begins at the root."""
    if _kind(text) not in ON_DISK:
        return text
    scheme, _, _ = text.partition(":")
    return f"{scheme}:{_path(text, base)}"


def hidden(text: str, *urls: str) -> str:
    """A text without the passwords of these URLs and the secrets of the environment, however they are written."""
    for secret in sorted(_secrets(urls), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _SHOWN_PASSWORD.sub(r"\1***@", text)


def _secrets(urls: tuple[str, ...]) -> set[str]:
    found = {each for url in urls for each in _secrets_of(url)}
    for name, value in os.environ.items():
        found.update(_secrets_of(value))
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET:
            found.add(value)
    spelled = {form(each) for each in found for form in (unquote, unquote_plus)}
    return {each for each in found | spelled | {form(one) for one in spelled for form in (quote, quote_plus)} if each}


def _secrets_of(url: str) -> Iterator[str]:
    """What may be a password in a URL, and its parts: a driver takes one apart that should have been written as %40."""
    if "://" not in url:
        return
    if found := _PASSWORD.search(url):
        yield from (found[1], *_pieces(found[1]))
        yield from (found[1][:place] for place, sign in enumerate(found[1]) if sign == "@")
    yield from (value for name, value in _parameters(url) if _SECRET_NAME.search(name))


def _pieces(password: str) -> Iterator[str]:
    edges = [place for place, sign in enumerate(password) if sign in _TAKEN_APART]
    for start, end in combinations([-1, *edges, len(password)], 2):
        if end - start > _SHORTEST_SECRET:
            yield password[start + 1 : end]


def _parameters(url: str) -> list[tuple[str, str]]:
    return parse_qsl(url.partition("?")[2])


def _kind(url: str) -> str | None:
    scheme, colon, _ = url.partition(":")
    return SCHEMES.get(scheme.lower()) if colon else None


def _path(url: str, base: Path) -> str:
    """Where a file or folder lies: ``sqlite:///shop.db`` and ``sqlite:shop.db`` are beside the spec."""
    rest = url.partition(":")[2]
    if urlsplit(rest).scheme:  # s3://bucket/table and the like
        return rest
    if rest.startswith("//"):
        rest = rest[2:].removeprefix("/")
    return str(base.resolve() / rest)


def _known() -> str:
    names = [*(f"{scheme}:" for scheme in SCHEMES), "env:"]
    return f"{', '.join(names[:-1])} or {names[-1]}"
