"""What a marketer says that was once taken for something else: each message gets the answer it asks for."""

import pytest

from agent.conversation import Conversation
from agent.reading.orders import compared_with, misplaced, picked, picked_near
from agent.reading.parse import parse
from agent.reading.wording import Parts, into_english, language
from agent.replies import LONGEST_NAME, default_name
from agent.state import AudienceDraft, Reply, Version
from encoders.reader import MeantGroup, WholeReading
from tests.agent.agent_doubles import CARD, COFFEE, PlantedService, spec
from tools.types import AudienceSpec, Behaviour, Filter, ProfileRow

HOMEOWNERS = Filter(field="home ownership", values=("homeowner",))
LAST_MONTH = (Behaviour(did=False, what="coffee", days=30),)
FED = ("dog food", "cat food")


@pytest.fixture
def asked(talk: Conversation) -> Reply:
    """A question about wines is open in the thread "t": domestic or imported."""
    reply = talk.say("t", "wine drinkers")
    assert reply.question is not None
    assert len(reply.question.options) == 4
    return reply


# --- while a question is open -----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["the first and the third", "number four", "el tercero", "das dritte"])
def test_a_place_that_is_not_offered_picks_nothing(talk: Conversation, asked: Reply, text: str) -> None:
    reply = talk.say("t", text)
    assert reply.question == asked.question
    assert reply.draft is None
    assert reply.text.startswith(("There are 2 answers", "Hay 2 respuestas", "Zur Wahl stehen 2"))


@pytest.mark.parametrize("text", ["both", "both please", "beides", "les deux", "las dos"])
def test_both_of_more_than_two_is_asked_again(text: str) -> None:
    assert misplaced(text, ("tea", "coffee", "milk"))
    assert not misplaced(text, ("tea", "coffee"))
    assert picked(text, ("tea", "coffee")) == ("tea", "coffee")


@pytest.mark.parametrize(
    "text",
    ["leave out those who bought it last month", "only for the first time", "ohne Käufer des letzten Monats",
     "sin los compradores del último mes", "sans les acheteurs du mois dernier"],
)  # fmt: skip
def test_a_time_is_no_place_among_the_answers(text: str) -> None:
    assert picked(text, FED) is None


def test_a_condition_is_kept_for_whatever_is_chosen_and_can_be_undone(talk: Conversation, asked: Reply) -> None:
    kept = talk.say("t", "leave out those who bought it last month")
    assert kept.question == asked.question
    assert kept.text.startswith("I keep that for whichever you choose.")
    back = talk.say("t", "undo")
    assert back.question == asked.question
    assert "I took the last change back." in back.text
    assert spec(talk.say("t", "imported wine")).behaviours == ()


def test_a_kept_condition_holds_for_what_is_chosen(talk: Conversation, asked: Reply) -> None:
    talk.say("t", "only homeowners")
    assert spec(talk.say("t", "imported wine")).filters == (HOMEOWNERS,)


@pytest.mark.parametrize("text", ["narrower", "save", "broader"])
def test_an_order_says_that_an_answer_is_chosen_first(talk: Conversation, asked: Reply, text: str) -> None:
    reply = talk.say("t", text)
    assert reply.text.startswith("Choose one of these first")
    assert reply.question == asked.question


@pytest.mark.parametrize("text", ["save as Wine", "save", "export it as csv"])
def test_the_audience_before_is_not_saved_while_another_one_is_asked_about(talk: Conversation, text: str) -> None:
    talk.say("t", COFFEE)
    talk.decide("t", False)
    asked = talk.say("t", "We want to sell more wine")
    assert asked.question is not None
    assert asked.draft is not None
    reply = talk.say("t", text)
    assert reply.text.startswith("Choose one of these first")
    assert (reply.question, reply.pending) == (asked.question, None)


def test_nothing_is_undone_where_nothing_was_said(talk: Conversation, asked: Reply) -> None:
    assert talk.say("t", "undo").text.startswith("There is nothing to take back.")


def test_a_yes_does_not_choose(talk: Conversation, asked: Reply) -> None:
    reply = talk.say("t", "yes")
    assert reply.question == asked.question
    assert reply.text.startswith("Choose one of them")


def test_something_else_comes_beside_what_was_asked_about(talk: Conversation, asked: Reply) -> None:
    assert spec(talk.say("t", "and coffee")).demand == ("Households that will buy wine or coffee in the next 28 days")


