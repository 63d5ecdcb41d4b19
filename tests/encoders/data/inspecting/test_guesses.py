"""How many entries of a spec are guessed right, on layouts that the rules were written with and on others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from encoders.data.inspecting.proposal import Proposal, TableGuess, pattern_of, propose
from encoders.data.inspecting.samples import sample_files
from tests.encoders.data.inspecting.tables import Layout, layouts

FLOORS = {"seen": 1.0, "held_back": 0.96}
"""Share of entries that are right; what was measured last, so that no change loses any unseen."""
_OF_USERS = {"consent", "consent_values", "email", "phone", "phone_country", "hashed", "attributes"}


def said(proposal: Proposal, folder: Path) -> dict[str, Any]:
    """A proposal in the words of the layouts; ``separator`` and the like are those of the events."""
    (source,) = proposal.sources
    told = _entries(source) | {"events": pattern_of(source.sample.files, folder)[0]}
    told |= {"separator": source.sample.separator, "encoding": source.sample.encoding}
    if proposal.users is not None:
        users = _entries(proposal.users)
        own = proposal.users.sample.files != source.sample.files
        told |= {name: value for name, value in users.items() if name in _OF_USERS}
        told |= (
            {"users": pattern_of(proposal.users.sample.files, folder)[0], "users_id": users["user_id"]} if own else {}
        )
    return {name: value for name, value in told.items() if value is not None}


def _entries(table: TableGuess) -> dict[str, Any]:
    told: dict[str, Any] = {guess.entry.removeprefix("contacts."): guess.value for guess in table.guesses}
    attributes = [value for name, value in told.items() if name.startswith("attributes.")]
    return {name: value for name, value in told.items() if "." not in name} | {"attributes": sorted(attributes)}


def judged(layout: Layout, folder: Path) -> Iterator[tuple[str, Any, Any, bool]]:
    """Each entry of a layout: its name, what is right, what was guessed, and whether that is right."""
    found = said(propose(sample_files(layout.write(folder))), folder)
    if "attributes" not in layout.right:
        found.pop("attributes", None)
    for entry in sorted({*layout.right, *found}):
        right, guessed = layout.right.get(entry), found.get(entry)
        several = isinstance(right, list) and not isinstance(guessed, list)
        if entry == "attributes":
            right, guessed = sorted(right or []), guessed or []
        yield entry, right, guessed, guessed in right if several and right else guessed == right


@pytest.mark.slow
@pytest.mark.parametrize("half", list(FLOORS))
def test_entries_are_guessed_right(half: str, tmp_path: Path) -> None:
    good, every, wrong = 0, 0, []
    for layout in layouts(half):
        (tmp_path / layout.name).mkdir()
        for entry, right, guessed, is_right in judged(layout, tmp_path / layout.name):
            good, every = good + is_right, every + 1
            wrong += [] if is_right else [f"{layout.name}.{entry}: {guessed!r} for {right!r}"]
    assert good >= FLOORS[half] * every, f"{good} of {every} entries are right; " + "; ".join(wrong)
