"""Turns checked steps into audiences: the sentence, the hard conditions and the cut."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from agent.context import Context
from agent.guard.verdict import JudgedTalk, Refusal, check_spec
from agent.reading.grounding import restate
from agent.reading.wording import Parts, each_condition, keep_conditions, listed
from agent.replies import counted, goal_text
from agent.state import AudienceDraft, Memory, Version
from agent.steps import Step
from agent.thinking.things import taken_back, things_of, with_items, witness
from encoders.text.words import stems
from prompts.loader import reply, spoken
from tools.audiences.sizing import users_at
from tools.operation_types import Goal
from tools.sentences.attributes import parse_filter
from tools.types import AudienceSpec, Behaviour, DataCard, Filter

if TYPE_CHECKING:
    from tools.service import AudienceService

STEP = 1.5
"""How much "broader" and "narrower" change the size."""

EVERYONE = 0.9
"""An audience of so large a share is no audience."""

Drafted = tuple[Version, tuple[str, ...]]
Condition = TypeVar("Condition")


class RefusedAudience(Exception):
    """An audience that may not be targeted came out of a step; ``refusal`` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class Drafting:
    """Writes audiences; every one has passed the guard."""

    def __init__(self, service: "AudienceService", card: DataCard) -> None:
        """Draft for ``service``, whose data ``card`` describes."""
        self.service, self.card = service, card

    def propose(self, step: Step, context: Context, request: str) -> Drafted:
        """A new audience, and what has to be said about it."""
        items = tuple(step.groups or ())
        parts = Parts(
            items=items,
            asked=witness(context, items),
            action=self._action(step, context),
            first_time=step.newness == "first time",
            days=step.horizon_days or self.card.horizon_days,
            join=step.join or "any",
        )
        assumed = []
        if step.horizon_days is None:
            assumed.append(reply("assumed_horizon", days=parts.days))
        if step.newness is None and not step.behaviours and not parts.anything:
            assumed.append(reply("assumed_everyone"))
        assumed += self._stages(step)
        spec = AudienceSpec(
            demand=parts.sentence(self.card.unit_plural),
            filters=_filters(step, context),
            behaviours=_behaviours(parts.newcomers(), _conditions(step)),
            life_cycle=tuple(step.life_cycle or ()),
            memberships=tuple(step.memberships or ()),
        )
        spec, said = self._cut(step, spec)
        if spec.cut is None and not parts.anything and self._takes_everyone(spec):
            spec, said = _with_cut(spec, 0.5), (*said, reply("nearly_everyone"))
        notes = (step.note, *said) if step.note else said
        language = spoken() or "en"
        draft = AudienceDraft(
            request=request,
            language=language,
            spec=spec,
            assumptions=tuple(assumed),
            goal=_goal(step),
            things=things_of(context, items),
            join=parts.join,
            days=parts.days,
        )
        return self.checked(draft, parts), notes

    def amend(self, step: Step, context: Context | None, now: Version) -> Drafted:
        """The audience with everything the step changes, and what has to be said about it.

        Args:
            step: the change.
            context: what was said; None where a control of the page was used.
            now: the audience before.
        """
        spec = now.draft.spec
        if lifted := set(each_condition(spec)) & set(step.unfilter or ()):
            spec = keep_conditions(spec, set(each_condition(spec)) - lifted)
            step = step.model_copy(update={"unfilter": None})
        notes: tuple[str, ...] = ()
        parts, demand = self._reworded(step, now)
        kept = [each for each in spec.behaviours if now.parts is None or each not in now.parts.newcomers()]
        newcomers = parts.newcomers() if parts else self._newcomers(step, spec)
        filters = {each.field: each for each in (*spec.filters, *_filters(step, context))}
        if step.unfilter is not None:
            filters, notes = _unfiltered(filters, step.unfilter)
        spec = AudienceSpec(
            demand=demand,
            filters=tuple(filters.values()),
            behaviours=_behaviours(newcomers, (*kept, *_conditions(step))),
            life_cycle=_with_others(spec.life_cycle, step.life_cycle),
            memberships=_with_others(spec.memberships, step.memberships),
            cut=spec.cut,
            like=spec.like if demand == spec.demand else "",
        )
        goal = _goal(step) or (None if _cuts(step) else now.draft.goal)
        if not _cuts(step) and goal is not None and spec != now.draft.spec:
            step = step.model_copy(update={"goal": goal if goal.money_or_share else None, "users": goal.users})
        spec, said = self._cut(step, spec)
        notes += (step.note,) if step.note else ()
        if stages := self._stages(step):
            notes += (reply("assumed", assumptions="; ".join(stages)),)
        changed = {"spec": spec, "saved": None, "assumptions": self._still_assumed(step, now), "goal": goal}
        things = with_items(now.draft.things, parts.items, context) if parts else ()
        made = {"things": things, "join": parts.join if parts else "any", "days": parts.days if parts else None}
        draft = now.draft.model_copy(update=changed | made)
        return self.checked(draft, parts), notes + said

    def by_hand(self, spec: AudienceSpec, memory: Memory) -> Version:
        """The audience as a person set it with the controls of the page; what their sentence states are conditions."""
        spec = self.service.stated(spec)
        if memory.now is None:
            return self.checked(AudienceDraft(request=spec.demand, spec=spec), None)
        same = spec.demand == memory.now.draft.spec.demand
        goal = memory.now.draft.goal if spec.cut == memory.now.draft.spec.cut else None
        things = memory.now.draft.things if same else ()
        changed: dict[str, object] = {"spec": spec, "saved": None, "goal": goal, "things": things}
        draft = memory.now.draft.model_copy(update=changed | ({} if same else {"join": "any", "days": None}))
        return self.checked(draft, memory.now.parts if same else None)

    def checked(self, draft: AudienceDraft, parts: Parts | None) -> Version:
        """The draft, once the guard has passed it.

        Raises:
            Unwanted: it may not be targeted.
        """
        if refusal := check_spec(draft.spec, JudgedTalk(lines=(draft.request,))):
            raise RefusedAudience(refusal)
        return Version(draft=draft, parts=parts)

    def _stages(self, step: Step) -> tuple[str, ...]:
        """What the stages of the life cycle that a step names stand for in the data, to be said as an assumption."""
        stages = step.life_cycle or ()
        return tuple(reply("assumed_stage", stage=each.stage, meaning=self.service.meaning(each)) for each in stages)

    def _takes_everyone(self, spec: AudienceSpec) -> bool:
        size = self.service.size(spec)
        return bool(size.eligible and size.users and size.users >= EVERYONE * size.eligible)

    def _still_assumed(self, step: Step, now: Version) -> tuple[str, ...]:
        """What was assumed and is not settled by the step."""
        if now.parts is None:
            return ()
        settled = {
            reply("assumed_horizon", days=now.parts.days): step.horizon_days,
            reply("assumed_everyone"): step.newness or step.behaviours,
        }
        return tuple(each for each in now.draft.assumptions if not settled.get(each))

    def _action(self, step: Step, context: Context) -> str:
        """What the users will do: what the step says where the data knows it, else what they do most."""
        actions = context.actions
        if step.verb and step.verb in actions.values():
            return step.verb
        return context.action

    def _reworded(self, step: Step, now: Version) -> tuple[Parts | None, str]:
        """The parts and the sentence after a change; a sentence by hand is kept as far as it can be."""
        parts, sentence = now.parts, now.draft.spec.demand
        if parts is None and step.groups:
            parts = Parts(items=tuple(step.groups), days=self.card.horizon_days)
        if parts is None:
            if step.horizon_days:
                sentence = restate(sentence, step.horizon_days)
            return None, sentence
        items = taken_back(now.draft.things, step.groups) if step.groups else parts.items
        parts = parts.model_copy(
            update={
                "items": items,
                "struck": tuple(each.name for each in now.draft.things if each.name not in items),
                "first_time": step.newness == "first time" if step.newness else parts.first_time,
                "days": step.horizon_days or parts.days,
                "join": step.join or parts.join,
            }
        )
        return parts, parts.sentence(self.card.unit_plural)

    def _newcomers(self, step: Step, spec: AudienceSpec) -> tuple[Behaviour, ...]:
        """What 'for the first time' stands for in a sentence by hand: none of what it is read as, ever before."""
        if step.newness != "first time":
            return ()
        return tuple(Behaviour(did=False, what=group) for group in self.service.size(spec).reads_as[:3])

    def _cut(self, step: Step, spec: AudienceSpec) -> tuple[AudienceSpec, tuple[str, ...]]:
        """The spec with the cut the step asks for, as a share of the eligible users."""
        if step.goal is not None:
            reached = self.service.reach_goal(spec, step.goal.model_copy(update={"users": step.users}))
            eligible = self.service.size(spec).eligible or 0
            return _with_cut(spec, reached.cut, eligible), (goal_text(reached, self.card),)
        if step.percent is not None and not 0 < step.percent <= 100:
            return spec, (reply("percent_wrong"),)
        if step.users is None and step.direction is None and step.percent is None:
            return spec, ()
        size = self.service.size(spec)
        if not size.eligible:
            return (spec if step.percent is None else spec.model_copy(update={"cut": step.percent / 100})), ()
        return self._of_eligible(step, spec, size.eligible, size.cut)

    def _of_eligible(
        self, step: Step, spec: AudienceSpec, eligible: int, cut: float
    ) -> tuple[AudienceSpec, tuple[str, ...]]:
        """The spec with the cut the step asks for, never below the fewest that may be used."""
        notes: tuple[str, ...] = ()
        if step.percent is not None:
            share = step.percent / 100
        elif step.users is not None:
            share = max(step.users, 1) / eligible
            if step.users > eligible:
                known = counted(eligible, self.card)
                notes = (reply("too_many", eligible=known, unit_plural=self.card.unit_plural),)
        else:
            share = cut * (STEP if step.direction == "broader" else 1 / STEP)
        fewest = min(self.card.minimum_size, eligible)
        if users_at(min(share, 1.0), eligible) < fewest:
            share = fewest / eligible
            notes = (*notes, reply("fewest_taken", minimum=fewest, unit_plural=self.card.unit_plural))
        if step.percent is not None and not notes:  # it stays as it was said
            return _with_cut(spec, share), notes
        return _with_cut(spec, share, eligible), notes


