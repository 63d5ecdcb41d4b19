"""A household that hard conditions single out, as an attacker would look for one."""

from itertools import product

from tests.planted import HABITS, MINIMUM
from tools.audiences.population import Population
from tools.types import AudienceSpec, Behaviour, Filter

BREAD = "people who will buy bread in the next 28 days"


def singled_out(population: Population) -> tuple[AudienceSpec, Behaviour, int]:
    """An audience, something that a single household of it did lately, and the row of that household."""
    conditions, forecast = population.conditions, population.forecaster.forecast(BREAD)
    regions, incomes = ("north", "south", "west"), ("high", "low")
    for region, income, group, days in product(regions, incomes, sorted(HABITS), range(1, 8)):
        filters = (Filter(field="region", values=(region,)), Filter(field="income", values=(income,)))
        wanted = Behaviour(did=True, what=group, days=days)
        spec = AudienceSpec(demand=BREAD, filters=filters, cut=1.0)
        *kept, did = conditions.of(spec.model_copy(update={"behaviours": (wanted,)}), forecast)
        eligible = conditions.eligible(kept)
        met = did.mask & eligible
        if met.sum() == 1 and eligible.sum() >= 3 * MINIMUM:
            return spec, wanted, int(met.argmax())
    raise AssertionError("nothing singles anybody out")
