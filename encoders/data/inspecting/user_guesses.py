"""The entries of the users table: consent, contacts and the attributes that people may filter by."""

from collections import Counter
from collections.abc import Sequence

import phonenumbers
import polars as pl

from encoders.data.contacts import ContactFormat, normal_email
from encoders.data.inspecting.facts import Column
from encoders.data.inspecting.guesses import Guess, counted, shown, undecided
from encoders.data.inspecting.names import is_yes, spoken

_MOST_ANSWERS = 8
_MOST_VALUES = 60
_FEW_USERS = 5
_ALIKE = 0.98
_GOOD = 0.6
_NEARLY_ALL = 0.9
_COUNTRIES = (
    *("DE", "AT", "CH", "FR", "BE", "LU", "ES", "IT", "GB", "IE", "US", "CA", "NL", "PL", "PT", "SE", "NO", "DK", "FI"),
    *("CZ", "HU", "RO", "GR", "MX", "BR", "AR", "CL", "CO", "AU", "NZ", "IN", "JP", "ZA", "TR"),
)
_LANGUAGE_OF = {"telefon": "DE", "handy": "DE", "portable": "FR", "movil": "ES", "cellulare": "IT"}
_NO_ATTRIBUTE = (
    *(
        "person_name",
        "address",
        "email",
        "phone",
        "consent",
        "refusal",
        "id",
        "birth",
        "url",
        "item",
        "category",
        "order",
    ),
    *("currency", "line", "quantity", "event", "status", "amount", "no_amount", "lone_index"),
)


def consent_guesses(columns: Sequence[Column], user: Column | None = None) -> list[Guess]:
    """The column of consent and what a yes is there; none where there is no such column.

    Args:
        columns: of the table.
        user: whose answers are counted once, where rows of one user repeat them; None: every row is a user.
    """
    found = [
        each
        for each in columns
        if each.says("consent", "refusal")
        and 0 < each.distinct <= _MOST_ANSWERS
        and not each.times
        and not each.says("phone")
    ]
    found = [each for each in found if any(is_yes(value) is not None for value in each.values)]
    if not found:
        return []
    found.sort(key=lambda each: (-(_read_share(each)), -each.filled))
    column = found[0]
    refusing = column.says("refusal")
    counts = dict(column.written.drop_nulls().value_counts(sort=True).iter_rows())
    read = {value: is_yes(value) for value in counts}
    agreed = [value.lower() for value, yes in read.items() if yes is not None and yes != refusing]
    shown = ", ".join(f"'{value}' ({rows:,}) {_meaning(read[value], refusing)}" for value, rows in counts.items())
    remarks = [f"values: {shown}"]
    if blank := column.written.null_count():
        remarks.append(f"{blank:,} rows are blank, which is no consent")
    if user is not None:
        every = pl.DataFrame(
            {"user": user.written, "yes": column.written.str.to_lowercase().is_in(agreed).fill_null(False)}
        )
        users = every.drop_nulls("user").group_by("user").agg(pl.col("yes").all())
        agreeing = f"{int(users['yes'].sum()):,} of {users.height:,} users agree in all of their rows"
        remarks.append(f"{agreeing}; one row without it leaves a user out")
    if refusing:
        remarks.append("the column says who refused, so that a no there is the consent")
    if len(found) > 1:
        remarks.append(f'next best: "{found[1].name}"')
    good = column.written.is_in([value for value in counts if read[value] is not None])
    guess = counted(column, "consent", column.name, good, remarks)
    unread = [value for value, yes in read.items() if yes is None]
    if not agreed or len(unread) > len(read) / 2:
        return [guess, undecided("consent_values", [f'"{value}"' for value in counts], ["which of these are a yes?"])]
    values = sorted(dict.fromkeys(agreed))
    left = [f"{', '.join(repr(each) for each in unread)} is taken for no consent"] if unread else []
    return [guess, Guess("consent_values", values, remarks=tuple(left))]


def _read_share(column: Column) -> float:
    known = column.written.drop_nulls()
    return sum(is_yes(value) is not None for value in column.values) / max(1, column.distinct) if len(known) else 0.0


def _meaning(yes: bool | None, refusing: bool) -> str:
    return "is neither yes nor no" if yes is None else "is consent" if yes != refusing else "is none"


def contact_guesses(columns: Sequence[Column], taken: Sequence[Column]) -> list[Guess]:
    """The columns of contacts, the country of phone numbers, and which contacts are hashes already."""
    free = [each for each in columns if each not in taken and each.distinct]
    guesses: list[Guess] = []
    hashed: list[str] = []
    mails = [each for each in free if each.emails >= _GOOD or (each.says("email") and each.hashes >= _GOOD)]
    mails.sort(key=lambda each: (-each.says("email"), -each.filled))
    if mails:
        mail = mails[0]
        is_hash = mail.hashes >= _GOOD
        hashed += ["email"] if is_hash else []
        guesses.append(
            _contact(mail, "email", ContactFormat(hashed=hashed), [f'next best: "{each.name}"' for each in mails[1:2]])
        )
    phones = [each for each in free if each.says("phone") and each not in mails and not each.says("consent", "refusal")]
    best = max(phones, key=lambda each: (max(_dialled(each).values(), default=0), each.filled), default=None)
    if best is not None and best.hashes >= _GOOD:
        hashed.append("phone")
        guesses.append(_contact(best, "phone", ContactFormat(hashed=hashed), []))
    elif best is not None:
        guesses += _phone_guesses(best, columns)
    return [*guesses, *([Guess("hashed", hashed)] if hashed else [])]