@pytest.mark.parametrize("text", ["no, I mean coffee", "sorry, I meant coffee", "what I meant is coffee"])
def test_a_misunderstanding_is_put_right(talk: Conversation, asked: Reply, text: str) -> None:
    assert spec(talk.say("t", text)).demand == COFFEE


def test_what_the_data_does_not_know_of_people_leaves_the_question_open(talk: Conversation, asked: Reply) -> None:
    reply = talk.say("t", "only left-handed people")
    assert reply.question == asked.question
    assert "Nothing in this data tells who is" in reply.text


def test_a_condition_on_what_the_data_lacks_is_said_when_it_is_asked(talk: Conversation) -> None:
    reply = talk.say("t", "wine drinkers but not zeppelins")
    assert reply.question is not None
    assert "I found nothing in the data for “zeppelins”" in reply.text


def test_any_number_of_conditions_are_kept_before_one_is_chosen(talk: Conversation, asked: Reply) -> None:
    for text in ("only homeowners", "leave out those who bought it last month", "about 100 people"):
        assert talk.say("t", text).question == asked.question
    chosen = talk.say("t", "imported wine")
    assert spec(chosen).filters == (HOMEOWNERS,)
    assert chosen.size is not None
    assert chosen.size.users == 100


def test_what_is_refused_is_not_read_into_an_answer(
    talk: Conversation, asked: Reply, service: PlantedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def read(text: str) -> WholeReading:
        heard.append(text)
        groups = [MeantGroup(group=each, source="purchases", probability=0.9, because="") for each in FED]
        return WholeReading(groups=tuple(groups), entries=(), sure=True, beside=(), nearest=())

    monkeypatch.setattr(service, "read", read)
    assert spec(talk.say("t", "puppies not cats")).demand == "Households that will buy dog food in the next 28 days"
    assert "puppies" in heard[0]
    assert not any("cats" in each for each in heard)


def test_the_very_name_of_an_answer_is_that_answer_alone() -> None:
    assert picked_near("coffee", ("coffee", "coffee shop drinks"), ()) == ("coffee",)
    assert picked_near("coffee and drinks", ("coffee", "coffee shop drinks"), ()) == ("coffee", "coffee shop drinks")


# --- over an audience -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["yes", "that's fine, go ahead", "ok, do it", "ja", "sí", "oui"])
def test_a_yes_to_an_audience_offers_to_save_it(coffee: Conversation, service: PlantedService, text: str) -> None:
    reply = coffee.say("t", text)
    assert reply.pending is not None
    assert reply.pending.action == "save"
    assert service.saves == 0
    coffee.say("t", "yes")
    assert service.saves == 1
    assert coffee.say("t", "yes").pending is None


def test_a_name_given_while_saving_is_asked_about_is_the_name_it_is_saved_under(
    coffee: Conversation, service: PlantedService
) -> None:
    coffee.say("t", "save it")
    reply = coffee.say("t", "call it Winter warmers")
    assert reply.pending is not None
    assert "was not done" not in reply.text
    coffee.say("t", "yes")
    assert [each.name for each in service.kept.values()] == ["Winter warmers"]


def test_a_name_is_remembered_for_a_file(coffee: Conversation) -> None:
    coffee.say("t", "call it Winter warmers")
    pending = coffee.say("t", "export").pending
    assert pending is not None
    assert pending.arguments["name"] == "Winter warmers"


def test_undoing_a_name_says_that_the_people_stay(coffee: Conversation) -> None:
    coffee.say("t", "call it Winter warmers")
    reply = coffee.say("t", "undo")
    assert reply.text == "I took the last change back. It changed no one who is in the audience."
    assert reply.draft is not None
    assert reply.draft.name == ""


@pytest.mark.parametrize("text", ["no, just anyone", "everyone", "anyone who's likely to respond"])
def test_anyone_takes_the_conditions_on_people_away(coffee: Conversation, text: str) -> None:
    assert spec(coffee.say("t", "only homeowners")).filters == (HOMEOWNERS,)
    assert spec(coffee.say("t", text)).filters == ()


def test_a_change_that_changes_nothing_says_so(coffee: Conversation) -> None:
    before = coffee.say("t", "only homeowners")
    again = coffee.say("t", "only homeowners")
    assert again.text == "That changes nothing; the audience is as it was."
    assert spec(again) == spec(before)
    assert spec(coffee.say("t", "undo")).filters == ()


def test_what_comes_after_a_rejected_audience_is_not_added_to_it(coffee: Conversation) -> None:
    assert coffee.say("t", "none of these").draft is None
    assert spec(coffee.say("t", "dog food buyers")).demand == "Households that will buy dog food in the next 28 days"


def test_a_rejected_audience_comes_back(coffee: Conversation) -> None:
    coffee.say("t", "none of these")
    assert spec(coffee.say("t", "undo")).demand == COFFEE


def test_why_these_people_says_what_sets_them_apart(coffee: Conversation) -> None:
    reply = coffee.say("t", "why these people?")
    assert "What sets these households apart from everyone" in reply.text
    assert "why is household 123 in?" in reply.text


def test_what_most_of_them_do_more_comes_before_what_few_do(
    coffee: Conversation, service: PlantedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def row(value: str, audience: float, everyone: float) -> ProfileRow:
        index = 100 * audience / everyone
        return ProfileRow(
            kind="behaviour",
            field="purchases",
            value=value,
            audience_share=audience,
            everyone_share=everyone,
            index=index,
            users=200,
        )

    rows = (row("rare coupons", 0.048, 0.012), row("filters", 0.7, 0.4), row("cigars", 0.1, 0.2))
    monkeypatch.setattr(service, "profile", lambda spec, limit: rows[:limit])
    text = coffee.say("t", "who are these people?").text
    assert text.index("filters") < text.index("rare coupons")
    assert "cigars" not in text


def test_all_of_them_are_no_choice(coffee: Conversation) -> None:
    text = coffee.say("t", "likeliest 100 %").text
    assert "That is all **2,000 households**, so nobody is picked out." in text
    assert "at random" not in text


@pytest.mark.parametrize("text", ["likeliest 100 %", "top 10 %", "about 300 people"])
def test_a_size_alone_asks_for_an_audience_first(talk: Conversation, text: str) -> None:
    assert talk.say("t", text).text.startswith("There is no audience on the page yet.")


@pytest.mark.parametrize(
    "text",
    ["is there an email address?", "can I get their names?", "who is the most active customer?",
     "give me their phone numbers",
     "gibt es E-Mail-Adressen?", "¿hay correos?", "y a-t-il des adresses ?"],
)  # fmt: skip
def test_contacts_are_not_shown_and_the_answer_says_so(coffee: Conversation, text: str) -> None:
    reply = coffee.say("t", text)
    assert any(word in reply.text for word in ("masked", "maskiert", "enmascarados", "masqués"))
    assert spec(reply).demand == COFFEE
    assert reply.pending is None


@pytest.mark.parametrize("text", ["people who buy names", "show me the ones who use email offers", "call it Names"])
def test_not_every_word_for_a_contact_asks_for_one(text: str) -> None:
    order = parse(text, CARD, "draft").order
    assert order is None or order.topic != "contacts"


@pytest.mark.parametrize("text", ["what would they have bought anyway?", "would they come without the campaign?"])
def test_what_people_do_anyway_is_explained(coffee: Conversation, text: str) -> None:
    assert "keep 10 % back" in coffee.say("t", text).text


def test_a_question_that_cannot_be_answered_changes_nothing(coffee: Conversation) -> None:
    reply = coffee.say("t", "who did this and when?")
    assert reply.text.startswith("I have no answer to that.")
    assert spec(reply) == AudienceSpec(demand=COFFEE)


@pytest.mark.parametrize("text", ["delete it", "please delete this audience", "lösche sie", "bórrala", "supprimez-la"])
def test_nothing_is_deleted_by_a_word(coffee: Conversation, text: str) -> None:
    reply = coffee.say("t", text)
    assert reply.pending is None
    assert "audience delete audience" in reply.text


def test_a_thing_of_the_demand_that_is_left_out_goes_from_the_demand(coffee: Conversation) -> None:
    coffee.say("t", "and dog food")
    reply = coffee.say("t", "no, not dog food")
    assert spec(reply) == AudienceSpec(demand=COFFEE)


def test_its_buyers_are_left_out_where_people_are_named(coffee: Conversation) -> None:
    coffee.say("t", "and dog food")
    assert spec(coffee.say("t", "leave out dog food buyers")).behaviours == (Behaviour(did=False, what="dog food"),)


def test_winning_people_back_names_nothing() -> None:
    assert parse("we want to win back coffee drinkers", CARD, "fresh").wants == ("coffee",)
    assert parse("back to school shoppers", CARD, "fresh").wants == ("back to school",)


def test_who_counts_as_lapsed_is_told(coffee: Conversation) -> None:
    coffee.say("t", "loyal customers only")
    assert "“loyal” means the threshold of loyal" in coffee.say("t", "who counts as loyal?").text


def test_thanks_after_a_new_start_is_no_greeting(coffee: Conversation) -> None:
    coffee.say("t", "start over")
    assert coffee.say("t", "thanks").text == "Gladly. Whom would you like to reach next?"


def test_a_name_that_is_made_up_is_not_cut_in_a_word() -> None:
    items = ("frozen novelty desserts", "cold, cough and flu remedies", "pain relievers")
    draft = AudienceDraft(request="-", spec=AudienceSpec(demand="-"))
    name = default_name(Version(draft=draft, parts=Parts(items=items, days=28)))
    assert name == "Frozen novelty desserts or 2 more, next 28 days"
    assert len(name) <= LONGEST_NAME


# --- other languages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [("Kaffee für Hausbesitzer", "German"), ("Müsli und Joghurt", "German"), ("crème brûlée", "English"),
     ("die hard fans", "English"), ("the café crowd", "English")],
)  # fmt: skip
def test_a_letter_beyond_english_and_one_small_word_tell_a_language(text: str, name: str) -> None:
    assert language(text) == name


