from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agent.page import cards
from agent.page.ask import details
from agent.page.ask.details import judgement, skew
from agent.page.cards import Units
from agent.page.results.forecasts import forecast_told, results_figure
from agent.state import AudienceDraft
from tests.app.page_doubles import AS_OF, HOSTILE, POPULATION, Service, record
from tools.operation_types import Standing
from tools.types import AudienceSpec, Behaviour, ExportFile, Interval, Overlap, SavedAudience

HOUSEHOLDS = Units("household", "households", 50)
SPEC = AudienceSpec(demand="Households that will buy milk in the next 28 days", cut=0.1)
DRAFT = AudienceDraft(request="milk", spec=SPEC)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def saved(name: str) -> SavedAudience:
    return SavedAudience(
        id="a1",
        name=name,
        version=2,
        spec=SPEC,
        definition=SPEC.demand,
        users=232,
        holdout=23,
        as_of=AS_OF,
        model_version="m1",
        data_version="d1",
        created=datetime(2017, 10, 1, tzinfo=UTC),
        approved_by="somebody",
    )


def test_the_headline_says_how_many_will_and_how_many_are_kept(service: Service) -> None:
    html = cards.told(service.size(SPEC), HOUSEHOLDS)
    assert "About 140 of 2,317 households will do this within 28 days (115 to 165)." in html
    assert "The audience keeps the best 232: expect 76 of them (62 to 89), 5.4 times as many as at random." in html
    assert "meet the conditions" not in html
    tiles = cards.headline(service.size(SPEC), HOUSEHOLDS)
    assert '<span data-live="users">232</span>' in tiles
    assert '<span data-live="range">62 to 89</span>, in 8 of 10 cases' in tiles


def test_conditions_are_counted_in_the_headline(service: Service) -> None:
    narrowed = SPEC.model_copy(update={"behaviours": (Behaviour(what="buy milk", days=28),)})
    assert "of 1,905 households that meet the conditions (of 2,317)" in cards.told(service.size(narrowed), HOUSEHOLDS)
    read = cards.how_read(service.size(narrowed), HOUSEHOLDS)
    assert "did not buy milk: keeps 1,905, leaves out 412" in read


def test_the_skew_card_begins_with_what_is_skewed_and_marks_what_nobody_can_judge(service: Service) -> None:
    report = service.skew(SPEC)
    html = skew(report, HOUSEHOLDS)
    assert html.index("<span>age</span><b>skewed</b>") < html.index("<span>income</span><b>even</b>")
    assert "80 of 400 (20 %)" in html
    assert "0.25 <small>0.20 to 0.32</small>" in html
    assert "9 in all</td><td>too few to judge" in html
    assert "900 have no value here; 90 of them are in." in html
    assert HOSTILE not in html
    age = report.fields[1]
    wide = age.rows[1].model_copy(update={"ratio": 0.7, "interval": Interval(low=0.5, mid=0.7, high=0.95)})
    assert judgement(age.model_copy(update={"rows": (age.rows[0], wide)})) == "perhaps skewed"
    assert judgement(age.model_copy(update={"rows": age.rows[2:], "lowest_ratio": None})) == "too few to judge"
    assert skew(report.model_copy(update={"fields": ()}), HOUSEHOLDS) == ""


def test_warnings_are_alerts_in_plain_words(service: Service) -> None:
    tiny = service.size(SPEC.model_copy(update={"cut": 0.01}))
    html = cards.headline(tiny, HOUSEHOLDS)
    assert 'role="alert"' in html
    assert "Below 50 households the members are not shown." in html


def test_nobody_left_is_said_and_not_divided_by(service: Service) -> None:
    nobody = service.size(SPEC).model_copy(
        update={"eligible": 0, "users": 0, "lift": 0.0, "all_responders": Interval(low=0, mid=0, high=0), "curve": ()}
    )
    assert "About 0 of 0 households" in cards.told(nobody, HOUSEHOLDS)
    assert 'data-live="users">nobody' in cards.headline(nobody, HOUSEHOLDS) or "0 of" in cards.told(nobody, HOUSEHOLDS)


def test_texts_from_the_data_never_become_markup(service: Service) -> None:
    card = service.describe_data().model_copy(update={"title": HOSTILE, "note": HOSTILE, "top_groups": (HOSTILE,)})
    file = ExportFile(
        audience_id="a1",
        version=1,
        path=f"exports/{HOSTILE.replace('/', '')}.csv",
        format="csv",
        rows=1,
        held_out=0,
        columns=(HOSTILE,),
        sha256="0",
    )
    overlap = Overlap(a="here", b="there", users_a=10, users_b=20, both=5, either=25, jaccard=0.2)
    drawn = [
        cards.masthead("", card, HOSTILE),
        cards.about(card, HOSTILE),
        cards.empty(card),
        cards.notice(HOSTILE, "alert"),
        cards.headline(service.size(SPEC), Units(HOSTILE, HOSTILE, 50)),
        cards.told(service.size(SPEC), Units(HOSTILE, HOSTILE, 50)),
        cards.how_read(service.size(SPEC), Units(HOSTILE, HOSTILE, 50)),
        cards.profile(service.profile(SPEC), Units(HOSTILE, HOSTILE, 50)),
        cards.samples(service.preview(SPEC), Units(HOSTILE, HOSTILE, 50)),
        cards.saved(
            [(saved(HOSTILE), overlap)], [forecast_told(record(HOSTILE, "kept", 80))], Units(HOSTILE, HOSTILE, 50)
        ),
        cards.keep_head(saved(HOSTILE), HOUSEHOLDS),
        cards.download(file),
    ]
    for html in drawn:
        assert "<img" not in html
        assert "&lt;img" in html


