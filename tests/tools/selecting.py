"""Whom a spec selects, before anything is withheld or rounded for who asks."""

from tools.audiences.disclosure import Disclosure
from tools.audiences.sizing import Selection, select
from tools.service import AudienceService
from tools.types import AudienceSpec


def selected(service: AudienceService, spec: AudienceSpec, disclosure: Disclosure | None = None) -> Selection:
    """Its selection; what is shown of it is as the owner sees it, unless another ``disclosure`` is given."""
    everyone = service.population
    return select(service.forecaster.forecast(spec.demand), spec, everyone.conditions, disclosure or everyone.exact)
