"""What a message orders, and which options of an open question it picks."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from agent.reading.commands import BEFORE, command, held_back, ids_in, references, to_before, upload_in
from agent.reading.intents import Intent
from agent.steps import ALL, DECIDE, Action, Step, Topic
from encoders.text.words import parts_of, stems
from prompts.loader import table

_SAME: dict[str, Intent] = {
    "skew": "fairness", "hold_back": "holdout", "explain": "explain", "compare": "compare", "export": "export",
    "save": "save", "like": "like", "angles": "angles", "refresh": "refresh", "outcome": "outcome", "rename": "rename",
    "combine": "combine", "undo": "undo", "restart": "restart",
}  # fmt: skip
_ACTIONS: dict[Intent, Action] = {intent: action for action, intent in _SAME.items()}  # type: ignore[misc]
_TOPICS: dict[Intent, Topic] = {
    "about_accuracy": "accuracy", "about_lift": "lift", "about_cost": "cost", "about_size": "size",
    "about_people": "people",
    "about_saved": "saved", "about_data": "data", "help": "help", "courtesy": "hello", "chatter": "chatter",
    "difference": "difference", "none_of_these": "none",
}  # fmt: skip
_NEED_SEVERAL = 2
_PAIR = 2


def intent_of(order: Step) -> Intent:
    """The intent that an order told by its form stands for."""
    if order.action in _SAME:
        return _SAME[order.action]
    if order.action == "answer":
        topics: dict[str | None, Intent] = {topic: intent for intent, topic in _TOPICS.items()}
        return topics.get(order.topic, "time")
    if order.unfilter is not None:
        return "people"
    return "replace" if order.groups else "size"


def read_order(text: str, has_draft: bool, saved: Sequence[str]) -> Step | None:
    """An order that is plain from the form of the message."""
    order = command(text, has_draft, saved)
    if order is None or order.action != "undo":
        return order
    return order.model_copy(update={"steps": steps_back(text)})


def order_of(intent: Intent, text: str, saved: Sequence[str], has_draft: bool) -> Step | None:
    """The order that a message of an intent gives, with the arguments it names; None where it orders nothing."""
    if topic := _TOPICS.get(intent):
        return Step(action="answer", topic=topic)
    action = _ACTIONS.get(intent)
    if action is None:
        return None
    if (action == "compare" or (has_draft and action in ("refresh", "outcome"))) and to_before(text, saved):
        return Step(action="compare", audience=[BEFORE])
    named = references(text, saved) or None
    step = Step(action=action)
    if action == "compare" and named is None:
        return step.model_copy(update={"audience": compared_with(text)})
    if action in ("save", "rename"):
        new = name_in(text)
        others = [each for each in named or () if each in saved and each.lower() != (new or "").lower()]
        return step.model_copy(update={"name": new, "audience": others if action == "rename" and others else None})
    if action == "undo":
        return step.model_copy(update={"steps": steps_back(text)})
    if action == "hold_back":
        return step.model_copy(update={"holdout": share_in(text)})
    if action == "explain":
        return step.model_copy(update={"user_id": user_in(text)})
    if action == "export":
        return step.model_copy(update={"format": format_in(text), "audience": named})
    if action == "combine":
        operation = _operation(text)
        several = named is not None and len(named) >= _NEED_SEVERAL
        return step.model_copy(update={"audience": named, "operation": operation if several else None})
    if action == "like" and named is None and not (ids_in(text) or upload_in(text)) and has_draft:
        return step
    return step.model_copy(update={"audience": named})


def name_in(text: str) -> str | None:
    """The name a message gives: in quotes, or after a word that announces one."""
    for form in (_pattern("quoted"), _pattern("named")):
        found = [(match["name"] or match["name2"]).strip(" .,;!?:\"“”„«»‘’'") for match in form.finditer(text)]
        found = [each for each in found if each and not _pattern("no_name").fullmatch(each)]
        if found:
            return found[-1]
    return None


def asked_about(text: str) -> Topic | None:
    """What a message asks that no audience answers: people's names, what they would do anyway, old forecasts."""
    asked = table("commands")["asked"]
    if re.search(asked["delete"], text, re.IGNORECASE):
        return "delete"
    if re.search(asked["contacts"], text, re.IGNORECASE):
        return "contacts"
    if re.search(asked["forecasts"], text, re.IGNORECASE):
        return "forecasts"
    return "anyway" if asks(text) and re.search(asked["anyway"], text, re.IGNORECASE) else None


