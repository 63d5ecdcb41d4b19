"""Reads one message, once: its intent by what was learned, orders by their form, everything else by syntax."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import ValidationError

from agent.reading.commands import held_back
from agent.reading.grounding import ahead, back, duration
from agent.reading.intents import CHANGES, Guess, Intent, Stage, Wish, intent_classifier, without_refused
from agent.reading.message import Newness, ParsedMessage, take_past
from agent.reading.orders import (
    approves,
    asked_about,
    asks,
    intent_of,
    leaves_all,
    misplaced,
    number_in,
    order_of,
    picked,
    read_order,
    refused_alone,
    refuses_all,
    skips,
    without_correction,
    without_swapped,
)
from agent.reading.wording import code_of, into_english, is_read, language, noun_phrases
from agent.steps import ALL, DECIDE, Step
from encoders.text.words import stems
from prompts.loader import table
from tools.operation_types import Goal
from tools.sentences.attributes import fields_of, take_people
from tools.sentences.past import IT
from tools.sentences.sentence import take_unknown
from tools.sentences.spans import ahead_in
from tools.types import ANYTHING, Behaviour, DataCard

_NAMING: frozenset[Intent] = frozenset({"demand", "add", "replace", "exclude", "segments", "past"})
"""Intents whose messages name things; the words of others are no wants."""

_MARKS = str.maketrans({"，": ", ", "、": ", ", "。": ". ", "；": "; ", "：": ": ", "？": "?", "！": "!"})

_SEAM = re.compile(r"(?:\s*,\s+){2,}")
"""What clauses leave behind that were taken out."""

_SHORT = 3
"""Words of a message that can be nothing but the order it reads like."""

_CLAUSES = 3
"""Clauses of one message that leave something out."""

_SURE = 0.6
"""From here on, what was learned is believed against an order's form."""

_FAINT = 0.3
"""Below it, what was learned says nothing."""


def parse(
    text: str,
    card: DataCard,
    stage: Stage,
    options: Sequence[str] = (),
    saved: Sequence[str] = (),
    tongue: str = "",
    named: Sequence[str] = (),
    standing: bool | None = None,
) -> ParsedMessage:
    """Read ``text``.

    Args:
        text: one message, as it was typed.
        card: the data: its attributes with their values, its sources, its as-of date.
        stage: how the talk stands.
        options: what the open question offers.
        saved: names of the saved audiences.
        tongue: code of the language of the talk so far, for messages that do not tell theirs.
        named: what the demand on the page names, so that "tea instead of coffee" is told from "tea and coffee".
        standing: whether an audience is on the page, which a question may be about; None: as the stage says.
    """
    text, corrected = without_correction(text)
    if stage == "question" and not corrected:
        text, corrected = without_swapped(text)
    spoken, english = _in_english(text, tongue)
    rewritten = spoken != "English" and language(english) == "English"
    guess = intent_classifier().guess(english if rewritten else text, stage, options)
    fresh = stage == "fresh"
    parsed = clauses_of(english, card, spoken, saved, alone=fresh, request=fresh or guess.intent == "demand")
    choice = picked(english, options) if stage == "question" else None
    standing = stage == "draft" if standing is None else standing
    ordered = order = read_order(english, standing, saved)
    # "Broader" without an audience is an order all the same, and is answered by saying that there is none.
    if order is not None and not standing and len(english.split()) <= _SHORT:
        guess = guess._replace(intent=intent_of(order))
    if choice is not None and refused_alone(english) is not None and not parsed.limited:
        parsed = parsed.model_copy(update={"excluded": ()})
        guess = guess._replace(intent="choose", probability=1.0)
    guess = _in_the_light(guess, parsed, english, stage, ordered=order is not None)
    guess = _beside_or_instead(guess, parsed, english, stage, corrected, order is not None or choice is not None)
    intent = _intent(guess, order is not None and intent_of(order), choice is not None)
    if order is None or intent_of(order) != intent:
        order = order_of(intent, english, saved, standing)
    told = _told_by_form(english, stage, standing, options)
    intent, order = told or (intent, order)
    if not (told or ordered or choice) and _answers_nothing(guess, parsed, english, stage):
        intent, order = "chatter", Step(action="answer", topic="unanswered")
    updates: dict[str, object] = {
        "text": english,
        "intent": intent,
        "probability": guess.probability if guess.intent == intent else 1.0,
        "order": order,
        "picked": choice,
        "holdout": order.holdout if order and order.action == "hold_back" else parsed.holdout,
        "count": number_in(english) if intent == "segments" else None,
        "skipped": stage == "question" and (skips(english) or _refuses_another(english, options, choice)),
    }
    return _fitting(parsed.model_copy(update=updates), english, spoken, named)


