"""Single users as they may be shown: masked, with the past events that raise their score."""

import hmac
from collections import Counter
from functools import cached_property

from encoders.forecast import Forecast, Forecaster, Reason
from tools.types import Evidence, SampleUser
from tools.wording import why


class People:
    """The users of one forecaster."""

    def __init__(self, forecaster: Forecaster, mask_key: bytes) -> None:
        """Show the users of ``forecaster`` under masks made with a key that nobody outside knows."""
        self._forecaster, self._key = forecaster, mask_key

    def sample(self, forecast: Forecast, row: int) -> SampleUser:
        """One user, masked: the mask is the same as long as the workspace is."""
        found = self._forecaster.reasons(forecast, row)
        return SampleUser(
            masked_id=f"{self._forecaster.dataset.card.unit} {self.masked(row)}",
            probability=float(forecast.probabilities[row]),
            evidence=self.evidence(found),
            why=self.why(found),
        )

    def row_of(self, named: str) -> int | None:
        """The row of a user, by her id or by what is shown in its place; None where there is none, or two."""
        named = named.strip()
        row = self._forecaster.scene.histories.row_of.get(named)
        return row if row is not None else self._unmasked.get(named.rpartition(" ")[2].upper())

    @cached_property
    def _unmasked(self) -> dict[str, int]:
        masks = [self.masked(row) for row in range(len(self._forecaster.scene.histories.user_ids))]
        once = {mask for mask, times in Counter(masks).items() if times == 1}
        return {mask: row for row, mask in enumerate(masks) if mask in once}

    def masked(self, row: int) -> str:
        """What stands for the id of a user where the id itself may not be shown."""
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
    """What stands for the id of a user, and what did in earlier versions."""
    return (hmac.digest(key, user.encode(), "sha256").hex()[:6].upper(),)
