"""The ERP port on an account: customers, and sales orders as contract documents.

Writes are upserts by external id that first look whether there is anything to write, and read back after.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from canonical.contract import ContractDocument, ErpCustomer, ErpRef
from canonical.failures import Conflict, Failure, Misconfigured, OutcomeUnknown, Rejected
from canonical.mapping import MappingSet, Reference
from connectors.kit.readback import after_effect
from connectors.netsuite import mapping
from connectors.netsuite.client import NetsuiteClient, by_external_id
from connectors.netsuite.schema import CustomerRecord, OrderRecord
from connectors.ports import Health

R = TypeVar("R", CustomerRecord, OrderRecord)
# Somebody wrote between our reading and our writing: nothing happened, and looking again settles it.
_LOOK_AGAIN = frozenset({"record-changed", "record-exists"})
_OVER = frozenset({"cancelled", "closed"})


class NetsuiteErp:
    """Implements `connectors.ports.ERP`."""

    def __init__(self, client: NetsuiteClient) -> None:
        self.client = client
        self.settings = client.settings

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def check(self) -> Health:
        """Whether the account answers, the credential is accepted and the custom fields are deployed."""
        try:
            await self.client.query("SELECT id FROM subsidiary ORDER BY id", limit=1)
            missing = await self._undeployed()
        except Failure as failure:
            fix = failure.fix or "try again; if it stays, see the status page of the account"
            return Health(well=False, detail=failure.message, fix=fix)
        if missing:
            return Health(
                well=False,
                detail=f"custom fields are not deployed: {', '.join(missing)}",
                fix="deploy them in the account (see the README of this adapter), or set their names in the settings",
            )
        return Health(well=True, detail=f"account {self.settings.account or self.settings.base_url} answers")

    async def _undeployed(self) -> list[str]:
        order = await self.client.properties("salesOrder")
        missing = [n for n in (*self.settings.body_fields, *self.settings.line_columns) if n not in order]
        vat = self.settings.customer_vat
        if vat and vat not in await self.client.properties("customer"):
            missing.append(vat)
        return missing

    async def references(self) -> tuple[Reference, ...]:
        """Items, subsidiaries, terms, currencies and segments, inactive ones included."""
        found: list[Reference] = []
        for kind, table, code, name in mapping.REFERENCE_TABLES:
            columns = ", ".join(dict.fromkeys(("id", code, name, "isinactive")))
            rows = await self.client.query(f"SELECT {columns} FROM {table} ORDER BY id")  # noqa: S608 - constants
            found.extend(r for row in rows if (r := mapping.reference(kind, row, code, name)) is not None)
        return tuple(found)

    async def upsert_customer(self, customer: ErpCustomer, refs: MappingSet) -> ErpRef:
        """PUT by external id, unless the stored customer already says the same. The address book is replaced whole."""
        external = mapping.external_id(customer.external_id)
        body = mapping.customer_body(customer, refs, self.settings)

        async def write(_: CustomerRecord | None) -> None:
            await self.client.put_customer(external, body)

        stored = await self._upsert(
            f"customer {external}",
            read=lambda: self._customer(external),
            differing=lambda held: self._differences(held, customer, refs),
            write=write,
        )
        return mapping.customer_ref(stored)

    async def _upsert(
        self,
        what: str,
        *,
        read: Callable[[], Awaitable[R | None]],
        differing: Callable[[R], tuple[str, ...]],
        write: Callable[[R | None], Awaitable[None]],
    ) -> R:
        """The record as it is wanted: as it stands if nothing differs, otherwise written once and read back."""
        stored = await read()
        for last in (False, True):
            if stored is not None and not differing(stored):
                return stored
            try:
                await write(stored)
                break
            except Conflict as conflict:
                if last or conflict.code not in _LOOK_AGAIN:
                    raise
            stored = await read()
        with after_effect(what):
            stored = await read()
        if stored is None:
            raise OutcomeUnknown(
                f"the {what} was written and cannot be read back",
                code="read-back-absent",
                field="external_id",
            )
        if differences := differing(stored):
            raise _not_as_sent(what, differences)
        return stored

    def _differences(
        self, stored: CustomerRecord, customer: ErpCustomer, refs: MappingSet
    ) -> tuple[str, ...]:
        differing = mapping.customer_differences(stored, customer, refs, self.settings)
        # The subsidiary decides in whose books a customer lies: it is never moved by a repeat.
        if "subsidiary" in differing and stored.subsidiary is not None:
            raise Conflict(
                f"the customer {customer.external_id} belongs to another legal entity in the ERP",
                code="customer-other-entity",
                field="customer.entity",
                fix="use one external id for each customer and legal entity, or move the customer in the ERP",
                evidence={"stored": f"{stored.subsidiary.id} {stored.subsidiary.name}".strip()},
            )
        return differing

    async def find_customer(self, external_id: str) -> ErpRef | None:
        """GET by external id."""
        found = await self._customer(mapping.external_id(external_id))
        return None if found is None else mapping.customer_ref(found)

    async def upsert_contract(self, document: ContractDocument, refs: MappingSet) -> ErpRef:
        """PUT of the whole sales order with `replace=item`, stored lines keeping their keys, unless nothing differs."""
        external = mapping.external_id(document.external_id)
        customer = await self._customer(mapping.external_id(document.customer_external_id))
        if customer is None:
            raise Rejected(
                f"the ERP has no customer {document.customer_external_id}",
                code="customer-unknown",
                field="contract.customer_external_id",
                fix="create the customer first",
            )

        async def write(held: OrderRecord | None) -> None:
            await self.client.put_sales_order(external, self._order_body(document, customer, held, refs))

        stored = await self._upsert(
            f"sales order {external}",
            read=lambda: self._order(external),
            differing=lambda held: self._contract_differences(held, document, customer, refs),
            write=write,
        )
        return mapping.contract_ref(stored)

    def _order_body(
        self,
        document: ContractDocument,
        customer: CustomerRecord,
        stored: OrderRecord | None,
        refs: MappingSet,
    ) -> dict[str, Any]:
        state = None if stored is None else mapping.contract_ref(stored).status
        if state in _OVER:
            raise Conflict(
                f"the sales order {document.external_id} is {state} and differs from the contract",
                code="contract-over",
                field="contract.external_id",
                fix="see who closed it in the ERP; a contract that goes on needs a new document",
            )
        keys = {} if stored is None else mapping.line_keys(stored, self.settings)
        return mapping.order_body(
            document, customer.id, refs, self.settings, keys=keys, create=stored is None
        )

    def _contract_differences(
        self, stored: OrderRecord, document: ContractDocument, customer: CustomerRecord, refs: MappingSet
    ) -> tuple[str, ...]:
        if stored.entity.id != customer.id:
            return ("customer_external_id",)
        try:
            held = mapping.document_of(stored, document.customer_external_id, refs, self.settings)
        except (Misconfigured, Rejected) as unreadable:
            # A stored line that is not in our words was changed by somebody: it differs, whatever it says.
            return (unreadable.field or unreadable.code,)
        return _differing(held.model_dump(), document.model_dump())

    async def find_contract(self, external_id: str, refs: MappingSet) -> ContractDocument | None:
        """GET by external id with its lines, and the external id of its customer."""
        stored = await self._order(mapping.external_id(external_id))
        if stored is None:
            return None
        customer = await self._customer_by_id(stored.entity.id)
        return mapping.document_of(stored, customer.external_id, refs, self.settings)

    async def contract_ref(self, external_id: str) -> ErpRef | None:
        """One query by external id."""
        external = mapping.external_id(external_id)
        rows = await self.client.query(
            "SELECT id, externalid, tranid, type, status FROM transaction "  # noqa: S608 - its characters were checked
            f"WHERE externalid = '{external}' AND type = 'SalesOrd' ORDER BY id"
        )
        if not rows:
            return None
        if len(rows) > 1:
            raise Conflict(
                f"{len(rows)} sales orders have the external id {external}",
                code="external-id-ambiguous",
                field="external_id",
                fix="remove the external id from all but one of them in the ERP",
            )
        row = {name: str(value) for name, value in rows[0].items() if isinstance(value, str | int)}
        return mapping.order_ref(
            row["id"], row.get("externalid", external), row.get("tranid", ""), row.get("status")
        )

    async def _customer(self, external_id: str) -> CustomerRecord | None:
        return await self.client.customer(by_external_id(external_id))

    async def _customer_by_id(self, record: str) -> CustomerRecord:
        found = await self.client.customer(record)
        if found is None:
            raise Conflict(
                f"the customer {record} of the sales order is gone", code="customer-gone", field="entity"
            )
        return found

    async def _order(self, external_id: str) -> OrderRecord | None:
        return await self.client.sales_order(by_external_id(external_id))


def _differing(held: Mapping[str, Any], sent: Mapping[str, Any]) -> tuple[str, ...]:
    """Dotted names of what is not the same, line by line."""
    names = [name for name in sent if name != "lines" and held[name] != sent[name]]
    if len(held["lines"]) != len(sent["lines"]):
        names.append("lines")
        return tuple(names)
    for index, (stored, ours) in enumerate(zip(held["lines"], sent["lines"], strict=True)):
        names.extend(f"lines[{index}].{name}" for name in ours if stored[name] != ours[name])
    return tuple(names)


def _not_as_sent(what: str, differing: tuple[str, ...]) -> Misconfigured:
    """A workflow, form or preference of the account changes what it stores: a person must look at its set-up."""
    return Misconfigured(
        f"the {what} reads back differently in {', '.join(differing[:10])}",
        code="read-back-differs",
        field=differing[0],
        fix="see which workflow, form or preference of the account changes these fields",
        evidence={"differing": ", ".join(differing)[:500]},
    )
