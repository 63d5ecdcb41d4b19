"""The table of users: attributes, consent and contacts, one row each."""

from collections.abc import Iterator

import polars as pl

from encoders.data import columns as col
from encoders.data.contacts import KINDS, NO_CONSENT, NO_USER, ContactFormat
from encoders.data.erasing import Forgotten, without_contacts_of
from encoders.data.event_tables import BROKEN, ROUNDED, ROUNDED_REMEDY
from encoders.data.files import Files
from encoders.data.rejections import Check, Tally
from encoders.data.source_tables import FILE, FLAW, LINE, SourceTable
from encoders.data.spec import UsersSpec
from encoders.errors import DataError

_SHOWN = 5
_LOOKED_AT = 1_000
"""So many contacts of a kind are looked at for how they are written: reading a million numbers takes a minute."""


def read_users(
    spec: UsersSpec | None, files: Files, tally: Tally, forgotten: Forgotten | None
) -> tuple[pl.LazyFrame, pl.LazyFrame | None, pl.Series]:
    """Users with their attributes, contacts where there are any, and the ids of everybody who is listed.

    Whoever did not consent is in neither table.

    Raises:
        DataError: a file or no row of it can be used, nobody consented, or (strict) a row cannot be used.
    """
    if spec is None:
        return pl.LazyFrame(schema={"user_id": pl.String}), None, pl.Series("user_id", [], pl.String)
    newest_first = reversed(files.open(spec, _uses(spec)))
    listed = pl.concat([_listed(spec, table) for table in newest_first])
    user, consent = pl.col("user_id"), pl.col("consent")
    yes = pl.DataFrame({"yes": spec.consent_values}).select(col.plain("yes").str.to_lowercase()).to_series()
    said_yes = consent.str.to_lowercase().is_in(yes.implode())
    agreed = said_yes.fill_null(False).all().over(col.spelling(user)) if spec.consent else pl.lit(True)
    checks = [
        BROKEN,
        Check(pl.col("lost"), ROUNDED, spec.user_id, pl.col("raw_user"), ROUNDED_REMEDY),
        Check(user.is_null(), NO_USER, spec.user_id, pl.col("raw_user")),
        Check(~agreed, NO_CONSENT, spec.consent or "", consent, is_fault=False),
        Check(~user.is_first_distinct(), "user listed twice", spec.user_id, user),
    ]
    kept = tally.sift(listed.lazy(), "users", checks).collect()
    _check_kept(spec, listed, kept, tally)
    files.notes.extend(_refused_elsewhere(spec, listed.select("user_id", said_yes.fill_null(False).alias("yes"))))
    columns = [_attribute(spec, name, kept, files.notes) for name in spec.attributes]
    files.notes.extend(_unusable_contacts(spec, kept))
    users = kept.select("user_id", *columns).lazy()
    everybody = listed["user_id"].drop_nulls().unique()
    return users, _contacts(spec, listed, kept, forgotten).lazy() if spec.contacts else None, everybody


def _uses(spec: UsersSpec) -> dict[str, str]:
    uses = {spec.user_id: "user_id"} | ({spec.consent: "consent"} if spec.consent else {})
    uses |= {column: f"attribute {name}" for name, column in spec.attributes.items()}
    return uses | {column: f"contact {name}" for name, column in spec.contacts.items()}


def _listed(spec: UsersSpec, table: SourceTable) -> pl.DataFrame:
    """The users of one file; this table is small enough to be held at once."""
    user, lost = col.identity(spec.user_id, table.schema[spec.user_id])
    wanted = {"raw_user": spec.user_id} | {f"contact {name}": column for name, column in spec.contacts.items()}
    told = [col.words(column).alias(name) for name, column in wanted.items()]
    told.append(col.plain(spec.consent or spec.user_id).alias("consent"))
    told += [col.plain(column).alias(f"attribute {name}") for name, column in spec.attributes.items()]
    return table.collect(table.frame.select(FILE, LINE, FLAW, user.alias("user_id"), lost.alias("lost"), *told))


def _check_kept(spec: UsersSpec, listed: pl.DataFrame, kept: pl.DataFrame, tally: Tally) -> None:
    """See that somebody is left, who consented, and that no row that may hold a refusal is passed over.

    Raises:
        DataError: it is not so.
    """
    unread = tally.counts.get(f"users: {NO_CONSENT}", 0) == 0
    if kept.is_empty() and listed.height and unread:
        raise DataError(f"No row of the users table can be used. Left out: {tally.reasons('users')}.")
    if not spec.consent:
        return
    if broken := [each for each in tally.examples if (each.source, each.reason) == ("users", BROKEN.reason)]:
        raise DataError(f"{broken[0]}; nobody can tell whether it withholds consent: {BROKEN.remedy}.")
    if kept.is_empty() and listed.height:
        values = ", ".join(f"'{value}'" for value in spec.consent_values)
        raise DataError(f"Nobody consented: column '{spec.consent}' of the users is never one of {values}.")


