"""The model card and its measured quality, as HTML."""

from html import escape

from agent.page.cards import Units, count, day, notice, percent
from agent.page.pieces import facts, table
from tools.audiences.quality import Measured, ModelFigures
from tools.operation_types import ForecastScore, LedgerPage

_KINDS = {"all": "All demands"}


def model_facts(card: ModelFigures, units: Units) -> str:
    """What the model was made from."""
    learned = f"{count(card.users)} {units.many}" if card.users else units.many
    windows = f", looking ahead from {len(card.windows)} earlier days" if card.windows else ""
    given = (
        ("Model", card.model_version),
        ("Learned from", f"what {learned} did before {day(card.as_of)}{windows}"),
        ("Forecasts", f"what they do in the {card.horizon_days} days from then on"),
        ("Sentences", f"built-in templates and {card.labels}" if card.labels else "built-in templates"),
        ("Text encoder", card.text_encoder),
        ("Data", f"{card.data_name}, version {card.data_version}; seed {card.seed}"),
    )
    told = facts((title, escape(text)) for title, text in given)
    return f"<section><h3>The model that answers</h3>{told}</section>"


def measured(card: ModelFigures, units: Units) -> str:
    """How good its forecasts were, by kind of demand."""
    head = "<h3>Measured when it was trained</h3>"
    if not card.measured:
        return f"<section>{head}{notice('Nothing was measured; train the model again.', 'alert')}</section>"
    told = f"On demands that its probabilities were not fitted to, by what {units.many} then did."
    heads = ("Kind of demand", "Demands", "Probability off by", "Number within a quarter", "80 % ranges that held")
    rows = table(heads, map(_row, card.measured), numbers={1, 2, 3, 4})
    return f'<section>{head}<p class="quiet">{escape(told)}</p>{rows}{_reads(card.measured[0])}</section>'


def _row(each: Measured) -> tuple[str, ...]:
    return (
        escape(_KINDS.get(each.kind, each.kind[:1].upper() + each.kind[1:])),
        "–" if each.demands is None else count(each.demands),
        *("–" if share is None else percent(share) for share in (each.error, each.close, each.coverage)),
    )


def _reads(whole: Measured) -> str:
    if whole.coverage is None or whole.close is None:
        return ""
    return (
        f'<p class="quiet">A range that should hold in 8 of 10 cases held in {percent(whole.coverage)}; of common '
        f"demands, {percent(whole.close)} had as many as expected, give or take a quarter.</p>"
    )


def kept_forecasts(page: LedgerPage) -> str:
    """How many forecasts of saved audiences held, by kind of demand."""
    head = "<h3>Held by saved audiences</h3>"
    whole, kinds = page.overall, [each for each in page.groups if each.by == "kind"]
    if not whole.counted:
        waiting = f"{count(whole.open)} are still open. " if whole.open else ""
        return (
            f"<section>{head}<p class='quiet'>No forecast of a saved audience can be judged yet. {waiting}"
            "<a href='/'>Ask for an audience</a> and save it; its forecast is judged once the data reaches past it.</p>"
            "</section>"
        )
    rows = table(("Kind of demand", "Judged", "Held", "Open"), map(_score, (whole, *kinds)), numbers={1, 2, 3})
    link = "<p class='quiet'><a href='/results'>Every forecast and what became of it</a></p>"
    return f"<section>{head}{rows}{link}</section>"


def _score(each: ForecastScore) -> tuple[str, ...]:
    told = "All demands" if each.by == "all" else each.value[:1].upper() + each.value[1:]
    held = f"{count(each.kept)} ({percent(each.kept / each.counted)})" if each.counted else "–"
    return escape(told), count(each.counted), held, count(each.open)
