"""Audience files: who may be reached, with contacts only as hashes, as a table of users or as a platform's own list.

A table of users has every user, with a column of hashes for each contact the data has; for somebody it is sent to, the
id is a hash as well. A platform's list has the platform's columns, its spelling before the hash, and only users it can
match: no user id leaves with it.
"""

import re
from collections.abc import Collection
from functools import partial
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Literal

import polars as pl

from encoders.errors import DataError, NotThereError, RequestError, TooSmallError
from encoders.workspace import Workspace, atomic_file
from tools.contacts import contact_hash, normal_email, normal_phone
from tools.destinations.protocol import Receiver
from tools.platforms import Platform
from tools.types import ExportFile, SavedAudience

_FORMULA = r"^[=+\-@\t\r]"
"""What a spreadsheet would take for the beginning of a formula."""
_FILE = r"[0-9a-z-]+\.(csv|parquet)"
"""What the name of a file looks like that was written here."""


def hash_email(email: str) -> str | None:
    """Hash of an e-mail address, or None for something that is not one."""
    return contact_hash(normal_email(email))


def hash_phone(phone: str) -> str | None:
    """Hash of a phone number with its plus sign, or None for something that cannot be one."""
    return contact_hash(normal_phone(phone))


_HASHES = {"email": hash_email, "phone": hash_phone}
"""Contact columns of a table of users, each with the ending _sha256."""


def export_audience(
    workspace: Workspace,
    saved: SavedAudience,
    members: Collection[str],
    holdout: Collection[str],
    format: Literal["csv", "parquet"] = "csv",
    platform: Platform | Receiver | None = None,
    minimum: int = 1,
) -> ExportFile:
    """Write the audience without its held-out users to exports/, for the owner's eyes only.

    The file is called <id>-v<version>.<format>, with the platform before the dot where there is one.

    Args:
        workspace: where the contacts are and the file goes.
        saved: the version to export.
        members: ids of everybody in it.
        holdout: ids of those among them that are kept back.
        format: in CSV a user id that a spreadsheet would take for a formula gets a leading apostrophe.
        platform: the ad platform to write it for, or who it is sent to; None for a table of users.
        minimum: a platform's list with fewer rows is not written, to protect single people.

    Raises:
        WorkspaceError: the disk is full or may not be written; an earlier file of this version is still there.
        DataError: the contacts cannot be read.
        RequestError: the platform turns such a list down, or could match too few of it.
    """
    held_out = set(holdout) & set(members)
    users = sorted(set(members) - held_out)
    warnings: tuple[str, ...] = ()
    if isinstance(platform, Platform):
        table = _platform_list(workspace, saved, users, platform, minimum)
        warnings = (*_missing(len(users) - table.height, platform), *platform.warnings(table.height))
    else:
        table = _with_hashes(workspace, users)
    if isinstance(platform, Receiver):
        table = _without_ids(table)
    ending = f"-{platform.key}" if platform else ""
    target = workspace.exports / f"{saved.id}-v{saved.version}{ending}.{format}"
    return ExportFile(
        audience_id=saved.id,
        version=saved.version,
        path=str(target),
        format=format,
        rows=table.height,
        held_out=len(held_out),
        columns=tuple(table.columns),
        sha256=_written(table, target, format),
        platform=platform.name if platform else "",
        warnings=warnings,
    )


def _written(table: pl.DataFrame, target: Path, format: Literal["csv", "parquet"]) -> str:
    """Write a table, whole or not at all; the digest of the file."""
    with atomic_file(target, mode=0o600) as part:
        if format == "csv" and "user_id" in table.columns:
            marked = pl.col("user_id").str.contains(_FORMULA)
            safe = pl.when(marked).then("'" + pl.col("user_id")).otherwise(pl.col("user_id"))
            table.with_columns(user_id=safe).write_csv(part)
        elif format == "csv":
            table.write_csv(part)
        else:
            table.write_parquet(part)
        with part.open("rb") as written:
            return file_digest(written, "sha256").hexdigest()


def exported(workspace: Workspace, name: str) -> Path:
    """The file that an export wrote under ``name``.

    Raises:
        NotThereError: there is none.
    """
    path = workspace.exports / name
    if not re.fullmatch(_FILE, name) or not path.is_file():
        raise NotThereError(f"There is no exported file '{name[:60]}'; export the audience again.")
    return path


def _missing(users: int, platform: Platform) -> tuple[str, ...]:
    if not users:
        return ()
    return (f"{users:,} have no contact that {platform.name} could match, and are not in the file.",)


def _platform_list(
    workspace: Workspace, saved: SavedAudience, users: list[str], platform: Platform, minimum: int
) -> pl.DataFrame:
    """One row a user with a contact, in the order of the hashes, so that it does not tell the order of the users."""
    platform.check_name(saved)
    contacts = _contacts(workspace)
    wanted = {kind: column for kind, column in platform.contact_columns.items() if kind in contacts.columns}
    if not wanted:
        raise RequestError(
            f"{platform.name} matches people by {' or '.join(platform.contact_columns)}, and this data has no such "
            "column; add contacts to the data and prepare it again, or export without a platform."
        )
    table = (
        contacts.filter(pl.col("user_id").is_in(users))
        .unique("user_id", keep="first", maintain_order=True)
        .select(
            pl.col(kind)
            .cast(pl.String)
            .map_elements(partial(platform.hashed, kind), return_dtype=pl.String)
            .alias(column)
            for kind, column in wanted.items()
        )
        .filter(pl.any_horizontal(pl.all().is_not_null()))
    )
    if table.height < minimum:
        raise TooSmallError(
            f"Fewer than {minimum} of this audience have a contact that {platform.name} could match; so short a list "
            "is not written, to protect single people. Make the audience broader."
        )
    header = platform.columns or table.columns
    blank = [pl.lit(None, pl.String).alias(column) for column in header if column not in table.columns]
    return table.with_columns(blank).select(header).sort(list(wanted.values()))


def _with_hashes(workspace: Workspace, users: list[str]) -> pl.DataFrame:
    table = pl.DataFrame({"user_id": users}, schema={"user_id": pl.String})
    contacts = _contacts(workspace)
    hashed = contacts.select(
        "user_id",
        *(
            pl.col(column).cast(pl.String).map_elements(hashing, return_dtype=pl.String).alias(f"{column}_sha256")
            for column, hashing in _HASHES.items()
            if column in contacts.columns
        ),
    )
    return table.join(hashed.unique("user_id", keep="first", maintain_order=True), on="user_id", how="left").sort(
        "user_id"
    )


def _without_ids(table: pl.DataFrame) -> pl.DataFrame:
    """Hashes in place of the ids, in the order of the hashes, so that it does not tell the order of the users."""
    hashed = [sha256(user.encode()).hexdigest() for user in table["user_id"]]
    return table.select(pl.Series("user_sha256", hashed, pl.String), pl.exclude("user_id")).sort("user_sha256")


def _contacts(workspace: Workspace) -> pl.DataFrame:
    """The contacts of the data; no row where it has none."""
    path = workspace.data / "contacts.parquet"
    if not path.exists():
        return pl.DataFrame(schema={"user_id": pl.String})
    try:
        return pl.read_parquet(path).with_columns(pl.col("user_id").cast(pl.String))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}); prepare the data again.") from error