def asks(text: str) -> bool:
    """Whether a message has the form of a question."""
    return re.search(table("commands")["asked"]["question"], text, re.IGNORECASE) is not None


def approves(text: str) -> bool:
    """Whether a message is nothing but a yes to what stands."""
    return re.search(table("commands")["asked"]["approval"], text, re.IGNORECASE) is not None


def compared_with(text: str) -> list[str] | None:
    """The words that should name an audience to compare with; None where all that are saved are meant."""
    match = _pattern("against").search(text)
    said = next((each.strip(" .,;!?") for each in match.groups() if each), "") if match else ""
    return None if not said or _pattern("no_other").fullmatch(said) else [said]


def steps_back(text: str) -> int:
    """How many changes a message takes back; one where it does not say."""
    match = _pattern("steps").search(text)
    if match is None:
        return 1
    said = next(value for value in match.groupdict().values() if value).lower()
    return int(said) if said.isdigit() else int(table("orders")["numbers"].get(said, 1))


def number_in(text: str) -> int | None:
    """The first small number of a message, in digits or words of five languages; None where there is none."""
    numbers = table("orders")["numbers"]
    words = "|".join(sorted(map(re.escape, numbers), key=len, reverse=True))
    match = re.search(rf"(?<![\w.,])(?:\d\b|(?:{words})\b)|[两二三四五]", text, re.IGNORECASE)
    if match is None:
        return None
    said = match[0].lower()
    return int(said) if said.isdigit() else int(numbers[said])


def share_in(text: str) -> float | None:
    """The share in percent that shall be held out; None where the message does not say."""
    share, _ = held_back(text)
    match = _pattern("share").search(text)
    return share if share is not None or match is None else float(match["number"].replace(",", "."))


def user_in(text: str) -> str | None:
    """The id of the one user a message asks about."""
    match = _pattern("user").search(text)
    return match["user"] if match else None


def format_in(text: str) -> Literal["csv", "parquet"] | None:
    """The kind of file a message names."""
    match = re.search(r"\b(csv|parquet)\b", text, re.IGNORECASE)
    if match is None:
        return None
    return "parquet" if match[1].lower() == "parquet" else "csv"


def _operation(text: str) -> Literal["and", "or", "not"]:
    if _pattern("minus").search(text):
        return "not"
    return "and" if _pattern("both").search(text) else "or"


@lru_cache
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(str(table("orders")[key]), re.IGNORECASE)


def picked(text: str, options: Sequence[str]) -> tuple[str, ...] | None:
    """The options a message picks, without the fixed ones; None when it picks none.

    "All of them" and "You decide" pick every option; places ("the first and the third"), names and "all but" pick some.
    """
    real = tuple(option for option in options if option not in (ALL, DECIDE))
    said = stems(text)
    if exact := tuple(option for option in real if stems(option) == said):
        return exact
    if skips(text):
        return real
    if (refused := refused_alone(text)) is not None:
        left = _some(refused, real)
        return tuple(option for option in real if option not in left) or real
    but = _search("but", text)
    if but is not None:
        left = _some(text[but.end() :], real)
        return tuple(option for option in real if option not in left) if left else None
    taken, refused = without_refused(text)
    some = _some(taken, real)
    if some:
        dropped = set(_some(refused, real)) if refused else set()
        return tuple(option for option in some if option not in dropped) or some
    return real if _search("all", text) else None


def without_correction(text: str) -> tuple[str, bool]:
    """A message without the words that put a misunderstanding right ("no, I meant tea"), and whether it had any."""
    match = _search("corrects", text)
    return (text[match.end() :], True) if match else (text, False)


def without_swapped(text: str) -> tuple[str, bool]:
    """A message without the words that give one thing up for another ("swap wine for beer"), and whether it had any."""
    match = _search("swaps", text)
    return (text[match.end() :], True) if match else (text, False)


def only_picks(text: str) -> bool:
    """Whether a message is nothing but a choice among what is offered, so that there is nothing to judge in it."""
    return any(_search(each, text) for each in ("pair", "nothing")) or leaves_all(text)


def misplaced(text: str, options: Sequence[str]) -> bool:
    """Whether a message picks by a place that is not there, or two where more are offered."""
    real = tuple(option for option in options if option not in (ALL, DECIDE))
    if _search("pair", text):
        return len(real) > _PAIR
    return not _named(text, real) and max(_places(text, len(real)), default=0) >= len(real) > 0


