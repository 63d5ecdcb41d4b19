"""Contacts as ad platforms match them: brought to one spelling, then hashed. A plain contact is never written.

Hashes are SHA-256 in lower-case hexadecimal. What cannot be normalised has none.
"""

from hashlib import sha256

import phonenumbers

REGION = "US"
"""Country of phone numbers that are written without a country code."""

_GMAIL = ("gmail.com", "googlemail.com")


def normal_email(email: str, gmail: bool = False) -> str | None:
    """An e-mail address without surrounding blanks and in lower case, or None for something that is not one.

    Args:
        email: as people write it.
        gmail: drop the dots and the +suffix of Gmail names, which Google takes for the same person.
    """
    normal = email.strip().lower()
    name, _, host = normal.partition("@")
    if gmail and host in _GMAIL:
        name = name.partition("+")[0].replace(".", "")
    if not name or not host or "@" in host or any(sign.isspace() for sign in normal):
        return None
    return f"{name}@{host}"


def normal_phone(phone: str, region: str = REGION) -> str | None:
    """A phone number as E.164 with its plus sign, or None for something that cannot be one.

    Args:
        phone: as people write it.
        region: two-letter country of numbers that do not begin with a plus sign.
    """
    try:
        number = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def contact_hash(normal: str | None) -> str | None:
    """Hash of a contact that was normalised."""
    return None if normal is None else sha256(normal.encode()).hexdigest()
