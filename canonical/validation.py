"""Everything that must hold before a deal is activated. All checks run; all findings are reported together."""

from collections.abc import Callable, Mapping

from canonical import checks_content, checks_deal
from canonical.base import Model
from canonical.entity import LegalEntity, Route
from canonical.failures import Finding
from canonical.ground import NOT_SYNCHRONISED, Ground, Look, explained
from canonical.quote import Deal

CHECKS: Mapping[str, Callable[[Look], list[Finding]]] = {
    "quote state": checks_deal.state,
    "account hierarchy": checks_deal.hierarchy,
    "legal entity": checks_deal.entity,
    "currency": checks_deal.currency,
    "tax nexus": checks_deal.nexus,
    "payment terms": checks_deal.terms,
    "payment": checks_deal.payment,
    "product mapping": checks_content.products,
    "addresses": checks_content.addresses,
    "VAT id": checks_content.vat_id,
    "lines": checks_content.lines,
}


class Verdict(Model):
    """All findings, and the route when there is one."""

    findings: tuple[Finding, ...]
    route: Route | None
    entity: LegalEntity | None

    @property
    def waiting(self) -> bool:
        """Whether nothing is wrong but products that are not synchronised yet."""
        return bool(self.findings) and all(f.code == NOT_SYNCHRONISED for f in self.findings)


def validate(deal: Deal, ground: Ground) -> Verdict:
    """Run every check and report everything that is wrong, together."""
    route, _ = explained(deal, ground)
    entity = next((e for e in ground.entities if route is not None and e.code == route.entity), None)
    look = Look(deal, ground, entity)
    return Verdict(
        findings=tuple(f for check in CHECKS.values() for f in check(look)), route=route, entity=entity
    )
