"""Golden answers and requests, both ways, and what must be refused rather than guessed."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.failures import Rejected
from canonical.tax import TaxDetermination, ZeroReason
from connectors.avalara import mapping
from connectors.avalara.schema import NexusRow, Page, Resolution, TaxCode, Transaction
from connectors.avalara.settings import AvalaraSettings
from connectors.kit import decimal_json
from tests.connectors.avalara import data

SETTINGS = AvalaraSettings()


def golden(name: str) -> Any:
    return decimal_json.loads((data.GOLDEN / f"{name}.json").read_bytes())


def answer(**changes: Any) -> Transaction:
    return Transaction.model_validate({**golden("us"), **changes})


def determine(transaction: Transaction, *known: Any, **request: Any) -> TaxDetermination:
    return mapping.determination(transaction, data.request(**request), known, b"{}")


def zero(**line: Any) -> Transaction:
    base = {"lineNumber": "1", "lineAmount": 125, "tax": 0, **line}
    return answer(totalTax=0, lines=[base], invoiceMessages=line.pop("messages", []))


def reason(transaction: Transaction, *known: Any, **request: Any) -> ZeroReason | None:
    return determine(transaction, *known, **request).lines[0].zero_reason


def test_answer_golden() -> None:
    found = determine(answer())
    expected = TaxDetermination.model_validate_json((data.GOLDEN / "us_expected.json").read_text())
    assert found.model_copy(update={"evidence": ""}) == expected
    assert found.amount.amount == Decimal("10.00")


def test_request_golden() -> None:
    request = data.request(vat_id="NL123456789B01", exemption="EX-7")
    assert json.loads(decimal_json.dumps(mapping.transaction_body(request))) == json.loads(
        (data.GOLDEN / "request.json").read_text()
    )


def test_nexus_golden() -> None:
    rows = Page[NexusRow].model_validate(golden("nexus")).value
    assert mapping.nexus(rows, SETTINGS) == (
        data.nexus("US", "PA", "sales"),
        data.nexus("US", "UT", "sales", effective_to=date(2026, 6, 1)),
        data.nexus("DE", effective_from=date(2021, 7, 1)),
        data.nexus("US", "MA", "sales"),
    )


def test_good_address_golden() -> None:
    check = mapping.address_check(
        Resolution.model_validate(golden("resolve_good")), data.PHILADELPHIA, SETTINGS.minimum_quality
    )
    assert (check.resolved, check.quality, check.problems) == (True, "Intersection", ())
    assert check.normalised == data.address("US", "PA", "19147-5736", "PHILADELPHIA", "822 REED ST")


def test_bad_address_golden() -> None:
    check = mapping.address_check(
        Resolution.model_validate(golden("resolve_bad")), data.PHILADELPHIA, SETTINGS.minimum_quality
    )
    assert not check.resolved
    assert check.normalised is None
    assert check.problems == (
        "The address is not deliverable.: The physical location exists but there are no homes on this street.",
    )


@pytest.mark.parametrize(
    ("quality", "problem"),
    [
        ("RegionCentroid", "only placed as RegionCentroid; at least PostalCentroidGood is needed"),
        ("Orbital", "resolved with unknown quality 'Orbital'"),
        (None, "resolved with no quality"),
    ],
)
def test_a_vague_or_unknown_quality_is_not_resolved(quality: str | None, problem: str) -> None:
    resolution = Resolution.model_validate({**golden("resolve_good"), "resolutionQuality": quality})
    check = mapping.address_check(resolution, data.PHILADELPHIA, SETTINGS.minimum_quality)
    assert (check.resolved, check.problems) == (False, (problem,))


def test_tax_codes_become_references() -> None:
    codes = [TaxCode(tax_code="SW054000", description="SaaS"), TaxCode(tax_code="OLD", is_active=False)]
    first, second = mapping.references(codes)
    assert (first.kind, first.code, first.vendor_id, first.name) == (
        "tax_code",
        "SW054000",
        "SW054000",
        "SaaS",
    )
    assert not second.active


NEXUS_ROW = {"jurisType": "STA", "nonTaxableType": "NexusRule", "nonTaxableAmount": 125, "tax": 0}
PRODUCT_ROW = NEXUS_ROW | {"nonTaxableType": "ProductTaxabilityRule"}
PARTLY_ROW = NEXUS_ROW | {"nonTaxableType": "BaseRule", "nonTaxableAmount": 25, "taxableAmount": 100}
EXEMPT_ROW = {"jurisType": "STA", "nonTaxableType": "ExemptEntityRule", "exemptAmount": 125, "tax": 0}
BARE_ROW = {"jurisType": "STA", "taxableAmount": 125, "rate": 0, "tax": 0}
HERE = data.nexus("US", "PA", "sales")
LATER = data.nexus("US", "PA", "sales", effective_from=date(2027, 1, 1))
EXPIRED = data.nexus("US", "PA", "sales", effective_to=date(2026, 1, 1))
TODAY = data.nexus("US", "PA", "sales", effective_from=data.ON)
ELSEWHERE = data.nexus("US", "WA", "sales")
COUNTRY = data.nexus("US", "", "sales")


@pytest.mark.parametrize(
    ("line", "known", "expected"),
    [
        ({"details": [NEXUS_ROW]}, (), ZeroReason.NO_NEXUS),
        ({"details": []}, (), ZeroReason.NO_NEXUS),
        ({"details": []}, (ELSEWHERE, LATER), ZeroReason.NO_NEXUS),
        ({"details": []}, (HERE,), ZeroReason.UNEXPLAINED),
        ({"details": [NEXUS_ROW]}, (HERE,), ZeroReason.UNEXPLAINED),
        ({"details": [NEXUS_ROW]}, (TODAY,), ZeroReason.UNEXPLAINED),
        ({"details": [PARTLY_ROW]}, (HERE,), ZeroReason.UNEXPLAINED),
        ({"details": [NEXUS_ROW]}, (EXPIRED,), ZeroReason.UNEXPLAINED),
        ({"details": [NEXUS_ROW]}, (COUNTRY,), ZeroReason.UNEXPLAINED),
        ({"details": [PRODUCT_ROW]}, (HERE,), ZeroReason.NOT_TAXABLE),
        ({"details": [PRODUCT_ROW, NEXUS_ROW]}, (HERE,), ZeroReason.NOT_TAXABLE),
        ({"isItemTaxable": False}, (HERE,), ZeroReason.NOT_TAXABLE),
        ({"exemptAmount": 125, "details": [EXEMPT_ROW]}, (HERE,), ZeroReason.EXEMPT),
        ({"exemptAmount": "125.0000"}, (HERE,), ZeroReason.EXEMPT),
        ({"details": [BARE_ROW]}, (HERE,), ZeroReason.UNEXPLAINED),
        ({"details": [BARE_ROW]}, (), ZeroReason.UNEXPLAINED),
        ({"details": [PRODUCT_ROW, BARE_ROW]}, (HERE,), ZeroReason.UNEXPLAINED),
        (
            {"details": [NEXUS_ROW | {"nonTaxableType": "RuleOfALaterRelease"}]},
            (HERE,),
            ZeroReason.UNEXPLAINED,
        ),
    ],
)
def test_every_zero_has_its_reason(
    line: dict[str, Any], known: tuple[Any, ...], expected: ZeroReason
) -> None:
    assert reason(zero(**line), *known) is expected


def test_a_line_with_tax_has_no_reason() -> None:
    assert reason(answer(), HERE) is None


def test_nothing_sold_is_a_zero_base() -> None:
    transaction = zero(lineAmount=0)
    request = data.request(data.PHILADELPHIA, "US-INC", data.line("0"))
    assert mapping.determination(transaction, request, (), b"").lines[0].zero_reason is ZeroReason.ZERO_BASE


@pytest.mark.parametrize(
    ("content", "numbers", "expected"),
    [
        ("Reverse charge (Article 194 - Directive 2006/112 EC)", ["1"], ZeroReason.REVERSE_CHARGE),
        ("VAT reverse-charge applies", None, ZeroReason.REVERSE_CHARGE),
        ("Exempt under Article 196", [], ZeroReason.REVERSE_CHARGE),
        ("Reverse charge (Article 196)", ["2"], ZeroReason.NO_NEXUS),
        ("Thank you for your business", ["1"], ZeroReason.NO_NEXUS),
    ],
)
def test_reverse_charge_is_only_read_from_messages(
    content: str, numbers: list[str] | None, expected: ZeroReason
) -> None:
    messages = [{"content": content, "lineNumbers": numbers}]
    transaction = answer(
        totalTax=0, lines=[{"lineNumber": "1", "lineAmount": 125, "tax": 0}], invoiceMessages=messages
    )
    found = determine(transaction)
    assert (found.lines[0].zero_reason, found.messages) == (expected, (content,))


def with_line(**changes: Any) -> dict[str, Any]:
    return {"lines": [{**golden("us")["lines"][0], **changes}]}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (with_line(tax=9), "tax-sum-differs"),
        ({"totalTax": 11}, "tax-sum-differs"),
        ({"lines": []}, "tax-lines-differ"),
        (with_line(lineNumber="7"), "tax-lines-differ"),
        (with_line(lineAmount=124), "tax-lines-differ"),
        ({"currencyCode": "EUR"}, "tax-currency-differs"),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Rejected) as refused:
        determine(answer(**changes))
    assert refused.value.code == code


def test_a_fraction_of_a_minor_unit_is_refused() -> None:
    details = [{"jurisType": "CNT", "tax": "12.5", "taxableAmount": 125}]
    transaction = answer(
        currencyCode="JPY",
        totalTax="12.5",
        lines=[{"lineNumber": "1", "lineAmount": 125, "tax": "12.5", "details": details}],
    )
    request = data.request(data.PHILADELPHIA, "US-INC", data.line("125", currency="JPY"), currency="JPY")
    with pytest.raises(Rejected) as refused:
        mapping.determination(transaction, request, (), b"")
    assert refused.value.code == "amount-not-exact"


def test_the_evidence_is_the_hash_of_the_whole_answer() -> None:
    first = mapping.determination(answer(), data.request(), (), b"one").evidence
    second = mapping.determination(answer(), data.request(), (), b"two").evidence
    assert len(first) == len(second) == 64
    assert first != second


@given(cents=st.lists(st.integers(0, 10**9), min_size=1, max_size=6), text=st.booleans())
def test_rows_sum_to_the_line_whatever_their_number(cents: list[int], text: bool) -> None:
    amounts = [Decimal(c).scaleb(-2) for c in cents]
    shown: list[Any] = [str(a) if text else a for a in amounts]
    line = {
        "lineNumber": "1",
        "lineAmount": 125,
        "tax": sum(amounts),
        "details": [{"jurisType": "STA", "tax": tax} for tax in shown],
    }
    found = determine(answer(totalTax=sum(amounts), lines=[line]))
    assert found.amount.minor == sum(cents) == sum(row.amount.minor for row in found.lines[0].rows)
