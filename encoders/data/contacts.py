"""Contacts as ad platforms match them, and phone numbers in texts. A plain contact is never written."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import phonenumbers

# --- Contacts as ad platforms match them: brought to one spelling, then hashed. A plain contact is never
#     written ---
#
# Hashes are SHA-256 in lower-case hexadecimal. What is no contact has no spelling and no hash: rather nobody is reached
# than somebody else.


KINDS = ("email", "phone")
"""The contact columns that people are matched by."""
WITHHELD = "withheld"
"""The column that names the kinds, with a blank between them, of the contacts a user had that are also those of
somebody who may not be reached; null where there are none. A user who has no others is the same person."""
NO_CONSENT, NO_USER = "no consent", "missing user id"
"""Why rows of users are left out whose contacts are nobody's, as the card of the data counts them."""

_GMAIL = ("gmail.com", "googlemail.com")
_NAME = r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
_LABEL = r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?"
_EMAIL = re.compile(rf"(?P<name>{_NAME})@(?P<host>(?:{_LABEL}\.)+(?!\d+$)[^\W_](?:[^\W_]|-)*[^\W_])")
_LONGEST_EMAIL, _LONGEST_NAME = 254, 64
_PHONE = re.compile(r"\+?[\d\s().\-/\u00a0\u2010-\u2015]+")
"""Digits and what people put between them. Letters would be read as the keys they stand on."""
_WHOLE_FLOAT = re.compile(r"(\d{6,15})\.0")
_HASH = re.compile(r"[0-9a-f]{64}")


def normal_email(email: str, gmail: bool = False) -> str | None:
    """An e-mail address without surrounding blanks and in lower case, or None for something that is not one.

    Args:
        email: as people write it.
        gmail: drop the dots and the +suffix of Gmail names, which Google takes for the same person.
    """
    normal = email.strip().lower()
    found = _EMAIL.fullmatch(normal) if len(normal) <= _LONGEST_EMAIL else None
    if found is None or len(found["name"]) > _LONGEST_NAME:
        return None
    name, host = found["name"], found["host"]
    if gmail and host in _GMAIL:
        name = name.partition("+")[0].replace(".", "")
    return f"{name}@{host}" if name else None


def normal_phone(phone: str, country: str = "") -> str | None:
    """A phone number as E.164 with its plus sign, or None for something that is no number in use.

    Args:
        phone: as people write it.
        country: two-letter country of numbers that do not begin with a plus sign; without one, those are no contacts,
            because they would be read as numbers of another country.
    """
    written = phone.strip()
    if whole := _WHOLE_FLOAT.fullmatch(written):  # a number that was a decimal column on its way
        written = whole[1]
    if not _PHONE.fullmatch(written) or not (country or written.startswith("+")):
        return None
    readings = {_valid(written, country)} - {None}
    code = str(phonenumbers.country_code_for_region(country)) if country else "+"
    if "".join(re.findall(r"\d", written)).startswith(code):  # the plus sign may be what is missing
        readings |= {_valid(f"+{written}", country)} - {None}
    return readings.pop() if len(readings) == 1 else None


