"""Every setting as it stands, and where it comes from: none of them can be changed here."""

import re
from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple

from pydantic import SecretStr

from agent.page.pieces import table
from encoders.settings import Settings

_USER = re.compile(r"(?<=://)[^/@\s]*@")
"""A name and a password in an address."""


class Variable(NamedTuple):
    """One setting."""

    name: str
    """Of the environment variable."""
    value: str
    """As it may be shown: a secret is only said to be set, or not."""
    is_set: bool
    """False: it stands as it is where nobody sets it."""
    about: str


def variable(settings: Settings, field: str) -> Variable:
    """One setting by the name of its field."""
    about = type(settings).model_fields[field].description or ""
    prefix = str(settings.model_config.get("env_prefix", ""))
    return Variable(
        f"{prefix}{field}".upper(), _shown(getattr(settings, field)), field in settings.model_fields_set, about
    )


def variables(settings: Settings) -> Iterator[Variable]:
    """All of them."""
    return (variable(settings, field) for field in type(settings).model_fields)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "set, not shown" if value.get_secret_value() else "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _USER.sub("***@", str(value)) if value not in ("", None) else "not set"


def told(each: Variable) -> str:
    """Where a setting comes from, as HTML."""
    where = f"set by <code>{each.name}</code>" if each.is_set else f"the default; <code>{each.name}</code> changes it"
    return f'<small class="source">{where}</small>'


def variables_table(settings: Settings) -> str:
    """All settings, those that somebody set first."""
    ordered = sorted(variables(settings), key=lambda each: not each.is_set)
    rows = (
        (
            f"<code>{each.name}</code><small>{escape(each.about)}</small>",
            f"<span class='value'>{escape(each.value)}</span>",
            "environment" if each.is_set else "default",
        )
        for each in ordered
    )
    return (
        "<section><h3>Set outside this page</h3><p class='quiet'>Environment variables, or lines of a file "
        "<code>.env</code> in the folder where the program starts. Change one there, then start the program again.</p>"
        f"{table(('Variable', 'Now', 'Set by'), rows)}</section>"
    )