def _cuts(step: Step) -> bool:
    """Whether a step says itself how many there shall be."""
    return not (step.users is None and step.percent is None and step.direction is None and step.goal is None)


def _goal(step: Step) -> Goal | None:
    """What the audience is for, so that it stays so when its conditions change: money, a share, or so many people."""
    if step.goal is not None:
        return step.goal.model_copy(update={"users": step.users})
    return Goal(users=step.users) if step.users is not None and step.users > 0 else None


def _with_cut(spec: AudienceSpec, share: float, eligible: int = 0) -> AudienceSpec:
    """The spec with a cut; with as few digits as keep the same number of the ``eligible``, since people read it."""
    cut = min(1.0, round(share, 6))
    shorter = [round(cut, digits) for digits in range(2, 6)] if eligible else []
    alike = (each for each in shorter if each and users_at(each, eligible) == users_at(cut, eligible))
    return spec.model_copy(update={"cut": next(alike, cut)})


def _behaviours(newcomers: tuple[Behaviour, ...], others: Iterable[Behaviour]) -> tuple[Behaviour, ...]:
    """Each condition once, and none that "never before" already says."""
    never = {each.what for each in newcomers}
    return tuple(dict.fromkeys((*newcomers, *(each for each in others if each.did or each.what not in never))))


def _filters(step: Step, context: Context | None) -> tuple[Filter, ...]:
    found = [parse_filter(each, context.fields)[0] for each in step.filters or ()] if context else []
    return tuple(each for each in found if each is not None)


def _conditions(step: Step) -> tuple[Behaviour, ...]:
    """What the people must, or must not, have done before."""
    return tuple(step.behaviours or ())


def _with_others(there: tuple[Condition, ...], others: Iterable[Condition] | None) -> tuple[Condition, ...]:
    """What was asked for before and what is asked for now, each once."""
    return tuple(dict.fromkeys((*there, *(others or ()))))


def _unfiltered(filters: dict[str, Filter], named: list[str]) -> tuple[dict[str, Filter], tuple[str, ...]]:
    """The filters without those on the fields that are named; without names, none."""
    words = stems(" ".join(named))
    generic = re.fullmatch(r"\W*(?:all|any|the|every|\W)*", " ".join(named))
    if generic:
        return {}, ()
    kept = {name: each for name, each in filters.items() if not words & stems(" ".join((name, *each.values)))}
    if len(kept) == len(filters):
        return filters, (reply("not_limited", filters=listed(list(filters), "and") or reply("no_filters")),)
    return kept, ()
