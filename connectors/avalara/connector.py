"""AvaTax in the role of the tax engine."""

from canonical.failures import Failure, Misconfigured, Rejected
from canonical.mapping import Reference
from canonical.party import Address
from canonical.tax import AddressCheck, Nexus, TaxDetermination, TaxRequest
from connectors.avalara import mapping
from connectors.avalara.client import AvalaraClient
from connectors.avalara.errors import ADDRESS_CODES
from connectors.ports import Health

RESOLVABLE = frozenset({"US", "CA"})


class AvalaraTax:
    """Addresses, nexus and estimates. Nothing is cached but the numbers of companies: rates change daily."""

    def __init__(self, client: AvalaraClient) -> None:
        self.client = client
        self._companies: dict[str, int] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def check(self) -> Health:
        """Ping, and believe only `authenticated`: the ping itself succeeds with any credential."""
        try:
            ping = await self.client.ping()
        except Failure as failure:
            return Health(well=False, detail=failure.message, fix=failure.fix or "check address and network")
        if not ping.authenticated:
            return Health(
                well=False,
                detail="the tax engine answers, but does not accept the credential",
                fix="set REVSAGA_AVALARA_ACCOUNT_ID and REVSAGA_AVALARA_LICENSE_KEY to a valid pair",
            )
        return Health(well=True, detail=f"version {ping.version}, {ping.authentication_type}")

    async def references(self) -> tuple[Reference, ...]:
        """Every tax code of the vendor's list, as kind `tax_code`."""
        return mapping.references(await self.client.tax_codes())

    async def resolve_address(self, address: Address) -> AddressCheck:
        """Resolve an address in the US or Canada; elsewhere nothing is asked and nothing is resolved."""
        if address.country not in RESOLVABLE:
            where = address.country or "no country"
            problem = f"addresses in {where} cannot be resolved, only those in the US and Canada"
            return AddressCheck(resolved=False, problems=(problem,))
        try:
            resolution = await self.client.resolve(mapping.wire_address(address))
        except Rejected as refused:
            # Too little to look for, or a field of impossible length: the address is bad, the engine is well.
            if refused.code in ADDRESS_CODES:
                return AddressCheck(resolved=False, problems=(refused.message,))
            raise
        return mapping.address_check(resolution, address, self.client.settings.minimum_quality)

    async def nexus(self, company: str) -> tuple[Nexus, ...]:
        """Where the company collects. Misconfigured when the engine does not know the company."""
        rows = await self.client.nexus(await self._company_id(company))
        return mapping.nexus(rows, self.client.settings)

    async def estimate(self, request: TaxRequest) -> TaxDetermination:
        """Tax of the document as an estimate. The nexus list is only read when a zero does not explain itself.

        Rejected when the engine refuses the document or its sums do not agree; Misconfigured when it does not know the
        company, or records what should only be estimated.
        """
        transaction, body = await self.client.create_transaction(mapping.transaction_body(request))
        known = await self.nexus(request.company) if mapping.needs_nexus(transaction) else ()
        found = mapping.determination(transaction, request, known, body)
        if found.recorded:
            raise Misconfigured(
                f"the tax engine recorded an estimate as document {found.document_id}",
                code="estimate-recorded",
                field="type",
                fix="void that document in the tax engine, and find out what turns orders into invoices there",
                evidence={"document": str(found.document_id), "type": transaction.type or ""},
            )
        return found

    async def _company_id(self, code: str) -> int:
        if code not in self._companies:
            rows = await self.client.companies(code)
            matching = [row.id for row in rows if row.company_code.casefold() == code.casefold()]
            if len(matching) != 1:
                raise Misconfigured(
                    f"the tax engine knows {len(matching)} companies with code {code!r}",
                    code="tax-company-unknown",
                    field="company",
                    fix="correct the tax company of the legal entity, or create it in the tax engine",
                )
            self._companies[code] = matching[0]
        return self._companies[code]
