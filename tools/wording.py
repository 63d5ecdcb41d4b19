"""Evidence in plain sentences."""

from collections.abc import Sequence

from encoders.forecast import Reason

_MOST = 3


def why(reasons: Sequence[tuple[str, Reason]]) -> str:
    """One sentence about a user's past, from item texts and their reasons."""
    if not reasons:
        return "There are no past events that point to this demand."
    direct = [_did(text, reason) for text, reason in reasons if reason.direct][:_MOST]
    related = [_did(text, reason) for text, reason in reasons if not reason.direct][:_MOST]
    sentences = []
    if direct:
        sentences.append(f"Before the as-of date: {_listed(direct)}.")
    if related:
        sentences.append(f"{'Also d' if direct else 'D'}id what often goes with it: {_listed(related)}.")
    return " ".join(sentences)


def _did(text: str, reason: Reason) -> str:
    times = "once" if reason.times == 1 else f"on {reason.times} days"
    return f"{text} {times} (last {reason.last:%-d %b %Y})"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{'; '.join(parts[:-1])}; and {parts[-1]}"
