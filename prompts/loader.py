"""Reads the texts beside it and fills their ``$variables``; a missing or unknown variable is an error."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Any

LANGUAGES = ("de", "es", "fr", "zh")
"""Languages beside English in which there are replies, each in ``prompts/languages/<code>.toml``."""

_UNITS = ("unit", "unit_plural", "units")
_speaking: ContextVar[str] = ContextVar("speaking", default="")


class PromptError(LookupError):
    """A text is missing, or was filled with the wrong variables: a mistake in the code, not in the input."""


def fill(name: str, **values: object) -> str:
    """Fill the prompt ``name`` (``prompts/<name>.md``).

    Raises:
        PromptError: there is no such prompt, or ``values`` are not exactly its variables.
    """
    return _fill(f"{name}.md", _read(f"{name}.md"), values)


def reply(key: str, **values: object) -> str:
    """Fill a short text of ``prompts/replies.toml``, or that of the language that is spoken; raises like ``fill``."""
    texts = table("replies")
    if key not in texts:
        raise PromptError(f"replies.toml has no text '{key}'")
    english = _fill(f"replies.toml: {key}", str(texts[key]), values)
    if not _speaking.get():
        return english
    language = table(f"languages/{_speaking.get()}")
    if key not in language["replies"]:
        return english
    known = {name: _worded(str(value), language["words"]) for name, value in values.items() if name in _UNITS}
    return Template(language["replies"][key]).substitute(values | known)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Within it, replies come in this language ("de", ...; "" is English) as far as they are translated."""
    token = _speaking.set(language if language in LANGUAGES else "")
    try:
        yield
    finally:
        _speaking.reset(token)


def spoken() -> str:
    """The language that replies come in now; "" is English."""
    return _speaking.get()


def _worded(unit: str, words: dict[str, str]) -> str:
    """What a user of the data is called in the language that is spoken."""
    known = words.get(unit.lower(), unit)
    return known[:1].upper() + known[1:] if unit[:1].isupper() else known


@lru_cache
def table(name: str) -> dict[str, Any]:
    """Read the word list ``prompts/<name>.toml``; treat it as read-only."""
    return tomllib.loads(_read(f"{name}.toml"))


@lru_cache
def _read(file: str) -> str:
    try:
        return files("prompts").joinpath(file).read_text("utf-8").strip()
    except FileNotFoundError:
        raise PromptError(f"there is no prompt file {file}") from None


def _fill(where: str, text: str, values: dict[str, object]) -> str:
    template = Template(text)
    wanted = set(template.get_identifiers())
    if missing := sorted(wanted - values.keys()):
        raise PromptError(f"{where} needs a value for {', '.join(missing)}")
    if unknown := sorted(values.keys() - wanted):
        raise PromptError(f"{where} has no place for {', '.join(unknown)}")
    return template.substitute(values)
