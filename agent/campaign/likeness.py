"""People like these: a list of ids in the message, or an uploaded one, becomes a demand fitted to those users."""

from hashlib import sha256

from agent import replies
from agent.context import Context
from agent.drafting import Drafting
from agent.rules.campaign import ids_in, upload_in
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import AudienceDraft, Memory
from agent.steps import Step
from prompts.loader import reply
from tools.seeds import read_seeds
from tools.types import AudienceSpec


def people_like(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Draft an audience of people like those of the list, with the sentence on the page where there is one.

    Raises:
        RequestError: fewer than five of the list are known; the text says how many.
    """
    file = upload_in(context.text)
    ids = read_seeds(speaker.service.uploaded(file)) if file else ids_in(context.text)
    if not ids:
        return speaker.say(memory, reply("like_which", unit=speaker.card.unit))
    now = memory.now
    sentence = now.draft.spec.demand if now else None
    name = f"list {sha256(' '.join([sentence or '', *sorted(ids)]).encode()).hexdigest()[:8]}"
    tuned = speaker.service.tune(name, sentence, ids)
    if now:
        spec = now.draft.spec.model_copy(update={"demand": tuned.demand, "like": name})
        draft = now.draft.model_copy(update={"spec": spec, "saved": None, "assumptions": ()})
    else:
        draft = AudienceDraft(request=context.text, spec=AudienceSpec(demand=tuned.demand, like=name))
    version = Drafting(speaker.service, speaker.card).checked(draft, now.parts if now else None)
    notes = [reply("like_read_as", groups=", ".join(map(plain, tuned.reads_as[:4])) or "nothing in particular")]
    notes.append(
        reply(
            "like_tuned",
            seeds=replies.count(tuned.seeds or 0),
            after=replies.percent(tuned.auc_after),
            unit_plural=speaker.card.unit_plural,
        )
    )
    notes += [plain(warning, 400) for warning in tuned.warnings]
    return speaker.show("like_these", memory, version, tuple(notes))
