from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from encoders.data import tables
from encoders.data.inspecting.guesses import Guess
from encoders.data.inspecting.names import is_yes, says
from encoders.data.inspecting.proposal import Proposal, propose
from encoders.data.inspecting.samples import Sample, sample_files
from encoders.data.inspecting.writing import spec_text, told
from encoders.data.source_tables import LINE
from encoders.data.spec import read_spec
from encoders.errors import DataError
from tests.encoders.data.inspecting.tables import layouts

LAYOUTS = {layout.name: layout for layout in layouts("seen")}


def orders(rows: int = 40, **changed: Sequence[Any]) -> pl.DataFrame:
    """A table of orders, of which columns can be changed or added."""
    columns: dict[str, Sequence[Any]] = {
        "customer_id": [str(7 + number % 8) for number in range(rows)],
        "ordered_at": [f"2024-03-{number % 28 + 1:02d} 10:00:00" for number in range(rows)],
        "product_name": [("green tea", "black tea", "oat milk", "rye bread")[number % 4] for number in range(rows)],
    }
    return pl.DataFrame({LINE: range(2, rows + 2)} | columns | changed, strict=False)


def proposed(frame: pl.DataFrame, name: str = "orders") -> Proposal:
    return propose([Sample(name, frame, (Path(f"{name}.csv"),), separator=",")])


def guess(frame: pl.DataFrame, entry: str) -> Guess:
    (source,) = proposed(frame).sources
    return next(each for each in source.guesses if each.entry == entry)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["german_erp", "french_crm", "spanish_shop", "salesforce", "app_events", "stripe"])
def test_prepare_takes_what_was_proposed(name: str, tmp_path: Path) -> None:
    spec = tmp_path / "shop.toml"
    spec.write_text(spec_text(propose(sample_files(LAYOUTS[name].write(tmp_path))), tmp_path), "utf-8")
    summary = tables.prepare(spec, tmp_path / "data").summary
    assert summary.events > 200
    assert sum(each.events for each in summary.sources) == summary.events


def test_day_and_month_that_cannot_be_told_apart_are_to_be_chosen(tmp_path: Path) -> None:
    frame = orders(ordered_at=[f"{number % 9 + 1:02d}/{number % 7 + 1:02d}/2024" for number in range(40)])
    found = guess(frame, "time_format")
    assert found.undecided
    assert {each.split()[0] for each in found.choices} == {'"%d/%m/%Y"', '"%m/%d/%Y"'}
    spec = tmp_path / "shop.toml"
    spec.write_text(spec_text(proposed(frame), tmp_path), "utf-8")
    assert "# CHOOSE: time_format: " in spec.read_text("utf-8")
    with pytest.raises(DataError, match=r"'sources.1.time_format' is not chosen yet; the remarks"):
        read_spec(spec)


def test_one_day_after_the_twelfth_decides() -> None:
    days = [f"{number % 9 + 1:02d}/{number % 7 + 1:02d}/2024" for number in range(39)]
    assert guess(orders(ordered_at=[*days, "02/25/2024"]), "time_format").value == "%m/%d/%Y"


def test_what_does_not_fit_is_shown_with_its_line() -> None:
    times = [f"2024-03-{number % 28 + 1:02d}" for number in range(40)]
    times[17] = "0000-00-00"
    found = guess(orders(ordered_at=times), "time")
    assert (found.fits, found.rows, found.misfits) == (39, 40, (("0000-00-00", 19),))
    assert found.told().startswith("97.5 % of 40 rows fit: '2024-03-01'")
    assert found.told().endswith("; 1 do not, such as '0000-00-00' (line 19)")


def test_thousands_that_could_be_decimals_are_to_be_chosen() -> None:
    assert guess(orders(amount=[f"{number}.{number}5" for number in range(10, 50)]), "decimal").undecided


@pytest.mark.parametrize(("written", "mark"), [("1.234,50", ","), ("12,5", ","), ("$1,234.50", "."), ("€ 7,00", ",")])
def test_decimal_marks(written: str, mark: str) -> None:
    amounts = [written, *(["3,50"] if mark == "," else ["3.50"]) * 39]
    assert guess(orders(amount=amounts), "decimal").value == mark


