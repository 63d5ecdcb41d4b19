"""Audience files for ad platforms: who may be reached, with contacts only as hashes.

Hashes are SHA-256 in lower-case hexadecimal over the normalised contact, which is what the platforms match on:
e-mail without surrounding blanks and in lower case, phone as E.164 with its plus sign. A contact that cannot be
normalised is left empty. A plain contact is never written.
"""

from collections.abc import Callable, Collection
from hashlib import file_digest, sha256
from typing import Literal

import phonenumbers
import polars as pl

from encoders.errors import DataError
from encoders.workspace import Workspace, atomic_file
from tools.types import ExportFile, SavedAudience

REGION = "US"
"""Country of phone numbers that are written without a country code."""

_FORMULA = r"^[=+\-@\t\r]"
"""What a spreadsheet would take for the beginning of a formula."""


def hash_email(email: str) -> str | None:
    """Hash of an e-mail address, or None for something that is not one."""
    normal = email.strip().lower()
    name, _, host = normal.partition("@")
    if not name or not host or "@" in host or any(sign.isspace() for sign in normal):
        return None
    return sha256(normal.encode()).hexdigest()


def hash_phone(phone: str, region: str = REGION) -> str | None:
    """Hash of a phone number, or None for something that cannot be one.

    Args:
        phone: as people write it.
        region: two-letter country of numbers that do not begin with a plus sign.
    """
    try:
        number = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    normal = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return sha256(normal.encode()).hexdigest()


_HASHES: dict[str, Callable[[str], str | None]] = {"email": hash_email, "phone": hash_phone}
"""Contact columns that are exported, each as a column with the ending _sha256."""


def export_audience(
    workspace: Workspace,
    saved: SavedAudience,
    members: Collection[str],
    holdout: Collection[str],
    format: Literal["csv", "parquet"] = "csv",
) -> ExportFile:
    """Write the audience without its held-out users to exports/<id>-v<version>.<format>, for the owner's eyes only.

    Args:
        workspace: where the contacts are and the file goes.
        saved: the version to export.
        members: ids of everybody in it.
        holdout: ids of those among them that are kept back.
        format: in CSV a user id that a spreadsheet would take for a formula gets a leading apostrophe.

    Raises:
        WorkspaceError: the disk is full or may not be written; an earlier file of this version is still there.
        DataError: the contacts cannot be read.
    """
    held_out = set(holdout) & set(members)
    table = _with_hashes(workspace, sorted(set(members) - held_out))
    target = workspace.exports / f"{saved.id}-v{saved.version}.{format}"
    with atomic_file(target, mode=0o600) as part:
        if format == "csv":
            marked = pl.col("user_id").str.contains(_FORMULA)
            safe = pl.when(marked).then("'" + pl.col("user_id")).otherwise(pl.col("user_id"))
            table.with_columns(user_id=safe).write_csv(part)
        else:
            table.write_parquet(part)
        with part.open("rb") as written:
            digest = file_digest(written, "sha256").hexdigest()
    return ExportFile(
        audience_id=saved.id,
        version=saved.version,
        path=str(target),
        format=format,
        rows=table.height,
        held_out=len(held_out),
        columns=tuple(table.columns),
        sha256=digest,
    )


def _with_hashes(workspace: Workspace, user_ids: list[str]) -> pl.DataFrame:
    table = pl.DataFrame({"user_id": user_ids}, schema={"user_id": pl.String})
    path = workspace.data / "contacts.parquet"
    if not path.exists():
        return table
    try:
        contacts = pl.read_parquet(path)
        hashed = contacts.select(
            "user_id",
            *(
                pl.col(column).cast(pl.String).map_elements(hashing, return_dtype=pl.String).alias(f"{column}_sha256")
                for column, hashing in _HASHES.items()
                if column in contacts.columns
            ),
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}); prepare the data again.") from error
    return table.join(hashed.unique("user_id", keep="first", maintain_order=True), on="user_id", how="left").sort(
        "user_id"
    )
