import string
from pathlib import Path
from threading import Event

import pytest

from agent.page.ask import controls
from agent.page.ask.reach import reach_curve
from agent.page.cards import Units, literal, percent
from agent.page.state import BROKEN, KEPT_MESSAGES, SHOWN_CHARACTERS, AppState, LazyService, Transcript, sentence
from agent.reading.commands import command, platform_in
from encoders.errors import DataError, RequestError
from tests.app.page_doubles import Service, make_desk
from tests.present import present
from tools.types import AudienceSpec, Behaviour, Filter, SizeEstimate

HOUSEHOLDS = Units("household", "households", 50)
SPEC = AudienceSpec(
    demand="Households that will buy milk",
    filters=(Filter(field="age", op="is not", values=("65+", "55-64")),),
    behaviours=(Behaviour(what="milk", days=28), Behaviour(what="cream", days=28)),
    cut=0.1,
)


@pytest.fixture
def size(tmp_path: Path) -> SizeEstimate:
    return Service(tmp_path).size(AudienceSpec(demand="Households that will buy milk", cut=0.1))


# --- the reach curve ----------------------------------------------------------------------------


def test_the_curve_brings_each_point_with_its_figures_in_words(size: SizeEstimate) -> None:
    drawn = present(reach_curve(size, HOUSEHOLDS))
    assert (drawn["eligible"], drawn["share"], drawn["across"]) == (2317, 0.1, "households kept")
    average = present(size.all_responders).mid / present(size.eligible)
    assert drawn["average"] == pytest.approx(average)
    users = [each["users"] for each in drawn["points"]]
    assert users == sorted(users)
    for each, point in zip(drawn["points"], sorted(size.curve, key=lambda one: one.users), strict=True):
        assert each["low"] <= each["mid"] <= each["high"]
        assert each["mid"] / average == pytest.approx(point.lift)
        assert each["told"]["lift"] == f"{point.lift:.1f}"


def test_nothing_is_drawn_of_a_curve_that_is_withheld(size: SizeEstimate) -> None:
    assert reach_curve(size.model_copy(update={"eligible": 0, "users": 0, "curve": ()}), HOUSEHOLDS) is None
    assert reach_curve(size.model_copy(update={"eligible": None, "curve": ()}), HOUSEHOLDS) is None


# --- what the controls change -------------------------------------------------------------------


def test_each_condition_has_its_own_words_and_goes_alone() -> None:
    words = controls.conditions(SPEC)
    assert words == ["age: not 65+ or 55-64", "no milk in the last 28 days", "no cream in the last 28 days"]
    left = controls.keep_conditions(SPEC, [words[0], words[2]])
    assert (left.filters, left.behaviours) == (SPEC.filters, SPEC.behaviours[1:])


def test_a_number_of_users_becomes_exactly_that_cut(size: SizeEstimate) -> None:
    eligible = present(size.eligible)
    for users in (1, 77, 1000, eligible):
        changed = controls.cut_to_users(SPEC, size, users)
        assert changed.cut is not None
        assert round(changed.cut * eligible) == users


@pytest.mark.parametrize("users", [None, 0, -5, 2318])
def test_an_impossible_number_of_users_names_the_range(size: SizeEstimate, users: float | None) -> None:
    with pytest.raises(RequestError, match=r"between 1 and 2,317"):
        controls.cut_to_users(SPEC, size, users)


def test_touching_a_control_without_moving_it_changes_nothing(size: SizeEstimate) -> None:
    assert controls.cut_to_users(SPEC, size, size.users) is SPEC
    assert controls.cut_to_share(SPEC, size, 0.1) is SPEC
    changed = controls.cut_to_share(SPEC, size, 0.2)
    assert round(present(changed.cut) * present(size.eligible)) == 463
    assert round(present(controls.cut_to_share(SPEC, size, 0.0).cut) * present(size.eligible)) == 1


@pytest.mark.parametrize(("text", "message"), [("  ", "is empty"), ("a" * 2001, "under 2,000")])
def test_a_sentence_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        controls.demand(SPEC, text)