def _refused_elsewhere(spec: UsersSpec, said: pl.DataFrame) -> Iterator[str]:
    """What is said of users who consented, but not in another spelling of their id."""
    alike = pl.col("spelling")
    users = said.drop_nulls().group_by("user_id").agg(pl.col("yes").all()).sort("user_id")
    users = users.with_columns(col.spelling(pl.col("user_id")).alias("spelling"))
    both = users.filter(pl.col("yes").any().over(alike) & (~pl.col("yes")).any().over(alike))
    if spec.consent and both.height:
        agreed = both.filter("yes")
        other = both.filter(~pl.col("yes") & (alike == agreed["spelling"][0]))["user_id"][0]
        yield (
            f"{agreed.height:,} users consented, but not in another spelling of their id, such as "
            f"'{agreed['user_id'][0]}' and '{other}', and are left out; write ids in one way"
        )


def _attribute(spec: UsersSpec, name: str, kept: pl.DataFrame, notes: list[str]) -> pl.Series:
    """An attribute with its values as the spec calls them; what stands for something unknown is null."""
    written = kept[f"attribute {name}"]
    names = spec.values.get(name, {})
    called = pl.DataFrame({"value": list(names)}, {"value": pl.String}).select(col.plain("value")).to_series()
    exact = dict(zip(called, names.values(), strict=True))
    any_case = {value.lower(): meant for value, meant in exact.items()}
    lower = written.str.to_lowercase()
    renamed = (
        pl.DataFrame({"is": written, "lower": lower})
        .select(
            pl.coalesce(
                pl.col("is").replace_strict(exact, default=None, return_dtype=pl.String),
                pl.col("lower").replace_strict(any_case, default=None, return_dtype=pl.String),
            )
        )
        .to_series()
    )
    value = renamed.to_frame("renamed").with_columns(written.alias("written")).select(
        pl.when(pl.col("renamed") != "").then("renamed")
        .when(pl.col("renamed").is_null()).then(col.known(pl.col("written"), spec.blanks)).alias(name)
    ).to_series()  # fmt: skip
    unknown = written.filter(written.is_not_null() & value.is_null())
    if len(unknown):
        said = unknown.value_counts(sort=True).head(_SHOWN).iter_rows()
        told = ", ".join(f"'{each}' ({users:,})" for each, users in said)
        notes.append(f"{len(unknown):,} values of attribute '{name}' are taken as unknown: {told}")
    notes.extend(_spellings(name, value))
    return value


def _spellings(name: str, value: pl.Series) -> list[str]:
    """What is said of values that differ in nothing but capital letters."""
    counted = value.drop_nulls().value_counts(sort=True).with_columns(lower=pl.col(name).str.to_lowercase())
    several = counted.group_by("lower", maintain_order=True).agg(name, "count").filter(pl.col(name).list.len() > 1)
    if several.is_empty():
        return []
    told = "; ".join(
        ", ".join(f"'{each}' ({users:,})" for each, users in zip(values, counts, strict=True))
        for _, values, counts in several.head(_SHOWN).iter_rows()
    )
    return [
        f"Values of attribute '{name}' differ in capital letters alone: {told}. A filter takes the exact one, or all "
        "of them where it is written as none is; [users.values] makes them one"
    ]


def _unusable_contacts(spec: UsersSpec, kept: pl.DataFrame) -> Iterator[str]:
    """What is said of contacts that are mostly none: it is how they are written. None of them is shown."""
    form = ContactFormat(spec.phone_country, spec.hashed)
    for kind in (kind for kind in KINDS if kind in spec.contacts):
        written = kept.select(col.known(pl.col(f"contact {kind}"))).to_series().drop_nulls().head(_LOOKED_AT)
        good = sum(form.same(kind, each) is not None for each in written)
        if good * 2 < len(written):
            remedy = "check its column"
            if kind in spec.hashed:
                remedy = f"they must be SHA-256 in hexadecimal, or '{kind}' must not be in hashed"
            elif all(ContactFormat(hashed=KINDS).same(kind, each) for each in written):
                remedy = f'they look like SHA-256 already: write hashed = ["{kind}"]'
            elif kind == "phone" and not spec.phone_country:
                remedy = "write them with a country code, or name phone_country"
            yield f"Of {len(written):,} values of contact '{kind}' that were looked at, {good:,} are contacts; {remedy}"


def _contacts(spec: UsersSpec, listed: pl.DataFrame, kept: pl.DataFrame, forgotten: Forgotten | None) -> pl.DataFrame:
    """The contacts of the users who are kept, but for those that somebody without consent, or erased, has as well."""
    contacts = [pl.col(f"contact {name}").alias(name) for name in spec.contacts]
    gone = forgotten.among(listed["user_id"].drop_nulls()) if forgotten else set()
    reached = kept.filter(~pl.col("user_id").is_in(sorted(gone)))
    barred = listed.join(reached, on="user_id", how="anti").select(contacts)
    form = ContactFormat(spec.phone_country, spec.hashed)
    left = without_contacts_of(barred, reached.select("user_id", *contacts), form)
    return left.filter(pl.any_horizontal(pl.exclude("user_id").is_not_null()))
