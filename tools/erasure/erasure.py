"""What is deleted on request: users, in the whole workspace, with a receipt; and audiences, exports, conversations."""

import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import polars as pl

from encoders.data.contacts import KINDS, ContactFormat
from encoders.data.erasing import MASK, Forgotten, erase_from_folder, forget, prepared_folders
from encoders.data.events import Dataset
from encoders.data.kept_files import FOLDER as DELIVERIES
from encoders.errors import NotThereError, RequestError
from encoders.settings import Settings
from encoders.user_vectors import erase_vectors
from encoders.workspace import Progress, Workspace, atomic_file, silent
from tools.audiences.population import is_mask, masks_of
from tools.delivery.exports import FILE, drop
from tools.delivery.member_tables import WITH_HELD_OUT
from tools.erasure.databases import columns_that_keep, erase_from_index
from tools.erasure.files import erase_from_file, ids_of_others, rename_tuned
from tools.erasure.own_words import own_words, words_of_data
from tools.erasure.traces import Traces, traces_of, words_of_address
from tools.jobs import Ledger
from tools.naming import checked_approval
from tools.operation_types import ErasedPlace, Receipt
from tools.storage.put_away import PutAway
from tools.storage.registry import Registry
from tools.storage.registry_tables import TABLES
from tools.storage.sqlite import DATABASE, Database, overwriting_sqlite, reading_sqlite, whole_transaction
from tools.types import SavedAudience

# --- Deleting what is kept: an audience, a file of an export, a conversation ----------------------


def delete_audience(
    workspace: Workspace, registry: Registry, audience: str, actor: str, days: int = 0
) -> SavedAudience:
    """Delete a saved audience with all its versions, and its files; its audit lines stay, without members.

    Args:
        workspace: where its files are.
        registry: where it is.
        audience: its name or id.
        actor: who deletes it.
        days: for which it can be brought back, without its files; 0: it is gone for good.

    Returns:
        Its newest version as it was.

    Raises:
        NotThereError: there is none of that name.
    """
    saved = PutAway(registry, days).delete(audience, actor) if days else registry.delete(audience, actor)
    for path in workspace.exports.glob(f"{saved.id}-v*"):
        path.unlink(missing_ok=True)
    return saved


def delete_export(workspace: Workspace, registry: Registry, name: str, actor: str) -> None:
    """Delete the file of an export.

    Raises:
        NotThereError: there is none.
    """
    path = workspace.exports / name
    if not re.fullmatch(FILE, name) or not path.is_file():
        raise NotThereError(f"There is no exported file '{name[:60]}'.")
    drop(path)
    registry.record(actor, "delete export", details={"file": name})


def delete_conversation(workspace: Workspace, thread: str) -> None:
    """Delete a conversation; audiences that were saved in it stay.

    Raises:
        NotThereError: there is none of that id.
        WorkspaceError: the conversations cannot be written right now.
    """
    if not delete_threads(workspace, [thread] if thread in threads(workspace) else []):
        raise NotThereError(f"There is no conversation '{thread[:60]}'.")


def threads(workspace: Workspace) -> dict[str, str]:
    """Every conversation by its id, with the id of its latest step, which begins with the time."""
    path = conversations(workspace)
    if not path.is_file():
        return {}
    with reading_sqlite(path) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'checkpoints'").fetchall():
            return {}
        return dict(db.execute("SELECT thread_id, MAX(checkpoint_id) FROM checkpoints GROUP BY thread_id"))


def delete_threads(workspace: Workspace, found: Sequence[str]) -> int:
    """Delete conversations, so that nothing of them stays in the file; how many there were."""
    path = conversations(workspace)
    if not found:
        return 0
    with overwriting_sqlite(path) as db:
        with whole_transaction(db):
            for table in ("writes", "checkpoints"):
                db.executemany(f"DELETE FROM {table} WHERE thread_id = ?", [(thread,) for thread in found])
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return len(found)


def conversations(workspace: Workspace) -> Path:
    """Where the conversations are."""
    return workspace.path / "checkpoints.db"


# --- Erasing users: one call that goes through the whole workspace, and the receipt it leaves -----
#
# The order is what makes it safe to stop: first the list of those who are forgotten, from which on nobody reaches them;
# then every place; the prepared data last, because their contacts, by which they are recognised elsewhere, stand there;
# then the receipt. Whoever calls it again goes on, and what is done already is found done.


