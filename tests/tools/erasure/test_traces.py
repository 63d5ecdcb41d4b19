"""What is left of a user in texts, tables and blobs, and what is not theirs."""

import json

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.data.contacts import ContactFormat
from tools.erasure.traces import Traces, traces_of


def of(*users: str) -> Traces:
    contacts = {"email": [("ann@example.org", " Ann@Example.org")], "phone": [("+491702345678", "0170 2345678")]}
    return traces_of(users, contacts, ContactFormat("DE"), ["5D4A5D"], ["household", "households"])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("why is household 12 in?", "[erased]"),
        ("Households\n- household 12: bought tea\n- household 13: tea", "Households\n[erased]\n- household 13: tea"),
        ("the next 12 weeks, 12 % of 112", "the next 12 weeks, 12 % of 112"),
        ("people like these: 7, 8, 12, 13, 120, 14", "people like these: 7, 8, [erased], 13, 120, 14"),
        ("12 2024-05-01 need en", "[erased] 2024-05-01 need en"),
        ("household 5D4A5D is in", "[erased]"),
        ("mail Ann@example.org or 0170 2345678 now", "mail [erased] or [erased] now"),
        ("joann@example.org, ann@example.org.uk", "joann@example.org, ann@example.org.uk"),
    ],
)
def test_a_short_id_counts_only_where_it_is_one(text: str, left: str) -> None:
    assert of("12").in_text(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("cust-7f called", "[erased] called"),
        ("CUST-7F, cust-7f.", "[erased], [erased]."),
        ("cust-7f1 cust-7f-2 xcust-7f cust-7f@example.org", "cust-7f1 cust-7f-2 xcust-7f cust-7f@example.org"),
    ],
)
def test_an_id_is_never_a_part_of_another(text: str, left: str) -> None:
    assert of("cust-7f").in_text(text) == left


def test_cells_stand_for_users_in_columns_of_ids() -> None:
    traces = of("12", "cust-7f")
    for cell, column, is_user in (
        *(("12", "user_id", True), ("12", "Customer ID", True), ("12.0", "id", True), ("'12", "user_id", True)),
        *(("12", "household_size", False), ("12", "value", False), ("112", "user_id", False), ("paid", "x", False)),
        *(("cust-7f", "who", True), ("ANN@example.org", "mail", True), ("0049 170 2345678", "tel", True)),
    ):
        assert traces.is_user(cell, column) == is_user, (cell, column)
    assert traces.is_user("12", "", alone=True)


def test_json_keeps_its_form_and_loses_what_it_says_of_the_user() -> None:
    sample = {"masked_id": "household 5D4A5D", "probability": 0.5, "evidence": [{"item": "tea"}], "why": "tea, twice"}
    other = sample | {"masked_id": "household FFFFFF"}
    given = {"user_id": "12", "count": 12, "days": "12", "samples": [sample, other], "seeds": ["7", "12"]}
    left = json.loads(of("12").in_bytes(json.dumps(given).encode()))
    blank = {"masked_id": "[erased]", "probability": 0.5, "evidence": [], "why": "[erased]"}
    assert left == given | {"user_id": "[erased]", "samples": [blank, other], "seeds": ["7", "[erased]"]}


def test_blobs_are_read_whole_or_only_written_over() -> None:
    inner = ormsgpack.packb(["mod", "Reply", {"text": "cust-7f called"}])
    blob = ormsgpack.packb({"a": ormsgpack.Ext(5, inner), "n": 12})
    left = of("cust-7f").in_bytes(blob)
    assert b"cust-7f" not in left
    assert ormsgpack.unpackb(left, ext_hook=lambda code, data: (code, ormsgpack.unpackb(data))) == {
        "a": (5, ["mod", "Reply", {"text": "[erased] called"}]),
        "n": 12,
    }
    strange = b"\x88\xff\x00cust-7f\x00\xfe12\xff"
    assert of("cust-7f", "12").in_bytes(strange) == b"\x88\xff\x00xxxxxxx\x00\xfe12\xff"


@given(st.binary(max_size=400))
def test_what_names_nobody_stays_as_it_is(data: bytes) -> None:
    assert of("cust-7f3a").in_bytes(data) == data
