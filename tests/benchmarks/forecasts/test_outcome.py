import numpy as np

from benchmarks.forecasts.demands import BenchmarkDemand, items_of, no_items, read_topics
from benchmarks.forecasts.study import EDGE, Study, observe
from encoders.data.events import HORIZON_DAYS, Dataset


def demand(dataset: Dataset, *wanted: str, unwanted: tuple[str, ...] = ()) -> BenchmarkDemand:
    topics = read_topics(dataset)
    items = tuple(items_of(topics, "group", [name]) for name in wanted)
    left_out = items_of(topics, "group", unwanted) if unwanted else no_items()
    return BenchmarkDemand(" ".join(wanted), items, left_out)


def test_the_outcome_is_what_a_plain_count_says(data: Dataset, study: Study) -> None:
    asked = [
        demand(data, "coffee"),
        demand(data, "coffee", "chocolate"),
        demand(data, "laundry", unwanted=("coffee", "tea")),
    ]
    outcome = observe(data, study.snapshot, asked)
    assert outcome.demands == asked
    as_of = study.snapshot.histories.past.as_of
    future = set(data.outcome(as_of, HORIZON_DAYS).select("user_id", "item_id").iter_rows())
    past = set(data.before(as_of).events().select("user_id", "item_id").collect().iter_rows())
    for number, each in enumerate(asked):
        for place, row in enumerate(outcome.rows):
            user = study.snapshot.histories.user_ids[row]
            did = [any((user, int(item)) in future for item in items) for items in each.all_of]
            unwanted = any((user, int(item)) in future for item in each.none_of)
            had = any((user, int(item)) in past for items in each.all_of for item in items)
            assert outcome.responded[place, number] == (all(did) and not unwanted)
            assert outcome.newcomer[place, number] == (not had)


def test_only_the_population_counts(data: Dataset, study: Study) -> None:
    outcome = observe(data, study.snapshot, [demand(data, "coffee")])
    users = [study.snapshot.histories.user_ids[row] for row in outcome.rows]
    assert users == data.before(study.snapshot.histories.past.as_of).population


def test_a_demand_with_few_responders_or_few_others_is_left_out(data: Dataset, study: Study) -> None:
    nobody = demand(data, "telescope")
    everybody = BenchmarkDemand("anything", (np.arange(len(data.items)),))
    outcome = observe(data, study.snapshot, [nobody, demand(data, "coffee"), everybody])
    assert [each.sentence for each in outcome.demands] == ["coffee"]
    assert EDGE <= outcome.responded.sum() <= len(outcome.rows) - EDGE