def test_a_sum_of_the_whole_order_is_told() -> None:
    order = [str(number // 2) for number in range(40)]
    found = guess(orders(order_id=order, total=[f"{number // 2 + 5}.50" for number in range(40)]), "value")
    assert any("sum of a whole order" in remark for remark in found.remarks)


def test_contacts_are_never_shown(tmp_path: Path) -> None:
    mails = [f"ann.archer{number % 8}@example.org" for number in range(40)]
    phones = [f"+49 170 23{number % 8:05d}" for number in range(40)]
    frame = orders(email=mails, phone=phones, note=[f"write to {mail}" for mail in mails])
    proposal = proposed(frame)
    assert proposal.users is not None
    assert {each.entry for each in proposal.users.guesses} >= {"contacts.email", "contacts.phone"}
    everything = spec_text(proposal, tmp_path) + str(told(proposal, tmp_path))
    assert "archer" not in everything
    assert "2300" not in everything
    assert "a•••@e•••.org" in everything
    assert "+49 •••" in everything


def test_an_address_as_the_only_id_is_told_and_masked(tmp_path: Path) -> None:
    frame = orders(customer_id=[f"ann{number % 8}@example.org" for number in range(40)])
    found = guess(frame.rename({"customer_id": "Email"}), "user_id")
    assert found.value == "Email"
    assert any("only an e-mail address" in remark for remark in found.remarks)
    assert "ann" not in str(found.examples)


def test_a_refusal_column_is_read_the_other_way_round() -> None:
    members = pl.DataFrame(
        {LINE: range(2, 12), "member_id": [str(number) for number in range(7, 17)]}
        | {"do_not_contact": ["Y", "N"] * 5, "email": [f"a{number}@example.org" for number in range(10)]}
    )
    proposal = propose([Sample("orders", orders()), Sample("members", members)])
    assert proposal.users is not None
    assert proposal.users.value("consent_values") == ["n"]


def test_consent_in_strange_words_is_to_be_chosen() -> None:
    frame = orders(newsletter=[("stage a", "stage b", "yes")[number % 8 % 3] for number in range(40)])
    proposal = proposed(frame)
    assert proposal.users is not None
    assert proposal.users.value("consent_values") == "CHOOSE"


def test_a_table_without_events_is_refused() -> None:
    with pytest.raises(DataError, match="looks like events"):
        propose([Sample("weather", pl.DataFrame({LINE: [2, 3], "rain": ["1", "2"]}))])


@pytest.mark.parametrize("heading", ['a "quoted" name', "two\nlines", "Größe = x", "back\\slash"])
def test_any_heading_gives_valid_toml(heading: str, tmp_path: Path) -> None:
    frame = orders(40, **{f"{heading} category": ["tea", "tea", "milk", "bread"] * 10})
    spec = tmp_path / "shop.toml"
    spec.write_text(spec_text(proposed(frame), tmp_path), "utf-8")
    assert f"{heading} category" in read_spec(spec).sources[0].item


@pytest.mark.parametrize("heading", ["item:name", "category{0}", "product!r", "order[0]"])
def test_a_heading_that_no_template_can_hold_is_passed_over(heading: str, tmp_path: Path) -> None:
    spec = tmp_path / "shop.toml"
    spec.write_text(spec_text(proposed(orders(40, **{heading: ["1700919785", "1700919999"] * 20})), tmp_path), "utf-8")
    assert read_spec(spec).sources[0].item == "{product_name}"


@pytest.mark.parametrize(
    ("name", "thing"),
    [
        ("HasOptedOutOfEmail", "refusal"), ("Kundennummer", "user"), ("N° commande", "order"), ("fecha_pedido", "time"),
        ("Téléphone portable", "phone"), ("Posta elettronica", "email"), ("Werbeeinwilligung", "consent"),
        ("Warengruppe", "category"), ("Q.tà", "quantity"), ("movieId", "id"),
    ],
)  # fmt: skip
def test_names_are_read_in_five_languages(name: str, thing: str) -> None:
    assert says(name, thing)


def test_a_word_within_another_says_nothing() -> None:
    assert not says("paid", "id")
    assert not says("Kundengruppe", "category")
    assert [is_yes(value) for value in ("Sì", "1.0", "nein", "vielleicht")] == [True, True, False, None]