def test_conditions_on_people_are_read_in_a_short_request(talk: Conversation) -> None:
    assert parse("Kaffee für Hausbesitzer", CARD, "fresh").filters == (HOMEOWNERS,)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("de", "ohne Leute die letzten Monat gekauft haben"),
        ("de", "ohne Käufer des letzten Monats"),
        ("es", "sin los que compraron el mes pasado"),
        ("fr", "sans les gens qui ont acheté le mois dernier"),
        ("zh", "不要上个月买过的人"),
    ],
)
def test_last_months_buyers_are_left_out_in_every_language(coffee: Conversation, code: str, text: str) -> None:
    assert "  " not in into_english(text, code).strip()
    assert spec(coffee.say("t", text)).behaviours == LAST_MONTH


@pytest.mark.parametrize(
    ("code", "text"),
    [("de", "nur wer ein eigenes Haus hat"), ("es", "solo los que tienen casa propia"),
     ("fr", "seulement ceux qui sont propriétaires")],
)  # fmt: skip
def test_homeowners_are_meant_in_every_language(coffee: Conversation, code: str, text: str) -> None:
    assert parse(text, CARD, "draft", tongue=code).filters == (HOMEOWNERS,)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("vergleichen mit Winter warmers", ["Winter warmers"]),
        ("comparar con Perros", ["Perros"]),
        ("comparer avec Chiens", ["Chiens"]),
        ("mit gespeicherten vergleichen", None),
        ("comparar con las guardadas", None),
        ("how does it compare to the others?", None),
    ],
)
def test_an_audience_to_compare_with_is_named_in_every_language(text: str, named: list[str] | None) -> None:
    assert compared_with(text) == named


