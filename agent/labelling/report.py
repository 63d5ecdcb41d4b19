"""What a set of labels leaves behind: Parquet, a report, a data card, and how varied it is."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from string import Template

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError
from sklearn.cluster import KMeans

from agent.labelling.job import Paths
from encoders.errors import DataError
from encoders.training.labels import LABEL_SCHEMA
from encoders.workspace import atomic_file
from prompts.loader import fill, table

Matrix = npt.NDArray[np.float32]

_SAME = 0.95
"""Cosine from which two sentences say nearly the same."""
_CLUSTERS = 30
_HARD = 0.75
"""Labels farther from the data than so many of the others are hard positives."""


class Diversity(BaseModel):
    """How varied a set is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: int
    distinct_1: float
    """Different words, as a share of all words."""
    distinct_2: float
    """Different pairs of neighbouring words, likewise."""
    near_duplicates: float
    """Share of the labels that say nearly the same as an earlier one."""
    topics: float
    """Share of the groups in the horizons that a label rests on."""
    clusters: float
    """Share of the clusters of those groups, by meaning, that a label rests on."""


def diversity(sentences: Sequence[str], vectors: Matrix, groups: Matrix, named: npt.NDArray[np.bool_]) -> Diversity:
    """Measure a set.

    Args:
        sentences: N labels.
        vectors: [N, D], unit vectors of theirs.
        groups: [G, D], unit vectors of the names of all groups in the horizons.
        named: [G], whether any label rests on a group.
    """
    words = [re.findall(r"\w+", sentence.lower()) for sentence in sentences]
    single = Counter(word for each in words for word in each)
    pairs = Counter(pair for each in words for pair in pairwise(each))
    return Diversity(
        labels=len(sentences),
        distinct_1=len(single) / max(1, single.total()),
        distinct_2=len(pairs) / max(1, pairs.total()),
        near_duplicates=float(np.mean(_repeats(vectors))) if len(vectors) else 0.0,
        topics=float(named.mean()) if len(named) else 0.0,
        clusters=_clusters_named(groups, named),
    )


def hard(distances: npt.NDArray[np.float64], threshold: float = _HARD) -> npt.NDArray[np.bool_]:
    """Which of N labels are hard positives: right, and yet farthest from the words of the data."""
    if not len(distances):
        return np.zeros(0, bool)
    return np.asarray(distances > np.quantile(distances, threshold))


def _repeats(vectors: Matrix) -> npt.NDArray[np.bool_]:
    cosines = np.tril(vectors @ vectors.T, k=-1)
    return np.asarray(cosines.max(axis=1) >= _SAME)


def _clusters_named(groups: Matrix, named: npt.NDArray[np.bool_]) -> float:
    if not len(groups):
        return 0.0
    cluster = KMeans(min(_CLUSTERS, len(groups)), n_init=3, random_state=0).fit_predict(groups)
    return len(set(cluster[named])) / len(set(cluster))


class LabelExample(BaseModel):
    """One label as a reader of the card can check it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: str
    sentence: str
    fate: str


class Agreement(BaseModel):
    """What people said about the labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reviewed: int
    accepted: int
    edited: int
    rejected: int
    twice: int
    """Labels that more than one person looked at."""
    agreed: float | None
    """Share of those that all of them accepted, or all of them did not; None where there are none."""


