"""What was read when the data was prepared, as its owner sees it: rows, users, days, and every source week by week."""

from datetime import date

from pydantic import Field

from encoders.data.events import Dataset
from encoders.data.summary import SourceSummary, summarise_prepared, weekly_events
from encoders.records import Record
from tools.audiences.disclosure import Disclosure
from tools.types import Count


class RowsLeftOut(Record):
    """Rows that were read and not used, for one reason."""

    source: str = Field(description="where they stood: a source, or 'users'")
    reason: str
    rows: int


class SourceReport(Record):
    """One source over the whole time of the data."""

    source: str
    events: Count
    users: Count
    first: date
    last: date
    weeks: tuple[int, ...] = Field(description="events of each week, from 'week' on; none where they are withheld")


class DataReport(Record):
    """What a prepared data set comes to; it looks past the as-of date, and counts nothing but rows and users."""

    first: date
    last: date
    days: int
    as_of: date = Field(description="the day that counts as now; what comes later only judges forecasts")
    rows: int = Field(description="rows of events that were read")
    events: int
    returns: int
    left_out: int
    reasons: tuple[RowsLeftOut, ...]
    users: Count
    users_listed: Count = Field(description="in the users table; 0 where there is none")
    users_joined: Count = Field(description="of these, who have events")
    events_not_joined: int = Field(description="events of users who are not in the users table")
    population: Count = Field(description="users with an event of the main source shortly before the as-of date")
    week: date = Field(description="the Monday of the first week")
    sources: tuple[SourceReport, ...]


def data_report(dataset: Dataset, as_of: date, disclosure: Disclosure) -> DataReport:
    """Count what the folder of a data set holds; reads every event once.

    Args:
        dataset: what was prepared.
        as_of: the day that counts as now.
        disclosure: how counts of users are shown.
    """
    card = dataset.card
    found, (week, weekly) = summarise_prepared(dataset.folder, card), weekly_events(dataset.folder)

    def source(each: SourceSummary) -> SourceReport:
        users = disclosure.count(each.users, "report", "source", each.source)
        total, weeks = (
            disclosure.total(each.events, users, "report", "events", each.source),
            weekly.get(each.source, ()),
        )
        events = None if total is None else round(total)
        return SourceReport(
            source=each.source,
            events=events,
            users=users,
            first=each.first,
            last=each.last,
            weeks=() if events is None else weeks,
        )

    listed = disclosure.count(found.users_listed, "report", "listed") if found.users_listed else 0
    return DataReport(
        first=card.first,
        last=card.last,
        days=found.days,
        as_of=as_of,
        rows=found.rows,
        events=found.events,
        returns=found.returns,
        left_out=found.left_out,
        reasons=tuple(_reason(key, rows) for key, rows in sorted(card.rejected.items(), key=lambda each: -each[1])),
        users=disclosure.count(found.users, "report", "users"),
        users_listed=listed,
        users_joined=disclosure.part(found.users_listed_with_events, listed, "report", "joined"),
        events_not_joined=found.events_not_listed,
        population=disclosure.count(found.population, "report", "population"),
        week=week,
        sources=tuple(map(source, found.sources)),
    )


def _reason(key: str, rows: int) -> RowsLeftOut:
    source, _, reason = key.rpartition(": ")
    return RowsLeftOut(source=source, reason=reason, rows=rows)
