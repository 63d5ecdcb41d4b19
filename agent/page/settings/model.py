"""The language model: which one talks, what it may take, what it has cost, and what came of a test."""

from html import escape

from agent.models.chat import RULES, spoken_name
from agent.models.trying import Tried
from agent.models.usage import Usage, money
from agent.page.cards import count, notice
from agent.page.pieces import done, facts
from agent.page.settings.variables import told, variable
from encoders.settings import Settings


def model_card(settings: Settings) -> str:
    """Which model talks, where it is, and the limits of one turn."""
    name, which = spoken_name(settings), told(variable(settings, "chat_model"))
    shown = escape(_shown(name, settings))
    head = f"<section><h3>Who talks</h3><p class='big'>{shown}</p>{which}"
    if name == RULES:
        return (
            f"{head}<p class='quiet'>Requests are read by rules and the trained reader on this machine: nothing is "
            "sent anywhere, and it costs nothing. A language model can talk instead: set "
            "<code>AUDIENCE_CHAT_MODEL</code>, such as <code>openai:NAME</code> or <code>server:NAME</code>, and "
            "start the program again.</p></section>"
        )
    url, key, prices = (variable(settings, field) for field in ("chat_url", "chat_key", "chat_prices"))
    given = (
        ("Address", f"{escape(url.value)}{told(url)}" if settings.chat_url else ""),
        ("Key", f"{key.value}{told(key)}"),
        ("Prices", f"{_prices(prices.value)}{told(prices)}"),
        ("One turn may take", _limits(settings)),
    )
    return f"{head}{facts(given)}</section>"


def _shown(name: str, settings: Settings) -> str:
    """The name of the model without what an address may hold beside it."""
    return name.replace(settings.chat_url, variable(settings, "chat_url").value) if settings.chat_url else name


def _prices(value: str) -> str:
    if value == "not set":
        return "not set: cost is told in tokens alone"
    return f"{escape(value)} dollars per million tokens read/written"


def _limits(settings: Settings) -> str:
    limits = (
        (f"{count(settings.chat_calls)} requests", "chat_calls"),
        (f"{count(settings.chat_tokens)} tokens", "chat_tokens"),
        (f"{settings.chat_seconds:g} seconds", "chat_seconds"),
    )
    return "".join(f"<div>{text}{told(variable(settings, field))}</div>" for text, field in limits)


def cost(usage: Usage, conversations: int, talks: bool) -> str:
    """What the conversations that are kept have cost; nothing where no model talks and none ever did."""
    if not conversations:
        told = "No conversation that is kept has asked a language model." if talks else ""
        return f"<section><h3>Cost so far</h3><p class='quiet'>{told}</p></section>" if told else ""
    kept = (
        "1 conversation that is kept" if conversations == 1 else f"{count(conversations)} conversations that are kept"
    )
    untold = f"; {count(usage.untold)} did not tell their tokens" if usage.untold else ""
    given = (
        ("Money", f"${money(usage.dollars)}" if usage.dollars is not None else "not known: no prices are set"),
        ("Tokens", f"{count(usage.input_tokens)} read, {count(usage.output_tokens)} written"),
        ("Requests", f"{count(usage.calls)}{untold}"),
    )
    return f'<section><h3>Cost so far</h3><p class="quiet">Of {kept}.</p>{facts(given)}</section>'


def tried(found: Tried | None) -> str:
    """What came of a test."""
    if found is None:
        return done("No language model is asked: the built-in rules answer, and need no test.")
    took = [f"{found.seconds:.1f} seconds"]
    if not found.usage.untold:
        took.append(f"{count(found.usage.input_tokens)} tokens read, {count(found.usage.output_tokens)} written")
    if found.usage.dollars is not None:
        took.append(f"${money(found.usage.dollars)}")
    if found.calls_tools:
        return done(f"{found.name} answered, and called the tool it was given: {', '.join(took)}.")
    said = f" It said: “{found.words}”." if found.words else ""
    return notice(
        f"{found.name} answered without calling the tool it was given ({', '.join(took)}), and the assistant needs one "
        f"that calls tools; until then the rules take over.{said}",
        "alert",
    )
