"""Reference scorers. Each gets the same past and the same demands as our model.

``references`` lists them all in the order of the tables; a new family is one file and one line there.
"""

from benchmarks.forecasts.references.boosting import boosting
from benchmarks.forecasts.references.sasrec import sasrec, sasrec_and_counts
from benchmarks.forecasts.references.simple import (
    activity,
    centred_profile,
    count_rule,
    ease,
    ease_and_counts,
    profile_text,
    semantic_match,
)
from benchmarks.forecasts.study import Scorer


def references() -> list[Scorer]:
    """Every reference scorer."""
    return [
        Scorer("activity", "sentence", activity),
        Scorer("profile text (MiniLM)", "sentence", profile_text),
        Scorer("profile text, centred, with activity", "sentence", centred_profile),
        Scorer("semantic match, untrained", "sentence", semantic_match),
        Scorer("count rule with recency", "categories", count_rule),
        Scorer("item-item (EASE) on categories", "categories", ease),
        Scorer("EASE + own counts", "categories", ease_and_counts),
        Scorer("SASRec over weeks", "categories", sasrec),
        Scorer("SASRec + own counts", "categories", sasrec_and_counts),
        Scorer("gradient boosting, a model per demand", "labels", boosting),
    ]
