"""Saving and exporting: first asked about, then done once the person has said yes.

LangGraph runs the approving node again from its start when a conversation resumes. The key of the pending action goes
to the registry with it, so one approval has one effect however often the node runs.
"""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from agent import replies
from agent.rules.wording import plain
from agent.state import Memory, Pending, Reply
from agent.steps import Step
from encoders.errors import AudienceError
from prompts.loader import reply
from tools.types import DataCard, SavedAudience

if TYPE_CHECKING:
    from tools.service import AudienceService

Outcome = tuple[Memory, Reply]


def ask_save(service: "AudienceService", card: DataCard, step: Step, memory: Memory, talking: str) -> Outcome:
    """Ask whether to save the audience as it stands."""
    assert memory.now is not None
    name, spec = plain(step.name or "") or replies.default_name(memory.now), memory.now.draft.spec
    users = replies.count(service.size(spec).users)
    text = reply("ask_save", name=name, sentence=plain(spec.demand, 300), users=users, unit_plural=card.unit_plural)
    return _wait(service, memory, Pending(action="save", text=text, key=uuid4().hex, arguments={"name": name}), talking)


def ask_export(service: "AudienceService", card: DataCard, step: Step, memory: Memory, talking: str) -> Outcome:
    """Ask whether to write a file of a saved audience, or of the one on the page, which is saved first."""
    form, wanted, now = step.format or "csv", next(iter(step.audience or ()), ""), memory.now
    chosen = _saved(service, wanted) if wanted else now.draft.saved if now else None
    if chosen is None and (wanted or now is None):
        near = get_close_matches(wanted, [each.name for each in service.list_audiences()], n=3, cutoff=0.0)
        text = reply("no_audience", name=plain(wanted), names=", ".join(map(plain, near)) or "none yet")
        return memory, _with_draft(service, memory, Reply(text=text, talking=talking))
    if chosen:
        name, users = chosen.name, chosen.users
    else:
        assert now is not None
        name, users = replies.default_name(now), service.size(now.draft.spec).users
    text = reply(
        "ask_export" if chosen else "ask_save_export",
        format=form.upper() if form == "csv" else form.capitalize(),
        name=plain(name),
        users=replies.count(users),
        unit_plural=card.unit_plural,
    )
    arguments = {"name": name, "format": form, "audience": chosen.id if chosen else ""}
    return _wait(service, memory, Pending(action="export", text=text, key=uuid4().hex, arguments=arguments), talking)


def carry_out(service: "AudienceService", card: DataCard, memory: Memory, approved_by: str, talking: str) -> Outcome:
    """Do what was approved.

    Raises:
        AudienceError: it cannot be done; nothing was saved or written then.
    """
    assert memory.pending is not None
    pending, now = memory.pending, memory.now
    memory = memory.model_copy(update={"pending": None})
    audience, saved = pending.arguments.get("audience", ""), None
    if not audience:
        assert now is not None
        saved = service.save(now.draft.spec, pending.arguments["name"], approved_by, pending.key)
        audience = saved.id
        now = now.model_copy(update={"draft": now.draft.model_copy(update={"saved": saved})})
        memory = memory.model_copy(update={"now": now})
    shown = Reply(text=_saved_text(saved, card) if saved else "", talking=talking)
    if pending.action == "export":
        shown = _exported(service, card, pending, audience, shown)
    shown = _with_draft(service, memory, shown)
    if memory.now and shown.size:
        options = replies.next_options(memory.now, shown.size, bool(memory.before))
        shown = shown.model_copy(update={"options": options})
    return memory, shown


def _exported(service: "AudienceService", card: DataCard, pending: Pending, audience: str, shown: Reply) -> Reply:
    """Write the file; when that fails, what was saved before it stays saved, and the reply says both."""
    form: Literal["csv", "parquet"] = "parquet" if pending.arguments["format"] == "parquet" else "csv"
    try:
        written = service.export(audience, form, f"{pending.key}-file")
    except AudienceError as error:
        return shown.model_copy(update={"text": f"{shown.text}\n\n{error}".strip()})
    text = reply(
        "exported",
        rows=replies.count(written.rows),
        held_out=replies.count(written.held_out),
        name=plain(pending.arguments["name"]),
        unit_plural=card.unit_plural,
    )
    return shown.model_copy(update={"text": f"{shown.text}\n\n{text}".strip(), "file": written})


def _wait(service: "AudienceService", memory: Memory, pending: Pending, talking: str) -> Outcome:
    memory = memory.model_copy(update={"pending": pending})
    shown = Reply(text=pending.text, options=(replies.YES, replies.NO), pending=pending, talking=talking)
    return memory, _with_draft(service, memory, shown)


def _with_draft(service: "AudienceService", memory: Memory, shown: Reply) -> Reply:
    """The reply with the audience as it stands beside it."""
    if memory.now is None:
        return shown
    draft = memory.now.draft
    return shown.model_copy(update={"draft": draft, "size": service.size(draft.spec)})


def _saved(service: "AudienceService", name: str) -> SavedAudience | None:
    """The latest version of the saved audience of that name or id."""
    found = [each for each in service.list_audiences() if name.lower() in (each.name.lower(), each.id.lower())]
    return max(found, key=lambda each: each.version, default=None)


def _saved_text(saved: SavedAudience, card: DataCard) -> str:
    return reply(
        "saved",
        name=plain(saved.name),
        version=saved.version,
        users=replies.count(saved.users),
        holdout=replies.count(saved.holdout),
        unit_plural=card.unit_plural,
    )
