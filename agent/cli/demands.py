"""One demand or a file of them: score, size, embed, tune."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import AsOf, Json, open_workspace, opened_service, permitted, progress_bar, says, show
from encoders.errors import RequestError
from tools.audiences.seeds import COLUMN, read_seeds
from tools.types import SizeEstimate

if TYPE_CHECKING:
    from tools.effect_types import HoldoutPlan
    from tools.types import TunedSummary


# --- Figures of demands: score, size --------------------------------------------------------------


def score(
    demands: Annotated[Path, typer.Option(help='A file with one {"id": ..., "demand": ...} a line.')],
    out: Annotated[Path, typer.Option(help="The Parquet file to write: demand_id, user_id, score, probability.")],
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Score every user for every demand of a file; reads nothing that happened on or after the as-of date."""
    from encoders.score import score_file

    workspace, settings = open_workspace()
    with progress_bar() as progress:
        score_file(workspace, settings, as_of, demands, out, progress)
    show({"out": out}, as_json, lambda: f"Scores: {out}")


def size(
    demand: Annotated[
        str | None, typer.Argument(help="One sentence: who will do what, and in which time.", show_default=False)
    ] = None,
    cut: Annotated[float | None, typer.Option(min=0, max=1, help="Share of users to keep; else as is best.")] = None,
    like: Annotated[str, typer.Option(help="A demand kept by 'audience tune', instead of a sentence.")] = "",
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Do the operation ``size``."""
    spec = None if like else permitted(demand, cut)
    if like and demand is not None:
        raise RequestError("Give a sentence or --like, not both: the tuned demand has its own sentence.")
    with opened_service("Scoring the users", as_of) as service:
        estimate = service.size(spec or permitted(service.tuned(like).demand, cut, like))
        minimum = service.settings.minimum_size
    show(estimate, as_json, lambda: _size_in_words(estimate, minimum))


def _size_in_words(size: SizeEstimate, minimum: int) -> str:
    from tools.audiences.disclosure import number_text

    users, eligible = (number_text(each, minimum) for each in (size.users, size.eligible))
    lines = [size.sentence] if size.sentence else []
    lines += [f"{users} of {eligible} users, as of {size.as_of}, for the {size.horizon_days} days from then on"]
    expected, everyone = size.responders, size.all_responders
    if expected and everyone:
        lines += [
            f"about {expected.mid:,.0f} of them ({expected.low:,.0f} to {expected.high:,.0f}) are expected to do it, "
            f"of about {everyone.mid:,.0f} in all",
            f"{size.lift:.1f} times as many as in an audience picked at random",
        ]
    if size.reads_as:
        lines.append(f"read as: {', '.join(size.reads_as)}")
    return "\n".join([*lines, *(f"note: {warning}" for warning in size.warnings)])


# --- What a holdout would show, before it is kept: holdout ----------------------------------------


def holdout(
    demand: Annotated[str, typer.Argument(help="One sentence: who will do what, and in which time.")],
    share: Annotated[
        list[float] | None, typer.Option(min=0.001, max=0.5, help=f"May be repeated. {says('holdout_plan', 'shares')}")
    ] = None,
    cut: Annotated[float | None, typer.Option(min=0, max=1, help="Share of users to keep; else as is best.")] = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Do the operation ``holdout_plan``."""
    spec = permitted(demand, cut)
    with opened_service("Scoring the users", as_of) as service:
        found = service.holdout_plan(spec, share or ())
        minimum = service.settings.minimum_size
    show(found, as_json, lambda: _plan_in_words(found, minimum))


def _plan_in_words(found: "HoldoutPlan", minimum: int) -> str:
    if found.users is None or found.rate is None:
        return f"The audience has fewer than {minimum} users; nothing can be measured on so few."
    lines = [f"{found.users:,} users, of whom {found.rate.mid:.1%} are expected to do it without a campaign"]
    for each in found.options:
        seen = (
            "no effect will be seen"
            if each.detects is None
            else f"an effect of {100 * each.detects:.1f} points or more"
        )
        lines.append(f"with {each.share:.0%} held out ({each.held_out:,} users): {seen}")
    return "\n".join([*lines, "(seen in 4 of 5 campaigns, by the 95 % interval)"])


# --- A demand as other parties compare it: embed --------------------------------------------------


def embed(
    demand: Annotated[str, typer.Argument(help="One sentence: who will do what, and in which time.")],
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Turn a demand into a vector for other parties (IAB Agentic Audiences); --json gives the whole message."""
    spec = permitted(demand)
    from tools.interfaces.iab import demand_embedding

    with opened_service("Reading the sentence", as_of) as service:
        message = demand_embedding(service, spec.demand)
    model = message.model
    show(
        message,
        as_json,
        lambda: f"A vector of {model.dimension} numbers in the space {model.embedding_space_id}.",
    )


# --- Fitting a demand to users who are known: tune ------------------------------------------------


def tune(
    name: Annotated[str, typer.Argument(help="What to call it; 'audience size --like NAME' then uses it.")],
    demand: Annotated[str | None, typer.Option(help=says("tune", "demand"))] = None,
    seeds: Annotated[
        Path | None, typer.Option(help=f"A file of users: one id a line, or CSV with a column '{COLUMN}'.")
    ] = None,
    audience: Annotated[str | None, typer.Option(help=f"{says('saved', 'audience')} Its users are taken.")] = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Do the operation ``tune``."""
    if (seeds is None) == (audience is None):
        raise RequestError("Say which users to take: either --seeds FILE or --audience NAME.")
    if demand is not None:
        permitted(demand)
    users = read_seeds(seeds) if seeds else str(audience)
    with opened_service("Tuning", as_of) as service:
        tuned = service.tune(name, demand, users)
    show(tuned, as_json, lambda: _tuned_in_words(tuned))


def _tuned_in_words(tuned: "TunedSummary") -> str:
    lines = [
        f"'{tuned.name}', from {tuned.seeds or 0:,} users: {tuned.demand}",
        f"read as: {', '.join(tuned.reads_as) or 'nothing in the data'}",
        f"each of them, when left out, ranks above {tuned.auc_after:.0%} of the others "
        f"({tuned.auc_before:.0%} before tuning)",
    ]
    lines += [f"note: {warning}" for warning in tuned.warnings]
    return "\n".join([*lines, f"Next: audience size --like '{tuned.name}'"])
