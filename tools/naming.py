"""What a name may hold: those of audiences and tuned demands, and of the people who approve something."""

import re
from unicodedata import bidirectional, category

from encoders.errors import RequestError

NAME_LENGTH = 120
_TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Marks that turn the direction of what stands around them, so that a line of the audit shows something else."""
_UNSEEN = frozenset({"Cc", "Cs"})
_AUDIENCE_ID = re.compile(r"aud-[0-9a-f]{12}", re.IGNORECASE)


def one_line(name: str) -> str:
    """A name as it is kept: each of its gaps is one blank, and it shows what it holds.

    Raises:
        ValueError: it shows nothing, or holds a control character or a mark that turns the direction of writing.
    """
    tidy = " ".join(name.split())
    odd = next((each for each in tidy if category(each) in _UNSEEN or bidirectional(each) in _TURNS), "")
    if odd:
        raise ValueError(f"it holds U+{ord(odd):04X}, which is not seen and changes what is; leave it out")
    if all(category(each)[0] in "CZM" for each in tidy):
        raise ValueError("it shows nothing; give a name")
    return tidy


def checked_name(name: str, of: str) -> str:
    """The same for a name that did not come through an operation.

    Args:
        name: as it was given.
        of: whom or what it names, as the rest of a sentence.

    Raises:
        RequestError: it is no name.
    """
    try:
        return one_line(name)
    except ValueError as error:
        raise RequestError(f"This needs the name of {of}: {error}.") from None


def is_audience_id(text: str) -> bool:
    """Whether a text has the form of the id of a saved audience, so that it never stands for a name."""
    return bool(_AUDIENCE_ID.fullmatch(text))


def checked_approval(by: str) -> str:
    """The person who approved something; raises like ``checked_name``."""
    return checked_name(by, "the person who approved it")


def checked_names(name: str, approved_by: str, keeps_its_name: bool = False) -> tuple[str, str]:
    """The name of an audience and of who said yes, as they are kept.

    Raises:
        RequestError: one of them is missing or cannot be one.
    """
    name = " ".join(name.split())
    if is_audience_id(name) and not keeps_its_name:
        raise RequestError(f"'{name}' has the form of an audience's id, and so cannot name one; take another name.")
    if not 0 < len(name) <= NAME_LENGTH:
        raise RequestError(f"An audience needs a name of 1 to {NAME_LENGTH} characters; this one has {len(name)}.")
    return checked_name(name, "the audience"), checked_approval(approved_by)
