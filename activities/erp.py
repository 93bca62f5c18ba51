"""Activities about the ERP. Every call takes a lease of the account first."""

from datetime import date

from temporalio import activity

from activities.contracts.erp import RecordContract, RecordCustomer
from activities.contracts.kernel import Claim, Proof
from activities.effects import Sending
from activities.store.xref import Xref
from activities.tools import Tools
from canonical.catalog import Catalog
from canonical.contract import ContractDocument, ErpCustomer, ErpRef
from canonical.event import for_ledger
from canonical.event_types import ContractRecorded, ErpCustomerRecorded, RecordedLine
from canonical.failures import Rejected
from canonical.ids import number
from canonical.money import total
from canonical.order import OrderPlan
from canonical.planning import contract_document
from canonical.quote import Deal
from connectors.ports import ERP


class ErpActivities:
    """Records financial form: the customer and the contract document."""

    def __init__(self, erp: ERP, tools: Tools) -> None:
        self._erp = erp
        self._tools = tools

    async def _customer(self, order: RecordCustomer) -> ErpCustomer:
        deal = await self._tools.store.documents.get(order.deal, Deal)
        customer, bill_to = deal.parties.customer, deal.parties.bill_to
        if bill_to is None:
            raise Rejected(
                "the deal has no bill-to",
                code="bill-to-missing",
                field="parties.bill_to",
                fix="complete the quote",
            )
        key = f"{customer.customer_id}/{order.route.entity}/{deal.quote.currency}"
        return ErpCustomer(
            external_id=number("C", customer.customer_id, key),  # never from the name, which may change
            name=customer.name,
            entity=order.route.entity,
            currency=deal.quote.currency,
            payment_terms=deal.quote.payment_terms,
            email=bill_to.email,
            address=bill_to.address,
            vat_id=customer.vat_id,
        )

    @activity.defn
    async def record_customer(self, order: RecordCustomer) -> ErpRef:
        """See the contract."""
        async with self._tools.lease("erp"):
            customer, refs = await self._customer(order), await self._tools.refs("erp")
            customer_id = (
                await self._tools.store.documents.get(order.deal, Deal)
            ).parties.customer.customer_id

            async def send(_: Sending) -> ErpRef:
                return await self._erp.upsert_customer(customer, refs)

            async def probe() -> ErpRef | None:
                return await self._erp.find_customer(customer.external_id)

            payload = ErpCustomerRecorded(external_id=customer.external_id, erp_id="")
            event = await self._tools.event(
                payload, subject=customer_id, correlation_id=order.correlation_id, entity=order.route.entity
            )
            xref = Xref(
                canonical_type="customer",
                canonical_id=f"{customer_id}/{order.route.entity}/{customer.currency}",
                system=self._tools.vendor("erp"),
                external_type="customer",
                external_id="",
                entity=order.route.entity,
            )
            return await self._tools.once(
                "erp", customer.model_dump(mode="json"), ErpRef, send, probe,
                correlation_id=order.correlation_id, repeatable=True,
                events=lambda ref: (event.model_copy(update={"data": {**event.data, "erp_id": ref.erp_id}}),),
                xrefs=lambda ref: (xref.model_copy(update={"external_id": ref.erp_id}),),
                vendor_ref=lambda ref: ref.erp_id,
            )  # fmt: skip

    @activity.defn
    async def probe_customer(self, claim: Claim[RecordCustomer, ErpRef]) -> Proof:
        """See the contract."""
        async with self._tools.lease("erp"), self._tools.bounded():
            customer = await self._customer(claim.input)
            found = await self._erp.find_customer(customer.external_id)
            same = found is not None and found.erp_id == claim.result.erp_id
            return Proof(found=found is not None, matches=same, read_back=str(found))

    async def _document(self, order: RecordContract) -> ContractDocument:
        get = self._tools.store.documents.get
        return contract_document(
            await get(order.deal, Deal),
            await get(order.plan, OrderPlan),
            await get(order.catalog, Catalog),
            order.route,
            external_id=order.external_id,
            customer_external_id=order.customer_external_id,
            on=order.on,
        )

    @activity.defn
    async def record_contract(self, order: RecordContract) -> ErpRef:
        """See the contract. What was written is read back and compared line by line."""
        async with self._tools.lease("erp"):
            document, refs = await self._document(order), await self._tools.refs("erp")

            async def send(_: Sending) -> ErpRef:
                return await self._erp.upsert_contract(document, refs)

            async def probe() -> ErpRef | None:
                found = await self._erp.find_contract(order.external_id, refs)
                same = found is not None and not _differences(document, found)
                return await self._erp.contract_ref(order.external_id) if same else None

            recorded = _recorded(document, order.on)
            event = for_ledger(
                await self._tools.event(
                    recorded,
                    subject=document.subscription_number,
                    correlation_id=order.correlation_id,
                    entity=order.route.entity,
                )
            )
            xref = Xref(
                canonical_type="contract",
                canonical_id=document.subscription_number,
                system=self._tools.vendor("erp"),
                external_type="contract-document",
                external_id="",
                entity=order.route.entity,
            )
            ref = await self._tools.once(
                "erp", document.model_dump(mode="json"), ErpRef, send, probe,
                correlation_id=order.correlation_id, repeatable=True,
                events=lambda ref: (event.model_copy(update={"data": {**event.data, "erp_id": ref.erp_id}}),),
                xrefs=lambda ref: (xref.model_copy(update={"external_id": ref.erp_id}),),
                vendor_ref=lambda ref: ref.erp_id,
            )  # fmt: skip
            async with self._tools.bounded():
                held = await self._erp.find_contract(order.external_id, refs)
            wrong = ["absent"] if held is None else _differences(document, held)
            if wrong:
                raise Rejected(
                    f"the contract document in the ERP is not what was sent: {wrong[0]}",
                    code="erp-read-back-differs",
                    field="contract",
                    fix="look at the document in the ERP for edits by hand or by its own scripts, then retry",
                    evidence={"differences": "; ".join(wrong[:20])},
                )
            return ref

    @activity.defn
    async def probe_contract(self, claim: Claim[RecordContract, ErpRef]) -> Proof:
        """See the contract."""
        async with self._tools.lease("erp"), self._tools.bounded():
            document, refs = await self._document(claim.input), await self._tools.refs("erp")
            held = await self._erp.find_contract(claim.input.external_id, refs)
            ref = await self._erp.contract_ref(claim.input.external_id)
            same = held is not None and not _differences(document, held) and ref is not None
            return Proof(
                found=held is not None,
                matches=same and ref is not None and ref.erp_id == claim.result.erp_id,
                read_back=str(ref),
            )


