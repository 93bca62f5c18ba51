"""Accounts, both ways."""

from typing import Any

from canonical.order import BillingAccount
from canonical.party import Contact
from connectors.zuora import schema
from connectors.zuora.settings import ZuoraSettings


def _contact_body(contact: Contact) -> dict[str, Any]:
    address = contact.address
    body = {
        "firstName": contact.first_name or schema.NO_FIRST_NAME,
        "lastName": contact.last_name,
        "workEmail": contact.email,
        "address1": address.line1,
        "address2": address.line2,
        "city": address.city,
        "state": address.region,
        "zipCode": address.postal_code,
        "country": address.country,
    }
    return {name: value for name, value in body.items() if value}


def account_body(account: BillingAccount, settings: ZuoraSettings) -> dict[str, Any]:
    """The body of a new account: automatic payment off, no card, billing day given."""
    body: dict[str, Any] = {
        "accountNumber": account.number,
        "name": account.name,
        "currency": account.currency,
        "batch": settings.batch,
        "billCycleDay": account.bill_cycle_day,
        "paymentTerm": account.payment_terms,
        "autoPay": False,
        "crmId": account.customer_id,
        "billToContact": _contact_body(account.bill_to),
        "soldToContact": _contact_body(account.sold_to),
    }
    if account.parent_number is not None:
        body["parentAccountNumber"] = account.parent_number
    if account.vat_id is not None:
        body["taxInfo"] = {"VATId": account.vat_id}
    if account.payment_reference is not None:
        body[settings.payment_field] = account.payment_reference
    return body


def account_status(text: str) -> str:
    """`draft`, `active` or `cancelled`; a word we do not know stays as it is, in lower case."""
    return {"canceled": "cancelled"}.get(text.lower(), text.lower())


def account(wire: schema.Account, parent_number: str | None, settings: ZuoraSettings) -> BillingAccount:
    """The account as billing holds it. `autopay` that is not told counts as on, so that nobody relies on it."""
    basic, billing = wire.basic_info, wire.billing_and_payment
    return BillingAccount(
        number=basic.account_number,
        name=basic.name,
        currency=billing.currency,
        customer_id=basic.crm_id or "",
        parent_number=parent_number,
        payment_terms=billing.payment_term or "",
        autopay=billing.auto_pay is not False,
        payment_reference=wire.custom(settings.payment_field) or basic.custom(settings.payment_field),
        bill_to=(wire.bill_to_contact or schema.Contact()).ours(),
        sold_to=(wire.sold_to_contact or schema.Contact()).ours(),
        vat_id=wire.tax_info.vat_id if wire.tax_info and wire.tax_info.vat_id else None,
        bill_cycle_day=billing.bill_cycle_day or 0,
        account_id=basic.id,
        status=account_status(basic.status),
    )