_PASSED_OVER = frozenset({"data", "chroma", "vectors", "models", "llm", "locks", "erasures"})
"""Data, index and vectors have ways of their own; the others hold no user: models have settings, figures, weights and
digests, never an id or a value of anybody."""
_ANY_WORD = re.compile(r"[^\W\d_]+(?:[ _-][^\W\d_]+)*")
"""What nobody can tell from the words of a text."""
_KEYS = frozenset({"mask.key", "forgotten.json"})
_MADE_AGAIN = frozenset({"cache", "checkpoints", "gradio"})
"""Copies, and what is computed anew where it is missing."""
_SET_ASIDE = "damaged"
_NOT_OURS = (
    "The tables that the data is prepared from, and every file outside the workspace, are not changed; the next "
    "preparation leaves these users out again.",
    "What was downloaded or sent before is with those who took it; 'sent_to' names the destinations.",
    "The weights of a trained model hold no user, but were learned from them; train again to be without.",
)
_CHROMA_SERVER = "The Chroma server was told to delete them; its owner clears its files with 'chroma utils vacuum'."


def erase(
    workspace: Workspace, settings: Settings, users: Collection[str], erased_by: str, progress: Progress = silent
) -> Receipt:
    """Erase users from everything the workspace holds, in every tenant, and keep them from coming back.

    Args:
        workspace: of any tenant; all of them are gone through.
        settings: where the index is.
        users: their ids in the data.
        erased_by: who asked for it, for the receipt and the audit line.
        progress: called as the work goes on.

    Raises:
        DataError: prepared data is damaged, so nobody can tell the users by their contacts; nothing was erased yet.
        RequestError: nobody is named, or somebody by a mask, or nobody asked for it; nothing was erased.
        WorkspaceError: a place is in use or may not be written; they are forgotten already, and the same call goes on.
    """
    erased_by = checked_approval(erased_by)
    wanted = sorted({user.strip() for user in users} - {""})
    if not wanted:
        raise RequestError("Name at least one user to erase.")
    whole = Workspace(workspace.path)
    with whole.lock("forget"), whole.lock("prepare"):  # a preparation under way would bring them back
        unknown = _unknown(whole, wanted)
        if (jobs := whole.path / "jobs.db").is_file():
            Ledger(jobs).close()  # an older file keeps keys as they were written; registries were opened just now
        progress("Putting them on the list of those who are forgotten", 0.0)
        traces = _traces(whole, wanted, unknown)
        hashes = forget(whole, wanted, _never_again(whole, wanted) | _masks(whole, wanted))
        sent_to = destinations_sent_to(whole, traces)
        places = list(_erase_places(whole, settings, traces, progress))
        receipt = Receipt(
            id=f"erasure-{token_hex(6)}",
            time=datetime.now(UTC),
            erased_by=erased_by,
            users=tuple(sorted(hashes.values())),
            places=tuple(places),
            sent_to=sent_to,
            not_ours=(*_NOT_OURS, *([_CHROMA_SERVER] if settings.chroma_url else [])),
            kept=_places_that_keep(whole, traces),
            unknown=unknown,
        )
        target = whole.receipts / f"{receipt.time:%Y%m%dT%H%M%S}-{receipt.id}.json"
        with atomic_file(target) as part:
            part.write_text(receipt.model_dump_json(indent=1, exclude={"unknown"}) + "\n", "utf-8")
        _write_audit(whole, receipt)
        progress("Done", 1.0)
    return receipt


def _unknown(workspace: Workspace, users: list[str]) -> tuple[str, ...]:
    """Those who are no users: not in the data, in no saved audience, and not erased before. Traces of them go alike.

    Raises:
        RequestError: one of them is a mask.
    """
    rest = set(users) - Forgotten(workspace).among(users)
    for folder in prepared_folders(workspace.path / "data"):
        rest -= Dataset(folder).among(rest)
    for path in _registries(workspace):
        with closing(Database(path, TABLES)) as db, db.reading():
            rest -= {each for each in rest if db.run("SELECT 1 FROM members WHERE user_id = ? LIMIT 1", (each,))}
    if masks := sorted(each for each in rest if is_mask(each)):
        raise RequestError(
            f"'{masks[0][:60]}' is a mask, as users are shown; masks are not taken here: give the ids of the data. "
            "Nothing was erased."
        )
    return tuple(sorted(rest))


