"""Few-shot in the planted world: who is given, who is ranked, and which scorers make something of it."""

from datetime import timedelta

import numpy as np
import pytest

from benchmarks.forecasts.demands import category_demands
from benchmarks.forecasts.judging import AUC
from benchmarks.forecasts.references.seeds import SeedReferences
from benchmarks.forecasts.report import Section
from benchmarks.forecasts.study import DemandOutcome, Study, observe
from benchmarks.forecasts.tasks import few_shot as task
from benchmarks.forecasts.tasks.few_shot import ALIKE, TUNED, UNTUNED, few_shot
from encoders.data.events import Dataset
from encoders.metrics import auc
from encoders.predictor import Forecaster
from tests.planted import AS_OF, World
from tools.service import AudienceService

SIZES = (5, 20)


@pytest.fixture(scope="module")
def forecaster(service: AudienceService, study: Study) -> Forecaster:
    return Forecaster(service.forecaster.model, study.snapshot, study.encoder)


@pytest.fixture(scope="module")
def outcome(data: Dataset, study: Study) -> DemandOutcome:
    return observe(data, study.snapshot, category_demands(data, seed=7))


@pytest.fixture(scope="module")
def sections(study: Study, forecaster: Forecaster, outcome: DemandOutcome) -> list[Section]:
    return few_shot(study, forecaster, outcome, SIZES)


def area(section: Section, scorer: str) -> float:
    found = section.figure(scorer, AUC)
    assert found is not None
    return found.value


def test_every_scorer_stands_beside_ours(sections: list[Section]) -> None:
    assert [section.name for section in sections] == ["few-shot: 5 seeds", "few-shot: 20 seeds"]
    for section in sections:
        told = {row.scorer: row.told for row in section.rows}
        assert len(told) == 8
        assert [name for name, each in told.items() if each == "sentence"] == [UNTUNED]
        assert all(set(row.figures) >= {AUC, "lift@10 %"} for row in section.rows)
    assert sections[0].demands == sections[1].demands > 5


def test_users_alone_come_close_to_the_sentence(sections: list[Section]) -> None:
    few, more = sections
    assert area(few, ALIKE) > 0.75
    assert area(more, ALIKE) > area(more, UNTUNED) - 0.02
    for section in sections:
        assert area(section, TUNED) > area(section, UNTUNED) - 0.005
        assert area(section, ALIKE) > area(section, "Rocchio on log counts")


def test_seeds_did_it_lately_and_are_not_ranked(
    world: World, study: Study, forecaster: Forecaster, outcome: DemandOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[task.Case] = []

    def scores(*arguments: object) -> dict[str, np.ndarray]:
        case = arguments[-1]
        assert isinstance(case, task.Case)
        seen.append(case)
        return {TUNED: np.zeros(len(study.snapshot.histories.user_ids))}

    monkeypatch.setattr(task, "case_scores", scores)
    sections = few_shot(study, forecaster, outcome, SIZES)
    assert {area(section, TUNED) for section in sections} == {0.5}
    assert len(seen) == 2 * sections[0].demands
    users = np.array(study.snapshot.histories.user_ids)
    past = world.dataset.before(AS_OF).events(28).collect()
    assert past["time"].dt.date().min() == AS_OF - timedelta(days=28)
    for case in seen:
        did = set(past.filter(past["item_id"].is_in(case.demand.items.tolist()))["user_id"])
        assert len(case.seeds) in SIZES
        assert set(users[case.seeds]) <= did
        assert set(case.seeds) | set(case.others) == set(outcome.rows)
        assert not set(case.seeds) & set(case.others)
        number = outcome.demands.index(case.demand)
        everyone = dict(zip(outcome.rows.tolist(), outcome.responded[:, number].tolist(), strict=True))
        assert case.responded.tolist() == [everyone[row] for row in case.others.tolist()]
    again: list[task.Case] = []
    first, seen = seen, again
    few_shot(study, forecaster, outcome, SIZES)
    assert [case.seeds.tolist() for case in again] == [case.seeds.tolist() for case in first]


def test_without_enough_responders_there_is_no_section(
    study: Study, forecaster: Forecaster, outcome: DemandOutcome
) -> None:
    assert few_shot(study, forecaster, outcome, (5, 5000)) == []


def test_references_find_a_shared_habit(study: Study, world: World) -> None:
    histories = study.snapshot.histories
    population = np.flatnonzero(histories.in_population)
    owners = np.array([row for row in population if histories.user_ids[row] in world.habits["dog food"]])
    seeds, rest = owners[:20], np.setdiff1d(population, owners[:20])
    found = SeedReferences(study).scores(seeds, rest)
    areas = {name: auc(scores[rest], np.isin(rest, owners)) for name, scores in found.items()}
    assert all(np.isfinite(scores).all() and scores.shape == (len(histories.user_ids),) for scores in found.values())
    assert areas["the most over-indexing group, counted, with activity"] > 0.9
    assert areas["over-indexing groups, counted"] > 0.8
    assert areas["Rocchio on log counts"] > 0.7
    assert areas["logistic regression, seeds against background"] > 0.7
    assert min(areas.values()) > 0.4
