"""Master data of the demonstration company: four legal entities, a price list, routing, tax registrations."""

from datetime import date
from decimal import Decimal

from canonical.catalog import Catalog, Charge, ChargeType, Obligation, PriceModel, PricePlan, Product, Timing
from canonical.entity import LegalEntity, RoutingRule, Segments
from canonical.party import Address
from canonical.tax import Nexus

EPOCH = date(2026, 1, 1)
TERMS = ("Due Upon Receipt", "Net 30", "Net 45", "Net 60")
NOT_YET = "AI-ADDON"
"""A product that sales sells before anybody has published it."""


def _entity(
    code: str, name: str, currencies: tuple[str, ...], ship_from: Address, **more: object
) -> LegalEntity:
    data = {
        "code": code,
        "name": name,
        "country": ship_from.country,
        "currencies": currencies,
        "tax_company": code,
        "ship_from": ship_from,
        "payment_terms": TERMS[:3],
        **more,
    }
    return LegalEntity.model_validate(data)


ENTITIES = (
    _entity(
        "US-INC",
        "Northwind Cloud Inc.",
        ("USD", "JPY"),
        Address(
            line1="100 Ravine Ln NE", city="Bainbridge Island", region="WA", postal_code="98110", country="US"
        ),
    ),
    _entity(
        "CA-LTD",
        "Northwind Cloud Canada Ltd.",
        ("CAD", "USD"),
        Address(line1="200 Bay St", city="Toronto", region="ON", postal_code="M5J 2J1", country="CA"),
        residual="first-period",
    ),
    _entity(
        "UK-LTD",
        "Northwind Cloud UK Ltd.",
        ("GBP", "EUR"),
        Address(line1="1 Poultry", city="London", postal_code="EC2R 8EJ", country="GB"),
        vat_id="GB123456789",
        residual="charge",
    ),
    _entity(
        "DE-GMBH",
        "Northwind Cloud GmbH",
        ("EUR",),
        Address(line1="Unter den Linden 10", city="Berlin", postal_code="10117", country="DE"),
        vat_id="DE123456789",
        discount="charge",
    ),
)


def _rule(rule_id: str, entity: str, department: str, location: str, **fits: object) -> RoutingRule:
    segments = Segments(department=department, location=location, product_class="SUBSCRIPTION")
    data = {
        "rule_id": rule_id,
        "entity": entity,
        "erp": "main",
        "segments": segments,
        "effective_from": EPOCH,
        **fits,
    }
    return RoutingRule.model_validate(data)


RULES = (
    _rule("na-us", "US-INC", "SALES-NA", "SEATTLE", countries=("US",)),
    _rule("na-ca", "CA-LTD", "SALES-NA", "TORONTO", countries=("CA",)),
    _rule("emea-uk", "UK-LTD", "SALES-EMEA", "LONDON", countries=("GB", "IE")),
    _rule("emea-eu", "DE-GMBH", "SALES-EMEA", "BERLIN", countries=("DE", "FR", "NL", "AT", "ES", "IT")),
    _rule("row-jpy", "US-INC", "SALES-NA", "SEATTLE", countries=("JP",), currencies=("JPY",)),
)


def _nexus(country: str, *regions: str, tax: str = "vat") -> tuple[Nexus, ...]:
    return tuple(Nexus(country=country, region=r, tax=tax, effective_from=EPOCH) for r in regions or ("",))


NEXUS = {
    "US-INC": (*_nexus("US", "WA", "PA", "TX", "NY", "IL", "CA", "MA", "CO", tax="sales"), *_nexus("JP")),
    "CA-LTD": _nexus("CA", "ON", "BC", "QC", tax="gst"),
    "UK-LTD": (*_nexus("GB"), *_nexus("IE")),
    "DE-GMBH": (*_nexus("DE"), *_nexus("FR")),
}


def _product(code: str, name: str, *charges: Charge) -> Product:
    return Product(
        code=code,
        name=name,
        effective_from=EPOCH,
        plans=(PricePlan(code=f"{code}-STD", name=f"{name} standard", charges=charges),),
    )


def _ssp(price: str | None) -> dict[str, Decimal]:
    """Stand-alone selling prices by currency; in JPY a hundred times the others."""
    if price is None:
        return {}
    return {**{c: Decimal(price) for c in ("USD", "CAD", "EUR", "GBP")}, "JPY": Decimal(price) * 100}


def _charge(
    code: str,
    name: str,
    type_: ChargeType,
    model: PriceModel,
    tax_code: str,
    obligation: str,
    pattern: str,
    ssp: str | None,
    unit: str = "",
) -> Charge:
    return Charge(
        code=code,
        name=name,
        type=type_,
        model=model,
        timing=Timing.ARREARS if type_ is ChargeType.USAGE else Timing.ADVANCE,
        unit=unit,
        tax_code=tax_code,
        obligation=Obligation(code=obligation, pattern=pattern, ssp=_ssp(ssp)),
    )


_R, _O, _U = ChargeType.RECURRING, ChargeType.ONE_TIME, ChargeType.USAGE
_UNIT, _FLAT, _TIERED = PriceModel.PER_UNIT, PriceModel.FLAT, PriceModel.TIERED

PRODUCTS = (
    _product(
        "PLATFORM",
        "Platform",
        _charge("PLATFORM-FEE", "Platform fee", _R, _UNIT, "SW054000", "PLATFORM", "straight-line", "1000"),
    ),
    _product(
        "SEATS",
        "Named users",
        _charge(
            "SEATS-FEE", "User fee", _R, _UNIT, "SW054000", "PLATFORM-SEATS", "straight-line", "30", "user"
        ),
    ),
    _product(
        "SUPPORT",
        "Premium support",
        _charge("SUPPORT-FEE", "Support fee", _R, _UNIT, "SW054000", "SUPPORT", "straight-line", "250"),
    ),
    _product(
        "API",
        "API calls",
        _charge(
            "API-OVERAGE", "API overage", _U, _TIERED, "SW054000", "API-USAGE", "as-invoiced", None, "call"
        ),
    ),
    _product(
        "STORAGE",
        "Storage",
        _charge(
            "STORAGE-OVERAGE",
            "Storage overage",
            _U,
            _UNIT,
            "SW054000",
            "STORAGE-USAGE",
            "as-invoiced",
            None,
            "GB",
        ),
    ),
    _product(
        "ONBOARDING",
        "Onboarding",
        _charge(
            "ONBOARDING-FEE", "Onboarding package", _O, _UNIT, "S0000000", "ONBOARDING", "progress", "9500"
        ),
    ),
    _product(
        "TRAINING",
        "Training day",
        _charge(
            "TRAINING-FEE", "Training day", _O, _UNIT, "S0000000", "TRAINING", "point-in-time", "1800", "day"
        ),
    ),
)
LATE_PRODUCT = _product(
    NOT_YET,
    "AI add-on",
    _charge("AI-ADDON-FEE", "AI add-on fee", _R, _UNIT, "SW054000", "AI-ADDON", "straight-line", "400"),
)
CATALOG = Catalog(products=PRODUCTS)
CATALOG_LATER = Catalog(products=(*PRODUCTS, LATE_PRODUCT))
