"""What the gateway keeps: objects by id in the order in which they were made, and how new ones look."""

import zlib
from collections.abc import Callable
from typing import Any

from connectors.stripe.sandbox.forms import refuse

Json = dict[str, Any]

DEBITS = frozenset(
    {"acss_debit", "au_becs_debit", "bacs_debit", "nz_bank_account", "sepa_debit", "us_bank_account"}
)
PREFIXES = {
    "customer": "cus",
    "payment_method": "pm",
    "setup_intent": "seti",
    "payment_intent": "pi",
    "mandate": "mandate",
    "charge": "ch",
}
# Test methods: attaching one makes a new method of that behaviour.
TEST_METHODS: dict[str, str | None] = {
    "pm_card_visa": None,
    "pm_card_mastercard": None,
    "pm_card_chargeCustomerFail": "generic_decline",
    "pm_card_authenticationRequired": "authentication_required",
}
# These are declined while they are being attached.
UNATTACHABLE = {
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedLostCard": "lost_card",
    "pm_card_visa_chargeDeclinedStolenCard": "stolen_card",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_chargeDeclinedIncorrectCvc": "incorrect_cvc",
    "pm_card_chargeDeclinedProcessingError": "processing_error",
}
ADVICE = {
    "generic_decline": "try_again_later",
    "insufficient_funds": "try_again_later",
    "processing_error": "try_again_later",
    "lost_card": "do_not_try_again",
    "stolen_card": "do_not_try_again",
    "expired_card": "confirm_card_data",
    "incorrect_cvc": "confirm_card_data",
}
OWN_CODES = frozenset({"expired_card", "incorrect_cvc", "processing_error", "authentication_required"})


class Books:
    """All objects of the account in this mode. `state` gives the dict they live in, `now` Unix seconds."""

    def __init__(self, state: Callable[[], Json], now: Callable[[], int]) -> None:
        self._state = state
        self.now = now

    @property
    def objects(self) -> dict[str, Json]:
        """Every object by id, oldest first."""
        found: dict[str, Json] = self._state()["objects"]
        return found

    @property
    def behaviour(self) -> dict[str, str]:
        """Decline codes of test methods."""
        found: dict[str, str] = self._state()["behaviour"]
        return found

    def add(self, kind: str, identifier: str | None = None, **members: Any) -> Json:
        """A new object; its id is made up unless given."""
        state = self._state()
        state["serial"] += 1
        serial = f"{state['serial']:06d}"
        made = f"{PREFIXES[kind]}_{serial}{zlib.crc32(f'{kind}{serial}'.encode()):08x}"
        found: Json = {
            "id": identifier or made,
            "object": kind,
            "created": self.now(),
            "livemode": False,
            **members,
        }
        self.objects[found["id"]] = found
        return found

    def get(self, kind: str, identifier: str, param: str = "id") -> Json:
        """The object, or the refusal that it does not exist (a wrong kind and the other mode look the same)."""
        found = self.objects.get(identifier)
        if found is None or found["object"] != kind:
            refuse(404, "resource_missing", f"No such {kind}: '{identifier}'", param=param)
        return found

    def newest(self, kind: str, **equal: str | None) -> list[Json]:
        """All of a kind whose members equal what is given (None: whatever), newest first."""
        wanted = {name: value for name, value in equal.items() if value}
        return [
            o
            for o in reversed(self.objects.values())
            if o["object"] == kind and all(o.get(name) == value for name, value in wanted.items())
        ]

    def method(self, kind: str, customer: str | None, identifier: str | None = None, **details: Any) -> Json:
        """A payment method; a card unless `kind` says otherwise. Never a number, only what is safe to show."""
        shown: Json = {
            "last4": "4242" if kind == "card" else "6789",
            "fingerprint": f"fp{len(self.objects):012d}",
        }
        if kind == "card":
            year = 1970 + self.now() // 31_556_952 + 4
            shown |= {
                "brand": "visa",
                "exp_month": 12,
                "exp_year": year,
                "funding": "credit",
                "country": "US",
            }
        return self.add(
            "payment_method",
            identifier,
            type=kind,
            customer=customer,
            billing_details={},
            metadata={},
            **{kind: shown | details},
        )

    def sign_mandate(self, method: str, *, status: str = "active", kind: str = "multi_use") -> Json:
        """The customer's permission to debit."""
        source = self.objects[method]["type"]
        made = self.add(
            "mandate",
            type=kind,
            status=status,
            payment_method=method,
            payment_method_details={"type": source, source: {}},
            customer_acceptance={"type": "online", "accepted_at": self.now(), "online": {"ip_address": None}},
        )
        made[kind] = {}
        return made

    def prepared(
        self, customer: str, method: str, *, usage: str = "off_session", status: str = "succeeded"
    ) -> Json:
        """A set-up in a given state; a succeeded one of a debit has its mandate."""
        kind = self.objects[method]["type"]
        signed = status == "succeeded" and kind in DEBITS
        return self.add(
            "setup_intent",
            customer=customer,
            payment_method=method,
            status=status,
            usage=usage,
            mandate=self.sign_mandate(method)["id"] if signed else None,
            single_use_mandate=None,
            payment_method_types=[kind],
            last_setup_error=None,
            next_action=None,
            cancellation_reason=None,
            latest_attempt=None,
            metadata={},
        )


def decline(code: str, **more: Any) -> Json:
    """The members of a card error."""
    advice = {"advice_code": ADVICE[code]} if code in ADVICE else {}
    return {"decline_code": code, **advice, **more}