def test_bars_stop_at_four_times_the_average_and_say_their_number(service: Service) -> None:
    html = cards.profile(service.profile(SPEC), HOUSEHOLDS)
    assert "width:100.0%" in html
    assert ">683<" in html
    assert "width:7.8%" in html
    assert 'aria-label="age: 65+: index 31, 3.0 % here, 10 % of everyone"' in html
    assert "Habits are what they did in the last 91 days." in html


def test_an_empty_profile_says_so() -> None:
    assert "Nothing stands out" in cards.profile((), HOUSEHOLDS)


def test_a_sample_shows_its_evidence_in_days(service: Service) -> None:
    html = cards.samples(service.preview(SPEC), HOUSEHOLDS)
    assert "household ••07" in html
    assert "on 4 days, last on 24 September 2017" in html
    assert "once, last on 2 September 2017" in html


def test_a_download_links_to_the_file_by_its_name_only() -> None:
    file = ExportFile(
        audience_id="a1",
        version=1,
        path="/somewhere/private/exports/a 1.csv",
        format="csv",
        rows=209,
        held_out=23,
        columns=("user_id", "email_sha256"),
        sha256="0",
    )
    html = cards.download(file)
    assert 'href="/exports/a%201.csv" download="a 1.csv"' in html
    assert "private" not in html
    assert "209 rows: user_id, email_sha256. 23 are held out" in html


def test_a_small_audience_is_explained_where_its_members_would_be(service: Service) -> None:
    small = DRAFT.model_copy(update={"spec": SPEC.model_copy(update={"cut": 0.01})})
    found = details.details(service, small)
    assert "Fewer than 50 households" in found.profile
    assert found.samples == ""


def test_overlaps_belong_to_the_saved_audience_beside_them(service: Service) -> None:
    service.kept = [
        saved("Milk").model_copy(update={"id": "old", "created": datetime(2017, 9, 1, tzinfo=UTC)}),
        saved("Bread").model_copy(update={"id": "new"}),
    ]
    html = details.details(service, DRAFT).saved
    assert html.index("Bread") < html.index("Milk")
    assert html.count("90 of 232") == 2


def test_a_saved_audience_says_what_became_of_its_forecast(service: Service) -> None:
    kinds: tuple[tuple[str, Standing, int | None], ...] = (
        ("Milk", "open", None),
        ("Bread", "kept", 80),
        ("Tea", "missed", 120),
        ("Few", "withheld", None),
    )
    service.kept = [saved(name).model_copy(update={"id": name}) for name, *_ in kinds]
    service.records = [record(name, status, came, name) for name, status, came in kinds]
    found = details.details(service, DRAFT)
    for told in ("open until 29 October 2017", "80 did it: kept", "120 did it: missed", "withheld"):
        assert f"<td>76 (62 to 89) <small>{told}</small></td>" in found.saved, told
    service.records = []
    assert "<td>–</td>" in details.details(service, DRAFT).saved


def test_the_results_show_each_forecast_against_the_line(service: Service) -> None:
    service.records = [record(HOSTILE, "kept", 80), record("Tea", "missed", 120), record("Milk", "open")]
    page = service.ledger.page()
    line, kept, missed = results_figure(page.forecasts).data
    assert (line.x, line.y) == ((1, 156), (1, 156))
    assert [(each.name, each.x, each.y) for each in (kept, missed)] == [
        ("kept", (76,), (80,)),
        ("missed", (76,), (120,)),
    ]
    assert (missed.error_x.array, missed.error_x.arrayminus) == ((13,), (14,))
    assert HOSTILE not in kept.text[0]


def test_the_masthead_names_places_data_date_and_who_is_talking(service: Service) -> None:
    html = cards.masthead("results", service.describe_data(), "Built-in rules")
    assert f"{POPULATION:,} households" in html
    assert "as of 1 October 2017" in html
    assert "Talking: Built-in rules" in html
    assert html.count("aria-current") == 1
    assert '<a href="/results" aria-current="page">Results</a>' in html


def test_the_foot_says_where_the_numbers_come_from_and_what_the_assistant_cannot(service: Service) -> None:
    card = service.describe_data()
    assert "simulated" in cards.about(card, "gpt-x (OpenAI)")
    assert "does not reason" not in cards.about(card, "gpt-x (OpenAI)")
    assert "does not reason" in cards.about(card, "Built-in rules, no language model")


def test_a_saved_audience_is_dated() -> None:
    assert "Version 2: 232 as of 1 October 2017, 23 held out." in cards.keep_head(saved("Milk"), HOUSEHOLDS)
    assert saved("Milk").as_of == date(2017, 10, 1)
