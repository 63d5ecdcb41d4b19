"""What is left of a user in texts, tables and blobs, and what is not theirs."""

import json
from dataclasses import replace

import ormsgpack
import pytest
from hypothesis import assume, given
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


@pytest.mark.parametrize(
    ("text", "left"),
    [
        *(
            (text, "[erased]")
            for text in ("user1001", "user_1001.csv", "id=1001;", "household-1001's", "user_id: 1001")
        ),
        *((text, "[erased]") for text in ("customer no. 1001 called", "warum ist Haushalt 1001 dabei?", "用户1001")),
        ("export_1001.csv", "export_1001.csv"),  # the 1001st export, maybe
        (
            "510013, user 10011, user1001x, user 1001-2, user 1001_2",
            "510013, user 10011, user1001x, user 1001-2, user 1001_2",
        ),
        ("superuser1001", "superuser1001"),
        ("one\nabout user 1001\ntwo\n", "one\n[erased]\ntwo\n"),
    ],
)
def test_an_id_that_could_be_a_number_counts_behind_a_word_for_a_user(text: str, left: str) -> None:
    assert of("1001").in_text(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("export_100234.csv or 100234.parquet", "export_[erased].csv or [erased].parquet"),
        ("export_cust-7f.csv, cust-7f_new, x=cust-7f;", "export_[erased].csv, [erased]_new, x=[erased];"),
        ("5100234, 1002345, order100234, 100234.5, 100234-1", "5100234, 1002345, order100234, 100234.5, 100234-1"),
        ("a_100234@example.org, 100234@example.org", "a_100234@example.org, 100234@example.org"),
    ],
)
def test_an_id_that_is_nothing_else_counts_within_names(text: str, left: str) -> None:
    assert of("100234", "cust-7f").in_text(text) == left


def test_a_dash_stands_between_the_words_of_a_name() -> None:
    traces = of("cust-7f", "kx700047")
    assert traces.in_name("tune like-kx700047") == "tune like-erased"
    assert traces.in_name("people-like-cust-7f") == "people-like-erased"
    value = {"name": "like-kx700047", "demand": "customers that will buy wine", "text": "kx700047-1"}
    assert traces.in_value(value) == value | {"name": "like-erased"}
    others = replace(traces, is_other=lambda word: word == "cust-7f-2")
    assert others.in_name("cust-7f-2 and cust-7f") == "cust-7f-2 and erased"


@pytest.mark.parametrize(
    "written", ["user {}", "id={};", "export_{}.csv", "{}'s", "household-{}", "{}", "seen: {}, a, b, c, d, e"]
)
@given(
    user=st.from_regex(r"[0-9a-z]{1,7}", fullmatch=True),
    others=st.lists(st.from_regex(r"[0-9a-z]{0,3}[_.-]?", fullmatch=True), min_size=2, max_size=2),
)
def test_what_another_user_is_called_stays(written: str, user: str, others: list[str]) -> None:
    """Whatever stands before and behind the id in theirs."""
    other = f"{others[0]}{user}{others[1][::-1]}"
    assume(other != user and other[0] not in "_.-" and other[-1] not in "_.-")
    traces = traces_of([user], {}, ContactFormat(), [], ["household"], {other}.__contains__)
    text = written.format(other)
    assume(user not in ("seen", "user", "users", "id", "ids", "household", "export", "csv", *"abcdes"))
    assert traces.in_text(text) == text


PHONES = [
    *(
        "+49 (30) 123-456",
        "030 123456",
        "030/12.34.56",
        "0049 30 123456",
        "+49 (0)30 123456",
        "49 30 123456",
        "(030) 123456",
    ),
    *("+4930123456", "030-12 34 56", "+49\u00a030\u2013123456"),
]


@pytest.mark.parametrize("country", ["DE", ""])
@pytest.mark.parametrize("written", PHONES)
def test_a_phone_number_goes_however_it_is_written(written: str, country: str) -> None:
    contacts = {"phone": [("+4930123456", "+4930123456")]}
    traces = traces_of(["12"], contacts, ContactFormat(country), [], [])
    for text in (f"call {written} now", f"tel:{written}, 2024-05-01", f"{written}", f"{written} 2024-05-01"):
        assert traces.mentioned(text.encode())
        assert traces.mentioned(json.dumps({"said": text}).encode())
        left = traces.in_text(text)
        assert "[erased]" in left
        assert "12" not in left.replace("2024", "")
    assert json.loads(traces.in_bytes(json.dumps({"said": written}).encode())) == {"said": "[erased]"}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "030 1234567",
            "0171 30 123456",
            "+43 30 123456",
            "5 30 123 457",
            "30123456",
            "x30123456y",
            "030123456789012345",
        ),
        *("2024-03-01 23:45:56", "3,0123456", "0.30123456"),
    ],
)
def test_a_number_of_somebody_else_stays(text: str) -> None:
    traces = traces_of(["12"], {"phone": [("+4930123456", "+49 30 123456")]}, ContactFormat("DE"), [], [])
    assert traces.in_text(text) == text


