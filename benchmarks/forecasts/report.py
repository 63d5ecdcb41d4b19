"""What a run of the benchmark says."""

from datetime import date

from benchmarks.forecasts.figures import Figure
from benchmarks.forecasts.study import Told
from encoders.records import Record


class Row(Record):
    """One scorer."""

    scorer: str
    told: Told
    figures: dict[str, Figure]
    """By column; one that cannot be told is left out."""


class DemandResult(Record):
    """What became of one demand, and of our forecast of it."""

    sentence: str
    responders: int
    expected: float
    """Responders that our probabilities foretold."""
    auc: float
    lift: float
    """Among the best tenth."""


class Section(Record):
    """One question: every scorer's figures on one list of demands."""

    name: str
    title: str
    demands: int
    rows: tuple[Row, ...]
    results: tuple[DemandResult, ...] = ()
    """Ours, demand by demand."""

    @property
    def columns(self) -> list[str]:
        """Every column that some row has, in the order in which they come up."""
        return list(dict.fromkeys(column for row in self.rows for column in row.figures))

    def figure(self, scorer: str, column: str) -> Figure | None:
        """One figure, or None where the scorer has none."""
        found = [row.figures.get(column) for row in self.rows if row.scorer == scorer]
        return found[0] if found else None


class Report(Record):
    """The benchmark on one data set at one as-of date."""

    data: str
    title: str
    note: str
    as_of: date
    horizon_days: int
    population: int
    seed: int
    model_version: str
    data_version: str
    ours: str
    """The scorer that all others are compared with."""
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section | None:
        """The section called ``name``, if the data has one."""
        return next((section for section in self.sections if section.name == name), None)
