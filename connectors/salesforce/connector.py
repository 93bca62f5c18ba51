"""The roles CRM and CPQ on one org."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from canonical.failures import Conflict, Failure, Misconfigured, Rejected
from canonical.mapping import Reference
from canonical.party import Customer
from canonical.quote import DealPage, Opportunity, Quote, QuoteMark
from connectors.kit.errors import slug
from connectors.kit.readback import after_effect
from connectors.ports import Health, QuoteParties
from connectors.salesforce import mapping
from connectors.salesforce.client import SalesforceClient
from connectors.salesforce.schema import (
    AccountRow,
    LineRow,
    OpportunityRow,
    QuoteRow,
    Row,
    http_date,
    literal,
    moment,
    names,
    query_time,
    quote_query,
    select,
    tier_query,
    unreadable,
)

R = TypeVar("R", bound=Row)
QUOTE = "SBQQ__Quote__c"
CLIMB = 5
ACTIVATING = "activating"
# A little more than the second within which a conditional write is blind.
SEAL_AFTER = 1.1
UNLOCK_TRIES = 3


class Salesforce:
    """Deals, accounts and quotes of one org. Both roles are the same object, because they share the connection."""

    def __init__(
        self, client: SalesforceClient, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._client = client
        self._pause = pause
        self._settings = client.settings
        self._account_fields: frozenset[str] | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    # Both roles

    async def check(self) -> Health:
        """Sign in, and see whether every custom field is there and visible."""
        try:
            missing = await self._missing_fields()
        except Failure as failure:
            return Health(well=False, detail=failure.message, fix=failure.fix or "")
        if missing:
            return Health(
                well=False,
                detail=f"fields that the org does not show: {', '.join(missing)}",
                fix="deploy them, or give the integration user access to them; see the connector's README",
            )
        return Health(well=True, detail=f"signed in; {self._client.usage or 'usage unknown'}")

    async def _missing_fields(self) -> list[str]:
        s = self._settings
        wanted = {
            QUOTE: [
                *self._mark_names(),
                *(s.field_autopay, s.field_gateway_customer, s.field_payment_method, s.field_purchase_order),
                *(s.field_bill_to_contact, s.field_sold_to_contact, s.field_approved_at),
            ],
            "Account": [s.field_vat_id, s.field_region, s.field_exemption_number],
            "Opportunity": [s.field_opportunity_subscription],
        }
        if not s.default_currency:
            wanted[QUOTE].append("CurrencyIsoCode")
        missing: list[str] = []
        for name, fields in wanted.items():
            known = await self._fields_of(name)
            missing += [f"{name}.{field}" for field in fields if field and field not in known]
        return missing

    async def _fields_of(self, name: str) -> frozenset[str]:
        found = (await self._client.describe(name)).get("fields") or []
        return frozenset(str(f.get("name")) for f in found if isinstance(f, dict))

    async def references(self) -> tuple[Reference, ...]:
        """Products, by their codes."""
        soql = "SELECT Id, Name, ProductCode, IsActive FROM Product2 WHERE ProductCode != null ORDER BY Id"
        return tuple(
            [
                Reference(
                    kind="product",
                    code=row.text("ProductCode"),
                    vendor_id=row.id,
                    name=row.text("Name"),
                    active=row.at("IsActive") is True,
                )
                async for row in self._rows(Row, soql)
            ]
        )

    async def _rows(self, model: type[R], soql: str) -> AsyncIterator[R]:
        async for raw in self._client.records(soql):
            yield _row(model, raw)

    async def _one(self, model: type[R], soql: str, unknown: str, record_id: str) -> tuple[R, dict[str, Any]]:
        async for raw in self._client.records(soql):
            return _row(model, raw), raw
        raise Rejected(
            f"there is no {unknown.removesuffix('-unknown')} {record_id!r} in the CRM",
            code=unknown,
            field=f"{unknown.removesuffix('-unknown')}_id",
            fix="check the id, and whether the integration user may see the record",
        )

    # CRM

    async def closed_won(self, cursor: str | None, limit: int) -> DealPage:
        """See the port. A page shorter than `limit` ends a scan; the next one starts `overlap_seconds` earlier."""
        stamp, last_id = cursor_parts(cursor) if cursor else ("", "")
        where = "IsWon = true AND IsClosed = true AND SBQQ__PrimaryQuote__c != null"
        if stamp and last_id:
            at = query_time(moment(stamp))
            where += f" AND (SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > {literal(last_id)}))"
        elif stamp:
            # Rows of long transactions appear behind the newest stamp, so each scan looks back.
            start = moment(stamp) - timedelta(seconds=self._settings.overlap_seconds)
            where += f" AND SystemModstamp >= {query_time(start)}"
        fields = list(names(OpportunityRow))
        if self._settings.field_approved_at:
            fields.append(f"SBQQ__PrimaryQuote__r.{self._settings.field_approved_at}")
        soql = select(fields, "Opportunity", where, f"ORDER BY SystemModstamp, Id LIMIT {limit}")
        rows = [row async for row in self._rows(OpportunityRow, soql)]
        if rows:
            stamp, last_id = rows[-1].modstamp, rows[-1].id
        if len(rows) < limit:
            last_id = ""
        return DealPage(
            deals=tuple(mapping.deal_ref(row, self._settings) for row in rows),
            cursor=cursor_text(stamp, last_id) if stamp else "",
        )

    async def read_opportunity(self, opportunity_id: str) -> Opportunity:
        """See the port."""
        soql = select(names(OpportunityRow), "Opportunity", f"Id = {literal(opportunity_id)}")
        row, _ = await self._one(OpportunityRow, soql, "opportunity-unknown", opportunity_id)
        return mapping.opportunity(row)

    async def read_customer(self, customer_id: str) -> tuple[Customer, dict[str, str | None]]:
        """See the port. A parent that the user cannot see is named as a parent and has no entry of its own."""
        s = self._settings
        if self._account_fields is None:
            self._account_fields = await self._fields_of("Account")
        person = "IsPersonAccount" in self._account_fields
        fields = [n for n in names(AccountRow) if person or n != "IsPersonAccount"]
        fields += [s.field_vat_id, s.field_region, s.field_exemption_number]
        climb = [f"{'Parent.' * n}{name}" for n in range(1, CLIMB + 1) for name in ("Id", "ParentId")]
        soql = select([*fields, *climb], "Account", "Id = ") + " "
        row, raw = await self._one(AccountRow, soql + literal(customer_id), "account-unknown", customer_id)
        parents: dict[str, str | None] = {}
        above = _climb(raw, parents)
        # One query climbs five levels; a taller tree needs another from there.
        while above is not None and above not in parents:
            higher = [raw async for raw in self._client.records(soql + literal(above))]
            above = _climb(higher[0], parents) if higher else None
        return mapping.customer(row, parents, s), parents

    async def find_contract(self, opportunity_id: str) -> str | None:
        """See the port. The oldest, where the org makes several for one deal."""
        where = f"SBQQ__Opportunity__c = {literal(opportunity_id)}"
        soql = select(["Id"], "Contract", where, "ORDER BY CreatedDate, Id")
        async for row in self._rows(Row, soql):
            return row.id
        return None

    # Quotes

    async def read_quote(self, quote_id: str) -> tuple[Quote, QuoteParties]:
        """See the port. Refuses with everything that our words cannot express, all of it at once."""
        s = self._settings
        row, raw = await self._one(QuoteRow, quote_query(quote_id, s), "quote-unknown", quote_id)
        nested = raw.get("SBQQ__LineItems__r")
        lines = [_row(LineRow, r) async for r in self._client.rest_of(nested)] if nested else []
        tiers = {}
        if any(line.charge_type == "Usage" for line in lines):
            bands = [band async for band in self._rows(Row, tier_query(row.id, s))]
            tiers = mapping.tiers(bands, s)
        parties = QuoteParties(
            sold_to=mapping.party(row, "Shipping", s.field_sold_to_contact),
            bill_to=mapping.party(row, "Billing", s.field_bill_to_contact),
        )
        return mapping.quote(row, lines, tiers, s), parties

    # The mark on a quote

    def _mark_names(self) -> tuple[str, ...]:
        return tuple(mapping.mark_fields(None, self._settings))

    async def _marked(self, quote_id: str) -> Row:
        try:
            raw = await self._client.read(QUOTE, quote_id, ["Id", "LastModifiedDate", *self._mark_names()])
        except Rejected as refusal:
            if refusal.code != "record-unknown":
                raise
            raise Rejected(
                f"there is no quote {quote_id!r} in the CRM",
                code="quote-unknown",
                field="quote_id",
                fix="check the id, and whether the integration user may see the record",
            ) from refusal
        return _row(Row, raw)

    async def read_mark(self, quote_id: str) -> QuoteMark | None:
        """See the port."""
        return mapping.mark(await self._marked(quote_id), self._settings)

    async def lock_quote(self, quote_id: str, mark: QuoteMark) -> QuoteMark:
        """See the port.

        The write is conditional on the second of the last change. Where our own write falls into that very second, the
        condition could not see a rival, so the lock is written once more in a later second (sealed) and read again.
        """
        before = await self._marked(quote_id)
        standing = mapping.mark(before, self._settings)
        self._refuse_other(quote_id, standing, mark)
        if standing != mark:
            after = await self._write_mark(quote_id, before, mark)
            if _second(after) == _second(before):
                await self._pause(SEAL_AFTER)
                with after_effect(f"the mark on quote {quote_id}"):
                    await self._write_mark(quote_id, after, mark)
        return mark

    async def _write_mark(self, quote_id: str, before: Row, mark: QuoteMark) -> Row:
        """Write on the condition that nothing changed since `before`; return the row with our mark on it."""
        try:
            await self._client.update(
                QUOTE,
                quote_id,
                mapping.mark_fields(mark, self._settings),
                http_date(before.text("LastModifiedDate")),
            )
        except Conflict as conflict:
            standing = mapping.mark(await self._marked(quote_id), self._settings)
            self._refuse_other(quote_id, standing, mark)
            raise _changed(quote_id) from conflict
        with after_effect(f"the mark on quote {quote_id}"):
            after = await self._marked(quote_id)
        standing = mapping.mark(after, self._settings)
        self._refuse_other(quote_id, standing, mark)
        if standing != mark:
            raise _changed(quote_id)
        return after

    def _refuse_other(self, quote_id: str, standing: QuoteMark | None, ours: QuoteMark) -> None:
        if standing is None or standing.operation_id == ours.operation_id:
            return
        does = "is activating" if standing.state == ACTIVATING else "has activated"
        raise Conflict(
            f"quote {quote_id}: operation {standing.operation_id} {does} it",
            code="quote-locked",
            field="quote_id",
            fix="wait until that operation ends, or resolve it; then try again",
            evidence={"holder": standing.operation_id, "state": standing.state},
        )

    async def unlock_quote(self, quote_id: str, operation_id: str) -> QuoteMark | None:
        """See the port. An edit by somebody else in between is no reason to keep the lock: it is tried again."""
        cleared = mapping.mark_fields(None, self._settings)
        for left in range(UNLOCK_TRIES, 0, -1):
            before = await self._marked(quote_id)
            standing = mapping.mark(before, self._settings)
            if standing is None or standing.operation_id != operation_id:
                return standing
            try:
                await self._client.update(
                    QUOTE, quote_id, cleared, http_date(before.text("LastModifiedDate"))
                )
            except Conflict as conflict:
                if left == 1:
                    raise _changed(quote_id) from conflict
            else:
                break
        with after_effect(f"quote {quote_id} without a mark"):
            return await self.read_mark(quote_id)

    async def write_back(self, quote_id: str, mark: QuoteMark) -> QuoteMark:
        """See the port. Quote and deal change together or not at all."""
        s = self._settings
        deal = "SBQQ__Opportunity2__r"
        on_deal = [s.field_opportunity_subscription, "SBQQ__Contracted__c" if s.contract_deals else ""]
        fields = ["Id", "SBQQ__Opportunity2__c", *self._mark_names(), *(f"{deal}.{f}" for f in on_deal if f)]
        soql = select(fields, QUOTE, f"Id = {literal(quote_id)}")
        row, _ = await self._one(Row, soql, "quote-unknown", quote_id)
        standing = mapping.mark(row, s)
        self._refuse_other(quote_id, standing, mark)
        changes: dict[str, Any] = {}
        if s.field_opportunity_subscription and (
            row.text(f"{deal}.{s.field_opportunity_subscription}") != mark.billing_subscription
        ):
            changes[s.field_opportunity_subscription] = mark.billing_subscription or None
        # The flag starts a job, so it is set at most once.
        if s.contract_deals and row.at(f"{deal}.SBQQ__Contracted__c") is False:
            changes["SBQQ__Contracted__c"] = True
        requests: list[dict[str, Any]] = []
        if standing != mark:
            requests.append(self._part("quote", QUOTE, row.id, mapping.mark_fields(mark, s)))
        if changes and row.text("SBQQ__Opportunity2__c"):
            requests.append(self._part("deal", "Opportunity", row.text("SBQQ__Opportunity2__c"), changes))
        if requests:
            await self._client.composite(requests)
        with after_effect(f"the result on quote {quote_id}"):
            written = await self.read_mark(quote_id)
        self._refuse_other(quote_id, written, mark)
        if written != mark:
            raise _changed(quote_id)
        return mark

    def _part(self, reference: str, name: str, record_id: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self._client.root}/sobjects/{name}/{record_id}"
        return {"method": "PATCH", "url": url, "referenceId": reference, "body": body}


def _row(model: type[R], raw: Any) -> R:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise unreadable(error, slug(model.__name__)) from error


def _second(row: Row) -> str:
    return http_date(row.text("LastModifiedDate"))


def _changed(quote_id: str) -> Conflict:
    return Conflict(
        f"quote {quote_id} was changed by somebody else in the same moment",
        code="quote-changed",
        field="quote_id",
        fix="read the quote again",
    )


def _climb(raw: Any, parents: dict[str, str | None]) -> str | None:
    """Note the parents that one answer tells of; return the account at which to go on, or None at the end."""
    while True:
        account = str(raw.get("Id"))
        parent: str | None = raw.get("ParentId")
        if account in parents:
            return None
        parents[account] = parent
        above = raw.get("Parent")
        if parent is None or not isinstance(above, dict) or "ParentId" not in above:
            return parent
        raw = above


def cursor_text(stamp: str, last_id: str) -> str:
    """An opaque cursor. With an id the scan goes on behind that row; without one, a new scan starts at the stamp."""
    return base64.urlsafe_b64encode(json.dumps({"t": stamp, "i": last_id}).encode()).decode()


def cursor_parts(cursor: str) -> tuple[str, str]:
    """Stamp and last id. Raises Rejected for a text that is no cursor of ours."""
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        stamp, last_id = str(found["t"]), str(found["i"])
        moment(stamp)
    except (ValueError, KeyError, TypeError, binascii.Error, Misconfigured) as error:
        raise Rejected(
            "this is no cursor of the deal watch",
            code="cursor-invalid",
            field="cursor",
            fix="start the watch again without a cursor; deals that were activated are not activated again",
        ) from error
    return stamp, last_id