@pytest.mark.parametrize(
    "written", ["JÜRGEN@Example.org", "jürgen@EXAMPLE.ORG", "A.nn.Lee+news@GoogleMail.com", "annlee@gmail.com"]
)
def test_an_address_goes_in_any_case_and_as_gmail_takes_it(written: str) -> None:
    emails = ["jürgen@example.org", "annlee@gmail.com"]
    traces = traces_of(["12"], {"email": [(each, each) for each in emails]}, ContactFormat(), [], [])
    assert traces.mentioned(written.encode())
    assert traces.mentioned(json.dumps(written).encode())
    assert traces.in_text(f"mail {written}.") == "mail [erased]."
    assert traces.in_text(f"mail x{written} or {written}.uk") == f"mail x{written} or {written}.uk"


def test_numbers_in_json_are_ids_where_they_are_called_so() -> None:
    assert of("1001").in_value({"user_id": 1001, "count": 1001, "users": [1001, 7]}) == {
        "user_id": "[erased]", "count": 1001, "users": ["[erased]", 7],
    }  # fmt: skip


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


def test_an_address_goes_in_pieces_too_where_a_message_was_taken_apart() -> None:
    contacts = {"email": [("person041.zed@mailhost.org", "person041.zed@mailhost.org")]}
    traces = traces_of(["7"], contacts, ContactFormat("DE"), [], [])
    parsed = {"text": "people like Person041.zed@mailhost.org", "wants": ["person041.zed", "mailhost.org", "person041"]}
    inner = ormsgpack.packb(parsed | {"rest": "like person041.zed mailhost.org, organic tea"})
    said = ["person041.zed's list", "the mailhost.organ", "person0412"]
    state = {"memory": ormsgpack.Ext(5, inner), "said": said}
    left = traces.in_bytes(ormsgpack.packb(state))
    assert b"person041.zed" not in left.lower()
    assert b"mailhost.org," not in left
    assert b"organic tea" in left
    assert b"the mailhost.organ" in left
    assert b"person0412" in left
    memory = traces_of(["7"], {"email": [("memory@state.org", "memory@state.org")]}, ContactFormat("DE"), [], [])
    typed = ormsgpack.packb(["agent.state", "Memory", {"text": "memory@state.org", "wants": ["memory"]}, "validate"])
    [made] = ormsgpack.unpackb(
        memory.in_bytes(ormsgpack.packb([ormsgpack.Ext(5, typed)])), ext_hook=lambda _, data: ormsgpack.unpackb(data)
    )
    assert made == ["agent.state", "Memory", {"text": "[erased]", "wants": ["[erased]"]}, "validate"]
    # Elsewhere, they are words like others: nobody can tell whose they are.
    assert traces.in_bytes(kept := ormsgpack.packb({"wants": ["mailhost.org"], "text": "about mailhost.org"})) == kept
    assert traces.in_bytes(left) == left


def called(*users: str, doubtful: tuple[str, ...] = ()) -> Traces:
    """Traces of users who are called by words of the product."""
    return traces_of(users, {}, ContactFormat(), [], ["household"], is_own=set(users).__contains__, doubtful=doubtful)


def test_a_word_of_the_product_stays_as_a_key_and_as_a_value_by_itself() -> None:
    given = {
        "held_out": 3, "state": "held_out", "kinds": ["held_out", "other"], "seeds": 12, "audience_id": "held_out",
        "href": "/audiences/held_out", "filters": [{"field": "x", "values": ["held_out or so"]}],
    }  # fmt: skip
    named = {"user_id": "held_out", "users": ["held_out", "h1"], "name": "held_out", "demand": "held_out"}
    said = {"other": "held_out called", "notes": ["about user held_out"]}
    left = json.loads(called("held_out", "12").in_bytes(json.dumps(given | named | said).encode()))
    assert {key: left[key] for key in given} == given
    assert {key: left[key] for key in named} == {
        "user_id": "[erased]", "users": ["[erased]", "h1"], "name": "erased", "demand": "[erased]",
    }  # fmt: skip
    assert {key: left[key] for key in said} == {"other": "[erased] called", "notes": ["[erased]"]}


def test_types_in_a_conversation_stay() -> None:
    inner = ormsgpack.packb(["agent.state", "Memory", {"text": "Memory called", "step": "memory"}, "model_validate"])
    traces = called("Memory", "agent.state", "memory", "model_validate")
    left = traces.in_bytes(ormsgpack.packb({"memory": ormsgpack.Ext(5, inner)}))
    [(key, made)] = ormsgpack.unpackb(left, ext_hook=lambda _, data: ormsgpack.unpackb(data)).items()
    assert (key, made) == (
        "memory",
        ["agent.state", "Memory", {"text": "[erased] called", "step": "memory"}, "model_validate"],
    )


def test_an_id_that_is_nobodys_and_may_be_any_word_counts_only_as_a_user() -> None:
    traces = called("people", doubtful=("people",))
    assert traces.in_text("people who buy tea\nabout user people") == "people who buy tea\n[erased]"
    assert traces.in_value({"said": "people", "user_id": "people"}) == {"said": "people", "user_id": "[erased]"}
    assert not traces.is_user("people", "source")
    assert traces.is_user("people", "user_id")
