"""Products have versions with days; a mapping says which record of a vendor a code means."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canonical.catalog import Catalog, ChargeType, Frequency, Obligation, ssp_total
from canonical.failures import Misconfigured
from canonical.mapping import MappingSet, Reference
from canonical.money import Money
from canonical.planning import find_charge
from canonical.proration import EXACT_BY_DAY
from tests.builders.quotes import CATALOG, a_product

OLD = a_product("SEATS", version=1, effective_from=date(2025, 1, 1), effective_to=date(2026, 1, 1))
NEW = a_product("SEATS", version=2, effective_from=date(2026, 1, 1))
FIX = a_product("SEATS", version=3, effective_from=date(2026, 3, 1), effective_to=date(2026, 4, 1))


@pytest.mark.parametrize(
    ("on", "version"),
    [
        (date(2024, 12, 31), None),
        (date(2025, 1, 1), 1),
        (date(2025, 12, 31), 1),
        (date(2026, 1, 1), 2),
        (date(2026, 3, 1), 3),
        (date(2026, 4, 1), 2),
        (date(2030, 1, 1), 2),
    ],
)
def test_the_newest_version_of_the_day_is_sold(on: date, version: int | None) -> None:
    found = Catalog(products=(NEW, FIX, OLD)).find("SEATS", on)
    assert (found.version if found else None) == version


def test_an_unknown_product_is_not_found() -> None:
    assert CATALOG.find("GONE", date(2026, 1, 1)) is None
    assert Catalog(products=()).find("SEATS", date(2026, 1, 1)) is None


def test_a_product_without_a_plan_is_no_product() -> None:
    with pytest.raises(ValidationError, match="SEATS has no price plan"):
        a_product("SEATS", plans=())


def test_a_plan_names_its_proration_and_its_charges_are_found_by_type() -> None:
    assert NEW.plans[0].proration == EXACT_BY_DAY
    match = find_charge(NEW, ChargeType.RECURRING)
    assert match is not None
    assert match[1].code == "SEATS-C"
    assert find_charge(NEW, ChargeType.USAGE) is None


def test_months_of_a_billing_period() -> None:
    assert [f.months for f in Frequency] == [1, 3, 6, 12, 0]


@given(st.decimals("0", "9999", places=6), st.integers(1, 5000).map(Decimal), st.integers(0, 60))
def test_a_stand_alone_price_counts_units_and_months(ssp: Decimal, quantity: Decimal, months: int) -> None:
    obligation = Obligation(code="X", pattern="straight-line", ssp={"USD": ssp})
    assert ssp_total(obligation, quantity, months, "USD") == Money.rounded(
        ssp * quantity * max(months, 1), "USD"
    )
    assert ssp_total(obligation.model_copy(update={"ssp": {}}), quantity, months, "USD") is None


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=20))
def test_a_mapping_leads_there_and_back(codes: dict[str, str]) -> None:
    once = {code: f"{i}-{vendor_id}" for i, (code, vendor_id) in enumerate(codes.items())}
    mapping = MappingSet.of("v", [Reference(kind="item", code=c, vendor_id=v) for c, v in once.items()])
    for code, vendor_id in once.items():
        assert mapping.id("item", code) == vendor_id
        assert mapping.code("item", vendor_id) == code
        assert mapping.code("plan", vendor_id) is None
    again = MappingSet.model_validate_json(mapping.model_dump_json())
    assert again == mapping


def test_inactive_records_are_not_mapped_and_a_missing_row_names_the_command() -> None:
    mapping = MappingSet.of("erp", [Reference(kind="item", code="A", vendor_id="1", active=False)])
    assert mapping.find("item", "A") is None
    with pytest.raises(Misconfigured) as missing:
        mapping.id("item", "A")
    assert (missing.value.code, missing.value.field) == ("mapping-missing", "mapping.item.A")
    assert "revsaga mapping activate erp" in (missing.value.fix or "")
