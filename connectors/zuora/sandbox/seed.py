"""This vendor's side of the test world: its price list."""

from typing import Any

from connectors.kit.world import World
from connectors.zuora.sandbox.catalog import CatalogDesk

_TYPES = {"recurring": "Recurring", "one-time": "OneTime", "usage": "Usage"}
_MODELS = {
    "flat": "FlatFee",
    "per-unit": "PerUnit",
    "tiered": "Tiered",
    "volume": "Volume",
    "discount-percent": "DiscountPercentage",
    "discount-amount": "DiscountFixedAmount",
}


def charge(
    number: str, name: str, kind: str, model: str, unit: str = "", arrears: bool = False
) -> dict[str, Any]:
    """A charge of the price list, in the vendor's words."""
    return {
        "name": name,
        "productRatePlanChargeNumber": number,
        "type": kind,
        "model": model,
        "uom": unit or None,
        "billingPeriod": None if kind == "OneTime" else "Month",
        "billingTiming": "IN_ARREARS" if arrears or kind == "Usage" else "IN_ADVANCE",
        "billingDay": "DefaultFromCustomer",
        "triggerEvent": "ContractEffective",
        "endDateCondition": "Subscription_End",
        "taxable": False,
        "pricing": [],
    }


def plan(number: str, name: str, charges: list[dict[str, Any]]) -> dict[str, Any]:
    """A plan of the price list."""
    return {
        "name": name,
        "productRatePlanNumber": number,
        "effectiveStartDate": "2015-01-01",
        "effectiveEndDate": "2099-12-31",
        "productRatePlanCharges": charges,
    }


def house_plans(sandbox: CatalogDesk) -> None:
    """What every tenant of ours deploys: a plan for discount charges and one for rounding charges."""
    discount = charge("DISCOUNT-PERCENT", "Discount", "Recurring", "DiscountPercentage")
    rounding = charge("ROUNDING-CHARGE", "Rounding", "OneTime", "FlatFee")
    sandbox.add_product("DISCOUNT", "Discount", [plan("DISCOUNT", "Discount", [discount])])
    sandbox.add_product("ROUNDING", "Rounding", [plan("ROUNDING", "Rounding", [rounding])])


def seed(sandbox: CatalogDesk, world: World) -> None:
    """Load the newest version of every product of the world; what is there already is replaced."""
    house_plans(sandbox)
    newest = {p.code: p for p in sorted(world.catalog.products, key=lambda p: p.version)}
    for product in newest.values():
        plans = [
            plan(
                p.code,
                p.name,
                [
                    charge(
                        c.code,
                        c.name,
                        _TYPES[c.type.value],
                        _MODELS[c.model.value],
                        c.unit,
                        c.timing.value == "in-arrears",
                    )
                    for c in p.charges
                ],
            )
            for p in product.plans
        ]
        sandbox.add_product(product.code, product.name, plans)
