"""What a language model is told before it looks: first what is the same in every call, then the turn.

The instructions and the description of the data stand first and do not change while the program runs, so that servers
which keep the beginning of a prompt read it once.
"""

import json
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import SystemMessage

from agent.context import Context
from agent.replies import counted
from agent.thinking.toolbox import sized
from encoders.language.spans import LONGEST_HORIZON
from prompts.loader import fill
from tools.types import DataCard, FieldCard

if TYPE_CHECKING:
    from tools.service import AudienceService

_SEASONS = ("winter", "spring", "summer", "autumn")
_MOST_VALUES = 24
_MOST_SAVED = 20
_NEAR = 5
_READ = {
    "intent",
    "wants",
    "join",
    "excluded",
    "filters",
    "behaviours",
    "life_cycle",
    "memberships",
    "ahead_days",
    "users",
}
"""What of the rules' reading a model is told; the rest stands in the message."""


def instructions(card: DataCard) -> str:
    """What every call begins with: how to work, and what the data has."""
    return f"{fill('agent', unit_plural=card.unit_plural)}\n\n{_data(card)}"


def cached(told: str, model: BaseChatModel) -> SystemMessage:
    """The instructions as the first message; for a model of Anthropic marked as the part that its server shall keep.

    Servers of OpenAI's kind keep the beginning of a prompt by themselves and are told nothing.
    """
    if "anthropic" not in model._llm_type:
        return SystemMessage(told)
    return SystemMessage([{"type": "text", "text": told, "cache_control": {"type": "ephemeral"}}])


def brief(context: Context, card: DataCard, service: "AudienceService") -> str:
    """The turn as JSON in a fence it cannot close, whatever an item or a person says; nothing empty, nothing twice."""
    draft = context.draft
    now = sized(draft.spec, service.size(draft.spec), card) if draft and draft.spec else draft and draft.sentence
    turn: dict[str, Any] = {
        "text": context.text,
        "request": context.request if context.request != context.text else "",
        "answers": {each.question.question: each.text for each in context.answers},
        "open_question": context.question.model_dump(include={"question", "options"}) if context.question else None,
        "questions_left": context.questions_left,
        "present_audience": now,
        "conversation": context.conversation,
        "saved_audiences": context.saved_audiences[:_MOST_SAVED],
        "rules_understood": _understood(context),
    }
    kept = {name: value for name, value in turn.items() if value not in (None, "", (), {}, [])}
    return fill("turn", turn=json.dumps(kept, ensure_ascii=False).replace("`", "\\u0060"))


def _understood(context: Context) -> dict[str, Any]:
    """What the rules read in the message, and the groups that they found near its words."""
    read = context.parsed.model_dump(exclude_defaults=True, include=_READ)
    near = {each.words: [hit.group for hit in each.hits[:_NEAR]] for each in context.searches if each.hits}
    whole = [each.group for each in context.whole.groups] if context.whole else []
    return read | ({"near": near} if near else {}) | ({"whole": whole} if whole else {})


def _data(card: DataCard) -> str:
    day = card.as_of
    season = _SEASONS[day.month % 12 // 3]
    lines = [
        f"The data: {card.title}",
        f"Today counts as {day:%A}, {day.day} {day:%B %Y} ({season} in the north). Nothing later is known.",
        f"Horizons: 1 to {LONGEST_HORIZON} days ahead, {card.horizon_days} where nobody says; no longer ones.",
        f"Population: {card.population:,} {card.unit_plural}; fewer than {card.minimum_size} are not shown.",
        "Sources: " + "; ".join(f"{each.source} ({', '.join(each.actions)})" for each in card.sources),
        "Fields:",
        *(f"- {_field(each, card)}" for each in card.fields),
    ]
    return "\n".join(lines)


def _field(field: FieldCard, card: DataCard) -> str:
    values = " | ".join(each.value for each in field.values[:_MOST_VALUES])
    return f"{field.field} = {values} (unknown: {counted(field.unknown, card)})"
