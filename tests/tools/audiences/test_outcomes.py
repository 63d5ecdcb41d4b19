"""What becomes of a saved audience: its holdout, its outcome from a file and from the data, and its refresh."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from encoders.errors import DataError, RequestError
from encoders.workspace import Workspace
from tests.planted import AS_OF, DAYS, FIRST, MINIMUM, World, world_settings
from tests.present import present
from tools.access.callers import Caller, Scope
from tools.audiences.outcomes import read_outcome
from tools.service import AudienceService
from tools.types import AudienceSpec, Filter

COFFEE = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.3)
END = AS_OF + timedelta(days=28)


@pytest.fixture
def early(own_workspace: Workspace) -> Iterator[AudienceService]:
    """A service of its own that can be opened at other days, too, and counts ten users."""
    opened = AudienceService.open(world_settings(own_workspace.path).model_copy(update={"minimum_size": 10}))
    yield opened
    opened.close()


def written(folder: Path, name: str, table: pl.DataFrame) -> Path:
    path = folder / name
    write: dict[str, Callable[[Path], object]] = {
        ".csv": table.write_csv,
        ".parquet": table.write_parquet,
        ".jsonl": table.write_ndjson,
    }
    write[path.suffix](path)
    return path


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.2, 0.2), (0.5, 0.5), (None, 0.1)])
def test_the_share_kept_back_is_chosen(own: AudienceService, share: float | None, expected: float) -> None:
    saved = own.save(COFFEE, "coffee", "Ada", holdout=share)
    assert saved.holdout == round(expected * present(saved.users))
    assert saved.forecast == own.size(COFFEE).responders


@pytest.mark.parametrize("share", [-0.1, 0.51, 10.0])
def test_no_more_than_half_is_kept_back(own: AudienceService, share: float) -> None:
    with pytest.raises(RequestError, match="A share of 0 to 50% can be held out"):
        own.save(COFFEE, "coffee", "Ada", holdout=share)
    assert own.list_audiences() == ()


def test_a_file_is_counted_on_both_sides(own: AudienceService, tmp_path: Path) -> None:
    saved = own.save(COFFEE, "coffee", "Ada", holdout=0.25)
    members, held = own.tenant.registry.members("coffee")
    contacted = sorted(set(members) - set(held))
    outside = sorted(set(own.forecaster.snapshot.histories.user_ids) - set(members))[:3]
    ids = [*contacted[:30], *held[:5], *outside, "stranger", contacted[0]]
    path = written(tmp_path, "out.csv", pl.DataFrame({"user_id": ids}))
    done = own.outcomes.from_file("coffee", path, "Ada")
    assert (done.contacted.users, done.contacted.responders) == (len(contacted), 30)
    assert (done.held_out.users, done.held_out.responders) == (len(held), 5)
    assert done.responders == 35
    assert done.uplift is not None
    assert done.uplift.mid == pytest.approx(30 / len(contacted) - 5 / len(held))
    assert done.uplift.low < done.uplift.mid < done.uplift.high
    assert done.relative is not None
    assert done.relative.mid == pytest.approx(30 / len(contacted) / (5 / len(held)) - 1)
    assert done.notes == (
        "1 ids belong to nobody in this data: 'stranger'.",
        "3 responders are not in the audience and were not counted.",
    )
    assert saved.forecast is not None
    assert done.forecast_held == (saved.forecast.low <= 35 <= saved.forecast.high)
    assert own.outcomes.from_file("coffee", path, "Ada") == own.outcomes.last("coffee") == done
    assert [line.action for line in own.tenant.registry.audit("coffee")] == ["save", "outcome"]


def test_nobody_held_back_says_what_cannot_be_known(own: AudienceService, tmp_path: Path) -> None:
    own.save(COFFEE, "coffee", "Ada", holdout=0)
    members, _ = own.tenant.registry.members("coffee")
    done = own.outcomes.from_file("coffee", written(tmp_path, "a.jsonl", pl.DataFrame({"user_id": members[:9]})), "Ada")
    assert (done.uplift, done.relative, done.held_out.rate) == (None, None, None)
    assert done.notes[0].startswith("Nobody was held out, so it cannot be known")


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_dates_and_values_decide_what_counts(tmp_path: Path, ending: str) -> None:
    table = pl.DataFrame(
        {
            "user_id": ["a", "a", "b", "c", "d", "e", None, "f"],
            "date": [AS_OF, END - timedelta(days=1), END, AS_OF, AS_OF, AS_OF, AS_OF, AS_OF - timedelta(days=1)],
            "value": [1.5, 2.0, 9.0, 0.0, None, 4.0, 1.0, 1.0],
        }
    )
    found = read_outcome(written(tmp_path, f"out.{ending}", table), AS_OF, END)
    assert found.values == {"a": 3.5, "e": 4.0}
    assert [note.split(" rows")[0] for note in found.notes] == ["1", "1", "2"]


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"user_id;date;value\n1000.0;2024-06-25;$5.00\n", {"1000": 5.0}),
        (b"User_ID\tDate\n'-12\t20240625\n", {"-12": None}),
        ("user_id,date\nkäthe,2024-06-25 10:00:00 UTC\n".encode("cp1252"), {"käthe": None}),
        ("user_id,value\na,10\na,-10\nb,10\nb,-4\n".encode("utf-16"), {"b": 6.0}),
        (b"user_id,value\na,0\nb,0\n", {}),
        (b'user_id,value\n"a, b",1\n27" c,2\n', {"a, b": 1.0, '27" c': 2.0}),
    ],
)
def test_files_are_read_as_people_write_them(tmp_path: Path, content: bytes, values: dict[str, float | None]) -> None:
    (tmp_path / "out.csv").write_bytes(content)
    assert read_outcome(tmp_path / "out.csv", AS_OF, END).values == values


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("user_id,date\na,25.06.2024\nb,26.06.2024\nc,2024-06-25\n", r"2 rows have no date .*, such as '25.06.2024',"),
        ("user_id,date\na,2024-06-25T25:00\nb,2024-06-25 10:61\nc,2024-06-25 9:30 pm\n", "2 rows have no date"),
        ("user_id,date\na,2024-06-25\n" + "b,999999-01-01\n" * 3 + "c,2023-01-01\n" * 2, "2 rows lie .* 2023-01-01,"),
        ("user_id,value\na,yes\nb,no\n", "2 rows have no number as their value, such as 'yes',"),
        ("user_id,value\n", "has no rows"),
        ("user_id\n", "has no rows"),
        ("user_id,date\na,2017-10-05\n", "1 rows lie outside"),
        ("user_id\n1.2345678901234567e+16\n", "1 rows have an id that lost its last digits"),
        ("user_id,value\n,1\nN/A,2\na,3\n", "2 rows name no user"),
    ],
)
def test_a_file_that_can_mostly_not_be_used_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "out.csv").write_text(content)
    with pytest.raises(RequestError, match=reason):
        read_outcome(tmp_path / "out.csv", AS_OF, END)


def test_rows_outside_the_horizon_are_no_fault_of_a_file(tmp_path: Path) -> None:
    dates = [
        "2024-06-25 23:30-05:00",
        "2024-06-25 9:30 pm",
        "2024-06-25T00:00:00.123Z",
        *["2023-07-01", "2025-01-01"] * 9,
    ]
    table = pl.DataFrame({"user_id": [f"u{number}" for number in range(len(dates))], "date": dates})
    found = read_outcome(written(tmp_path, "year.csv", table), AS_OF, END)
    assert list(found.values) == ["u0", "u1", "u2"]
    assert [note.split(",")[-3:] for note in found.notes] == [
        [f"18 rows lie outside {AS_OF} to before {END}", " from 2023-07-01 to 2025-01-01", " and were left out."]
    ]


def test_ids_of_nobody_are_refused_and_the_latest_file_counts(own: AudienceService, tmp_path: Path) -> None:
    own.save(COFFEE, "coffee", "Ada")
    members, _ = own.tenant.registry.members("coffee")
    wrong = pl.DataFrame({"user_id": [f"{user}@example.org" for user in members]})
    with pytest.raises(RequestError, match=r"belong to nobody in this data, so nothing was recorded: '.*@example.org'"):
        own.outcomes.from_file("coffee", written(tmp_path, "mail.csv", wrong), "Ada")
    assert own.outcomes.last("coffee") is None
    files = [written(tmp_path, f"{many}.csv", pl.DataFrame({"user_id": members[:many]})) for many in (7, 9)]
    for path, many in ((files[0], 7), (files[1], 9), (files[0], 7), (files[0], 7)):
        own.outcomes.from_file("coffee", path, "Ada")
        assert present(own.outcomes.last("coffee")).responders == many
    lines = own.tenant.registry.audit("coffee")
    assert [line.action for line in lines] == ["save", "outcome", "outcome", "outcome"]


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.csv", b"customer\n1\n", r"a.csv has no column 'user_id' \(it has customer\)"),
        ("a.csv", b"", "a.csv cannot be read as CSV"),
        ("a.csv", b"\xff\xfe\x00\x01", "a.csv"),
        ("a.parquet", b"nothing", "a.parquet cannot be read as PARQUET"),
        ("a.jsonl", b'{"user_id": ', "a.jsonl cannot be read as JSONL"),
        ("a.xlsx", b"", r"a.xlsx is none of .csv, .parquet, .jsonl, .ndjson"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, match: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=match):
        read_outcome(tmp_path / name, AS_OF, END)
    with pytest.raises(RequestError, match=r"There is no file none\.csv"):
        read_outcome(tmp_path / "none.csv", AS_OF, END)


def test_the_data_tells_what_happened(own: AudienceService, world: World) -> None:
    own.save(COFFEE, "coffee", "Ada")
    members = set(own.tenant.registry.members("coffee")[0])
    done = own.outcomes.from_data("coffee", "Ada")
    assert done.responders == len(members & world.did("coffee"))
    assert done.source == "data"
    first = COFFEE.model_copy(
        update={"demand": "Households that will buy coffee for the first time in the next 28 days"}
    )
    own.save(first, "new", "Ada")
    members = set(own.tenant.registry.members("new")[0])
    assert own.outcomes.from_data("new", "Ada").responders == len(
        members & world.did("coffee") - world.had_done("coffee")
    )
    both = COFFEE.model_copy(update={"demand": "Households that will buy both coffee and tea in the next 28 days"})
    own.save(both, "both", "Ada")
    members = set(own.tenant.registry.members("both")[0])
    expected = members & world.did("coffee") & world.did("tea")
    assert own.outcomes.from_data("both", "Ada").responders == len(expected)


def test_what_the_data_cannot_tell(own: AudienceService) -> None:
    later = COFFEE.model_copy(update={"demand": "Households that will buy coffee in the next 60 days"})
    own.save(later, "later", "Ada")
    with pytest.raises(DataError, match="The 60 days from 2024-06-21 are not over in this data"):
        own.outcomes.from_data("later", "Ada")
    own.save(COFFEE, "coffee", "Ada")
    own.combine("and", ["coffee", "later"], "combined", "Ada")
    with pytest.raises(RequestError, match="'combined' was combined from others and has no demand"):
        own.outcomes.from_data("combined", "Ada")
    with pytest.raises(RequestError, match="There is no saved audience 'tea'"):
        own.outcomes.from_data("tea", "Ada")
    assert own.outcomes.last("coffee") is None


def test_a_refresh_says_who_came_and_who_left(early: AudienceService) -> None:
    spec = COFFEE.model_copy(update={"filters": (Filter(field="region", values=("north", "south", "west")),)})
    early.save(spec, "coffee", "Ada", holdout=0.2)
    was, held = (set(each) for each in early.tenant.registry.members("coffee"))
    day = AS_OF + timedelta(days=14)
    done = early.refresh("coffee", "Ada", day, "key")
    now, held_now = (set(each) for each in early.tenant.registry.members("coffee"))
    assert (done.saved.version, done.saved.as_of, done.saved.spec) == (2, day, done.before.spec)
    assert (done.came, done.left, done.stayed) == (len(now - was), len(was - now), len(now & was))
    assert 0 < len(done.came_samples) <= 3
    assert held & now == held_now & was
    assert len(held_now - was) == round(0.2 * len(now - was))
    assert not any(user in json.dumps(done.model_dump(mode="json")) for user in now | was)
    again = early.refresh("coffee", "Ada", day, "key")
    assert (again.saved, again.came, again.left) == (done.saved, done.came, done.left)
    assert [line.action for line in early.tenant.registry.audit("coffee")] == ["save", "refresh"]
    with closing(AudienceService.open(early.settings, day)) as later:
        assert later.size(spec).users == done.saved.users


def test_who_came_and_left_is_not_counted_where_they_are_few(own_workspace: Workspace) -> None:
    with closing(AudienceService.open(world_settings(own_workspace.path))) as service:
        service.save(COFFEE, "coffee", "Ada")
        was = set(service.tenant.registry.members("coffee")[0])
        done = service.refresh("coffee", "Ada", AS_OF + timedelta(days=7))
        now = set(service.tenant.registry.members("coffee")[0])
    assert 0 < len(now - was) < MINIMUM > len(was - now) > 0
    assert (done.came, done.left, done.stayed) == (None, None, len(now))
    assert (done.before.users, done.saved.users) == (len(now), len(now)), "or the difference would be who left"
    assert done.came_samples == done.left_samples == ()


def test_a_refresh_that_cannot_be(early: AudienceService) -> None:
    early.save(COFFEE, "coffee", "Ada")
    last = FIRST + timedelta(days=DAYS - 1)
    with pytest.raises(RequestError, match=r"'coffee' is as of 2024-06-21 already; name a later day, up to"):
        early.refresh("coffee", "Ada")
    with pytest.raises(RequestError, match=f"The data ends on {last}, so nobody can say who fits on 2030-01-01"):
        early.refresh("coffee", "Ada", date(2030, 1, 1))
    assert early.tenant.registry.get("coffee").version == 1


def test_an_upload_is_kept_under_a_name_that_is_safe(own: AudienceService, tmp_path: Path) -> None:
    path = tmp_path / "my list of people.CSV"
    path.write_text("user_id\nh001\n")
    name = own.keep_upload(path)
    assert name == own.keep_upload(path)
    assert own.uploaded(name).read_text() == path.read_text()
    for wrong in ("../registry.db", "abc.csv", "0123456789ab.csv"):
        with pytest.raises(RequestError, match="There is no uploaded file"):
            own.uploaded(wrong)
    (tmp_path / "a.exe").write_text("")
    with pytest.raises(RequestError, match=r"A \.exe file cannot be read here"):
        own.keep_upload(tmp_path / "a.exe")


# --- below admin ----------------------------------------------------------------------------------

AGENT = Caller(name="agent", scopes=frozenset({Scope.READ, Scope.PREVIEW, Scope.ACTIVATE}))


def test_below_admin_responders_are_masks_and_nobody_learns_who_an_id_is(own: AudienceService, tmp_path: Path) -> None:
    saved = own.save(COFFEE, "coffee", "Ada", holdout=0.25)
    members, people = own.tenant.registry.members("coffee")[0], own.population.people
    masks = [people.masked(own.population.row_of[user]) for user in members]
    agent = own.of(AGENT)
    with pytest.raises(RequestError, match=rf"{len(members)} of the {len(members)} ids in ids.csv belong to nobody"):
        agent.outcomes.from_file("coffee", written(tmp_path, "ids.csv", pl.DataFrame({"user_id": members})), "Bo")
    told = []
    for each in (members[0], "stranger"):
        path = written(tmp_path, "one.csv", pl.DataFrame({"user_id": [each]}))
        with pytest.raises(RequestError, match=r"1 of the 1 ids in one\.csv") as refused:
            agent.outcomes.from_file("coffee", path, "Bo")
        told.append(str(refused.value).replace(each, ""))
    assert told[0] == told[1], "an id is nobody"
    one = agent.outcomes.from_file("coffee", written(tmp_path, "a.csv", pl.DataFrame({"user_id": masks[:1]})), "Bo")
    assert (one.contacted.responders, one.held_out.responders, one.uplift) == (None, None, None)
    by_mask = agent.outcomes.from_file("coffee", written(tmp_path, "masks.csv", pl.DataFrame({"user_id": masks})), "Bo")
    assert by_mask.contacted.responders is not None
    assert by_mask.contacted.responders % 5 == 0
    assert present(own.outcomes.last("coffee")).responders == saved.users, "the owner sees what came"


def test_a_token_reads_no_note_about_the_file_of_the_owner(own: AudienceService, tmp_path: Path) -> None:
    own.save(COFFEE, "coffee", "Ada", holdout=0.25)
    members = own.tenant.registry.members("coffee")[0]
    ids = [*members[:90], "a stranger"]
    own.outcomes.from_file("coffee", written(tmp_path, "out.csv", pl.DataFrame({"user_id": ids})), "Ada")
    assert "a stranger" in present(own.outcomes.last("coffee")).model_dump_json()
    assert "stranger" not in present(own.of(AGENT).outcomes.last("coffee")).model_dump_json()


def test_no_note_says_how_many_responded_where_that_is_withheld(own: AudienceService, tmp_path: Path) -> None:
    saved = own.save(COFFEE, "coffee", "Ada", holdout=0.25)
    members = set(own.tenant.registry.members(saved.id, saved.version)[0])
    histories = own.forecaster.snapshot.histories
    here = [user for user, inside in zip(histories.user_ids, histories.in_population, strict=True) if inside]
    other = next(user for user in here if user not in members)
    file = written(tmp_path, "out.csv", pl.DataFrame({"user_id": [other]}))
    nobody = own.outcomes.from_file("coffee", file, "Ada")
    assert any("nobody responded" in note for note in nobody.notes)
    agent = own.of(AGENT).outcomes
    seen = present(agent.last("coffee"))
    assert (seen.contacted.responders, seen.held_out.responders) == (None, None)
    mask = own.population.people.masked(own.population.row_of[other])
    brought = agent.from_file("coffee", written(tmp_path, "own.csv", pl.DataFrame({"user_id": [mask]})), "Bo")
    for each in (seen, brought):
        assert not any("nobody responded" in note for note in each.notes)


def test_nothing_is_said_of_the_outcome_of_a_small_audience(own: AudienceService) -> None:
    own.save(COFFEE.model_copy(update={"cut": 0.01}), "few", "Ada")
    found = own.outcomes.from_data("few", "Ada")
    assert (found.contacted.users, found.contacted.responders, found.uplift, found.forecast) == (None, None, None, None)
    assert found.forecast_held is None


def test_what_a_token_sees_of_a_saved_audience_gives_no_exact_size_away(own: AudienceService) -> None:
    saved = own.save(COFFEE.model_copy(update={"cut": 97 / 373}), "coffee", "Ada")
    [seen] = own.of(AGENT).list_audiences()
    assert saved.spec is not None
    assert seen.spec is not None
    assert (saved.spec.cut, seen.spec.cut) == (97 / 373, 0.26)
    assert (seen.users, seen.forecast) != (saved.users, saved.forecast)
    assert seen.users is not None
    assert seen.users % 5 == 0
