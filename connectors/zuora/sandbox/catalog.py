"""The price list: products, plans and charges."""

from typing import Any

from connectors.kit.sandbox import Call, Reply, route
from connectors.zuora.sandbox.desk import Desk
from connectors.zuora.sandbox.replies import page, refuse


class CatalogDesk(Desk):
    """`/v1/catalog/products`."""

    @route("GET", "/v1/catalog/products")
    def products(self, call: Call) -> Reply:
        """All products with their plans and charges, page by page."""
        return page(call, "products", self.state["products"])

    def add_product(self, sku: str, name: str, plans: list[dict[str, Any]]) -> None:
        """Put a product on the price list. What has the same number already is replaced and keeps its id."""
        ids = self._ids()
        listed = [
            {
                "id": ids.get(plan["productRatePlanNumber"]) or self.new_id("8ad1"),
                "status": "Active",
                **plan,
                "productRatePlanCharges": [
                    {"id": ids.get(c["productRatePlanChargeNumber"]) or self.new_id("8ad2"), **c}
                    for c in plan["productRatePlanCharges"]
                ],
            }
            for plan in plans
        ]
        product = {
            "id": ids.get(f"sku {sku}") or self.new_id("8ad3"),
            "sku": sku,
            "name": name,
            "productRatePlans": listed,
        }
        self.state["products"] = [p for p in self.state["products"] if p["sku"] != sku] + [product]

    def _ids(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for product in self.state["products"]:
            found[f"sku {product['sku']}"] = product["id"]
            for plan in product["productRatePlans"]:
                found[plan["productRatePlanNumber"]] = plan["id"]
                found |= {c["productRatePlanChargeNumber"]: c["id"] for c in plan["productRatePlanCharges"]}
        return found

    def plan_of(self, entry: dict[str, Any], resource: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Product and plan that an order names, by id or by number."""
        wanted = entry.get("productRatePlanId"), entry.get("productRatePlanNumber")
        for product in self.state["products"]:
            for plan in product["productRatePlans"]:
                if plan["id"] == wanted[0] or (
                    wanted[0] is None and plan["productRatePlanNumber"] == wanted[1]
                ):
                    if plan["status"] != "Active":
                        raise refuse(resource, 30, f"The product rate plan {plan['name']} is not active.")
                    return product, plan
        raise refuse(resource, 40, f"Cannot find the product rate plan '{wanted[0] or wanted[1]}'.")
