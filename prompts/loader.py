"""Reads the texts beside it and fills their ``$variables``; a missing or unknown variable is an error."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Any


class PromptError(LookupError):
    """A text is missing, or was filled with the wrong variables: a mistake in the code, not in the input."""


def fill(name: str, **values: object) -> str:
    """Fill the prompt ``name`` (``prompts/<name>.md``).

    Raises:
        PromptError: there is no such prompt, or ``values`` are not exactly its variables.
    """
    return _fill(f"{name}.md", _read(f"{name}.md"), values)


def reply(key: str, **values: object) -> str:
    """Fill one of the short texts of ``prompts/replies.toml``; raises like ``fill``."""
    texts = table("replies")
    if key not in texts:
        raise PromptError(f"replies.toml has no text '{key}'")
    return _fill(f"replies.toml: {key}", str(texts[key]), values)


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
