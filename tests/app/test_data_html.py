"""What the place Data shows, as HTML: figures, pictures, the tree, and texts of the data that stay texts."""

import re
from collections.abc import Iterator
from datetime import date
from html import unescape
from pathlib import Path

import pytest

from agent.page.cards import Units
from agent.page.data import catalogue, forecasts, was_read, words
from agent.page.data.catalogue import Branch, Group, Open
from encoders.errors import RequestError
from tests.app.page_doubles import Service, make_desk
from tests.app.place_doubles import AS_OF, GROUPS, HOSTILE, MODEL, REPORT
from tools.audiences.knowledge import KnowledgeEntry, KnowledgePage, ThingMeant
from tools.audiences.ledger import score
from tools.operation_types import CataloguePage, LedgerPage
from tools.types import DataCard, FieldCard, ValueCount

UNITS = Units("household", "households", 50)
ENTRY = KnowledgeEntry(name=f"VIP {HOSTILE}", says=("vip lunch",), things=("sushi", "beer"), when="Sundays")


@pytest.fixture
def desk_service(tmp_path: Path) -> Iterator[Service]:
    service = make_desk(tmp_path / "exports").service
    yield service
    service.close()


def card(*fields: FieldCard) -> DataCard:
    return DataCard(
        title="A shop", note=HOSTILE, unit="household", unit_plural="households", population=1000, as_of=AS_OF,
        horizon_days=28, sources=(), fields=fields, top_groups=(), model_version="m1", data_version="d1",
    )  # fmt: skip


AGE = FieldCard(
    field=HOSTILE,
    values=(ValueCount(value="25-34", users=200), ValueCount(value=HOSTILE, users=None)),
    unknown=750,
)
REGION = FieldCard(field="region", values=(ValueCount(value="north", users=970),), unknown=None)


# --- what was read --------------------------------------------------------------------------------


def test_rows_users_and_days_are_told_with_what_was_left_out() -> None:
    told = was_read.rows_read(REPORT, UNITS)
    for words_of_it in (
        "960",
        "96 %",
        "1,000 rows",
        "2,400 of 2,469",
        "12 events have nobody in it",
        "40 rows were left",
    ):
        assert words_of_it in told.replace("\N{NO-BREAK SPACE}", " ")
    assert HOSTILE not in told
    assert "&lt;img" in told
    nothing = REPORT.model_copy(update={"reasons": (), "rows": 0, "events": 0, "users_listed": 0})
    assert "No row was left out." in was_read.rows_read(nothing, UNITS)


def test_weeks_are_drawn_as_high_as_they_are_with_a_line_at_the_day_that_counts_as_now() -> None:
    drawn = was_read.weeks_picture("views", (0, 10, 5, 0), date(2017, 9, 4), date(2017, 9, 18))
    heights = [float(y) for y in re.findall(r"L[\d.]+ ([\d.]+)", drawn)]
    bottom, top = was_read.HIGH - 2, 4
    assert heights[:8] == [bottom, bottom, top, top, (bottom + top) / 2, (bottom + top) / 2, bottom, bottom]
    assert f'x1="{was_read.WIDE / 2}"' in drawn
    assert "at most 10, in the week of 11 September 2017" in drawn
    assert 'role="img"' in drawn
    late = was_read.weeks_picture("views", (1, 1), date(2017, 9, 4), date(2027, 1, 1))
    assert f'x1="{was_read.WIDE}.0"' in late


def test_what_few_did_is_neither_counted_nor_drawn() -> None:
    told = was_read.sources(REPORT, UNITS)
    assert told.count("<svg") == 1
    assert told.count("withheld") == 2
    assert "fewer than 50" in told
    assert HOSTILE not in told
    empty = was_read.sources(REPORT.model_copy(update={"sources": ()}), UNITS)
    assert "audience prepare" in empty


def test_coverage_is_the_share_that_is_known_and_never_gives_a_small_number_away() -> None:
    assert was_read.known_share(AGE, 1000) == (0.25, False)
    assert was_read.known_share(REGION, 1000) == (0.97, True)
    assert was_read.known_share(REGION, 0) == (0.0, False)
    told = was_read.coverage(card(AGE, REGION), UNITS)
    assert "known for 25 %" in told
    assert "known for at least 97 %" in told
    assert "fewer than 50" in told
    assert HOSTILE not in told
    assert "has no attributes" in was_read.coverage(card(), UNITS)
    assert HOSTILE not in was_read.limits(card(), UNITS)


# --- the catalogue --------------------------------------------------------------------------------


def opened_by(html: str, key: str) -> Open:
    """What a button with such a key opens."""
    found = re.search(rf'data-key="{re.escape(key)}" data-of="([^"]*)"', html)
    assert found, key
    return Open.read(unescape(found[1]))