def _erase_places(
    workspace: Workspace, settings: Settings, traces: Traces, progress: Progress
) -> Iterator[ErasedPlace]:
    progress("Erasing them from the index", 0.1)
    if found := erase_from_index(workspace, settings, traces.users):
        yield ErasedPlace(path="chroma", changes=found)
    if found := erase_vectors(workspace, traces.users):
        yield ErasedPlace(path="vectors", changes=found)
    if found := _drop_deliveries(workspace):
        yield ErasedPlace(path=DELIVERIES, changes=found)
    files = list(_files(workspace.path))
    for number, path in enumerate(files):
        progress("Erasing them from files", 0.3 + 0.5 * number / len(files))
        inside = path.relative_to(workspace.path)
        if path.is_file() and (found := _erase_place(path, inside, traces)):
            named = [*inside.parent.parts, inside.stem]  # what somebody called a file may name a user
            shown = "/".join(each if traces.is_own(each) else traces.in_name(each) for each in named) + inside.suffix
            yield ErasedPlace(path=shown, changes=found)
    progress("Erasing them from the prepared data", 0.8)
    for folder in prepared_folders(workspace.path / "data"):
        if found := erase_from_folder(folder, traces.users):
            yield ErasedPlace(path=_shown(folder, workspace.path), changes=found)
    erase_vectors(workspace, traces.users)  # what was being made when this began


def _drop_deliveries(workspace: Workspace) -> int:
    """Delete what was read of files of events: it is packed, and read again without them; how many files that were."""
    kept = [path for path in (workspace.path / DELIVERIES).rglob("*") if path.is_file()]
    shutil.rmtree(workspace.path / DELIVERIES, ignore_errors=True)
    return len(kept)


def _files(root: Path) -> Iterator[Path]:
    """Every file of the workspace that may name a user; links are not followed."""
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root).parts
        if inside[0] in _PASSED_OVER or path.is_symlink() or not path.is_file():
            continue
        if path.name not in _KEYS and not path.name.endswith(("-wal", "-shm", ".lock")):
            yield path


def _erase_place(path: Path, inside: Path, traces: Traces) -> int:
    top = inside.parts[0]
    if top == _SET_ASIDE and inside.parts[1].startswith("chroma-"):  # it was built again since
        named = traces.mentioned(path.read_bytes())
        if named:
            path.unlink()
        return int(named)
    found = erase_from_file(path, traces, top in _MADE_AGAIN, of_use=top != _SET_ASIDE)
    return found + (rename_tuned(path, traces) if path.parent.name == "tuned" and path.is_file() else 0)


def _shown(folder: Path, root: Path) -> str:
    return str(folder.relative_to(root.resolve())) if folder.is_relative_to(root.resolve()) else str(folder)


def _traces(workspace: Workspace, users: list[str], unknown: Collection[str]) -> Traces:
    """How the users are recognised, by what every prepared version of the data knows of them."""
    contacts: dict[str, set[tuple[str, str]]] = {kind: set() for kind in KINDS}
    form, units = ContactFormat(), set[str]()
    for folder in prepared_folders(workspace.path / "data"):
        data = Dataset(folder)
        card = data.card
        form = ContactFormat(card.phone_country, frozenset(card.hashed_contacts))
        units |= {card.unit, card.unit_plural}
        for kind, found in _contacts(data.contacts, users, form).items():
            contacts[kind] |= found
    spoken = {word for pairs in contacts.values() for _, written in pairs for word in words_of_address(written)}
    is_own = own_words(workspace, {*users, *spoken})
    doubtful = [user for user in unknown if is_own(user) or _ANY_WORD.fullmatch(user)]
    masks = [mask for user in users for mask in masks_of(workspace.mask_key(), user)]
    return traces_of(users, contacts, form, masks, units, ids_of_others(workspace, users), is_own, doubtful)


