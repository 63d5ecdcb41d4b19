"""What the controls of the page change about an audience, checked before anything is counted."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent.page.cards import count
from agent.reading import wording
from agent.reading.wording import listed
from agent.state import Join, Thing
from encoders.errors import RequestError
from tools.delivery.destinations import platform_named
from tools.types import AudienceSpec, SizeEstimate


def demand(spec: AudienceSpec, text: str) -> AudienceSpec:
    """Another sentence.

    Raises:
        RequestError: it is empty or too long.
    """
    if not text.strip():
        raise RequestError("The sentence is empty; say in one sentence whom you want to reach.")
    if len(text) > 2000:
        raise RequestError(f"The sentence has {len(text):,} characters; keep it under 2,000.")
    return spec.model_copy(update={"demand": text.strip()})


def conditions(spec: AudienceSpec) -> list[str]:
    """Each hard condition of an audience in words, so that each can be removed by itself."""
    return wording.each_condition(spec)


def keep_conditions(spec: AudienceSpec, kept: Sequence[str]) -> AudienceSpec:
    """Only those hard conditions whose words are among ``kept``."""
    return wording.keep_conditions(spec, kept)


def cut_to_share(spec: AudienceSpec, size: SizeEstimate, share: float) -> AudienceSpec:
    """Keep the best ``share`` (0..1) of the eligible users; a handle that was put where it was changes nothing.

    Raises:
        RequestError: there are too few to choose among.
    """
    return cut_to_users(spec, size, max(1, round(share * (size.eligible or 0))))


def cut_to_users(spec: AudienceSpec, size: SizeEstimate, users: float | None) -> AudienceSpec:
    """Keep exactly so many of the eligible users.

    Raises:
        RequestError: the number is missing, below one or above the number of eligible users.
    """
    if size.eligible is None:
        raise RequestError("Too few meet the conditions to choose among them; remove a condition first.")
    if users is None or not 1 <= users <= size.eligible:
        raise RequestError(f"Type a number of users between 1 and {count(size.eligible)}.")
    return spec if users == size.users else spec.model_copy(update={"cut": users / size.eligible})


TABLE = "A table of users"
"""What an export is for when it is for no ad platform."""


def files_for(keys: Iterable[str]) -> list[tuple[str, str]]:
    """What a file can be for, each with its key: nobody in particular, and the ad platforms of some keys."""
    return [(TABLE, ""), *((platform_named(key).name, key) for key in keys)]


NO_CONTACTS = "Lists for ad platforms need emails or phones, which this data has not."
"""Said where there are none to choose from."""


def reopen_request(assumption: str) -> str:
    """What a click on an assumption says to the conversation."""
    return f"Change: {assumption}"


def join_request(join: Join) -> str:
    """What a click on how the things are joined says to the conversation."""
    return "All of these, by the same person" if join == "all" else "Any of these is enough"


def save_request(name: str, percent: float | None = None) -> str:
    """What a click on Save says to the conversation; ``percent`` are held out, None says nothing of it."""
    named = " ".join(name.replace('"', "'").split())
    back = "" if percent is None else f", keep {percent:g} % back"
    request = f'Save as "{named}"' if named else "Save this audience"
    return request + back


def export_request(platform: str) -> str:
    """What a click on Export says to the conversation."""
    return f"Export for {platform_named(platform).name}" if platform else "Export as CSV"


def like_request(file: str) -> str:
    """What an uploaded list of users says to the conversation."""
    return f"People like these: {file}"


MOST = 4
"""Groups of chips on the page; what comes after them stands in the last."""

_NAMED, _OTHERS = "In your words", "Also"


class Chips(NamedTuple):
    """Things that were found by the same words."""

    label: str
    things: tuple[Thing, ...]

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [each.name for each in self.things]

    @property
    def kept(self) -> list[str]:
        """Those that are not struck out."""
        return [each.name for each in self.things if not each.struck]


def chips(things: Sequence[Thing]) -> list[Chips]:
    """The things by what they were found by, at most ``MOST`` groups; none where a single thing was named."""
    if len(things) < 2 and not any(each.because for each in things):
        return []
    found: dict[str, list[Thing]] = {}
    for each in things:
        found.setdefault(each.because, []).append(each)
    by_words = [Chips(_label(because), tuple(those)) for because, those in found.items()]
    if len(by_words) <= MOST:
        return by_words
    rest = tuple(each for group in by_words[MOST - 1 :] for each in group.things)
    return [*by_words[: MOST - 1], Chips(_OTHERS, rest)]


def strike_request(things: Sequence[Thing], kept: Sequence[str]) -> str:
    """What a click on chips says to the conversation; empty where it changes nothing."""
    gone = [each.name for each in things if not each.struck and each.name not in kept]
    back = [each.name for each in things if each.struck and each.name in kept]
    said = (f"without {listed(gone, 'and')}" if gone else "", f"with {listed(back, 'and')} again" if back else "")
    text = ", ".join(each for each in said if each)
    return text[:1].upper() + text[1:]


def _label(because: str) -> str:
    return f"“{because}” means here" if because else _NAMED
