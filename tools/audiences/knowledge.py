"""What phrases stand for: the company's own glossary, to be read and changed, and the entries that come along."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationError

from encoders.errors import NotAllowedError, NotThereError, RequestError
from encoders.reader.glossary import check_entry, put_entry, remove_entry
from encoders.reader.knowledge import Entry, read_glossary, trades
from encoders.records import Record
from encoders.text.words import stemmed
from encoders.workspace import Workspace
from tools.audiences.catalogue import ReaderService

Recorder = Callable[[str, Mapping[str, Any]], None]
"""Writes an audit line: what was done, and the details."""


class KnowledgeEntry(Record):
    """One thing people speak of, and what it stands for."""

    name: str
    trade: str = Field("", description="where it comes from, such as 'shop'; empty: the company's own glossary")
    kind: str = ""
    says: tuple[str, ...]
    things: tuple[str, ...]
    when: str = ""


class KnowledgePage(Record):
    """A part of the entries that come along."""

    entries: tuple[KnowledgeEntry, ...]
    total: int = Field(description="entries that were found, those that are not shown included")


class ThingMeant(Record):
    """A thing of an entry, and what it is in the data."""

    thing: str
    groups: tuple[str, ...] = Field(description="groups or items by name; none: the data has nothing of the kind")


class Knowledge:
    """The knowledge of one workspace, as one caller may read and change it."""

    def __init__(
        self,
        workspace: Workspace,
        reading: ReaderService,
        owner: bool,
        record: Recorder,
        renewed: Callable[[], None],
    ) -> None:
        """Read nothing yet.

        Args:
            workspace: whose glossary.
            reading: reads requests with it, and is renewed when it changes.
            owner: whether the caller is the owner of the workspace, who alone may change it.
            record: told of every change, for the audit.
            renewed: called when requests are read anew, so that nothing is answered from before.
        """
        self._workspace, self._reading, self._owner, self._record = workspace, reading, owner, record
        self._renewed = renewed

    def own(self) -> tuple[KnowledgeEntry, ...]:
        """The company's glossary, in the order of its file.

        Raises:
            DataError: the file has mistakes; the text has one line for each.
        """
        return tuple(map(_shown, read_glossary(self._workspace.path)))

    def search(self, words: str = "", start: int = 0, limit: int = 20) -> KnowledgePage:
        """Entries that come along and are about things of this data, or all of them while that is not known yet.

        Args:
            words: each has to begin a word of the entry; empty for all.
            start: the first one shown, from 0.
            limit: how many are shown.
        """
        asked = stemmed(words)
        found = [each for each in self._along() if _has(each, asked)]

        def order(entry: KnowledgeEntry) -> tuple[bool, str]:
            named = _has(entry.model_copy(update={"things": (), "says": ()}), asked)
            return not named, entry.name.casefold()

        ordered = sorted(found, key=order)
        return KnowledgePage(entries=tuple(ordered[start : start + limit]), total=len(found))

    def meant(self, things: Sequence[str]) -> tuple[ThingMeant, ...] | None:
        """What things are in the data; None while the reader of requests is still being learned.

        Raises:
            DataError: the glossary of the workspace cannot be read.
        """
        reader = self._reading.opened()
        if reader is None:
            return None
        return tuple(ThingMeant(thing=thing, groups=groups) for thing, groups in reader.stands_for(things).items())

    def check(self, entry: KnowledgeEntry, before: KnowledgeEntry | None = None) -> tuple[ThingMeant, ...] | None:
        """What an entry would stand for in the data, as it would be written; None while that is not known yet.

        Raises:
            RequestError: it cannot be an entry, or stands for nothing that the data has.
        """
        read, others = _read(entry), read_glossary(self._workspace.path)
        check_entry(read, [each for each in others if before is None or each.name != before.name])
        found = self.meant(read.things)
        if found is not None and not any(each.groups for each in found):
            raise RequestError(
                f"The data has nothing like {', '.join(read.things[:3])}; name groups of the data, or everyday words "
                "for them."
            )
        return found

    def put(self, entry: KnowledgeEntry, before: KnowledgeEntry | None = None) -> KnowledgeEntry:
        """Write an entry into the glossary; requests are read with it from now on.

        Args:
            entry: as it shall be.
            before: the one whose place it takes, as it was seen; None: a new one.

        Raises:
            NotAllowedError: the caller is not the owner of the workspace.
            RequestError: it cannot be an entry, or somebody else changed it meanwhile.
            DataError: the glossary has mistakes already.
            WorkspaceError: it cannot be written; all is as it was.
        """
        self._only_the_owner()
        self.check(entry, before)
        put_entry(self._workspace, _read(entry), _read(before) if before else None)
        self._record("define", {"entry": entry.name, "changed": before is not None})
        self._renew()
        return _shown(_read(entry))

    def remove(self, before: KnowledgeEntry) -> None:
        """Take an entry, as it was seen, out of the glossary; raises like ``put``."""
        self._only_the_owner()
        remove_entry(self._workspace, _read(before))
        self._record("remove definition", {"entry": before.name})
        self._renew()

    def named(self, name: str) -> KnowledgeEntry:
        """An entry of the glossary by its name.

        Raises:
            NotThereError: there is none.
        """
        for each in self.own():
            if each.name == name:
                return each
        raise NotThereError(f"There is no entry '{name[:60]}' in your glossary any more.")

    def _along(self) -> tuple[KnowledgeEntry, ...]:
        reader = None if self._reading.learning is not None else self._reading.opened()
        there = {each.name for each in reader.entries} if reader else None
        return tuple(
            _shown(entry, trade)
            for trade, entries in trades().items()
            for entry in entries
            if there is None or entry.name in there
        )

    def _renew(self) -> None:
        self._reading.renew()
        self._renewed()

    def _only_the_owner(self) -> None:
        if not self._owner:
            raise NotAllowedError("The glossary is read by everybody, so changing it needs an admin without a tenant.")


def _shown(entry: Entry, trade: str = "") -> KnowledgeEntry:
    kind = "" if entry.kind == "own" else entry.kind
    return KnowledgeEntry(
        name=entry.name, trade=trade, kind=kind, says=entry.says, things=entry.things, when=entry.when or ""
    )


def _read(entry: KnowledgeEntry) -> Entry:
    """The entry as the glossary takes it.

    Raises:
        RequestError: it cannot be one; the text says what is missing or too long.
    """
    given = entry.model_dump(include={"name", "says", "things"})
    given |= {"kind": entry.kind or "own", "when": entry.when or None}
    try:
        return Entry.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(_MISFITS.get((str(first["loc"][0]), first["type"]), _misfit(first))) from None


_MISFITS = {
    ("name", "string_too_short"): "Give the entry a name.",
    ("says", "too_short"): "Write at least one phrase that your people say.",
    ("things", "too_short"): "Write at least one thing that it stands for.",
}


def _misfit(error: Any) -> str:
    called = {"name": "The name", "says": "A phrase", "things": "A thing", "when": "The remark", "kind": "The kind"}
    return f"{called.get(str(error['loc'][0]), 'The entry')} cannot be used: {error['msg']}."


def _has(entry: KnowledgeEntry, asked: Sequence[str]) -> bool:
    """Whether each of some stems begins a word of the entry."""
    words = [word for text in (entry.name, entry.kind, *entry.says, *entry.things) for word in stemmed(text)]
    return all(any(word.startswith(each) for word in words) for each in asked)
