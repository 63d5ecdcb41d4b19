"""What ad platforms expect of a list: columns, spelling before the hash, the smallest size, and names they refuse."""

import re
import tomllib
from functools import lru_cache
from importlib.resources import files

from pydantic import Field

from encoders.data.contacts import PLAIN, ContactFormat
from encoders.errors import RequestError
from encoders.records import Record
from tools.types import SavedAudience


class Platform(Record):
    """One platform's rules, from ``platforms.toml``."""

    key: str
    name: str
    email: str
    phone: str = ""
    gmail: bool = Field(description="whether dots and +suffixes of Gmail names are dropped before hashing")
    plus: bool = Field(True, description="whether a phone number is hashed with its plus sign")
    smallest: int = Field(description="rows of the smallest list that is of use there")
    columns: tuple[str, ...] = Field((), description="the whole header, where it may not be changed")
    refused: tuple[str, ...] = Field((), description="patterns of words a name or description may not have")

    @property
    def contact_columns(self) -> dict[str, str]:
        """The platform's column for each contact it takes: email, phone."""
        return {"email": self.email} | ({"phone": self.phone} if self.phone else {})

    def hashed(self, kind: str, contact: str, form: ContactFormat = PLAIN) -> str | None:
        """The hash the platform matches on; None for something that is no contact.

        Args:
            kind: 'email' or 'phone'.
            contact: as it stands in the data.
            form: how the contacts of the data are written.
        """
        return form.hash(kind, contact, self.gmail, self.plus)

    def check_name(self, saved: SavedAudience) -> None:
        """Refuse what the platform would refuse.

        Raises:
            RequestError: the name or the description suggests something it does not allow.
        """
        for words in (saved.name, saved.definition):
            if found := re.search(rf"\b(?:{'|'.join(self.refused)})\b", words, re.IGNORECASE) if self.refused else None:
                raise RequestError(
                    f'{self.name} turns down audiences whose name or description suggests health or money, and "'
                    f'{found.group()}" does ("{words[:80]}"). Save it under another name or about something else, or '
                    "export it for another platform."
                )

    def warnings(self, rows: int) -> tuple[str, ...]:
        """What to know before ``rows`` are uploaded."""
        if rows >= self.smallest:
            return ()
        return (f"{self.name} needs at least {self.smallest:,} rows to be of use, and this list has {rows:,}.",)


@lru_cache
def platforms() -> dict[str, Platform]:
    """Every platform by its key."""
    table = tomllib.loads(files("tools.delivery").joinpath("platforms.toml").read_text("utf-8"))
    return {key: Platform(key=key, **rules) for key, rules in table.items()}


def platform_named(name: str) -> Platform:
    """The platform of that name.

    Raises:
        RequestError: it is not known here.
    """
    known = platforms()
    if name.strip().lower() not in known:
        names = ", ".join(each.name for each in known.values())
        raise RequestError(f"There is no platform '{name[:40]}' here; export for {names}, or without a platform.")
    return known[name.strip().lower()]
