"""Text as the guard reads it: one spelling for every way of writing the same words."""

import re
import unicodedata

_SPELLED_OUT = re.compile(r"(?<!\w)(?:[^\W\d_][\s.·-]){2,}[^\W\d_](?!\w)")
"""Letters one by one, as in "g-a-y" and "P R E G N A N T"."""


def plain_text(text: str) -> str:
    """``text`` without signs nobody sees, without marks of emphasis, and with letters one by one drawn together."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    spaced = " ".join(re.sub(r"[_*`]+", " ", seen).split())
    spaced = re.sub(r"(?<=[^\W\d_])[.·](?=[^\W\d_])", "", spaced)
    return _SPELLED_OUT.sub(lambda match: re.sub(r"[\s.·-]", "", match.group()), spaced)


def unaccented(text: str) -> str:
    """``text`` sign by sign without accents, so that places in it stay where they are."""
    return "".join(unicodedata.normalize("NFD", sign)[0] for sign in unicodedata.normalize("NFC", text))
