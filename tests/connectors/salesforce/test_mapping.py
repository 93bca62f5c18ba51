"""Their words and ours, on answers as an org gives them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.catalog import ChargeType, Frequency, Tier
from canonical.failures import Misconfigured, Rejected
from canonical.money import Money
from canonical.party import Address, Contact
from canonical.quote import Quote
from connectors.kit import decimal_json
from connectors.salesforce import mapping
from connectors.salesforce.connector import cursor_parts, cursor_text
from connectors.salesforce.errors import of_part
from connectors.salesforce.sandbox.soql import unescape
from connectors.salesforce.schema import LineRow, QuoteRow, Row, http_date, literal, moment, query_time
from connectors.salesforce.settings import SalesforceSettings
from tests.connectors.salesforce.harness import a_mark

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = SalesforceSettings()


def golden(name: str) -> Any:
    return decimal_json.loads((GOLDEN / name).read_bytes())


def quote_of(
    *, settings: SalesforceSettings = SETTINGS, line: dict[str, Any] | None = None, **changes: Any
) -> Quote:
    """The golden quote with some fields changed, `line` those of its second line."""
    raw = golden("quote.json") | changes
    rows = raw["SBQQ__LineItems__r"]["records"]
    rows[1] |= line or {}
    bands = mapping.tiers([Row.model_validate(band) for band in golden("tiers.json")], settings)
    return mapping.quote(
        QuoteRow.model_validate(raw), [LineRow.model_validate(r) for r in rows], bands, settings
    )


def test_the_golden_quote() -> None:
    quote = quote_of()
    assert (quote.quote_id, quote.name, quote.opportunity_id) == (
        "a0q5g00000Abc12AAB",
        "Q-00417",
        "0065g00000Xyz34AAC",
    )
    assert (quote.currency, quote.status, quote.primary, quote.calculated) == ("USD", "approved", True, True)
    assert (quote.period.start, quote.period.end) == (date(2026, 3, 1), date(2027, 3, 1))
    assert (quote.payment_terms, quote.purchase_order) == ("Net 45", "PO 4711")
    assert quote.net_total == Money(minor=1308050, currency="USD")
    assert sum(line.net_total.minor for line in quote.lines) == 1308050


def test_the_golden_lines() -> None:
    package, seats, onboarding, usage = quote_of().lines
    assert (package.bundle, package.net_total.minor, package.frequency) == (True, 0, Frequency.QUARTERLY)
    assert seats.parent_line_id == package.line_id
    assert [seats.quantity, seats.net_unit_price, seats.list_unit_price] == [25, 510, 600]
    assert (seats.frequency, seats.unit, seats.segment_index, seats.segment_key) == (
        Frequency.ANNUAL,
        "Seat",
        1,
        "k-1",
    )
    assert seats.discount_percent == 15  # two discounts together, not the line's own five
    assert seats.period.end == date(2027, 3, 1)
    assert (onboarding.charge_type, onboarding.frequency) == (ChargeType.ONE_TIME, Frequency.ONCE)
    assert [onboarding.list_unit_price, onboarding.discount_percent] == [Decimal("367.22"), 10]
    assert onboarding.period == quote_of().period
    assert (usage.charge_type, usage.arrears, usage.tier_model) == (ChargeType.USAGE, True, "volume")
    assert usage.tiers == (
        Tier(from_quantity=Decimal(0), to_quantity=Decimal(1000), unit_price=Decimal(5), flat=True),
        Tier(from_quantity=Decimal(1000), unit_price=Decimal("0.0125")),
    )


def test_the_golden_parties() -> None:
    row = QuoteRow.model_validate(golden("quote.json"))
    assert mapping.party(row, "Billing", SETTINGS.field_bill_to_contact) == Contact(
        last_name="Accounts Payable",
        address=Address(
            line1="500 Terry Francois Blvd",
            line2="Floor 3",
            city="San Francisco",
            region="CA",
            postal_code="94158",
            country="US",
        ),
    )
    sold_to = mapping.party(row, "Shipping", SETTINGS.field_sold_to_contact)
    assert sold_to is not None
    assert (sold_to.first_name, sold_to.last_name, sold_to.email) == ("Mina", "Tran", "mina@customer.example")
    assert (sold_to.address.region, sold_to.address.country) == ("ON", "CA")


def test_a_quote_without_a_party_has_none() -> None:
    raw = {k: v for k, v in golden("quote.json").items() if "Shipping" not in k}
    assert mapping.party(QuoteRow.model_validate(raw), "Shipping", "Otc_Sold_To_Contact__c") is None


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"CurrencyIsoCode": "XTS"}, "currency-unknown", "quote.currency"),
        ({"CurrencyIsoCode": None}, "currency-unknown", "quote.currency"),
        ({"SBQQ__StartDate__c": None}, "date-missing", "quote.period.start"),
        ({"SBQQ__SubscriptionTerm__c": None}, "date-missing", "quote.period.end"),
        ({"SBQQ__EndDate__c": "2026-02-01"}, "period-invalid", "quote.period"),
        ({"SBQQ__Type__c": "Amendment"}, "quote-type-unsupported", "quote.type"),
        ({"SBQQ__Opportunity2__c": None}, "opportunity-missing", "quote.opportunity_id"),
        ({"SBQQ__NetAmount__c": Decimal("0.005")}, "amount-not-exact", "quote.net_total"),
        ({"Otc_Payment_Method__c": "4242 4242 4242 4242"}, "card-number-refused", "quote.payment"),
        (
            {"line": {"SBQQ__BillingFrequency__c": "Invoice Plan"}},
            "frequency-unsupported",
            "quote.lines[1].frequency",
        ),
        ({"line": {"SBQQ__ChargeType__c": "Barter"}}, "charge-type-unknown", "quote.lines[1].charge_type"),
        (
            {"line": {"SBQQ__SubscriptionType__c": "Evergreen"}},
            "evergreen-unsupported",
            "quote.lines[1].period",
        ),
        ({"line": {"SBQQ__EffectiveEndDate__c": "2020-01-01"}}, "period-invalid", "quote.lines[1].period"),
        ({"line": {"SBQQ__NetTotal__c": Decimal("1.001")}}, "amount-not-exact", "quote.lines[1].net_total"),
    ],
)
def test_what_our_words_cannot_express_is_refused_by_field(
    changes: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(Rejected) as caught:
        quote_of(**changes)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert [(f.code, f.field) for f in caught.value.findings] == [(code, field)]
    assert caught.value.fix


def test_all_refusals_come_together() -> None:
    line = {"SBQQ__BillingFrequency__c": "Invoice Plan"}
    with pytest.raises(Rejected, match="and 2 more") as caught:
        quote_of(SBQQ__Type__c="Renewal", SBQQ__Opportunity2__c=None, line=line)
    assert {f.field for f in caught.value.findings} == {
        "quote.type",
        "quote.opportunity_id",
        "quote.lines[1].frequency",
    }


def test_a_card_number_is_not_repeated() -> None:
    with pytest.raises(Rejected) as caught:
        quote_of(Otc_Gateway_Customer__c="4242424242424242")
    assert "4242" not in str(caught.value.record())
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "line",
    [
        {"SBQQ__Quantity__c": 0},
        {"SBQQ__Quantity__c": -3},
        {"SBQQ__Quantity__c": None},
        {"SBQQ__Discount__c": 120, "SBQQ__PartnerDiscount__c": None},
        {"SBQQ__EffectiveStartDate__c": "2025-01-01"},
        {"SBQQ__NetTotal__c": 1},
        {"SBQQ__ProductCode__c": None},
        {"SBQQ__RequiredBy__c": "a0u-gone"},
    ],
    ids=str,
)
def test_what_is_merely_wrong_is_read_for_validation(line: dict[str, Any]) -> None:
    changed = quote_of(line=line).lines[1]
    assert changed != quote_of().lines[1]


def test_words_that_are_not_known() -> None:
    assert quote_of(SBQQ__Status__c="Awaiting Moon").status == "unknown"
    assert quote_of(SBQQ__Status__c=None).status == "unknown"


def test_terms_in_days() -> None:
    days = SalesforceSettings(term_unit="Day")
    assert quote_of(settings=days, SBQQ__SubscriptionTerm__c=30).period.end == date(2026, 3, 31)


def test_a_broken_price_band_is_named() -> None:
    band = Row.model_validate({"Id": "t", "Otc_Quote_Line__c": "l", "Otc_Unit_Price__c": "cheap"})
    with pytest.raises(Misconfigured) as caught:
        mapping.tiers([band], SETTINGS)
    assert caught.value.code == "answer-not-understood"


def test_marks_both_ways() -> None:
    mark = a_mark(billing_subscription="S-1")
    fields = mapping.mark_fields(mark, SETTINGS)
    assert fields["Otc_Erp_Document__c"] is None
    assert mapping.mark(Row.model_validate({"Id": "q", **fields}), SETTINGS) == mark
    assert (
        mapping.mark(Row.model_validate({"Id": "q", **mapping.mark_fields(None, SETTINGS)}), SETTINGS) is None
    )


@given(st.text())
def test_a_literal_is_never_left_by_what_it_holds(text: str) -> None:
    quoted = literal(text)
    assert unescape(quoted) == text
    assert not quoted[1:-1].replace("\\\\", "").replace("\\'", "").count("'")


@given(st.datetimes(timezones=st.just(UTC)), st.text(max_size=18))
def test_cursors_both_ways(when: datetime, last_id: str) -> None:
    stamp = when.replace(year=2026, day=1).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    assert cursor_parts(cursor_text(stamp, last_id)) == (stamp, last_id)


def test_time_stamps() -> None:
    stamp = "2026-11-01T10:00:00.250+0000"
    assert http_date(stamp) == "Sun, 01 Nov 2026 10:00:00 GMT"
    assert query_time(moment(stamp)) == "2026-11-01T10:00:00.250Z"
    with pytest.raises(Misconfigured):
        moment("yesterday")


@pytest.mark.parametrize("name", ["Otc State", "Id FROM User --", "a'b", "x" * 90])
def test_a_setting_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="field_state"):
        SalesforceSettings(field_state=name)


def test_a_part_without_a_body_is_still_a_failure() -> None:
    assert of_part(400, None).code == "salesforce-400"
