"""How the guard reads: what a person would read is what is judged, in time that is in proportion to the length."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.guard.spelling import repair
from agent.guard.verdict import PIECE, pieces, read, sentences
from agent.guard.word_lists import fold_letters, plain_text, unaccented

DISGUISED = {
    "рrеgnаnt wоmеn": "pregnant women",
    "mus\u034flims": "muslims",
    "dia\ufe0fbe\u3164tics": "diabetics",
    "\u115fgay m\U000e0061en": "gay men",
    "p\u0336r\u0336e\u0336gnant": "pregnant",
    "𝖆𝖑𝖈𝖔𝖍𝖔𝖑𝖎𝖈𝖘": "alcoholics",
    "ＭＵＳＬＩＭＳ": "muslims",
    "🆀🆄🅴🅴🆁 shoppers": "queer shoppers",
    "🇨 🇴 🇳 🇩 🇴 🇲 🇸": "condoms",
    "⒱⒪⒤⒞⒠⒫⒭⒤⒩⒯": "voiceprint",
    "\u202estsihdduB\u202c": "buddhists",
    "qɐɹɐ people": "arab people",
    "d1ab3t1c5": "diabetics",
    "m0ther5": "mothers",
    "j.e.w.i.s.h families": "jewish families",
    "T r u m p  v o t e r s": "trump voters",
    "d/n/a k/i/t/s": "dna kits",
    "c-a-n-c-e-r p-a-t-i-e-n-t-s": "cancer patients",
    "s_e_x with strangers": "sex with strangers",
    "gaaaay men": "gay men",
    "PregnantWomen": "pregnant women",
    "pregnantwomenwhobuyonline": "pregnant women who buy online",
    "m*slims": "muslims",
    "Tr**p supp*rters": "trump supporters",
    "d**b*t*cs": "diabetics",
    "g*y m*n": "gay man",
    "s*x toys": "sex toys",
    "afr!c4n-4mer!c4n": "african-american",
    "l-e-s-b-i-a-n-a-s": "lesbianas",
    "juswhitepeopleplz": "jus white people plz",
    "everybody but the р r е g n а n t ones": "everybody but the pregnant ones",
    "kweer": "queer",
    "k!dz or b4bi3s": "kids or babies",
    "prgnnt wmn": "pregnant women",
    "trdae uinon": "trade union",
    "schwаngеrе frаuеn": "schwangere frauen",
    "preg_nant women": "pregnant women",
    "zin_ga\u200bri": "zingari",
    "mujeres em barazadas": "mujeres embarazadas",
    "fohrbestrafte": "vorbestrafte",
    "botantes kondenados": "votantes condenados",
    "disokupati kattolici": "disoccupati cattolici",
    "deshausiados": "desahuciados",
    "gewerkschafftler": "gewerkschafter",
    "加入了工/会的员工": "加入了工会的员工",
}
ORDINARY = [
    "Spülmittel für Straßenküchen in Köln", "crème brûlée à l'œuf", "piñas y jalapeños", "黑茶和白面包", "Häagen-Dazs",
    "mp3 players, 7up and 2x1 offers", "SKU D1A-B37-X5 and H1V-200", "under-15 football kits",
    "lotion and shaving cream",
    "спорт и здоровье", "Ελληνικό γιαούρτι", "हिन्दी में चाय", "a 3-pack of vitamin B12", "4*4 tyres", "2*3 m",
    "jewellery for Valentine's day",
    "Judenbart und Zigeunerschnitzel im Mehrparteienhaus", "prosecco, biscotti e mozzarella",
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), DISGUISED.items())
def test_disguised_words_are_read_as_they_are_meant(written: str, meant: str) -> None:
    assert unaccented(read(written).repaired).lower() == meant


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts_are_left_as_they_are(text: str) -> None:
    assert read(text).repaired == text


def test_a_sender_is_not_what_is_asked_for() -> None:
    asked = read("We're a breast cancer charity, find people who buy flour").repaired
    assert asked == "find people who buy flour"
    assert "cancer" in read("We're a charity, find cancer patients").repaired
    assert "muslims" in read("our mosque members are muslims").repaired


def test_courtesies_and_signs_make_no_difference_to_a_sentence() -> None:
    told = sentences("people who buy tea")
    for text in (
        "Please, people who buy tea!",
        "OK so people who buy tea, thanks :)",
        "HI THERE! People who buy tea ...",
    ):
        assert sentences(text) == told
    assert sentences("Thanks!") == ()


@pytest.mark.parametrize(
    "text",
    ["(" * 50_000, "a" * 100_000, "((a+)+)+" * 6_000, "a." * 25_000, "aB" * 50_000, "\u0301" * 50_000, "中/" * 25_000],
    ids=["brackets", "letters", "quantifiers", "dotted", "camel", "marks", "slashes"],
)
def test_long_texts_take_time_in_proportion(text: str) -> None:
    started = time.process_time()
    for piece in pieces(text):
        sentences(read(piece).repaired)
    assert time.process_time() - started < 1.5


@given(st.text(alphabet=st.sampled_from("ab ,.é中"), max_size=6000))
def test_nothing_escapes_by_length(text: str) -> None:
    parts = list(pieces(text))
    assert all(len(part) <= PIECE for part in parts)
    assert all(
        any(text[place : place + 20] in part for part in parts) for place in range(0, max(len(text) - 20, 1), 97)
    )


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_any_text_is_read_and_reading_it_again_changes_no_letter(text: str) -> None:
    folded = fold_letters(text)
    assert fold_letters(folded) == folded or "\u202e" in text
    assert isinstance(repair(plain_text(text)), str)