def _valid(written: str, country: str) -> str | None:
    """A number in use as E.164, read as one that is dialled in a country."""
    try:
        number = phonenumbers.parse(written, country or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def contact_hash(normal: str | None) -> str | None:
    """Hash of a contact that was normalised."""
    return None if normal is None else sha256(normal.encode()).hexdigest()


@dataclass(frozen=True)
class ContactFormat:
    """How the contacts of one data set are written."""

    country: str = ""
    """Two-letter country of phone numbers without a country code; empty where they are no contacts."""
    hashed: Collection[str] = ()
    """Kinds that came as SHA-256 already; they leave as they came."""

    def same(self, kind: str, contact: str) -> str | None:
        """What two spellings of the same contact have in common; None for something that is no contact."""
        if kind in self.hashed:
            return self.given_hash(contact)
        if kind == "phone":
            return normal_phone(contact, self.country)
        normal = normal_email(contact, gmail=True)
        return normal and normal.replace("@googlemail.com", "@gmail.com")

    def given_hash(self, contact: str) -> str | None:
        """A hash as it came; None for anything else."""
        found = contact.strip().lower()
        return found if _HASH.fullmatch(found) else None

    def hash(self, kind: str, contact: str, gmail: bool = False, plus: bool = True) -> str | None:
        """The hash that a contact leaves as; None for something that is no contact.

        Args:
            kind: 'email' or 'phone'.
            contact: as it stands in the data.
            gmail: drop the dots and the +suffix of Gmail names first.
            plus: hash a phone number with its plus sign.
        """
        if kind in self.hashed:
            return self.given_hash(contact)
        if kind == "email":
            return contact_hash(normal_email(contact, gmail))
        normal = normal_phone(contact, self.country)
        return contact_hash(normal if normal is None or plus else normal.removeprefix("+"))


PLAIN = ContactFormat()
"""Nothing is hashed yet, and every phone number has its country code."""


# --- Phone numbers in texts, in every way that people write them: "+49 (30) 123-456", "030 123456",
#     "030/12.34.56" ---


_GAP = r"[ \t\u00a0().\-/\u2010-\u2015]{0,4}"
_RUN = re.compile(rf"(?<![0-9A-Za-z_])(?:[+(]{{1,2}})?[0-9](?:{_GAP}[0-9])+(?![0-9A-Za-z_])")
_GAP_BYTES = rb"(?:[ \t().\-/]|\xc2\xa0|\xe2\x80[\x90-\x95]|\\u[0-9a-fA-F]{4}|\\t){0,4}"
"""As it stands in UTF-8 and in JSON of ASCII signs."""
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]*)\.[0-9]+")
_SURE = 9
"""So many digits without a sign between them are no other number by chance."""


class Phones:
    """Some phone numbers, wherever they stand."""

    def __init__(self, numbers: Collection[str]) -> None:
        """Take numbers as E.164; whatever is none is passed over."""
        self._numbers = sorted(each for each in numbers if each.startswith("+"))

    def replaced(self, text: str, sign: str, is_other: Callable[[str], bool]) -> str:
        """A text with a sign in place of the numbers.

        A run of digits that is a number of somebody else as a whole stays, even where one of these is a part of it.

        Args:
            text: any text.
            sign: what to write instead.
            is_other: whether digits are the id of another user.
        """

        def judged(found: re.Match[str]) -> str:
            run = found[0]
            if _DECIMAL.fullmatch(run):
                return run
            digits = re.sub(r"\D", "", run)
            for number, country, national, within in self._parts:
                if national not in digits or (digits == run and is_other(run)):
                    continue
                whole = normal_phone(run, country)
                if whole == number and (run != digits or run[0] == "0" or len(digits) >= _SURE):
                    return sign
                if whole is None:
                    run = within.sub(sign, run)
            return run

        return _RUN.sub(judged, text) if self._numbers else text

    @cached_property
    def _parts(self) -> list[tuple[str, str, str, re.Pattern[str]]]:
        found = []
        for number in self._numbers:
            parsed = phonenumbers.parse(number)
            national = str(phonenumbers.national_significant_number(parsed))
            code, digits = _GAP.join(str(parsed.country_code)), _GAP.join(national)
            begin = rf"(?:(?:\+|00){_GAP}{code}{_GAP}(?:0{_GAP})?|0{_GAP}|\A(?:{code}{_GAP})?)"
            within = re.compile(rf"(?<![0-9])\(?{begin}{digits}(?![0-9])")  # bare, a number begins a run
            found.append((number, phonenumbers.region_code_for_number(parsed) or "", national, within))
        return found

    @cached_property
    def in_bytes(self) -> list[bytes]:
        """Patterns of bytes that every text with one of the numbers has."""
        return [_GAP_BYTES.join(bytes([each]) for each in national.encode()) for _, _, national, _ in self._parts]