def test_every_button_of_the_tree_says_what_is_open_after_it() -> None:
    page = CataloguePage(of="purchases", names=GROUPS[:14], total=len(GROUPS))
    now = Open(source="purchases", group="milk", of="purchases")
    tree = catalogue.tree([Branch("purchases", page, len(GROUPS)), Branch("coupons", None, 2)], now)
    assert opened_by(tree, "source purchases") == Open()
    assert opened_by(tree, "source coupons").source == "coupons"
    assert opened_by(tree, "more 14").groups == 14 + 36
    chosen = opened_by(tree, "group purchases baby food")
    assert (chosen.source, chosen.group, chosen.of) == ("purchases", "baby food", "purchases")
    assert tree.count('aria-current="true"') == 1
    assert 'aria-expanded="true"' in tree
    assert HOSTILE not in tree
    assert "audience prepare" in catalogue.tree([], Open())


def test_a_branch_is_read_page_by_page(desk_service: Service) -> None:
    found = catalogue.branches(desk_service, Open(source="purchases", groups=55))
    assert found[0].groups is not None
    assert found[0].groups.names == GROUPS[:55]
    assert (found[0].total, found[1]) == (len(GROUPS), Branch("coupons", None, 2))


@pytest.mark.parametrize("text", ["{", '{"groups": 0}', '{"groups": 999999}', '{"path": "/etc/passwd"}', "[]"])
def test_what_no_button_says_opens_nothing(text: str) -> None:
    with pytest.raises(RequestError, match="not there any more"):
        Open.read(text)


def test_a_group_tells_who_did_it_and_how_well_it_is_forecast(desk_service: Service) -> None:
    found = catalogue.looked_up(desk_service, "baby food", "", desk_service.describe_data())
    told = catalogue.group_card(found, desk_service.describe_data(), UNITS).replace("\N{NO-BREAK SPACE}", " ")
    assert found.sentence == "Households that will buy baby food in the next 28 days"
    for words_of_it in ("700", "30 % of all", "9 days", "in 8 of 10 cases", "as many as by chance", "and 10 more"):
        assert words_of_it in told
    assert 'href="/?ask=Households+that+will+buy+baby+food+in+the+next+28+days"' in told
    assert HOSTILE not in told


def test_what_too_few_did_is_told_in_words(desk_service: Service) -> None:
    data = desk_service.describe_data()
    group = desk_service.describe_group("baby food", "coupons")
    told = catalogue.group_card(Group(group, "Households that will redeem", None), data, UNITS)
    assert told.count("fewer than 50") == 3


# --- forecasts, and words -------------------------------------------------------------------------


def test_the_model_and_its_quality_are_told_with_dashes_for_what_was_not_measured() -> None:
    assert "2,433 households did before 1 October 2017" in forecasts.model_facts(MODEL, UNITS)
    told = forecasts.measured(MODEL, UNITS)
    assert "Two things at once" in told
    assert told.count("–") == 2
    assert "83 %" in told
    unmeasured = forecasts.measured(MODEL.model_copy(update={"measured": ()}), UNITS)
    assert "train the model again" in unmeasured


def test_forecasts_of_saved_audiences_are_counted_once_one_can_be_judged() -> None:
    page = LedgerPage(
        level=0.8, data_version="d1", data_ends=date(2017, 12, 31), overall=score("all", "", ()), groups=(),
        deleted=0, forecasts=(), next_cursor="",
    )  # fmt: skip
    assert "href='/'" in forecasts.kept_forecasts(page)
    overall = page.overall.model_copy(update={"counted": 4, "kept": 3, "open": 1})
    kind = overall.model_copy(update={"by": "kind", "value": "one thing", "counted": 1, "kept": 1})
    told = forecasts.kept_forecasts(page.model_copy(update={"overall": overall, "groups": (kind,)}))
    assert "3 (75 %)" in told
    assert "One thing" in told


def test_entries_are_texts_and_are_asked_about_before_they_go() -> None:
    told = words.own_entries([ENTRY])
    assert HOSTILE not in told
    assert 'data-act="ask"' in told
    assert 'data-act="remove"' not in told
    asked = words.own_entries([ENTRY], ENTRY.name)
    assert 'data-act="remove"' in asked
    assert "You can put it back" in asked
    assert "Nothing yet" in words.own_entries([])


def test_the_form_and_the_way_back_hold_the_entry_as_it_was() -> None:
    assert words.as_seen(ENTRY.model_dump_json()) == ENTRY
    with pytest.raises(RequestError, match="load the page again"):
        words.as_seen('{"name": "x", "path": "/etc/passwd"}')
    read = words.entry_of(" VIP ", "vip lunch\n\n vip lunch \nvip", "sushi", " ")
    assert (read.name, read.says, read.things, read.when) == ("VIP", ("vip lunch", "vip"), ("sushi",), "")
    told = words.stands_for((ThingMeant(thing=HOSTILE, groups=()), ThingMeant(thing="beer", groups=("beer",))), "VIP")
    assert "no such thing" in told
    assert HOSTILE not in told
    assert "still learning" in words.stands_for(None)
    assert HOSTILE not in words.removed(ENTRY)


def test_entries_that_come_along_are_shown_in_parts() -> None:
    told = words.along(KnowledgePage(entries=(ENTRY,), total=3), "vip", 20)
    assert 'data-of="40"' in told
    assert "3 entries" in told
    assert "No entry has “unicorn”" in words.along(KnowledgePage(entries=(), total=0), "unicorn", 20)