def picked_near(text: str, options: Sequence[str], near: Sequence[str]) -> tuple[str, ...]:
    """Groups that the words of an answer name, among the options and all others near the request.

    Each piece of the answer ("cats and dogs") names the group that shares most of its words: options before others,
    then the nearest, which has to share more than half of them. What is negated ("not hot dogs") is left out.

    Args:
        text: the answer.
        options: what the question offers.
        near: groups near the request, nearest first.
    """
    taken, refused = _pieces(text)
    groups = tuple(dict.fromkeys((*options, *near)))
    out = {group for group in groups for words in refused if words <= stems(group) or stems(group) <= words}
    found: list[str] = []
    for words in taken:
        shared = {group: len(words & stems(group)) for group in groups if words & stems(group) and group not in out}
        most = [group for group, count in shared.items() if count == max(shared.values())]
        others = [group for group in most if 2 * shared[group] > len(words)]
        exact = [group for group in most if stems(group) == words]
        found += exact or [group for group in most if group in options] or others[:1]
    return tuple(dict.fromkeys((*_placed(text, tuple(options)), *found))) if found else ()


def _pieces(text: str) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
    """The words of each piece of an answer: of what it takes, and of what it refuses."""
    taken, refused = [], []
    for piece in re.split(table("choosing")["pieces"], text, flags=re.IGNORECASE):
        match = _search("refused", piece) or _search("without", piece)
        before, after = (piece, "") if match is None else (piece[: match.start()], piece[match.end() :])
        taken.append(stems(before))
        refused.append(stems(after))
    return [words for words in taken if words], [words for words in refused if words]


def skips(text: str) -> bool:
    """Whether a message leaves the answer to the assistant."""
    return _search("skip", text) is not None or _search("decide", text) is not None


def refused_alone(text: str) -> str | None:
    """What an answer leaves out where it says nothing else ("not the fruit"); None where it says more, or less."""
    match = _search("refused_alone", text)
    return match["what"] if match is not None and not refuses_all(text) else None


def leaves_all(text: str) -> bool:
    """Whether a message says nothing but that the assistant may decide ("surprise me")."""
    match = _search("decide", text)
    return match is not None and not re.search(r"\w", text[: match.start()] + text[match.end() :])


def refuses_all(text: str) -> bool:
    """Whether a message says nothing but that none of what is offered is meant."""
    return _search("nothing", text) is not None


def _some(text: str, options: tuple[str, ...]) -> tuple[str, ...]:
    """Options named by their words or by their place, in the order in which they are offered."""
    named = _named(text, options)
    return named or _placed(text, options)


def _named(text: str, options: tuple[str, ...]) -> tuple[str, ...]:
    said = stems(text)
    found = tuple(option for option in options if any(stems(part) and stems(part) <= said for part in parts_of(option)))
    if found or not said:
        longest = max((len(stems(option)) for option in found), default=0)
        whole = [option for option in found if stems(option) <= said]
        # "horror thrillers" names that option, not "thrillers" as well.
        return tuple(
            option
            for option in found
            if not any(stems(option) < stems(other) for other in whole) or len(stems(option)) == longest
        )
    own = {option: stems(option) - _others(option, options) for option in options}
    return tuple(option for option in options if own[option] & said) or tuple(
        option for option in options if option.lower() in text.lower()
    )


def _others(option: str, options: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word for other in options if other != option for word in stems(other))


def _placed(text: str, options: tuple[str, ...]) -> tuple[str, ...]:
    places = _places(text, len(options))
    return tuple(option for place, option in enumerate(options) if place in places)


def _places(text: str, many: int) -> set[int]:
    """The places among ``many`` options that a text names, from 0 on; "last month" is none."""
    texts = table("choosing")
    text = re.sub(texts["timed"], " ", text, flags=re.IGNORECASE)
    if _search("first_two", text):
        return {0, 1}
    if _search("last_two", text):
        return {many - 2, many - 1}
    places = {place for place, form in enumerate(texts["places"]) if re.search(form, text, re.IGNORECASE)}
    if _search("last", text):
        places.add(many - 1)
    if _search("middle", text) and many % 2:
        places.add(many // 2)
    return places | {int(number) - 1 for number in re.findall(r"(?<![\w.,])([1-9])(?![\w%.,]\d|\w)", text)}


def without_refused(text: str) -> tuple[str, str]:
    """What stands before and after the first 'not' that has something before it."""
    match = _search("refused", text)
    if match is None or not text[: match.start()].strip(" ,.;"):
        return text, ""
    return text[: match.start()], text[match.end() :]


def _search(key: str, text: str) -> re.Match[str] | None:
    return re.search(table("choosing")[key], text, re.IGNORECASE)
