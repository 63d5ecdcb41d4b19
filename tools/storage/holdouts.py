"""Who is left out so that an effect can be measured: a holdout for each audience, and a control group that lasts."""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise

BANDS = 10
"""Into so many bands of equal size the users of an audience are cut by their chances; each gives its share."""
_FEWEST = 2
"""Users of a band at least: a smaller audience has fewer bands."""
_WHOLE = 2**64
_PURPOSE = "control group|"


@dataclass(frozen=True)
class MemberFacts:
    """What is known of the users of an audience when it is saved, beside that they are in it."""

    chances: Mapping[str, float] = field(default_factory=dict)
    """The forecast of each, 0..1; nobody's for a combination of audiences, which has none."""
    habitual: frozenset[str] | None = None
    """Those who had done before what is asked for; None where nobody can say."""
    control: frozenset[str] = frozenset()
    """Those in the control group that lasts, who are held out whatever the share."""


@dataclass(frozen=True)
class ControlGroup:
    """Users who are never contacted, whatever the audience: chosen once, by a keyed hash of their id.

    Whether a user is in it depends on their id, the key and the share alone, so it is the same in every version of the
    data. A larger share keeps everybody who was in it.
    """

    key: bytes
    share: float

    def among(self, users: Collection[str]) -> frozenset[str]:
        """Those of some users who are in it."""
        if not self.share:
            return frozenset()
        return frozenset(user for user in users if self._place(user) < self.share)

    @property
    def digest(self) -> str:
        """Stands for who is in it; empty for nobody."""
        return sha256(self.key + repr(self.share).encode()).hexdigest() if self.share else ""

    def _place(self, user: str) -> float:
        """Where a user stands between 0 and 1, by chance and for good."""
        found = hmac.digest(self.key, f"{_PURPOSE}{user}".encode(), "sha256")
        return int.from_bytes(found[:8], "big") / _WHOLE


NO_CONTROL = ControlGroup(b"", 0.0)
"""A control group of nobody."""


def hold_out(
    user_ids: Collection[str], share: float, salt: str, chances: Mapping[str, float] | None = None
) -> list[str]:
    """Pick the users of an audience that are held out, so that its effect can be measured against them.

    Users are ranked by a hash of ``salt`` (the audience id) and their id, and the first of them are kept back: of each
    band of the forecast the same share, so that those held out are as likely to do it as the others. The rank of a user
    never changes. Without a forecast there is one band.

    Args:
        user_ids: who is in it.
        share: how many of them are held out, 0..1.
        salt: another one draws others.
        chances: the forecast of each user; those it does not know are the least likely.

    Returns:
        The ids held out, ``round(share * n)`` of them, sorted.
    """
    rank = {user: sha256(f"{salt}|{user}".encode()).digest() for user in set(user_ids)}
    known = chances or {}
    ordered = sorted(rank, key=lambda user: (-known.get(user, -1.0), rank[user], user))
    wanted = round(share * len(ordered))
    count = min(BANDS, max(1, len(ordered) // _FEWEST)) if known else 1
    edges = [number * len(ordered) // count for number in range(count + 1)]
    bands = [ordered[start:end] for start, end in pairwise(edges)]
    parts = _shares([len(band) for band in bands], wanted, salt)
    held = []
    for band, part in zip(bands, parts, strict=True):
        held += sorted(band, key=lambda user: (rank[user], user))[:part]
    return sorted(held)


def _shares(sizes: list[int], wanted: int, salt: str) -> list[int]:
    """How many of each band, so that they add up; what is left over by rounding is given out in an order by chance."""
    whole = max(1, sum(sizes))
    exact = [wanted * size / whole for size in sizes]
    parts = [int(each) for each in exact]

    def turn(band: int) -> tuple[float, bytes]:
        return parts[band] - exact[band], sha256(f"{salt}|band {band}".encode()).digest()

    left = wanted - sum(parts)
    for band in sorted(range(len(sizes)), key=turn)[:left]:
        parts[band] += 1
    return parts
