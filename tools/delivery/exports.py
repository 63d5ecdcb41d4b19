"""Audience files: who may be reached, with contacts only as hashes, as a table of users or as a platform's own list.

A table of users has every user, with a column of hashes for each contact the data has; for somebody it is sent to, the
id is a hash as well. A platform's list has the platform's columns, its spelling before the hash, and only users it can
match: no user id leaves with it. Either has each contact once, and none of a person who must not be reached.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Literal

import polars as pl

from encoders.checksums import seal, seal_is_broken, sha256_of, unseal
from encoders.errors import DamagedError, NotThereError, RequestError, TooSmallError, WorkspaceError
from encoders.workspace import Workspace, atomic_file
from tools.audiences.changes import shown_aside
from tools.audiences.disclosure import Disclosure, number_text
from tools.delivery.destinations import Platform, Receiver
from tools.delivery.reaching import Contact, ReachableUsers, sentence, told
from tools.types import ExportFile, ExportPlan, SavedAudience

KEPT_DAYS = 7
"""Days after which a file is deleted: who may be reached changes, so an old file is wrong sooner or later."""

_FORMULA = r"^[\s\p{C}]*[=+\-@＝＋－＠]|^[\t\r\n]"
"""What a spreadsheet would take for the beginning of a formula, also behind what is not seen."""
_CELLS_ELSEWHERE = r"[;\t]"
"""What ends a cell where commas are decimal points, unless the cell is quoted."""
FILE = r"(?P<audience>[0-9a-z-]+?)-v(?P<version>[0-9]+)(?:-(?P<to>[0-9a-z_-]+))?\.(csv|parquet)"
"""What the name of a file looks like that was written here: of which version, and for whom."""

Hashing = Callable[[str, str], str | None]
"""Makes the hash of a contact out of its kind and the contact as it stands in the data."""


def export_audience(
    workspace: Workspace,
    saved: SavedAudience,
    leaving: ReachableUsers,
    kinds: Sequence[str],
    format: Literal["csv", "parquet"] = "csv",
    platform: Platform | Receiver | None = None,
    disclosure: Disclosure | None = None,
) -> ExportFile:
    """Write those of an audience who may be reached to exports/, for the owner's eyes only.

    The file is called <id>-v<version>.<format>, with the platform before the dot where there is one.

    Args:
        workspace: where the file goes.
        saved: the version to export.
        leaving: who of it may leave, from ``Reaching``.
        kinds: the contacts that the data has.
        format: in CSV a user id that a spreadsheet would take for a formula gets a leading apostrophe.
        platform: the ad platform to write it for, or who it is sent to; None for a table of users.
        disclosure: how counts of users who were left out are shown, and below how many rows no file is written, to
            protect single people; None for any number as it is.

    Raises:
        WorkspaceError: the disk is full or may not be written; an earlier file of this version is still there.
        RequestError: the platform turns such a list down, or could match too few of it.
    """
    table, plan = planned(saved, leaving, kinds, platform, disclosure or Disclosure(1))
    ending = f"-{platform.key}" if platform else ""
    target = workspace.exports / f"{saved.id}-v{saved.version}{ending}.{format}"
    return ExportFile(
        **plan.model_dump(),
        path=str(target),
        format=format,
        sha256=_written(_safe(table, format), target, format),
        expires=_today() + timedelta(days=KEPT_DAYS),
    )


def planned(
    saved: SavedAudience,
    leaving: ReachableUsers,
    kinds: Sequence[str],
    platform: Platform | Receiver | None,
    disclosure: Disclosure,
) -> tuple[pl.DataFrame, ExportPlan]:
    """What an export would write, and who would not be in it; nothing is written. Arguments as ``export_audience``.

    Raises:
        TooSmallError: fewer users than the minimum would leave.
        RequestError: the platform turns such a list down, or could match too few of it.
    """
    if isinstance(platform, Platform):
        platform.check_name(saved)
    table, out = _table(leaving, kinds, platform)
    warnings: tuple[str, ...] = ()
    if isinstance(platform, Platform):
        _enough_matched(table.height, platform, disclosure.minimum, out, leaving)
        warnings = (*out.missing(platform, saved, disclosure), *platform.warnings(table.height))
    else:
        _large_enough(table.height, disclosure.minimum)
    left_out = told([*leaving.left_out, *out.reasons()], saved, disclosure)
    return table, ExportPlan(
        audience_id=saved.id,
        version=saved.version,
        rows=table.height,
        held_out=len(leaving.held_out),
        columns=tuple(table.columns),
        platform=platform.name if platform else "",
        warnings=(*sentence(left_out), *warnings),
        left_out=left_out,
    )


def rows_leaving(leaving: ReachableUsers, kinds: Sequence[str]) -> tuple[int, list[tuple[str, int, str]]]:
    """How many rows a table of those who may leave has, and who is left out of it, as ``ReachableUsers.left_out``."""
    rows, out = _rows(leaving, kinds, leaving.format.hash)
    return len(rows), [*leaving.left_out, *out.reasons()]


def _table(
    leaving: ReachableUsers, kinds: Sequence[str], platform: Platform | Receiver | None
) -> tuple[pl.DataFrame, "_Out"]:
    """What a file has, and what became of those who are not in it."""
    if isinstance(platform, Platform):
        return _platform_list(leaving, kinds, platform)
    table, out = _with_hashes(leaving, kinds)
    return (_without_ids(table) if platform else table), out


def _safe(table: pl.DataFrame, format: Literal["csv", "parquet"]) -> pl.DataFrame:
    """What is written of a table: in CSV no user id is a formula."""
    if format != "csv" or "user_id" not in table.columns:
        return table
    marked = pl.col("user_id").str.contains(_FORMULA)
    return table.with_columns(user_id=pl.when(marked).then("'" + pl.col("user_id")).otherwise(pl.col("user_id")))


def _written(table: pl.DataFrame, target: Path, format: Literal["csv", "parquet"]) -> str:
    """Write a table, whole or not at all; the digest of the file, which is kept beside it as well."""
    with atomic_file(target) as part:
        if format == "csv":
            parted = pl.col(pl.String).str.contains(_CELLS_ELSEWHERE).any()
            quoted = any(table.select(parted).row(0))
            table.write_csv(part, quote_style="non_numeric" if quoted else "necessary")
        else:
            table.write_parquet(part)
        with part.open("rb") as written:
            digest = file_digest(written, "sha256").hexdigest()
    seal(target)
    return digest


def exported(workspace: Workspace, name: str) -> Path:
    """The file that an export wrote under ``name``; one that is out of date is deleted.

    Raises:
        NotThereError: there is none, or no longer.
        DamagedError: it is not what was written.
    """
    path = workspace.exports / name
    if not re.fullmatch(FILE, name) or not path.is_file():
        raise NotThereError(f"There is no exported file '{name[:60]}'; export the audience again.")
    if expired(path):
        drop(path)
        raise NotThereError(f"The file '{name}' was kept for {KEPT_DAYS} days, which are over; export it again.")
    if seal_is_broken(path):
        raise _damaged(name)
    return path


def _damaged(name: str) -> DamagedError:
    return DamagedError(f"The file '{name}' is damaged: it is not what was written; export the audience again.")


def why_outdated(
    path: Path,
    leaving: ReachableUsers,
    kinds: Sequence[str],
    platform: Platform | Receiver | None,
    saved: SavedAudience,
    disclosure: Disclosure,
) -> str:
    """Why a file that was exported may not be given out any more, in a sentence; empty where it may.

    It may while every row of it would leave now as well, and it has as many as a new file needs: an erasure takes rows.
    What became new since does not matter.

    Args:
        path: the file.
        leaving: who of the version in it may leave now.
        kinds: the contacts that the data has now.
        platform: who it was written for.
        saved: the version in it.
        disclosure: how counts of those who would be left out are shown.

    Raises:
        DamagedError: the file cannot be read.
        RequestError: the platform matches people by nothing that the data still has.
    """
    format: Literal["csv", "parquet"] = "csv" if path.suffix == ".csv" else "parquet"
    try:
        then = pl.read_csv(path, infer_schema=False) if format == "csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _damaged(path.name) from error
    if then.height < disclosure.minimum:
        return (
            f"The file '{path.name}' has fewer than {disclosure.minimum} rows left, so it is not given out, to protect "
            "single people; export the audience again."
        )
    table, out = _table(leaving, kinds, platform)
    now = _safe(table, format)
    known = set(then.columns) <= set(now.columns)
    if known and then.join(now, on=then.columns, how="anti", nulls_equal=True).is_empty():
        return ""
    today = "; ".join(each.detail for each in told([*leaving.left_out, *out.reasons()], saved, disclosure))
    return (
        f"Since the file '{path.name}' was written, somebody in it may no longer be reached, or not by the contact in "
        f"it, so it is not given out; export the audience again{f', which leaves out: {today}' if today else ''}."
    )


def note_reach(path: Path, reach: str) -> None:
    """Note beside a file by which ``Reachability.digest`` everybody in it may be reached; nothing where it is empty."""
    if reach:
        with suppress(OSError, WorkspaceError), atomic_file(_reach_of(path)) as part:
            part.write_text(_reach(path, reach), "utf-8")


def may_leave_by(path: Path, reach: str) -> bool:
    """Whether it was noted for this digest that everybody in the file, as it is, may be reached."""
    with suppress(OSError, UnicodeDecodeError):
        return bool(reach) and _reach_of(path).read_text("utf-8") == _reach(path, reach)
    return False


def _reach_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-reach")


def _reach(path: Path, reach: str) -> str:
    return f"{sha256_of(path)} {reach}"


def drop(path: Path) -> None:
    """Delete the file of an export, and the digests beside it."""
    path.unlink(missing_ok=True)
    unseal(path)
    _reach_of(path).unlink(missing_ok=True)


def expired(path: Path) -> bool:
    """Whether a file was written too long ago to be used."""
    return _today() >= datetime.fromtimestamp(path.stat().st_mtime, UTC).date() + timedelta(days=KEPT_DAYS)


def _today() -> date:
    return datetime.now(UTC).date()


def _large_enough(rows: int, minimum: int) -> None:
    if rows < minimum:
        raise TooSmallError(
            f"Fewer than {minimum} of this audience may be reached, so nothing is written, to protect single people. "
            "Make the audience broader."
        )


def _enough_matched(rows: int, platform: Platform, minimum: int, out: "_Out", leaving: ReachableUsers) -> None:
    if rows < minimum:
        raise TooSmallError(
            f"Fewer than {minimum} of this audience have a contact that {platform.name} could match, so no list is "
            f"written, to protect single people. {_remedy(out, leaving)}"
        )


@dataclass
class _Out:
    """What became of those who are not in a file although they may leave."""

    unmatched: int = 0
    """Without any contact that could be matched."""
    shared: int = 0
    repeated: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    """Contacts that are none, by kind."""
    written: Counter[str] = field(default_factory=Counter)
    """Contacts there are, by kind."""

    def reasons(self) -> list[tuple[str, int, str]]:
        """As ``ReachableUsers.left_out``."""
        found = [
            ("shared contact", self.shared, "share their contact with somebody who must not be reached"),
            ("repeated contact", self.repeated, "have the same contact as another row"),
        ]
        return [each for each in found if each[1]]

    def missing(self, platform: Platform, saved: SavedAudience, disclosure: Disclosure) -> tuple[str, ...]:
        """Who is not in the list because the platform could not match them, in a sentence."""
        said = number_text(shown_aside(self.unmatched, disclosure, saved, "unmatched"), disclosure.minimum)
        return (
            (f"{said} have no contact that {platform.name} could match, and are not in the file.",)
            if self.unmatched
            else ()
        )


def _rows(leaving: ReachableUsers, kinds: Sequence[str], hashing: Hashing) -> tuple[list[dict[str, str | None]], _Out]:
    """One row a user with the hashes of those contacts that may be reached, each contact in the first row that has it.

    Users who have none left of the contacts they had are no row: somebody else is the same person.
    """
    rows: list[dict[str, str | None]] = []
    out, seen = _Out(), set[Contact]()
    for user in leaving.users:
        row: dict[str, str | None] = {"user_id": user}
        was: set[str] = set()
        for kind in kinds:
            row[kind], became = _one(leaving, kind, leaving.contacts.get(user, {}).get(kind), hashing, seen, out)
            was.add("shared" if kind in leaving.withheld.get(user, ()) else became)
        if any(row[kind] for kind in kinds) or not was & {"shared", "repeated"}:
            rows.append(row)
        elif "shared" in was:
            out.shared += 1
        else:
            out.repeated += 1
    return rows, out


def _one(
    leaving: ReachableUsers, kind: str, contact: str | None, hashing: Hashing, seen: set[Contact], out: _Out
) -> tuple[str | None, str]:
    """The hash that one contact leaves as, if it does, and what became of it."""
    if not contact:
        return None, "none"
    out.written[kind] += 1
    same, hashed = leaving.format.same(kind, contact), hashing(kind, contact)
    if same is None or hashed is None:
        out.unreadable[kind] += 1
        return None, "none"
    if (kind, same) in leaving.barred:
        return None, "shared"
    if (kind, same) in seen:
        return None, "repeated"
    seen.add((kind, same))
    return hashed, "leaves"


def matched_by(platform: Platform, kinds: Collection[str]) -> dict[str, str]:
    """The columns of a list for a platform, by the kind of contact in them.

    Args:
        platform: who the list is for.
        kinds: the contacts that the data has.

    Raises:
        RequestError: the data has none that the platform matches people by.
    """
    if wanted := {kind: column for kind, column in platform.contact_columns.items() if kind in kinds}:
        return wanted
    raise RequestError(
        f"{platform.name} matches people by {' or '.join(platform.contact_columns)}, and this data has no such "
        "column; add contacts to the data and prepare it again, or export without a platform."
    )


def _platform_list(leaving: ReachableUsers, kinds: Sequence[str], platform: Platform) -> tuple[pl.DataFrame, _Out]:
    """One row a user with a contact, in the order of the hashes, so that it does not tell the order of the users."""
    wanted = matched_by(platform, kinds)
    rows, out = _rows(leaving, list(wanted), lambda kind, contact: platform.hashed(kind, contact, leaving.format))
    table = pl.DataFrame(rows, schema={"user_id": pl.String, **dict.fromkeys(wanted, pl.String)})
    matched = table.filter(pl.any_horizontal(pl.col(*wanted).is_not_null())).select(
        pl.col(kind).alias(column) for kind, column in wanted.items()
    )
    out.unmatched = table.height - matched.height
    header = platform.columns or matched.columns
    blank = [pl.lit(None, pl.String).alias(column) for column in header if column not in matched.columns]
    return matched.with_columns(blank).select(header).sort(list(wanted.values())), out


def _remedy(out: _Out, leaving: ReachableUsers) -> str:
    """What to do where few contacts match: mend how they are written, if that is why."""
    for kind, unreadable in out.unreadable.items():
        if 2 * unreadable < out.written[kind]:
            continue
        if kind in leaving.format.hashed:
            return (
                f"Most values of '{kind}' are no SHA-256 (64 hexadecimal digits); take it out of 'hashed' in the spec."
            )
        if kind == "email":
            return "Most values of 'email' are no addresses such as name@example.com; mend that column."
        if not leaving.format.country:
            return (
                "Most values of 'phone' have no country code: write them as +49..., or name the country as "
                "phone_country in the [users] of the spec, and prepare the data again."
            )
        return (
            f"Most values of 'phone' are no numbers of {leaving.format.country}: write them as +49..., or mend "
            "phone_country in the [users] of the spec, and prepare the data again."
        )
    return "Make the audience broader."


def _with_hashes(leaving: ReachableUsers, kinds: Sequence[str]) -> tuple[pl.DataFrame, _Out]:
    rows, out = _rows(leaving, kinds, leaving.format.hash)
    table = pl.DataFrame(rows, schema={"user_id": pl.String, **dict.fromkeys(kinds, pl.String)})
    return table.rename({kind: f"{kind}_sha256" for kind in kinds}), out


def _without_ids(table: pl.DataFrame) -> pl.DataFrame:
    """Hashes in place of the ids, in the order of the hashes, so that it does not tell the order of the users."""
    hashed = [sha256(user.encode()).hexdigest() for user in table["user_id"]]
    return table.select(pl.Series("user_sha256", hashed, pl.String), pl.exclude("user_id")).sort("user_sha256")