def _in_english(text: str, tongue: str) -> tuple[str, str]:
    """The language of a message, or else of the talk so far, and its orders, times and people in English."""
    spoken = language(text)
    if tongue and not code_of(spoken):
        spoken = str(table(f"languages/{tongue}")["name"])
    return spoken, into_english(text, code_of(spoken) or tongue).translate(_MARKS)


def _in_the_light(guess: Guess, parsed: ParsedMessage, text: str, stage: Stage, ordered: bool) -> Guess:
    """The intent as the message's own clauses tell it, where they tell more than what was learned."""
    if stage == "draft" and guess.intent == "demand" and not parsed.wants and (parsed.past or parsed.filters):
        return guess._replace(intent="past" if parsed.past else "people")
    if guess.intent == "restart" and not ordered and (parsed.limits or guess.probability < _SURE):
        # What would be lost by starting over is not given up on a guess.
        return guess._replace(intent="people" if parsed.limits else guess.second)
    if guess.intent == "holdout" and stage == "fresh" and parsed.wants:  # "coffee drinkers, keep 10 % back"
        return guess._replace(intent="demand")
    if stage == "draft" and parsed.newness and guess.intent in ("courtesy", "chatter") and guess.probability < _SURE:
        return guess._replace(intent="people")  # "anyone"
    if guess.intent == "past" and stage != "fresh" and parsed.past and _leaves_out(text):
        return guess._replace(intent="exclude")
    if guess.intent == "none_of_these" and (parsed.excluded or parsed.behaviours) and not refuses_all(text):
        return guess._replace(intent="exclude")
    return guess


def _leaves_out(text: str) -> bool:
    return re.search(table("commands")["clauses"]["leaves"], text, re.IGNORECASE) is not None


def _refuses_another(text: str, options: Sequence[str], choice: tuple[str, ...] | None) -> bool:
    """Whether an answer leaves out something that is not offered, and so leaves the choice open."""
    return refused_alone(text) is not None and len(choice or ()) == len(set(options) - {ALL, DECIDE})


def _beside_or_instead(
    guess: Guess, parsed: ParsedMessage, text: str, stage: Stage, corrected: bool, told: bool
) -> Guess:
    """The intent of a message that says, by its first words, that its things come beside others or in their place."""
    if told or not parsed.wants:
        return guess
    if stage == "question" and not corrected and re.search(table("commands")["clauses"]["add"], text, re.IGNORECASE):
        return guess._replace(intent="add", probability=1.0)
    if corrected and stage != "fresh":
        return guess._replace(intent="choose" if stage == "question" else "replace", probability=1.0)
    return guess


def _answers_nothing(guess: Guess, parsed: ParsedMessage, text: str, stage: Stage) -> bool:
    """Whether a message asks something that names nothing of an audience: it changes none on a guess."""
    unsure = guess.probability < (_SURE if guess.intent in _NAMING | CHANGES else _FAINT)
    named = parsed.wants or parsed.filters or parsed.life_cycle or parsed.memberships or parsed.excluded
    figures = parsed.users or parsed.percent or parsed.ahead_days or parsed.goal or parsed.newness
    return stage != "fresh" and unsure and not (named or figures) and asks(text)


def _told_by_form(text: str, stage: Stage, standing: bool, options: Sequence[str]) -> tuple[Intent, Step] | None:
    """What the form of a message tells whatever was learned: a question about people, a yes, an answer to nothing."""
    if topic := asked_about(text):
        return "about_data", Step(action="answer", topic=topic)
    if stage == "question" and misplaced(text, options):
        return "choose", Step(action="answer", topic="places")
    if stage == "question":
        return ("courtesy", Step(action="answer", topic="hello")) if approves(text) else None
    if standing and approves(text):
        return "courtesy", Step(action="answer", topic="approval")
    if refuses_all(text):
        return "none_of_these", Step(action="answer", topic="none")
    if leaves_all(text):
        return ("chatter", Step(action="answer", topic="decide")) if standing else ("segments", Step(action="segments"))
    return None


def _intent(guess: Guess, ordered: Intent | Literal[False], chosen: bool) -> Intent:
    """An order by its form, unless what was learned is sure of something else; a choice where options are named."""
    if ordered and (guess.probability < _SURE or guess.intent == ordered or not _doubted(ordered)):
        return ordered
    sure_order = guess.probability >= _SURE and guess.intent not in _NAMING | CHANGES
    if chosen and guess.intent not in ("difference", "none_of_these") and not sure_order:
        return "choose"
    return guess.intent


def _doubted(ordered: Intent) -> bool:
    """Orders whose first words begin other messages too ("keep the women", "widen it to tea", "new audience: tea")."""
    return ordered not in ("people", "explain", "like", "combine", "holdout")