def _recorded(document: ContractDocument, on: date) -> ContractRecorded:
    return ContractRecorded(
        external_id=document.external_id,
        erp_id="",
        subscription_number=document.subscription_number,
        currency=document.currency,
        on=on,
        total=total((line.amount for line in document.lines), document.currency),
        lines=tuple(
            RecordedLine(
                lineage_id=line.lineage_id,
                obligation=line.obligation,
                pattern=line.pattern,
                amount=line.amount,
                allocated=line.allocated,
                period=line.period,
            )
            for line in document.lines
        ),
    )


_COMPARED = ("product_code", "quantity", "amount", "period", "obligation", "ssp", "allocated", "segments")


def _differences(sent: ContractDocument, held: ContractDocument) -> list[str]:
    """What differs, line by line; order of lines does not matter."""
    wrong = [
        f"{name}: sent {getattr(sent, name)}, held {getattr(held, name)}"
        for name in (
            "customer_external_id",
            "entity",
            "currency",
            "term",
            "subscription_number",
            "correlation_id",
        )
        if getattr(sent, name) != getattr(held, name)
    ]
    lines = {line.lineage_id: line for line in held.lines}
    if len(lines) != len(held.lines) or len(held.lines) != len(sent.lines):
        wrong.append(f"{len(sent.lines)} lines sent, {len(held.lines)} held")
    for line in sent.lines:
        other = lines.get(line.lineage_id)
        if other is None:
            wrong.append(f"line {line.lineage_id} is missing")
            continue
        wrong += [
            f"line {line.lineage_id} {name}: sent {getattr(line, name)}, held {getattr(other, name)}"
            for name in _COMPARED
            if getattr(line, name) != getattr(other, name)
        ]
    return wrong
