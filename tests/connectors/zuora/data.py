"""A small tenant and small orders that the tests of this adapter share."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from canonical.catalog import ChargeType, Frequency, PriceModel, Tier, Timing
from canonical.mapping import MappingSet
from canonical.order import BillingAccount, OrderLine, OrderPlan
from canonical.party import Address, Contact
from canonical.period import Period
from connectors.kit.sandbox import SandboxTransport
from connectors.zuora.client import ZuoraClient
from connectors.zuora.connector import ZuoraBilling
from connectors.zuora.sandbox import CLIENT_ID, CLIENT_SECRET, Tenant, ZuoraSandbox
from connectors.zuora.sandbox.seed import charge, plan
from connectors.zuora.settings import ZuoraSettings

BASE = "https://zuora.test"
START = date(2026, 12, 1)
YEAR = Period(start=START, end=date(2027, 12, 1))

# Product, plan, charge, type, model and unit.
PRICE_LIST = (
    ("PLATFORM", "PLATFORM-STD", "PLATFORM-SEAT", "Recurring", "PerUnit", "Seat"),
    ("SUPPORT", "SUPPORT-STD", "SUPPORT-FEE", "Recurring", "FlatFee", ""),
    ("STORAGE", "STORAGE-STD", "STORAGE-TB", "Recurring", "Tiered", "TB"),
    ("CAPACITY", "CAPACITY-STD", "CAPACITY-VOL", "Recurring", "Volume", "Unit"),
    ("SETUP", "SETUP-STD", "SETUP-FEE", "OneTime", "FlatFee", ""),
    ("TRAINING", "TRAINING-STD", "TRAINING-DAY", "OneTime", "PerUnit", "Day"),
    ("API", "API-STD", "API-CALLS", "Usage", "PerUnit", "Call"),
    ("API-TIERED", "API-TIERED-STD", "API-TIERED-CALLS", "Usage", "Tiered", "Call"),
    ("API-VOLUME", "API-VOLUME-STD", "API-VOLUME-CALLS", "Usage", "Volume", "Call"),
)


@dataclass
class Tested:
    """A connector on its sandbox, in process."""

    sandbox: ZuoraSandbox
    billing: ZuoraBilling
    refs: MappingSet

    async def account(self, number: str = "A-ACME", **changes: Any) -> BillingAccount:
        return await self.billing.create_account(account(number, **changes), key=f"key-{number}")


def fill(sandbox: ZuoraSandbox) -> ZuoraSandbox:
    for sku, plan_number, number, kind, model, unit in PRICE_LIST:
        item = charge(number, number.title(), kind, model, unit)
        sandbox.add_product(sku, sku.title(), [plan(plan_number, plan_number.title(), [item])])
    return sandbox


def settings(base_url: str = BASE, **changes: Any) -> ZuoraSettings:
    known: dict[str, Any] = {
        "base_url": base_url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "job_interval": 0.01,
    }
    return ZuoraSettings(**(known | changes))


async def start(tenant: Tenant | None = None, sandbox: ZuoraSandbox | None = None, **changes: Any) -> Tested:
    vendor = sandbox or fill(ZuoraSandbox(tenant=tenant))
    billing = ZuoraBilling(ZuoraClient(settings(**changes), SandboxTransport(vendor)))
    refs = MappingSet.of("zuora", await billing.references())
    return Tested(vendor, billing, refs)


def account(number: str = "A-ACME", **changes: Any) -> BillingAccount:
    contact = Contact(
        first_name="Ada",
        last_name='O\'Neil, "Ops" 🚀',
        email="ada@acme.example",
        address=Address(line1="1 Main St", city="Denver", region="CO", postal_code="80202", country="US"),
    )
    known: dict[str, Any] = {
        "number": number,
        "name": 'Acme "Rockets", Inc.\nEurope',
        "currency": "USD",
        "customer_id": "001A000001",
        "payment_terms": "Net 30",
        "bill_to": contact,
        "sold_to": contact.model_copy(update={"first_name": ""}),
        "vat_id": "DE123456789",
    }
    return BillingAccount(**(known | changes))


def line(charge_code: str = "PLATFORM-SEAT", lineage: str = "QL-1", **changes: Any) -> OrderLine:
    sku, plan_code, _, kind, model, unit = next(row for row in PRICE_LIST if row[2] == charge_code)
    types = {"Recurring": ChargeType.RECURRING, "OneTime": ChargeType.ONE_TIME, "Usage": ChargeType.USAGE}
    models = {"FlatFee": PriceModel.FLAT, "PerUnit": PriceModel.PER_UNIT}
    models |= {"Tiered": PriceModel.TIERED, "Volume": PriceModel.VOLUME}
    known: dict[str, Any] = {
        "lineage_id": lineage,
        "product_code": sku,
        "plan_code": plan_code,
        "charge_code": charge_code,
        "type": types[kind],
        "model": models[model],
        "quantity": Decimal(10) if model != "FlatFee" and kind != "Usage" else Decimal(1),
        "unit_price": Decimal("83.33"),
        "unit": unit,
        "frequency": Frequency.ONCE if kind == "OneTime" else Frequency.MONTHLY,
        "timing": Timing.ARREARS if kind == "Usage" else Timing.ADVANCE,
        "period": YEAR,
    }
    if model in ("Tiered", "Volume"):
        known |= {
            "unit_price": None,
            "tiers": (
                Tier(from_quantity=Decimal(0), to_quantity=Decimal(5), unit_price=Decimal("10.005")),
                Tier(from_quantity=Decimal(5), unit_price=Decimal(8)),
            ),
        }
    return OrderLine(**(known | changes))


def discount(lineage: str = "QL-1", percent: str = "10", **changes: Any) -> OrderLine:
    known: dict[str, Any] = {
        "lineage_id": lineage,
        "kind": "discount",
        "product_code": "PLATFORM",
        "plan_code": "DISCOUNT",
        "charge_code": "DISCOUNT-PERCENT",
        "type": ChargeType.RECURRING,
        "model": PriceModel.DISCOUNT_PERCENT,
        "quantity": Decimal(1),
        "unit": "Seat",
        "discount_percent": Decimal(percent),
        "frequency": Frequency.MONTHLY,
        "period": YEAR,
    }
    return OrderLine(**(known | changes))


def rounding(amount: str = "0.04", lineage: str = "QL-1", **changes: Any) -> OrderLine:
    known: dict[str, Any] = {
        "lineage_id": lineage,
        "kind": "rounding",
        "product_code": "PLATFORM",
        "plan_code": "ROUNDING",
        "charge_code": "ROUNDING-CHARGE",
        "type": ChargeType.ONE_TIME,
        "model": PriceModel.FLAT,
        "quantity": Decimal(1),
        "unit_price": Decimal(amount),
        "unit": "Seat",
        "frequency": Frequency.ONCE,
        "timing": Timing.ADVANCE,
        "period": YEAR,
    }
    return OrderLine(**(known | changes))


def order(*lines: OrderLine, number: str = "O-1", **changes: Any) -> OrderPlan:
    known: dict[str, Any] = {
        "order_number": number,
        "account_number": "A-ACME",
        "subscription_number": f"S-{number}",
        "correlation_id": "corr-1",
        "quote_id": "Q-0001",
        "currency": "USD",
        "order_date": date(2026, 11, 24),
        "term": YEAR,
        "payment_terms": "Net 30",
        "lines": lines or (line(),),
    }
    return OrderPlan(**(known | changes))