def clauses_of(
    text: str, card: DataCard, spoken: str, saved: Sequence[str] = (), alone: bool = True, request: bool = False
) -> ParsedMessage:
    """Everything that syntax tells, whatever the intent.

    ``alone``: nothing stands that it could be a condition of; ``request``: it asks for an audience of its own, so that
    its clauses may refuse something.
    """
    clauses = table("commands")["clauses"]
    held, text = held_back(text)
    wish = bool(re.search(table("words")["wish"], text, re.IGNORECASE))
    text = re.sub(clauses["won_back"], " ", text, flags=re.IGNORECASE)
    goal, text = _goal(text)
    before = text
    percent, text = _amount(clauses["percent"], text)
    users, text = _amount(clauses["users"], text)
    past = take_past(text, card, saved)
    unknown, text = take_unknown(past.rest, card)
    people, text = take_people(text, fields_of(card))
    newness, text = _newness(text)
    excluded, not_lately, text = _left_out(text, spoken)
    not_lately = tuple(_about_the_same(each, past.behaviours) for each in not_lately)
    days, text = _ahead(text, card)
    text, refused = without_refused(text) if request and is_read(spoken) else Wish(text, ())
    wants = noun_phrases(text, spoken)
    behaviours = (*past.behaviours, *not_lately)
    if alone and newness is None and not wants and _never_before(behaviours):
        newness, wants, behaviours = "first time", (behaviours[0].what,), ()
    join: Literal["any", "all"] = "all" if re.search(clauses["joint"], before, re.IGNORECASE) else "any"
    return ParsedMessage(
        language=spoken,
        wants=wants,
        rest=_SEAM.sub(", ", text).strip(" ,"),
        join=join,
        excluded=excluded,
        refused=refused,
        behaviours=tuple(dict.fromkeys(behaviours)),
        life_cycle=past.life_cycle,
        memberships=past.memberships,
        filters=(*unknown, *people.filters),
        people=(*(f"{each.field} {each.op}" for each in unknown), *people.words),
        missing=people.missing,
        ahead_days=days,
        newness=newness,
        users=None if users is None else int(users),
        percent=percent,
        goal=goal,
        holdout=held,
        wish=wish,
    )


def _newness(text: str) -> tuple[Newness | None, str]:
    """Whether people who did it before are meant too, where a text says so, and the text without that."""
    clauses = table("commands")["clauses"]
    if re.search(clauses["first"], text, re.IGNORECASE):
        return "first time", re.sub(clauses["first"], " , ", text, flags=re.IGNORECASE)
    if re.search(clauses["everyone"], text, re.IGNORECASE):
        return "everyone", re.sub(clauses["everyone"], " , ", text, flags=re.IGNORECASE)
    return None, text


def _left_out(text: str, spoken: str) -> tuple[tuple[str, ...], tuple[Behaviour, ...], str]:
    """What the people must not have done: things for ever, conditions with a time, and the text without them."""
    clauses = table("commands")["clauses"]
    excluded: list[str] = []
    past: list[Behaviour] = []
    for _ in range(_CLAUSES):
        match = re.search(clauses["without"], text, re.IGNORECASE)
        if match is None:
            break
        days, what = back(match["what"])
        things = noun_phrases(re.sub(clauses["unsaid"], " ", what, flags=re.IGNORECASE), spoken)
        if things and days is None:
            excluded += things
        else:
            past += [Behaviour(did=False, what=thing, days=days) for thing in things or (IT,)]
        text = f"{text[: match.start()]} , {text[match.end() :]}"
    return tuple(dict.fromkeys(excluded)), tuple(dict.fromkeys(past)), text


def _about_the_same(condition: Behaviour, done: Sequence[Behaviour]) -> Behaviour:
    """'... but not in the last 3 months' is about the thing of the condition before it."""
    same = next((each.what for each in done if each.did and each.what != IT), IT)
    return condition.model_copy(update={"what": same}) if condition.what == IT else condition


def _never_before(behaviours: Sequence[Behaviour]) -> bool:
    """Whether all that is said is that something was never done: then it is wanted for the first time."""
    one = behaviours[0] if len(behaviours) == 1 else None
    return one is not None and not one.did and one.days is None and one.what not in (IT, ANYTHING) and not one.source


def _ahead(text: str, card: DataCard) -> tuple[int | None, str]:
    """The days ahead that a text names, in a number or by the calendar, and the text without them."""
    days, rest = ahead(text)
    named = ahead_in(text, card.as_of) if days is None else None
    return (named.days, f"{text[: named.start]} , {text[named.end :]}") if named else (days, rest)


