"""What the rules hear about audiences that are kept, and what the agent says of them."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.actions.audiences import angles
from agent.outcome_words import outcome_text
from agent.reading.commands import (
    LATEST,
    THIS,
    campaign_order,
    day_in,
    held_back,
    ids_in,
    platform_in,
    references,
    version_in,
)
from agent.reading.parse import parse
from agent.reading.wording import Parts
from agent.state import AudienceDraft, Version
from tests.agent.agent_doubles import CARD, PlantedService
from tools.operation_types import CampaignOutcome, Estimate, Side
from tools.types import AudienceSpec, Interval, ProfileRow

SAVED = ("Autumn", "Autumn launch", "Tea")


@pytest.mark.parametrize(
    ("text", "percent", "rest"),
    [
        ("keep 10 % back", 10, ""),
        ("Please hold back a fifth of them.", 20, "."),
        ("keep half of them back for measuring", 50, ""),
        ("set aside 12.5 percent", 12.5, ""),
        ("save as Autumn, and keep 15% back", 15, "save as Autumn"),
        ("export for Meta without a holdout", 0, "export for Meta"),
        ("a holdout of 5 %", 5, ""),
        ("with a 25 % control group", 25, "with a"),
        ("keep nobody back", 0, ""),
    ],
)
def test_the_share_that_is_kept_back(text: str, percent: float, rest: str) -> None:
    found, left = held_back(text)
    assert found == percent
    assert " ".join(left.split()) == " ".join(rest.split())


@pytest.mark.parametrize(
    "text", ["top 10 %", "keep the best 10 %", "leave out last month's buyers", "people who buy back to school things"]
)
def test_what_is_no_share_to_keep_back(text: str) -> None:
    assert held_back(text) == (None, text)


def test_a_share_to_keep_back_is_no_cut() -> None:
    read = parse("coffee drinkers, keep 10 % back", CARD, "fresh")
    assert (read.percent, read.holdout, read.wants) == (None, 10, ("coffee",))
    assert parse("coffee drinkers, top 20 %, and hold back a tenth", CARD, "fresh").percent == 20


@pytest.mark.parametrize(
    ("text", "action", "named"),
    [
        ("how did it go?", "outcome", []),
        ("How did Autumn launch do?", "outcome", ["Autumn launch"]),
        ("what was the uplift of Tea?", "outcome", ["Tea"]),
        ("refresh", "refresh", []),
        ("refresh tea as of 1 November 2017", "refresh", ["Tea"]),
        ("bring this one up to date", "refresh", [THIS]),
        ("what should I say to them?", "angles", None),
        ("message ideas", "angles", None),
        ("people like these: 12, 55", "like", None),
        ("more customers similar to these 1229 and 33", "like", None),
        ("people like these", "like", None),
        ("both this and the last one, who overlaps?", "compare", [THIS, LATEST]),
        ("what do Tea and Autumn have in common", "compare", ["Tea", "Autumn"]),
        ("combine Autumn launch and Tea", "combine", ["Autumn launch", "Tea"]),
        ("Tea but not Autumn", "combine", ["Tea", "Autumn"]),
        ("those in both Tea and Autumn", "combine", ["Tea", "Autumn"]),
    ],
)
def test_orders_about_what_is_kept(text: str, action: str, named: list[str] | None) -> None:
    step = campaign_order(text, True, SAVED)
    assert step is not None
    assert (step.action, step.audience) == (action, named)


@pytest.mark.parametrize(
    "text",
    [
        "people who like tea",
        "tea drinkers but not those who bought coffee",
        "people who will buy refreshing drinks",
        "combine tea and coffee",
        "people like students",
        "save as Autumn",
        "compare with Tea",
        "people who update their kitchen",
        "what is the lift?",
        "both coffee and tea",
    ],
)
def test_what_is_no_order(text: str) -> None:
    assert campaign_order(text, True, SAVED) is None


def test_the_operation_and_the_name_of_a_combination() -> None:
    for text, operation, name in (
        ("combine Autumn and Tea as Warm", "or", "Warm"),
        ("Tea minus Autumn, call it Only tea", "not", "Only tea"),
        ("who are in both Tea and Autumn", "and", None),
    ):
        step = campaign_order(text, False, SAVED)
        assert step is not None
        assert (step.operation, step.name) == (operation, name)
    assert campaign_order("combine this and Tea", False, SAVED) is None


def test_days_platforms_versions_and_ids() -> None:
    assert day_in("as of 2017-11-01") == day_in("on 1 Nov 2017") == day_in("November 1, 2017") == date(2017, 11, 1)
    assert day_in("on 2017-13-01") is day_in("next month") is None
    assert [platform_in(f"export for {name}") for name in ("Facebook", "Tik Tok", "my boss")] == [
        "meta",
        "tiktok",
        None,
    ]
    assert (version_in("how did version 2 go"), version_in("how did it go")) == (2, None)
    assert ids_in("people like these: ann, bob;12\n12") == ["ann", "bob", "12"]
    assert ids_in("more like these 12 and h-55, 1229.") == ["12", "h-55", "1229"]


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    share, rest = held_back(text)
    assert (share is None) == (rest == text) or share is not None
    assert set(references(text, SAVED)) <= {*SAVED, THIS, LATEST}
    campaign_order(text, True, SAVED)
    day_in(text)


def row(kind: str, field: str, value: str, index: float) -> ProfileRow:
    return ProfileRow.model_validate(
        {"kind": kind, "field": field, "value": value, "audience_share": 0.4, "everyone_share": 0.2, "index": index,
         "users": 40}
    )  # fmt: skip


def test_no_angle_about_what_may_not_be_targeted() -> None:
    spec = AudienceSpec(demand="Households that will buy coffee in the next 28 days")
    version = Version(draft=AudienceDraft(request="coffee", spec=spec), parts=Parts(items=("coffee",), days=28))
    rows = [
        row("behaviour", "did in the last 91 days", "prenatal vitamins for pregnant women", 300),
        row("attribute", "religion", "catholic", 250),
        row("behaviour", "did in the last 91 days", "tea", 200),
        row("behaviour", "did in the last 91 days", "coffee", 150),
        row("attribute", "region", "north", 140),
    ]
    found = angles(version, rows, ["coffee"])
    assert [each.split("**")[1] for each in found] == [
        "Start from what they know.", "Put it beside tea.", "Picture them as they are: region, north."
    ]  # fmt: skip
    assert all("index" in each and "40 %" in each and "20 %" in each for each in found)
    loans = spec.model_copy(update={"demand": "Households that will apply for credit"})
    draft = version.draft.model_copy(update={"spec": loans})
    assert angles(version.model_copy(update={"draft": draft}), [row("attribute", "age", "65 or older", 200)], []) == ()


def test_newcomers_are_introduced() -> None:
    spec = AudienceSpec(demand="Households that will buy coffee for the first time in the next 28 days")
    parts = Parts(items=("coffee",), days=28, first_time=True)
    [first] = angles(Version(draft=AudienceDraft(request="coffee", spec=spec), parts=parts), [], [])
    assert first.startswith("**Introduce it.**")


@pytest.mark.parametrize(
    ("uplift", "words"),
    [
        ((0.01, 0.05, 0.09), "More of them responded"),
        ((-0.02, 0.01, 0.04), "this may be chance"),
        ((-0.09, -0.05, -0.01), "Fewer of them responded"),
    ],
)
def test_an_uplift_is_said_for_what_it_is(uplift: tuple[float, float, float], words: str) -> None:
    low, mid, high = uplift
    rate = Estimate(low=0.1, mid=0.2, high=0.3)
    outcome = CampaignOutcome(
        audience_id="a", name="Tea", version=1, as_of=date(2017, 10, 1), source="file",
        contacted=Side(users=90, responders=18, rate=rate, value=120.5),
        held_out=Side(users=10, responders=2, rate=rate),
        uplift=Estimate(low=low, mid=mid, high=high), relative=None, forecast=Interval(low=10, mid=15, high=19),
        forecast_held=False, notes=("1 rows have no date.",), recorded=datetime(2017, 11, 1, tzinfo=UTC),
        recorded_by="Ada",
    )  # fmt: skip
    text = outcome_text(outcome, PlantedService().describe_data())
    assert words in text
    assert "**18 of 90 households responded, 20.0 %**" in text
    assert "They brought 120.50." in text
    assert "there were 20, so the forecast was wrong this time" in text
    assert "- 1 rows have no date." in text
