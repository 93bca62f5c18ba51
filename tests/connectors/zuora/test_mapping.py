"""Our words <-> theirs: golden bodies, golden answers, and refusals."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from canonical.catalog import ChargeType, Frequency, PriceModel, Timing
from canonical.failures import Misconfigured, Rejected
from canonical.mapping import MappingSet
from canonical.order import OrderLine, OrderPlan
from canonical.period import Period
from connectors.kit import decimal_json
from connectors.zuora import mapping, schema
from tests.connectors.zuora import data

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = data.settings()
REFS = MappingSet(
    vendor="zuora",
    version=1,
    entries={
        **{f"plan:{row[1]}": f"id-{row[1]}" for row in data.PRICE_LIST},
        **{f"charge:{row[2]}": f"id-{row[2]}" for row in data.PRICE_LIST},
        "plan:DISCOUNT": "id-DISCOUNT",
        "charge:DISCOUNT-PERCENT": "id-DISCOUNT-PERCENT",
        "plan:ROUNDING": "id-ROUNDING",
        "charge:ROUNDING-CHARGE": "id-ROUNDING-CHARGE",
    },
)
HALF = Period(start=date(2027, 6, 1), end=data.YEAR.end)
FIRST_HALF = Period(start=data.YEAR.start, end=HALF.start)


def golden(name: str) -> Any:
    return decimal_json.loads((GOLDEN / f"{name}.json").read_bytes())


def sent(body: dict[str, Any]) -> Any:
    """A body as it goes over the wire."""
    return decimal_json.loads(decimal_json.dumps(body))


def everything() -> OrderPlan:
    """One line of each kind: a ramp, a discount, a rounding, one-time, tiers, volume, usage."""
    return data.order(
        data.line(period=FIRST_HALF),
        data.line(
            lineage="QL-2", period=HALF, unit_price=Decimal("99.123456789012"), quantity=Decimal("2.5")
        ),
        data.discount("QL-2", "12.5", period=HALF),
        data.rounding("-0.01", "QL-2", period=Period(start=date(2027, 11, 1), end=data.YEAR.end)),
        data.line("SUPPORT-FEE", "QL-3", frequency=Frequency.QUARTERLY, timing=Timing.ARREARS),
        data.line("STORAGE-TB", "QL-4", frequency=Frequency.SEMIANNUAL),
        data.line("CAPACITY-VOL", "QL-5", frequency=Frequency.ANNUAL),
        data.line("SETUP-FEE", "QL-6", period=Period(start=data.START, end=date(2027, 2, 1))),
        data.line("TRAINING-DAY", "QL-7", quantity=Decimal(3)),
        data.line("API-CALLS", "QL-8"),
        data.line("API-TIERED-CALLS", "QL-9"),
        data.line("API-VOLUME-CALLS", "QL-10", frequency=Frequency.QUARTERLY),
    )


def test_the_body_of_an_account() -> None:
    account = data.account("A-CHILD", parent_number="A-PARENT", payment_reference="cus_1/pm_1")
    assert sent(mapping.account_body(account, SETTINGS)) == golden("account_body")


def test_the_body_of_a_draft() -> None:
    assert sent(mapping.draft_body(everything(), REFS, SETTINGS)) == golden("draft_body")


def test_a_draft_carries_no_processing_options_and_a_preview_no_status() -> None:
    draft = mapping.draft_body(everything(), REFS, SETTINGS)
    preview = mapping.preview_body(everything(), REFS, SETTINGS)
    assert "processingOptions" not in draft
    assert draft["status"] == "Draft"
    assert {"status", "processingOptions", "schedulingOptions"}.isdisjoint(preview)
    assert preview["previewOptions"] == {
        "previewThruType": "TermEnd",
        "previewTypes": ["BillingDocs"],
        "documentDate": data.order().order_date,
        "skipTax": True,
    }
    same = {k: v for k, v in preview.items() if k != "previewOptions"}
    assert same == {k: v for k, v in draft.items() if k != "status"}


def test_a_pending_order_leaves_service_activation_blank_and_bills_nothing() -> None:
    body = mapping.draft_body(data.order(), REFS, data.settings(activation="trigger_dates"))
    names = [t["name"] for t in body["subscriptions"][0]["orderActions"][0]["triggerDates"]]
    assert names == ["ContractEffective"]
    assert "status" not in body
    assert body["processingOptions"] == {"runBilling": False, "collectPayment": False}


def test_an_account_answer() -> None:
    wire = schema.Account.model_validate(golden("account_answer"))
    found = mapping.account(wire, "A-PARENT", SETTINGS)
    assert found.model_dump(mode="json") == golden("account_expected")


def test_an_account_that_does_not_tell_its_automatic_payment_counts_as_paying() -> None:
    answer = golden("account_answer")
    del answer["billingAndPayment"]["autoPay"]
    assert mapping.account(schema.Account.model_validate(answer), None, SETTINGS).autopay


def test_an_order_answer() -> None:
    wire = schema.Order.model_validate(golden("order_answer")["order"])
    found = mapping.order(wire, REFS, SETTINGS)
    assert found.model_dump(mode="json") == golden("order_expected")
    assert found.lines == everything().lines


def test_a_subscription_answer() -> None:
    wire = schema.Subscription.model_validate(golden("subscription_answer"))
    found = mapping.subscription(wire, "USD", REFS, SETTINGS)
    assert found.model_dump(mode="json") == golden("subscription_expected")


def test_a_preview_answer() -> None:
    plan = data.order(data.line(), data.discount(), data.rounding())
    answer = json.loads((GOLDEN / "preview_answer.json").read_text(), parse_float=Decimal)
    wire = schema.PreviewResult.model_validate(answer["previewResult"])
    found = mapping.preview(wire, plan, REFS)
    assert found.model_dump(mode="json") == golden("preview_expected")


def test_without_charge_numbers_a_preview_item_is_known_by_its_charge_if_one_line_sells_it() -> None:
    item = {
        "chargeName": "Seat",
        "productRatePlanChargeId": "id-PLATFORM-SEAT",
        "serviceStartDate": "2026-12-01",
        "serviceEndDate": "2026-12-31",
        "amountWithoutTax": 5,
    }
    wire = schema.PreviewResult.model_validate(
        {"invoices": [{"targetDate": "2026-12-01", "invoiceItems": [item]}]}
    )
    one = mapping.preview(wire, data.order(data.line()), REFS)
    two = mapping.preview(wire, data.order(data.line(), data.line(lineage="QL-2")), REFS)
    assert one.invoices[0].lines[0].lineage_id == "QL-1"
    assert two.invoices[0].lines[0].lineage_id is None


def test_a_credit_memo_in_a_preview_counts_as_minus() -> None:
    item = {
        "chargeName": "Rounding",
        "productRatePlanChargeId": "id-ROUNDING-CHARGE",
        "serviceStartDate": "2026-12-01",
        "serviceEndDate": "2026-12-01",
        "amountWithoutTax": Decimal("0.04"),
    }
    wire = schema.PreviewResult.model_validate(
        {"creditMemos": [{"targetDate": "2026-12-01", "creditMemoItems": [item]}]}
    )
    plan = data.order(data.line(), data.rounding("-0.04"))
    assert mapping.preview(wire, plan, REFS).term_total.minor == -4


def test_an_amount_with_a_fraction_of_a_cent_is_refused() -> None:
    item = {
        "serviceStartDate": "2026-12-01",
        "serviceEndDate": "2026-12-31",
        "amountWithoutTax": Decimal("0.001"),
    }
    wire = schema.PreviewResult.model_validate(
        {"invoices": [{"targetDate": "2026-12-01", "invoiceItems": [item]}]}
    )
    with pytest.raises(Rejected) as caught:
        mapping.preview(wire, data.order(), REFS)
    assert caught.value.code == "amount-not-exact"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (data.line("SUPPORT-FEE", quantity=Decimal(2)), "quantity"),
        (data.line("API-CALLS", quantity=Decimal(5)), "quantity"),
        (data.line(unit_price=None), "unit_price"),
        (data.discount("QL-NONE"), "lineage_id"),
    ],
)
def test_what_billing_cannot_express_is_refused_by_field(line: OrderLine, field: str) -> None:
    with pytest.raises(Rejected) as caught:
        mapping.draft_body(data.order(line), REFS, SETTINGS)
    assert caught.value.code == "order-line-inexpressible"
    assert caught.value.field == f"order.lines[0].{field}"


def test_a_discount_that_would_lower_a_second_line_too_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        mapping.draft_body(
            data.order(data.line(), data.discount(), data.line(lineage="QL-2")), REFS, SETTINGS
        )
    assert caught.value.code == "order-line-inexpressible"


def test_a_plan_without_mapping_names_the_command() -> None:
    with pytest.raises(Misconfigured) as caught:
        mapping.draft_body(data.order(), MappingSet(vendor="zuora"), SETTINGS)
    assert "revsaga mapping" in (caught.value.fix or "")


@pytest.mark.parametrize("word", ["Executing", "Reverted", "Frozen solid", ""])
def test_a_status_that_we_do_not_know_is_unknown(word: str) -> None:
    wire = schema.Order.model_validate({"orderNumber": "O-1", "status": word})
    assert mapping.order(wire, REFS, SETTINGS).status == "unknown"


def test_an_order_by_hand_with_a_pricing_that_we_do_not_have_is_misconfigured() -> None:
    answer = golden("order_answer")["order"]
    plan = answer["subscriptions"][0]["orderActions"][0]["createSubscription"]["subscribeToRatePlans"][0]
    plan["chargeOverrides"][0]["pricing"] = {"recurringDelivery": {"listPrice": 1}}
    with pytest.raises(Misconfigured) as caught:
        mapping.order(schema.Order.model_validate(answer), REFS, SETTINGS)
    assert caught.value.code == "zuora-charge-unmapped"


def test_every_frequency_and_kind_has_a_word() -> None:
    assert set(schema.PERIODS) == set(Frequency)
    discounts = {PriceModel.DISCOUNT_AMOUNT, PriceModel.DISCOUNT_PERCENT}
    assert set(schema.PRICING) == {(t, m) for t in ChargeType for m in PriceModel if m not in discounts}


def test_references_leave_out_what_has_no_number_and_mark_what_is_not_active() -> None:
    product = schema.CatalogProduct.model_validate(
        {
            "id": "p",
            "productRatePlans": [
                {
                    "id": "1",
                    "productRatePlanNumber": "A",
                    "productRatePlanCharges": [{"id": "2", "productRatePlanChargeNumber": "B"}],
                },
                {
                    "id": "3",
                    "productRatePlanNumber": "C",
                    "status": "Expired",
                    "productRatePlanCharges": None,
                },
                {"id": "4", "productRatePlanCharges": [{"id": "5"}]},
            ],
        }
    )
    found = mapping.references([product])
    assert [(r.kind, r.code, r.vendor_id, r.active) for r in found] == [
        ("plan", "A", "1", True),
        ("charge", "B", "2", True),
        ("plan", "C", "3", False),
    ]