def test_a_name_cannot_end_its_own_quotes() -> None:
    assert controls.save_request(' Say "hi" \n there ') == "Save as \"Say 'hi' there\""
    assert controls.save_request("  ") == "Save this audience"


def test_what_the_controls_say_is_what_the_rules_read() -> None:
    saving = command(controls.save_request("Autumn", 12.5), True, ())
    assert saving is not None
    assert (saving.action, saving.name, saving.holdout) == ("save", "Autumn", 12.5)
    plainly = command(controls.save_request("", 0), True, ())
    assert plainly is not None
    assert (plainly.action, plainly.name, plainly.holdout) == ("save", None, 0)
    for key in ("", "meta", "linkedin"):
        exporting = command(controls.export_request(key), True, ())
        assert exporting is not None
        assert (exporting.action, platform_in(controls.export_request(key)) or "") == ("export", key)
    liking = command(controls.like_request("0123456789ab.txt"), False, ())
    assert liking is not None
    assert liking.action == "like"


# --- what the browser keeps ---------------------------------------------------------------------


def test_what_a_person_typed_is_shown_letter_by_letter() -> None:
    shown = literal("![x](http://example.org) <b> www.example.org")
    assert shown.replace("\\", "") == "![x](http://example.org) <b> www.example.org"
    assert all(f"\\{sign}" in literal(sign) for sign in string.punctuation)


def test_a_transcript_survives_the_browser_and_foreign_ones_do_not() -> None:
    transcript = Transcript()
    transcript.person("milk")
    transcript.agent("Which?", ("white", "brown"))
    again = Transcript.recall(transcript.model_dump())
    assert again == transcript
    last = again.messages()[-1]
    assert (last.content, last.options) == ("Which?", [{"value": "white"}, {"value": "brown"}])
    assert Transcript.recall({"thread": "../../etc"}).said == []
    assert Transcript.recall("nonsense").thread != transcript.thread


def test_a_transcript_stays_small() -> None:
    transcript = Transcript()
    for _ in range(KEPT_MESSAGES + 20):
        transcript.person("a" * 50_000)
    assert len(transcript.said) == KEPT_MESSAGES
    assert len(transcript.said[0].text) < SHOWN_CHARACTERS + 100
    assert "50,000 characters" in transcript.said[0].text.replace("\\", "")


def test_old_answers_cannot_be_clicked() -> None:
    transcript = Transcript()
    transcript.agent("Which?", ("white", "brown"))
    transcript.person("white")
    assert [message.options for message in transcript.messages(working="Looking")] == [[], [], []]


def test_shares_keep_a_decimal_only_where_it_says_something() -> None:
    assert [percent(share) for share in (0, 0.004, 0.0604, 0.0999, 0.334, 1)] == [
        "0 %",
        "0.4 %",
        "6.0 %",
        "10 %",
        "33 %",
        "100 %",
    ]


# --- opening ------------------------------------------------------------------------------------


def test_the_desk_opens_once_and_closes_what_is_behind_it(tmp_path: Path) -> None:
    opened: list[AppState] = []

    def opener() -> AppState:
        opened.append(make_desk(tmp_path))
        return opened[-1]

    opening = LazyService(opener)
    assert not opening.ready
    assert opening.desk() is opening.desk()
    assert opening.ready
    opening.close()
    assert len(opened) == 1
    service = opened[0].service
    assert isinstance(service, Service)
    assert service.closed


def test_a_failed_opening_is_tried_again(tmp_path: Path) -> None:
    mended = Event()

    def opener() -> AppState:
        if not mended.is_set():
            raise DataError("No prepared data; run 'audience demo'.")
        return make_desk(tmp_path)

    opening = LazyService(opener)
    with pytest.raises(DataError, match="audience demo"):
        opening.desk()
    assert not opening.ready
    mended.set()
    assert opening.desk().service
    opening.close()


def test_a_bug_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    assert sentence(RequestError("Say whom.")) == "Say whom."
    assert sentence(ZeroDivisionError("division by zero")) == BROKEN
    assert "division by zero" in caplog.text
