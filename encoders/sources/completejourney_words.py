"""Writes out the terse words of the complete journey tables; the words are in the TOML file beside this one."""

import re
import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

_UNCLOSED = re.compile(r"\s*\([^)]*$")
_BRACKETS = re.compile(r"\s*\([^)]*\)")
_SEPARATOR = re.compile(r"\s*(?::| - |;)\s*")
_TOKEN = re.compile(r"[A-Z0-9'.%$<=-]+|[&/]")


class Attribute(BaseModel):
    """One attribute of a household: the column it comes from, and its values for people."""

    model_config = ConfigDict(extra="forbid")

    column: str
    values: dict[str, str]


class Words(BaseModel):
    """Everything that is written out, as it stands in the TOML file."""

    model_config = ConfigDict(extra="forbid")

    attributes: dict[str, Attribute]
    dropped: dict[str, str]
    """Category to the reason for leaving it out."""
    mixed: dict[str, dict[str, str]]
    """Categories that are a mixed bag, named by product type."""
    categories: dict[str, str]
    departments: dict[str, dict[str, str]]
    without_category: dict[str, str]
    types: dict[str, str]
    tokens: dict[str, str]

    def group(self, department: str, category: str | None, product_type: str | None) -> str | None:
        """Name of a product category, in the sense it has in the department; None where there is none."""
        if category is None:
            return self.without_category.get(department) if product_type else None
        if category in self.mixed:
            return self.mixed[category].get(product_type or "")
        return self.departments.get(department, {}).get(category) or self.categories.get(category)

    def kind(self, product_type: str) -> str:
        """A product type in plain words; empty when it says nothing."""
        if product_type in self.types:
            return self.types[product_type]
        text = _BRACKETS.sub("", _UNCLOSED.sub("", product_type))
        parts = [self._phrase(part) for part in _SEPARATOR.split(text)]
        return ", ".join(part for part in parts if part)

    def item(self, group: str, product_type: str | None) -> str:
        """What was bought: group and type, and only one of them where it holds all the other says."""
        kind = self.kind(product_type) if product_type else ""
        said, told = _stems(group), _stems(kind)
        if not told or told == said:
            return group
        return kind if said <= told else f"{group}: {kind}"

    def _phrase(self, text: str) -> str:
        words = [self.tokens.get(token, token.lower()) for token in _TOKEN.findall(text)]
        return " ".join("and" if word in "&/" else word for word in words)


@cache
def words() -> Words:
    """The words, read once."""
    text = files("encoders.sources").joinpath("completejourney_words.toml").read_text("utf-8")
    return Words.model_validate(tomllib.loads(text))


def listed(names: list[str]) -> str:
    """Names as people list them: "a, b and c", or with semicolons where a name is a list itself."""
    if any(", " in name or " and " in name for name in names):
        return "; ".join(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _stems(text: str) -> set[str]:
    """Words without their plural, for telling whether one text says all of another."""
    found = re.findall(r"[a-z0-9']+", text)
    return {word.removesuffix("s") for word in found} - {"and", "other", "of", "the"}
