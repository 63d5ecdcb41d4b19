from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders.model.dual import Addition, DualEncoder, EncodedParts, encode_parts
from encoders.model.users import FeatureSnapshot
from encoders.predictor import Forecaster
from encoders.text.demand import read_demand
from tests.planted import World
from tools.service import AudienceService

SENTENCES = (
    "people who will buy coffee",
    "dog food or cat food",
    "households that will buy newborn diapers in the next 28 days",
    "people who will redeem a coupon for wine",
    "both tea and dark chocolate bar",
    "gardening",
)


@pytest.fixture(scope="module")
def forecaster(service: AudienceService) -> Forecaster:
    return service.forecaster


@pytest.fixture(scope="module")
def parts(forecaster: Forecaster) -> EncodedParts:
    demands = [read_demand(sentence) for sentence in SENTENCES]
    sources = [forecaster.snapshot.vocabulary.sources.index("coupons") if "coupon" in s else 0 for s in SENTENCES]
    encoded, _ = encode_parts(forecaster.encoder, demands, sources)
    return encoded


@pytest.fixture(scope="module")
def score(forecaster: Forecaster) -> Callable[[EncodedParts], np.ndarray]:
    @torch.no_grad()
    def score(parts: EncodedParts) -> np.ndarray:
        model, snapshot = forecaster.model.encoder, forecaster.snapshot
        users = torch.from_numpy(forecaster.user_vectors)
        return np.asarray(
            model.score(snapshot, parts, model.nearness(model.match.place(snapshot.vocabulary), parts), users).numpy()
        )

    return score


@pytest.fixture(scope="module")
def all_at_once(score: Callable[[EncodedParts], np.ndarray], parts: EncodedParts) -> np.ndarray:
    return score(parts)


def test_each_demand_becomes_its_parts(forecaster: Forecaster, parts: EncodedParts) -> None:
    assert len(parts) == len(SENTENCES) + 1
    assert parts.owner.tolist() == [0, 1, 1, 2, 3, 4, 5, 6]
    assert parts.source.tolist() == [0, 0, 0, forecaster.snapshot.vocabulary.sources.index("coupons"), 0, 0, 0]
    torch.testing.assert_close(parts.phrases.norm(dim=-1), torch.ones(8))


@given(chunk=st.integers(1, 7))
def test_scores_in_chunks_equal_scores_at_once(
    score: Callable[[EncodedParts], np.ndarray], parts: EncodedParts, all_at_once: np.ndarray, chunk: int
) -> None:
    chunks = [np.arange(start, min(start + chunk, len(parts))) for start in range(0, len(parts), chunk)]
    scores = np.concatenate([score(parts.take(chosen)) for chosen in chunks], axis=1)
    np.testing.assert_allclose(scores, all_at_once, rtol=1e-4, atol=1e-4)


@given(order=st.permutations(range(7)))
def test_parts_may_be_taken_in_any_order(
    score: Callable[[EncodedParts], np.ndarray], parts: EncodedParts, all_at_once: np.ndarray, order: list[int]
) -> None:
    chosen = np.array(order[:4])
    np.testing.assert_allclose(score(parts.take(chosen)), all_at_once[:, chosen], rtol=1e-4, atol=1e-4)


def test_vectors_of_some_users_equal_those_of_all(forecaster: Forecaster) -> None:
    rows = np.array([3, 0, 77, 210])
    with torch.no_grad():
        some = forecaster.model.encoder.user_vectors(forecaster.snapshot, rows)
        everyone = forecaster.model.encoder.user_vectors(forecaster.snapshot)
    torch.testing.assert_close(some, everyone[rows])
    torch.testing.assert_close(everyone.norm(dim=-1), torch.ones(len(everyone)))


def test_scores_of_the_whole_population_do_not_depend_on_who_else_is_scored(
    forecaster: Forecaster, parts: EncodedParts, all_at_once: np.ndarray
) -> None:
    """Channels are standardised over the population, so leaving out everybody else changes nothing."""
    model, snapshot = forecaster.model.encoder, forecaster.snapshot
    rows = np.flatnonzero(snapshot.histories.in_population)
    with torch.no_grad():
        users = model.user_vectors(snapshot, rows)
        scores = model.score(
            snapshot, parts, model.nearness(model.match.place(snapshot.vocabulary), parts), users, rows
        )
    np.testing.assert_allclose(scores.numpy(), all_at_once[rows], rtol=1e-4, atol=1e-4)


def test_attention_stays_within_the_source_that_is_spoken_of(forecaster: Forecaster, parts: EncodedParts) -> None:
    model, snapshot = forecaster.model.encoder, forecaster.snapshot
    with torch.no_grad():
        attention = model.attention(snapshot, parts, model.nearness(model.match.place(snapshot.vocabulary), parts))
    for row, source in enumerate(parts.source):
        outside = snapshot.vocabulary.source_of != source
        assert not attention.items[:, row, outside].any()
        assert not attention.groups[row, snapshot.vocabulary.source_of_group != source].any()
        assert not attention.other[row, ~outside].any()
        assert attention.items[:, row].sum(-1).tolist() == pytest.approx([1.0, 1.0])


def with_other(snapshot: FeatureSnapshot, part: Addition) -> FeatureSnapshot:
    """The same snapshot with other numbers in one part of what a score is made of."""
    if part == "match":
        histories = snapshot.histories
        *decayed, ever = histories.counts
        soonest, *longer = histories.group_days  # what goes together is read from the longer ones
        other = replace(
            histories,
            counts=(*(counts * 0.3 for counts in decayed), ever),
            group_days=(soonest * 0.3, *longer),
            group_last=histories.group_last * 0.3,
        )
        return replace(snapshot, histories=other)
    if part == "structure":
        return replace(snapshot, structure=replace(snapshot.structure, weights=0 * snapshot.structure.weights))
    return replace(snapshot, inputs=replace(snapshot.inputs, activity=-snapshot.inputs.activity))


PARTS: tuple[Addition, ...] = ("match", "structure", "activity", "dense")


@pytest.mark.parametrize("without", [(), *((part,) for part in PARTS), PARTS[1:], PARTS[:3]])
@torch.no_grad()
def test_an_ablation_does_not_look_at_what_it_leaves_out(
    forecaster: Forecaster, parts: EncodedParts, without: tuple[Addition, ...]
) -> None:
    torch.manual_seed(4)
    snapshot = forecaster.snapshot
    model = DualEncoder(forecaster.model.encoder.dimension, without=without)
    users, near = model.user_vectors(snapshot), model.nearness(model.match.place(snapshot.vocabulary), parts)
    scores = model.score(snapshot, parts, near, users)
    for part in PARTS:
        if part == "dense":
            other = model.score(snapshot, parts, near, users.flip(0))
        else:
            other = model.score(with_other(snapshot, part), parts, near, users)
        assert torch.equal(other, scores) == (part in without), part
    if without == PARTS[:3]:
        assert torch.equal(scores, model.aligned(parts, users)), "FOUND's score, and nothing else"


def test_a_demand_for_another_source_reads_that_source(world: World, service: AudienceService) -> None:
    bought = service.forecaster.forecast("people who will buy wine")
    redeemed = service.forecaster.forecast("people who will redeem a coupon for wine")
    sources = service.forecaster.snapshot.vocabulary
    assert {sources.sources[sources.source_of[item]] for item in bought.items} == {"purchases"}
    assert {sources.sources[sources.source_of[item]] for item in redeemed.items} == {"coupons"}
    assert redeemed.probabilities.sum() < bought.probabilities.sum()
    assert world.did("wine", source="coupons")
