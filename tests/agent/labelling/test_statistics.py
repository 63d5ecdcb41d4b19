"""Diversity and hard positives on sets small enough to count by hand."""

import numpy as np
import pytest

from agent.labelling.finishing import agreement
from agent.labelling.ledger import Review
from agent.labelling.report import diversity, hard

AXES = np.eye(3, dtype=np.float32)


def test_diversity_counts_words_repeats_topics_and_clusters() -> None:
    found = diversity(["a b", "a b", "c d e"], AXES[[0, 0, 1]], AXES, np.array([True, False, True]))
    assert found.labels == 3
    assert found.distinct_1 == pytest.approx(5 / 7)
    assert found.distinct_2 == pytest.approx(3 / 4)
    assert found.near_duplicates == pytest.approx(1 / 3)
    assert found.topics == pytest.approx(2 / 3)
    assert found.clusters == pytest.approx(2 / 3)


def test_an_empty_set_has_no_figures_and_no_error() -> None:
    found = diversity([], np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), np.zeros(0, bool))
    assert found.model_dump(exclude={"labels"}) == dict.fromkeys(
        ("distinct_1", "distinct_2", "near_duplicates", "topics", "clusters"), 0.0
    )
    assert hard(np.zeros(0)).tolist() == []


def test_the_farthest_quarter_is_hard() -> None:
    assert hard(np.array([0.1, 0.2, 0.9, 0.3])).tolist() == [False, False, True, False]


def test_agreement_counts_people_who_looked_at_the_same_label() -> None:
    def said(label: str, reviewer: str, verdict: str) -> Review:
        return Review(label, reviewer, verdict, "x")

    assert agreement([]) is None
    alone = agreement([said("1", "ann", "accept")])
    assert alone is not None
    assert alone.agreed is None
    both = agreement(
        [said("1", "ann", "accept"), said("1", "bob", "accept"), said("2", "ann", "edit"), said("2", "bob", "accept")]
    )
    assert both is not None
    assert (both.reviewed, both.twice, both.agreed) == (2, 2, 0.5)