class LabelReport(BaseModel):
    """How a set of labels came about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    data: str
    note: str
    data_version: str
    as_of: date
    windows: tuple[date, ...]
    seed: int
    model: str
    prompts: dict[str, str]
    """Digest of the texts for each purpose."""
    sampling: str
    users: int
    """User-windows there were to choose from."""
    planned: int
    answered: int
    kept: int
    dropped: dict[str, int]
    grounded: dict[str, int]
    revised: int
    calls: int
    untold: int
    input_tokens: int
    output_tokens: int
    dollars: float | None
    states: dict[str, int]
    """Requests by state."""
    errors: dict[str, int]
    diversity: Diversity
    examples: tuple[LabelExample, ...]
    agreement: Agreement | None = None


def save(paths: Paths, labels: pl.DataFrame, report: LabelReport) -> None:
    """Write the set: a reader sees all of the old one or all of the new one of each file, the labels first.

    Raises:
        WorkspaceError: the disk is full or may not be written.
    """
    with atomic_file(paths.labels) as part:
        labels.select(LABEL_SCHEMA.names()).cast(dict(LABEL_SCHEMA)).write_parquet(part)  # type: ignore[arg-type]
    with atomic_file(paths.report) as part:
        part.write_text(report.model_dump_json(indent=1) + "\n", "utf-8")
    with atomic_file(paths.card) as part:
        part.write_text(card(report, labels), "utf-8")


def load(paths: Paths) -> tuple[pl.DataFrame, LabelReport]:
    """The set as it was saved.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    try:
        report = LabelReport.model_validate_json(paths.report.read_text("utf-8"))
        return pl.read_parquet(paths.labels), report
    except FileNotFoundError:
        raise DataError(
            f"There are no labels '{paths.name}' in {paths.folder.parent}; "
            f"write them with 'audience label {paths.name}'."
        ) from None
    except (OSError, ValidationError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{paths.folder} cannot be read ({type(error).__name__}); write the labels again.") from error


def card(report: LabelReport, labels: pl.DataFrame) -> str:
    """The data card."""
    texts = _texts()
    found = report.diversity
    styles = labels.group_by("style", "language").len().sort("style", "language")
    return (
        fill(
            "labelling/card",
            title=report.name,
            data=report.data,
            note=report.note,
            data_version=report.data_version,
            as_of=report.as_of,
            windows=", ".join(map(str, report.windows)),
            sampling=report.sampling,
            users=f"{report.users:,}",
            seed=report.seed,
            model=report.model,
            prompts=", ".join(f"{purpose} {digest}" for purpose, digest in report.prompts.items()) or texts["none"],
            planned=f"{report.planned:,}",
            answered=f"{report.answered:,}",
            kept=f"{report.kept:,}",
            share=f"{report.kept / max(1, report.answered):.0%}",
            states=_listed(report.states),
            errors=_listed(report.errors),
            revised=report.revised,
            calls=f"{report.calls:,}",
            untold=report.untold,
            read=f"{report.input_tokens:,}",
            written=f"{report.output_tokens:,}",
            dollars=texts["no_prices"] if report.dollars is None else f"${report.dollars:,.4f}",
            dropped=_rows(report.dropped, report.answered),
            grounded=_rows(report.grounded, report.kept),
            styles="\n".join(f"| {style} | {language} | {count} |" for style, language, count in styles.iter_rows()),
            distinct_1=f"{found.distinct_1:.3f}",
            distinct_2=f"{found.distinct_2:.3f}",
            repeated=f"{found.near_duplicates:.0%}",
            topics=f"{found.topics:.0%}",
            clusters=f"{found.clusters:.0%}",
            agreement=_agreement(report.agreement),
            examples="\n".join(
                f"| {_plain(each.lines)} | {_plain(each.sentence)} | {_plain(each.fate)} |" for each in report.examples
            ),
        )
        + "\n"
    )


def _texts() -> dict[str, str]:
    return table("labelling/words")


def _rows(counts: dict[str, int], of: int) -> str:
    texts = _texts()
    rows = [f"| {name} | {count} | {count / max(1, of):.1%} |" for name, count in counts.items()]
    return "\n".join(rows) or f"| {texts['none']} | 0 | |"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or str(_texts()["none"])


def _agreement(found: Agreement | None) -> str:
    texts = _texts()
    if found is None:
        return str(texts["no_review"])
    agreed = (
        texts["alone"]
        if found.agreed is None
        else Template(texts["agreed"]).substitute(share=f"{found.agreed:.0%}", twice=found.twice)
    )
    return Template(texts["reviewed"]).substitute(
        reviewed=found.reviewed,
        accepted=found.accepted,
        edited=found.edited,
        rejected=found.rejected,
        agreed=agreed,
    )


def _plain(text: str) -> str:
    """A text of the data as one cell of a table."""
    return " ".join(text.replace("|", "/").split())


def as_table(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Rows as labels are kept."""
    return pl.DataFrame(list(rows), schema=LABEL_SCHEMA)
