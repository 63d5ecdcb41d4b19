import pytest

from encoders.text.words import names


@pytest.mark.parametrize(
    ("phrase", "group"),
    [
        ("wine", "imported wine"),
        ("dog foods", "dog food"),
        ("jelly", "peanut butter, jelly and jams"),
        ("cheese", "deli cheese"),
    ],
)
def test_a_phrase_names_a_group_by_its_head(phrase: str, group: str) -> None:
    assert names(phrase, group)


@pytest.mark.parametrize(("phrase", "group"), [("baby", "baby food"), ("red wine", "imported wine"), ("", "wine")])
def test_a_part_of_the_name_is_not_enough(phrase: str, group: str) -> None:
    assert not names(phrase, group)