def _fitting(parsed: ParsedMessage, text: str, spoken: str, named: Sequence[str]) -> ParsedMessage:
    """The same with what its intent says of its words: those of a question name nothing that is wanted."""
    intent, wants = parsed.intent, parsed.wants
    updates: dict[str, object] = {}
    if intent == "replace":
        wants = _instead(parsed, text, spoken, named)
        updates = {"excluded": (), "behaviours": ()}
    elif intent == "exclude" and not parsed.excluded and not parsed.past and not parsed.filters:
        updates, wants = {"excluded": wants}, ()
    elif intent == "exclude":
        # "leave out people who bought tea": the act is what they must not have done.
        plainly = tuple(each.what for each in parsed.behaviours if _plainly(each))
        kept = tuple(_undone(each) for each in parsed.behaviours if not _plainly(each))
        out = tuple(each.model_copy(update={"holds": False}) for each in parsed.life_cycle)
        updates = {"behaviours": kept, "life_cycle": out, "excluded": (*parsed.excluded, *plainly)}
        wants = ()
    elif intent == "past":
        updates, wants = _as_past(parsed), ()
    elif intent == "people":
        words = () if parsed.filters or parsed.people else wants
        updates, wants = {"people": parsed.people or words, "missing": (*parsed.missing, *words)}, ()
    elif intent == "time":
        updates, wants = {"ahead_days": parsed.ahead_days or duration(text)}, ()
    elif intent in ("size", "about_size", "goal"):
        wants = ()
        if intent == "size" and not (parsed.users or parsed.percent):
            alone = re.fullmatch(r"\D*?(\d[\d.,]*)\D*", text)
            updates = {
                "users": int(_number(alone[1])) if alone else None,
                "direction": None if alone else _direction(text),
            }
    elif intent == "demand" and re.search(table("commands")["clauses"]["instead_of"], text, re.IGNORECASE):
        wants = _instead(parsed, text, spoken, named)
    elif intent not in _NAMING:
        wants = wants if intent == "choose" and parsed.picked is None else ()
    return parsed.model_copy(update=updates | {"wants": wants})


def _as_past(parsed: ParsedMessage) -> dict[str, object]:
    """A condition on the past that syntax did not find: its words are what was done."""
    if parsed.past or parsed.excluded or not parsed.wants:
        return {}
    done = tuple(Behaviour(did=True, what=thing, days=parsed.ahead_days) for thing in parsed.wants)
    return {"behaviours": done, "ahead_days": None}


def _plainly(done: Behaviour) -> bool:
    """Whether it says no more than that a thing was done, or not, at any time."""
    more = (done.days, done.times, done.amount, done.source)
    return not any(more) and done.what not in (IT, ANYTHING)


def _undone(done: Behaviour) -> Behaviour:
    """The same as something that was not done; "more than 30 days ago" and counts stay as they are said."""
    return done if done.ago else done.model_copy(update={"did": False})


def _instead(parsed: ParsedMessage, text: str, spoken: str, named: Sequence[str]) -> tuple[str, ...]:
    """What is wanted instead of what stands: the words without those that name what goes."""
    clause = re.search(table("commands")["clauses"]["replaced"], text, re.IGNORECASE)
    gone = {stems(each) for each in named}
    if clause:
        gone |= {stems(each) for each in noun_phrases(next((each for each in clause.groups() if each), ""), spoken)}
    wants = (*parsed.wants, *parsed.excluded)
    kept = tuple(each for each in wants if not any(stems(each) <= one or one <= stems(each) for one in gone if one))
    return kept or parsed.wants


def _direction(text: str) -> Literal["broader", "narrower"] | None:
    """Whether a message about the size wants more people or fewer."""
    clauses = table("commands")["clauses"]
    for direction in ("narrower", "broader"):
        if re.search(clauses[direction], text, re.IGNORECASE):
            return "narrower" if direction == "narrower" else "broader"
    return None


def _goal(text: str) -> tuple[Goal | None, str]:
    """The goal that a message states, and the message without it; money without the cost of a contact is no goal."""
    clauses, found = table("commands")["clauses"], {}
    for name in ("cost", "value", "budget", "precision"):
        number, text = _amount(clauses[name], text)
        if number:
            found[name] = number / 100 if name == "precision" else number
    try:
        return (Goal.model_validate(found) if found else None), text
    except ValidationError:
        return None, text


def _number(said: str) -> float:
    """1,200 and 1.200 are both twelve hundred; 2.5 is not."""
    return float(re.sub(r"[.,](?=\d{3}(?!\d))", "", said.rstrip(".,")).replace(",", "."))


def _amount(pattern: str, text: str) -> tuple[float | None, str]:
    """The number a clause of ``text`` names, and the text without the clause."""
    match = re.search(pattern, text, re.IGNORECASE)
    if match is None:
        return None, text
    number = next(value for value in match.groupdict().values() if value is not None)
    return _number(number), f"{text[: match.start()]} , {text[match.end() :]}"
