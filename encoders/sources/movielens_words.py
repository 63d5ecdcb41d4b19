"""Writes films, genres and viewers out in words; the words are in the TOML file beside this one."""

import re
import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from encoders.errors import DataError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Genre(_Strict):
    """A genre in words: in front of another one, alone for one film, alone for many."""

    name: str
    before: str
    one: str
    many: str


class Attribute(_Strict):
    """One attribute of a viewer: the column it comes from, and its codes in words."""

    column: str
    values: dict[str, str]


class Words(_Strict):
    """Everything that is written out, as it stands in the TOML file."""

    genres: tuple[Genre, ...]
    articles: tuple[str, ...]
    attributes: dict[str, Attribute]

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
def words() -> Words:
    """The words, read once."""
    text = files("encoders.sources").joinpath("movielens_words.toml").read_text("utf-8")
    return Words.model_validate(tomllib.loads(text))
