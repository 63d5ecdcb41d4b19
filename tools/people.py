"""Single users as they may be shown: masked, with the past events that raise their score."""

import base64
import hmac
from collections.abc import Iterable
from functools import cached_property

from encoders.forecast import Forecast, Forecaster, Reason
from tools.types import Evidence, SampleUser
from tools.wording import why

UNKNOWN = "\0"
"""Before what stands for no user: no id has it."""
MASK_BITS = 80
"""Of a mask: among ten million users, two share one with odds of 4 in 10 ** 11."""
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32, without the letters that look like others."""
_WRITTEN = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _DIGITS)
_READ = str.maketrans("ILO", "110", "- ")
_LETTERS, _GROUP = MASK_BITS // 5, 4


class People:
    """The users of one forecaster."""

    def __init__(self, forecaster: Forecaster, mask_key: bytes) -> None:
        """Show the users of ``forecaster`` under masks made with a key that nobody outside knows."""
        self._forecaster, self._key = forecaster, mask_key

    def sample(self, forecast: Forecast, row: int, digits: int | None = None) -> SampleUser:
        """One user, masked: the mask is the same as long as the workspace is.

        Args:
            forecast: of the demand.
            row: which user.
            digits: of the probability; None for all of them.
        """
        found = self._forecaster.reasons(forecast, row)
        probability = float(forecast.probabilities[row])
        return SampleUser(
            masked_id=f"{self._forecaster.dataset.card.unit} {self.masked(row)}",
            probability=probability if digits is None else round(probability, digits),
            evidence=self.evidence(found),
            why=self.why(found),
        )

    def row_of(self, mask: str) -> int | None:
        """The row of a user by the mask, in any case and with what is written before it; None where there is none."""
        return self._rows.get(mask[-2 * _LETTERS :].upper().translate(_READ)[-_LETTERS:])

    def unmasked(self, masks: Iterable[str]) -> dict[str, str]:
        """Per mask the id of its user; what is no mask stays as it is, with a mark that no id has."""
        users = self._forecaster.scene.histories.user_ids
        found = {mask: self.row_of(mask) for mask in masks}
        return {mask: f"{UNKNOWN}{mask}" if row is None else users[row] for mask, row in found.items()}

    @cached_property
    def _rows(self) -> dict[str, int]:
        rows = range(len(self._forecaster.scene.histories.user_ids))
        return {self.masked(row).replace("-", ""): row for row in rows}

    def masked(self, row: int) -> str:
        """What stands for the id of a user where the id itself may not be shown: 'W3QK-7T1Z-0M9X-C5RD'."""
        return masks_of(self._key, self._forecaster.scene.histories.user_ids[row])[0]

    def evidence(self, reasons: list[Reason]) -> tuple[Evidence, ...]:
        """Reasons with the names of their items."""
        vocabulary = self._forecaster.scene.vocabulary
        return tuple(
            Evidence(
                item=vocabulary.texts[reason.item],
                source=vocabulary.sources[vocabulary.source_of[reason.item]],
                times=reason.times,
                last=reason.last,
                weight=reason.weight,
            )
            for reason in reasons
        )

    def why(self, reasons: list[Reason]) -> str:
        """Reasons in one sentence."""
        vocabulary = self._forecaster.scene.vocabulary
        return why([(vocabulary.texts[reason.item], reason) for reason in reasons])


def masks_of(key: bytes, user: str) -> tuple[str, ...]:
    """What stands for the id of a user, the same without hyphens, and what stood for it before 0.2."""
    digest = hmac.digest(key, user.encode(), "sha256")
    letters = base64.b32encode(digest[: MASK_BITS // 8]).decode("ascii").translate(_WRITTEN)
    groups = (letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))
    return "-".join(groups), letters, digest.hex()[:6].upper()