def test_a_choice_is_not_judged_together_with_what_is_said_next(talk: Conversation, asked: Reply) -> None:
    talk.say("t", "les deux")
    assert talk.say("t", "seulement les femmes").refused == ""


@pytest.mark.parametrize("text", ["swap wine for coffee", "no, replace the wine with coffee", "different idea: coffee"])
def test_one_thing_for_another_at_a_question_gives_up_what_was_asked(
    talk: Conversation, asked: Reply, text: str
) -> None:
    assert asked.question is not None
    assert spec(talk.say("t", text)).demand == COFFEE


@pytest.mark.parametrize("text", ["nur wer es noch nie gekauft hat", "die es noch nicht gekauft haben"])
def test_whoever_never_did_it_in_german(text: str) -> None:
    assert parse(text, CARD, "draft").newness == "first time"


def test_the_name_of_an_audience_nobody_has_named_says_how_its_things_are_joined() -> None:
    draft = AudienceDraft(request="tea", spec=AudienceSpec(demand="Households that will buy tea"))
    parts = Parts(items=("milk", "coffee"), days=28)
    assert default_name(Version(draft=draft, parts=parts)) == "Milk or coffee, next 28 days"
    both = parts.model_copy(update={"join": "all"})
    assert default_name(Version(draft=draft, parts=both)) == "Milk and coffee, next 28 days"
