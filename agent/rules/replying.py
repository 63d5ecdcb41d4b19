"""The fixed answers a question offers, and which of them a message picks."""

import re
from collections.abc import Sequence

from encoders.language.naming import parts_of, stems
from prompts.loader import table

ALL = "All of them"
DECIDE = "You decide"
NEWNESS = ("Everyone", "First-time buyers only")
HORIZONS = ("The next 7 days", "The next 28 days", "The next 91 days")


def choose(text: str, options: Sequence[str]) -> tuple[str, ...] | None:
    """The options a message picks, without the fixed ones; None when it picks none.

    "All of them" and "You decide" pick every option; naming one or several picks those.
    """
    clauses = table("commands")["clauses"]
    real = tuple(option for option in options if option not in (ALL, DECIDE))
    if any(re.search(clauses[key], text, re.IGNORECASE) for key in ("skip", "all")):
        return real
    said = stems(text)
    exact = tuple(option for option in real if stems(option) == said)
    return exact or tuple(option for option in real if any(stems(part) <= said for part in parts_of(option))) or None


def skipped(text: str) -> bool:
    """Whether a message leaves the answer to the agent."""
    return re.search(table("commands")["clauses"]["skip"], text, re.IGNORECASE) is not None
