"""Who changes because of us: the pooled effects of all campaigns with a holdout."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, Tenant, opened_service, permitted, show

if TYPE_CHECKING:
    from tools.effect_types import EffectGroup, UpliftAnswer, UpliftReport
    from tools.operation_types import Estimate


def uplift(
    audience: Annotated[
        str, typer.Argument(help="A saved audience, by name or id. Without it, what all campaigns say.")
    ] = "",
    demand: Annotated[str, typer.Option(help="One sentence instead of a saved audience.")] = "",
    value: Annotated[
        float | None, typer.Option(min=0, help="Of a responder; with --cost, for a cut by profit.")
    ] = None,
    cost: Annotated[float | None, typer.Option(min=0, help="Of contacting one user.")] = None,
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Do the operation ``uplift``."""
    from encoders.errors import RequestError
    from tools.access.callers import Caller, Scope

    if audience and demand:
        raise RequestError("Give a saved audience or --demand, not both.")
    asked = permitted(demand) if demand else audience or None
    with opened_service("Pooling the campaigns") as service:
        owner = Caller(name="owner", tenant=tenant, scopes=frozenset({Scope.ADMIN}))
        found = service.of(owner).uplift(asked, value, cost)
        minimum = service.settings.minimum_size
    show(found, as_json, lambda: _in_words(found, minimum))


def _in_words(found: "UpliftReport", minimum: int) -> str:
    lines = [f"{found.campaigns:,} campaigns with a holdout and an outcome."]
    lines += [f"- {_group(each)}" for each in found.groups]
    if found.answer:
        lines += _answer(found.answer, minimum)
    if found.cut:
        lines.append(
            f"By the profit because of us: the likeliest {found.cut.cut:.0%} ({found.cut.users or 0:,} users); "
            f"{_number(found.cut.incremental)} more responders, profit {_number(found.cut.profit)}."
        )
    for each in found.qini:
        by = "the pooled effect" if each.ranking == "effect" else "the forecast"
        lines.append(f"Qini of the order by {by}: {_points(each.area)} per 100 users.")
    return "\n".join([*lines, *(f"note: {note}" for note in found.notes)])


def _group(each: "EffectGroup") -> str:
    who = "did it before" if each.habitual else "new to it"
    return (
        f"{each.kind}, forecast {each.low:.0%} to {each.high:.0%}, {who}: {_points(each.effect)} points, "
        f"{each.campaigns} campaigns: {each.verdict}"
    )


def _answer(answer: "UpliftAnswer", minimum: int) -> list[str]:
    from tools.audiences.disclosure import number_text

    lines = [f"{answer.audience}, {number_text(answer.users, minimum)} users: {answer.verdict}."]
    if answer.effect and answer.anyway:
        lines.append(f"A campaign changes {_points(answer.effect)} percentage points of them.")
        lines.append(f"Of 100 responders, {_points(answer.anyway)} would have responded without us.")
    lines += [f"- {each.verdict}: {number_text(each.users, minimum)} users" for each in answer.parts]
    if answer.verdict == "unknown" and answer.more_campaigns:
        lines.append(f"About {answer.more_campaigns} more campaigns like this one would decide.")
    elif answer.verdict == "unknown" and answer.effect:
        lines.append("Not even 200 more campaigns like this one would decide.")
    return lines


def _points(found: "Estimate") -> str:
    low, mid, high = (f"{100 * each:.1f}" for each in (found.low, found.mid, found.high))
    return f"{mid} ({low} to {high})"


def _number(found: "Estimate") -> str:
    return f"{found.mid:,.0f} ({found.low:,.0f} to {found.high:,.0f})"
