"""What people say about labels: accept, edit, reject; kept in the ledger and applied to the set."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import polars as pl

from agent.labelling.ledger import Review
from agent.labelling.record import Agreement

ACCEPT, EDIT, REJECT = "accept", "edit", "reject"
PERSON = "a person"
"""What an edited label is grounded by."""


def label_key(row: dict[str, Any]) -> str:
    """What a review is about: the same task in every run."""
    return " ".join(str(row[name]) for name in ("user_id", "as_of", "style", "language"))


def reviewed(labels: pl.DataFrame, reviews: Sequence[Review]) -> tuple[pl.DataFrame, int]:
    """The labels as people left them, and how many they took out; one rejection is enough.

    Of several edits that of the last reviewer by name stands.
    """
    said: dict[str, list[Review]] = defaultdict(list)
    for review in reviews:
        said[review.label].append(review)
    rows, rejected = [], 0
    for row in labels.iter_rows(named=True):
        words = said.get(label_key(row), [])
        if any(each.verdict == REJECT for each in words):
            rejected += 1
            continue
        edits = [each.sentence for each in words if each.verdict == EDIT]
        rows.append(row | {"sentence": edits[-1], "grounded_by": PERSON} if edits else row)
    return pl.DataFrame(rows, schema=labels.schema), rejected


def agreement(reviews: Sequence[Review]) -> Agreement | None:
    """Figures of the reviews; None where there are none."""
    if not reviews:
        return None
    said: dict[str, list[str]] = defaultdict(list)
    for review in reviews:
        said[review.label].append(review.verdict)
    several = [verdicts for verdicts in said.values() if len(verdicts) > 1]
    same = [len({verdict == ACCEPT for verdict in verdicts}) == 1 for verdicts in several]
    counts = {verdict: sum(review.verdict == verdict for review in reviews) for verdict in (ACCEPT, EDIT, REJECT)}
    return Agreement(
        reviewed=len(said),
        accepted=counts[ACCEPT],
        edited=counts[EDIT],
        rejected=counts[REJECT],
        twice=len(several),
        agreed=sum(same) / len(same) if same else None,
    )
