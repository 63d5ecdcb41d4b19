"""Pages of a list that may change between two requests: a cursor names the last item that was shown."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from tools.adcp.errors import TaskError
from tools.adcp.requests import Page

Item = TypeVar("Item")


def paged(
    items: Sequence[Item], page: Page, name: Callable[[Item], str], question: object
) -> tuple[Sequence[Item], dict[str, Any]]:
    """The items of a page, and the ``pagination`` of the answer.

    Args:
        items: all of them, in an order that stays.
        page: which of them.
        name: what tells an item from the others.
        question: what was asked, as JSON; a cursor is only good for the question it was an answer to.

    Raises:
        TaskError: the cursor is none of ours, or of another question, or its item is gone.
    """
    asked, start = sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:16], 0
    if page.cursor is not None:
        names = [_short(name(item)) for item in items]
        start = 1 + _place(page.cursor, asked, names)
    shown = items[start : start + page.max_results]
    answer: dict[str, Any] = {"has_more": start + len(shown) < len(items), "total_count": len(items)}
    if answer["has_more"]:
        answer["cursor"] = urlsafe_b64encode(f"{asked}:{_short(name(shown[-1]))}".encode()).decode()
    return shown, answer


def _place(cursor: str, asked: str, names: Sequence[str]) -> int:
    """Where in the list the item is that a cursor names."""
    try:
        question, _, name = urlsafe_b64decode(cursor).decode().partition(":")
        if question == asked:
            return names.index(name)
    except ValueError:
        pass
    raise TaskError(
        "INVALID_REQUEST",
        "This cursor does not lead on; begin again without one.",
        field="pagination.cursor",
        suggestion="ask the same question without a cursor",
    )


def _short(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:16]
