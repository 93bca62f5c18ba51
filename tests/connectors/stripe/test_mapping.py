"""Golden answers, and every way in which a method may be refused."""

from datetime import date
from typing import Any

import pytest

from connectors.kit import decimal_json
from connectors.stripe import mapping
from connectors.stripe.schema import Customer, ListPage, Mandate, PaymentIntent, PaymentMethod, SetupIntent
from tests.connectors.stripe import data


def golden(name: str) -> Any:
    return decimal_json.loads((data.GOLDEN / f"{name}.json").read_bytes())


def method(**changes: Any) -> PaymentMethod:
    return PaymentMethod.model_validate({**golden("payment_method"), **changes})


def setups() -> tuple[SetupIntent, ...]:
    return ListPage[SetupIntent].model_validate(golden("setup_intents")).data


def test_method_golden() -> None:
    assert mapping.usable(method(), ()).model_dump() == {
        "usable": True,
        "why": "",
        "kind": "card",
        "last4": "4242",
        "warnings": (),
    }


def test_setups_golden() -> None:
    assert mapping.from_setups(setups(), "pm_1") == [
        mapping.Permission("seti_4", "mandate_4"),
        mapping.Permission("seti_3", None),
    ]


def test_payments_golden() -> None:
    found = ListPage[PaymentIntent].model_validate(golden("payment_intents")).data
    assert mapping.from_payments(found, "pm_1") == [
        mapping.Permission("pi_4", "mandate_9"),
        mapping.Permission("pi_3", None),
    ]


@pytest.mark.parametrize(
    ("customer", "owner", "text"),
    [
        ({"id": "cus_1"}, "cus_1", None),
        ({"id": "cus_1"}, {"id": "cus_1", "object": "customer"}, None),
        ({"id": "cus_1", "deleted": True}, "cus_1", "was deleted"),
        ({"id": "cus_1"}, None, "not attached"),
        ({"id": "cus_1"}, "cus_2", "belongs to another customer"),
    ],
)
def test_ownership(customer: dict[str, Any], owner: Any, text: str | None) -> None:
    problem = mapping.ownership_problem(Customer.model_validate(customer), method(customer=owner))
    assert problem is None if text is None else text in str(problem)


@pytest.mark.parametrize(
    ("today", "expired"),
    [
        (date(2027, 8, 31), False),
        (date(2027, 9, 1), True),
        (date(2026, 12, 1), False),
        (date(2028, 1, 1), True),
    ],
)
def test_a_card_is_good_to_the_end_of_its_month(today: date, expired: bool) -> None:
    assert (mapping.expiry_warning(method(), today) is not None) is expired


def test_a_debit_has_no_expiry() -> None:
    debit = method(type="sepa_debit", sepa_debit={"last4": "3000"})
    assert mapping.expiry_warning(debit, date(2099, 1, 1)) is None
    assert mapping.last4(debit) == "3000"
    assert mapping.last4(method(type="link", link={"email": "a@example.com"})) == ""
    assert mapping.last4(method(type="a_later_kind")) == ""


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        (("seti_5",), "is not finished"),
        (("seti_2",), "in person only"),
        (("seti_1", "seti_0"), "was never set up"),
        ((), "was never set up"),
    ],
)
def test_the_reason_helps(kept: tuple[str, ...], text: str) -> None:
    assert text in mapping.why_unprepared([i for i in setups() if i.id in kept], "pm_1")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, None),
        ({"payment_method": {"id": "pm_1"}}, None),
        ({"payment_method": "pm_2"}, "belongs to another payment method"),
        ({"payment_method": None}, "belongs to another payment method"),
        ({"status": "pending"}, "not confirmed by the bank yet"),
        ({"status": "inactive"}, "is inactive"),
        ({"status": "frozen_by_a_later_release"}, "is frozen_by_a_later_release"),
        ({"status": ""}, "is in an unknown state"),
        ({"type": "single_use"}, "for one payment only"),
        ({"type": ""}, "for one payment only"),
    ],
)
def test_mandates(changes: dict[str, Any], text: str | None) -> None:
    whole = {"id": "mandate_1", "status": "active", "type": "multi_use", "payment_method": "pm_1", **changes}
    problem = mapping.mandate_problem(Mandate.model_validate(whole), "pm_1")
    assert problem is None if text is None else text in str(problem)