def _places_that_keep(workspace: Workspace, traces: Traces) -> tuple[str, ...]:
    """Places where a word that one of the users is called by stays, because it is a word of the product or the data."""
    if not (own := traces.own - traces.doubtful):
        return ()
    root = workspace.path
    found = [_shown(each, root) for each in prepared_folders(root / "data") if words_of_data(each, own)]
    models = [path for path in workspace.models_folder.rglob("*.json") if path.is_file()]
    for path in [*_files(root), *models]:
        inside = path.relative_to(root)
        if path.suffix == DATABASE:
            found += [f"{inside}: {column}" for column in columns_that_keep(path, traces)]
        elif inside.parts[0] not in _MADE_AGAIN and traces.keeps(path.read_bytes()):
            found.append(str(inside))
    return tuple(sorted(found))


def _never_again(workspace: Workspace, users: list[str]) -> set[tuple[str, str]]:
    """Contacts that nobody may be reached by any more, as kind and shared form: also those that others have, too."""
    found: set[tuple[str, str]] = set()
    for folder in prepared_folders(workspace.path / "data"):
        data = Dataset(folder)
        form = ContactFormat(data.card.phone_country, frozenset(data.card.hashed_contacts))
        for kind, pairs in _contacts(data.contacts, users, form, alone=False).items():
            found |= {(kind, same) for same, _ in pairs}
    return found


def _masks(workspace: Workspace, users: list[str]) -> set[tuple[str, str]]:
    """What the users may be called in files that are brought; not the six signs of 0.1, which any number may be."""
    return {(MASK, mask) for user in users for mask in masks_of(workspace.mask_key(), user)[:2]}


def _contacts(
    table: pl.DataFrame | None, users: list[str], form: ContactFormat, alone: bool = True
) -> dict[str, set[tuple[str, str]]]:
    """Contacts of the users, as pairs of shared form and spelling; ``alone`` for those that nobody else has."""
    found: dict[str, set[tuple[str, str]]] = {}
    if table is None:
        return found
    mine = pl.col("user_id").cast(pl.String).is_in(users)
    for kind in (each for each in KINDS if each in table.columns):
        pairs = {(form.same(kind, each), each) for each in table.filter(mine)[kind].cast(pl.String).drop_nulls()}
        near = {_alike(written) for _, written in pairs}
        others = table.filter(~mine)[kind].cast(pl.String).drop_nulls()
        shared = {form.same(kind, each) for each in others if _alike(each) in near}
        found[kind] = {(same, written) for same, written in pairs if same and not (alone and same in shared)}
    return found


def _alike(contact: str) -> str:
    """What equal contacts surely share, without the cost of reading each of them."""
    if "@" in contact:
        return contact.partition("@")[0].partition("+")[0].replace(".", "").strip().lower()
    return "".join(each for each in contact.removesuffix(".0") if each.isalnum())[-6:].lower()


def _registries(workspace: Workspace) -> Iterator[Path]:
    if workspace.registry.is_file():
        yield workspace.registry
    yield from sorted(workspace.path.glob("tenants/*/registry.db"))


def destinations_sent_to(workspace: Workspace, traces: Traces) -> tuple[str, ...]:
    """Destinations that were sent a version with one of the users."""
    found = set()
    marks = ", ".join("?" * len(traces.users))
    for path in _registries(workspace):
        with closing(Database(path, TABLES)) as db, db.reading():
            rows = db.run(
                "SELECT DISTINCT destination FROM pushes JOIN members USING (audience, version) "
                f"WHERE sent > 0 AND (NOT held_out OR content LIKE '%{WITH_HELD_OUT}') AND user_id IN ({marks})",
                sorted(traces.users),
            )
            found |= {str(row["destination"]) for row in rows}
    return tuple(sorted(found))


def _write_audit(workspace: Workspace, receipt: Receipt) -> None:
    """A line with the owner, and one with each tenant whose audiences changed."""
    changed = {place.path for place in receipt.places}
    for path in {workspace.registry, *_registries(workspace)}:
        if path == workspace.registry or str(path.relative_to(workspace.path)) in changed:
            with Registry(path) as registry:
                details = {"receipt": receipt.id, "users": len(receipt.users)}
                registry.record(receipt.erased_by, "forget", details=details, key=f"{receipt.id}")
