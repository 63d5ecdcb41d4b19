"""The form of a JSON body, told before anybody reads it: right for any bytes, and nobody else waits meanwhile."""

import asyncio
import re
import time

import pytest
from hypothesis import given
from hypothesis import settings as rounds
from hypothesis import strategies as st
from starlette.types import Message

from tools.access.routes import Body, BodyKind, RefusedError
from tools.bounds import JSON_BYTES, JSON_LISTS

STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
"""What a reader that goes from sign to sign would see; it takes half a second for four megabytes."""
INSIDE = st.sampled_from(["a", "[", "{", ",", ":", r"\"", r"\\", r"\n", r"\ud83d", r"\ude00", r"\u00e9", "ud83d"])
TEXTS = st.lists(INSIDE, max_size=8).map(lambda parts: f'"{"".join(parts)}"')
VALUES = st.recursive(
    TEXTS | st.just("1"),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda each: f"[{','.join(each)}]")
        | st.lists(st.tuples(TEXTS, inner), max_size=3).map(
            lambda each: "{" + ",".join(f"{key}:{value}" for key, value in each) + "}"
        )
    ),
    max_leaves=12,
)


def read(body: bytes) -> tuple[str, float]:
    """Why a body is refused, and the seconds that the loop which everybody shares worked for it."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def run() -> tuple[str, float]:
        began = time.thread_time()
        try:
            await Body(receive, BodyKind.JSON, None).read_json()
        except RefusedError as refused:
            return refused.detail, time.thread_time() - began
        return "", time.thread_time() - began

    return asyncio.run(run())


@rounds(max_examples=400)
@given(VALUES, st.integers(0, 2))
def test_a_body_is_refused_for_what_a_reader_would_find_in_it(value: str, cut: int) -> None:
    body = value.encode()[: len(value) - cut]
    has_half = any(each["half"] for each in ESCAPES.finditer(body))
    for repeated, many in ((body, 1), (b"[%s]" % b",".join([body] * JSON_LISTS), JSON_LISTS)):
        bare = STRINGS.sub(b"", repeated)
        lists = bare.count(b"[") + bare.count(b"{")
        if len(repeated) > JSON_BYTES or (has_half and many > 1):
            continue
        why, _ = read(repeated)
        assert ("half a character" in why) == has_half, why
        assert has_half or ("lists and objects" in why) == (lists > JSON_LISTS), why


@pytest.mark.parametrize("part", [b'"",', b'"1",', b"\\u00e9", b"\\ud83d\\ude00", b"\\n", b"x", b"1,", b'"\\",'])
def test_everybody_else_goes_on_while_a_long_body_is_looked_at(part: bytes) -> None:
    opening, closing = (b"[", b"1]") if part.endswith(b",") else (b'["', b'"]')
    many = min((JSON_BYTES - 10) // len(part), 1_000_000)
    _, seconds = read(opening + part * many + closing)
    assert seconds < 0.1, "a reader that goes from sign to sign on the loop takes four times as long"
