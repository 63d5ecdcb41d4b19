"""Tokens, webhooks, destinations and how long things are kept, as HTML with buttons."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from agent.page.cards import count, day
from agent.page.pieces import button, done, table
from agent.page.settings.variables import told, variable
from encoders.settings import Settings
from tools.access.callers import Scope, TokenCard
from tools.delivery.posting import PostResult
from tools.operation_types import Delivery, DestinationCard, Subscription
from tools.workers import RetentionRule

SCOPES = {
    Scope.READ: "the data and what is saved",
    Scope.SIZE: "counts, curves and profiles",
    Scope.PREVIEW: "single users, masked",
    Scope.ACTIVATE: "save, export, delete",
    Scope.ADMIN: "everything, this page too",
}
"""What each scope opens, in a few words."""
_KINDS = {"file": "A file to upload", "webhook": "Signed batches", "plugin": "A plugin", "table": "A table"}


def asking(question: str, yes: str, act: str, of: str, key: str) -> str:
    """A question before something that cannot be undone, with the buttons of both answers."""
    does = button(yes, act, of, f"yes {of}", kind="danger")
    return f"<p>{escape(question)}</p>{does}{button('Keep it', 'keep', of, key)}"


# --- Tokens ---------------------------------------------------------------------------------------


def tokens(cards: Sequence[TokenCard], needed: bool, asked: str = "") -> str:
    """Every token; ``asked`` is the one whose end waits for a yes."""
    if not cards:
        gone = (
            "The file of the tokens is gone; agents still need one."
            if needed
            else ("Nobody else comes in yet. From the first token on, agents on this machine need one too, for good.")
        )
        return f"<section><h3>Tokens</h3><p class='quiet'>{gone}</p></section>"
    ordered = sorted(cards, key=lambda each: each.state != "valid")
    heads = ("Who uses it", "State", "What it opens", "Calls a minute", "")
    rows = table(heads, (_token(each, each.caller.name == asked) for each in ordered), numbers={3})
    return f"<section><h3>Tokens</h3>{rows}</section>"


def _token(card: TokenCard, asked: bool) -> tuple[str, ...]:
    caller, key, acts = card.caller, f"revoke {card.caller.name}", ""
    if card.state == "valid" and asked:
        question = (
            f"Revoke “{caller.name}”? Whoever uses it is refused from the next call on. This cannot be undone, and the "
            "name cannot be used again."
        )
        acts = asking(question, "Revoke", "revoke", caller.name, key)
    elif card.state == "valid":
        acts = button("Revoke", "ask", caller.name, key, f"Revoke {caller.name}")
    tenant = f"<small>tenant {escape(caller.tenant)}</small>" if caller.tenant else ""
    limit = "any" if caller.per_minute is None else count(caller.per_minute)
    scopes = ", ".join(each for each in Scope if each in caller.scopes)
    made = f"<small>made {day(card.created)}</small>"
    return f"{escape(caller.name)}{made}", _state(card), f"{scopes}{tenant}", limit, f'<div class="acts">{acts}</div>'


def _state(card: TokenCard) -> str:
    when = ""
    if card.revoked:
        when = f"<small>on {day(card.revoked)}</small>"
    elif card.expires:
        when = f"<small>{'until' if card.state == 'valid' else 'since'} {day(card.expires)}</small>"
    return f'<span class="state {card.state}">{card.state}</span>{when}'


def made(what: str, field: str) -> str:
    """What stands over a secret that was just made, with the button that copies it from the field of that id."""
    copy = f'<button type="button" data-copy="{field}">Copy it</button>'
    return done(f"{what} Copy the secret below now: it is shown this once, and nothing can show it again.", copy)


# --- Webhooks -------------------------------------------------------------------------------------


def webhooks(found: Sequence[Subscription], sent: Sequence[Delivery], asked: str = "") -> str:
    """Every webhook, with the latest message to it; ``asked`` is the one whose end waits for a yes."""
    if not found:
        return (
            "<section><h3>Webhooks</h3><p class='quiet'>Nobody is told yet. Add an address, and it hears when an "
            "audience is ready, was refreshed or drifts.</p></section>"
        )
    latest = {each.webhook: each for each in reversed(sent)}
    waiting = {each.id: sum(one.webhook == each.id and one.state == "waiting" for one in sent) for each in found}
    rows = (_webhook(each, latest.get(each.id), waiting[each.id], each.id == asked) for each in found)
    heads = ("Address", "Told of", "Latest message", "")
    return f"<section><h3>Webhooks</h3>{table(heads, rows)}</section>"


def _webhook(each: Subscription, last: Delivery | None, waiting: int, asked: bool) -> tuple[str, ...]:
    key = f"remove {each.id}"
    if asked:
        many = "1 message that waits for it is" if waiting == 1 else f"{count(waiting)} messages that wait for it are"
        lost = f" {many} given up." if waiting else ""
        question = f"Remove {each.url}? It is told nothing more.{lost} Adding it again makes a new secret."
        acts = asking(question, "Remove", "remove", each.id, key)
    else:
        acts = button("Test", "test", each.id, name=f"Test {each.url}")
        acts += button("Remove", "ask", each.id, key, f"Remove {each.url}")
    off = f'<small class="off">off: {escape(each.disabled)}</small>' if each.disabled else ""
    events = ", ".join(event.partition(".")[2] for event in each.events)
    return (
        f"{escape(each.url)}<small>since {day(each.created)}</small>{off}", escape(events), _latest(last),
        f'<div class="acts">{acts}</div>',
    )  # fmt: skip


def _latest(last: Delivery | None) -> str:
    if last is None:
        return "none yet"
    tries = "1 try" if last.tries == 1 else f"{count(last.tries)} tries"
    answer = f", {escape(last.answer)}" if last.answer else ""
    return f"{last.state}<small>{_moment(last.created)}, {tries}{answer}</small>"


def _moment(time: datetime) -> str:
    return f"{day(time)}, {time:%H:%M}"


def tested(url: str, answer: PostResult) -> tuple[str, bool]:
    """What came of a test message, and whether it was taken."""
    if answer.taken:
        return f"{url} took the test message: it {answer.words}.", True
    return f"{url} did not take the test message: {answer.words}.", False


# --- Destinations, and how long things are kept ---------------------------------------------------


def destinations(found: Sequence[DestinationCard], asked: str = "") -> str:
    """Where audiences can go; ``asked`` is the one whose end waits for a yes."""
    own = [each for each in found if each.kind in ("webhook", "table")]
    rows = (_destination(each, each.key == asked) for each in (*own, *(each for each in found if each not in own)))
    lead = "" if own else "<p class='quiet'>None of your own yet: files for these can be written.</p>"
    return f"<section><h3>Destinations</h3>{lead}{table(('Name', 'What it gets', 'Where', ''), rows)}</section>"


def _destination(each: DestinationCard, asked: bool) -> tuple[str, ...]:
    key, acts = f"remove {each.key}", ""
    if each.kind in ("webhook", "table") and asked:
        stays = "The rows in the table stay there." if each.kind == "table" else "Adding it again makes a new secret."
        acts = asking(f"Remove “{each.name}”? Nothing can be exported there any more. {stays}", "Remove", "remove",
                      each.key, key)  # fmt: skip
    elif each.kind in ("webhook", "table"):
        acts = button("Remove", "ask", each.key, key, f"Remove {each.name}")
    problem = f'<small class="off">{escape(each.problem)}</small>' if each.problem else ""
    where = each.url or each.table or "–"
    return f"{escape(each.name)}{problem}", _KINDS[each.kind], escape(where), f'<div class="acts">{acts}</div>'


def retention(rules: Sequence[RetentionRule], settings: Settings) -> str:
    """What is kept how long."""
    rows = ((escape(each.things), _kept(each), _since(each, settings)) for each in rules)
    return (
        "<section><h3>How long things are kept</h3><p class='quiet'>What is over is deleted when the program starts, "
        f"and once a day.</p>{table(('What', 'Kept for', 'Counted from'), rows)}</section>"
    )


def _kept(rule: RetentionRule) -> str:
    if rule.days is None:
        return "good, until somebody deletes them"
    return "1 day" if rule.days == 1 else f"{count(rule.days)} days"


def _since(rule: RetentionRule, settings: Settings) -> str:
    field = rule.set_by.removeprefix("AUDIENCE_").lower()
    set_by = told(variable(settings, field)) if field else ""
    return f"{escape(rule.since) or '–'}{set_by}"