def _phone_guesses(column: Column, columns: Sequence[Column]) -> list[Guess]:
    good = _dialled(column)
    others = [f'next best: "{each.name}"' for each in columns if each.says("phone") and each is not column][:1]
    if good[""] >= _NEARLY_ALL:
        return [_contact(column, "phone", ContactFormat(), others)]
    most = max(good.values())
    if most < _GOOD:
        return []
    likely = [country for country, fits in good.items() if fits >= most - 0.02]
    numbers = {country: column.phones(country) for country in likely}
    different = [
        each for place, each in enumerate(likely) if all(numbers[each] != numbers[other] for other in likely[:place])
    ]
    hints = [each for each in likely if _as_printed(column, each)] or _country_hints(columns)
    hinted = [each for each in hints if each in likely]
    if len(different) > 1 and not hinted:
        choices = [f'"{each}"' for each in different]
        country = undecided("phone_country", choices, ["numbers without a country code are good in several countries"])
        return [_contact(column, "phone", ContactFormat(different[0]), others), country]
    chosen = hinted[0] if hinted else different[0]
    said = [f"also good in {', '.join(each for each in different if each != chosen)}"] if len(different) > 1 else []
    told = Guess("phone_country", chosen, remarks=tuple(said))
    return [_contact(column, "phone", ContactFormat(chosen), others), told]


def _dialled(column: Column) -> dict[str, float]:
    """For each country, the share of some numbers that are in use when dialled there; "" with a country code alone."""
    some = column.values.head(100).alias(column.name)
    few = Column(column.name, some.to_frame())
    return {
        country: sum(each is not None for each in few.phones(country)) / max(1, len(some))
        for country in ("", *_COUNTRIES)
    }


def _as_printed(column: Column, country: str) -> bool:
    """Whether most numbers are written just as they are printed in a country, such as (617) 555-0123."""
    some = column.values.head(50).to_list()
    printed = 0
    for written, number in zip(some, column.phones(country), strict=False):
        if number is not None:
            parsed = phonenumbers.parse(number)
            printed += written == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return printed * 2 > len(some)


def _country_hints(columns: Sequence[Column]) -> list[str]:
    """Countries that the table speaks of: codes in a column of places, endings of mail addresses, words of headings."""
    hints: Counter[str] = Counter()
    for column in columns:
        for value in column.values.head(200):
            if column.says("place") and value.upper() in phonenumbers.SUPPORTED_REGIONS:
                hints[value.upper()] += 10
            if column.emails > _GOOD and (mail := normal_email(value)):
                ending = mail.rpartition(".")[2].upper()
                hints["GB" if ending == "UK" else ending] += 1
        hints.update({country: 5 for word, country in _LANGUAGE_OF.items() if word in column.name.casefold()})
    return [country for country, _ in hints.most_common()]


def _contact(column: Column, kind: str, form: ContactFormat, remarks: Sequence[str]) -> Guess:
    """A contact column: every different value of the sample is read as an export reads it."""
    some = column.values.head(500)
    good = {value for value in some if form.same(kind, value) is not None}
    return counted(
        Column(column.name, column.frame.filter(column.written.is_in(some.implode()) | column.written.is_null())),
        f"contacts.{kind}",
        column.name,
        _of(column, some).is_in(sorted(good)),
        remarks,
        secret=True,
    )


def _of(column: Column, some: pl.Series) -> pl.Series:
    return column.written.filter(column.written.is_in(some.implode()) | column.written.is_null())


def attribute_guesses(columns: Sequence[Column], taken: Sequence[Column], user: Column | None = None) -> list[Guess]:
    """Columns that people may filter by: few values, each with several users.

    Args:
        columns: of the table.
        taken: what has a meaning already.
        user: of a table of events, whose columns must be the same in all rows of a user; None: a table of users.
    """
    guesses: dict[str, Guess] = {}
    for column in columns:
        if column in taken or column.says(*_NO_ATTRIBUTE) or column.times or column.emails > 0.1 or column.distinct < 2:
            continue
        users = user.distinct if user is not None else len(column.written) - column.written.null_count()
        if column.distinct > min(_MOST_VALUES, users / _FEW_USERS) or column.hashes > 0:
            continue
        if user is not None and column.within(user) < _ALIKE:
            continue
        name = spoken(column.name)
        if name in guesses or name == "user id":
            name = column.name
        common = column.written.drop_nulls().value_counts(sort=True).head(3)
        told = tuple(shown(value) for value, _ in common.iter_rows())
        fits = len(column.written) - column.written.null_count()
        guesses[name] = Guess(f"attributes.{name}", column.name, fits, len(column.written), told)
    return list(guesses.values())
