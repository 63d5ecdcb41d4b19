"""Which of the options of an open question a message picks."""

import re
from collections.abc import Sequence

from agent.rules.replying import ALL, DECIDE
from encoders.language.naming import parts_of, stems
from prompts.loader import table


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
    taken, _, refused = _without_refused(text)
    some = _some(taken, real)
    if some:
        dropped = set(_some(refused, real)) if refused else set()
        return tuple(option for option in some if option not in dropped) or some
    return real if _search("all", text) else None


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
        found += [group for group in most if group in options] or others[:1]
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
    texts = table("choosing")
    places: set[int] = set()
    if _search("first_two", text):
        places |= {0, 1}
    elif _search("last_two", text):
        places |= {len(options) - 2, len(options) - 1}
    else:
        places = {place for place, form in enumerate(texts["places"]) if re.search(form, text, re.IGNORECASE)}
        if _search("last", text):
            places.add(len(options) - 1)
        if _search("middle", text) and len(options) % 2:
            places.add(len(options) // 2)
        places |= {int(number) - 1 for number in re.findall(r"(?<![\w.,])([1-9])(?![\w%.,]\d|\w)", text)}
    return tuple(option for place, option in enumerate(options) if place in places)


def _without_refused(text: str) -> tuple[str, str, str]:
    """What stands before and after the first 'not' that has something before it."""
    match = _search("refused", text)
    if match is None or not text[: match.start()].strip(" ,.;"):
        return text, "", ""
    return text[: match.start()], match[0], text[match.end() :]


def _search(key: str, text: str) -> re.Match[str] | None:
    return re.search(table("choosing")[key], text, re.IGNORECASE)
