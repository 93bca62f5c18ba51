"""Money: an integer of minor units and an ISO 4217 currency. Unit prices keep up to 12 decimals until `extend`.

There is one rounding rule, half away from zero, and one place where a price becomes money: `extend`.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from canonical.base import Model
from canonical.failures import Rejected

# ISO 4217 minor units. Codes absent here are refused by name rather than guessed.
_TWO = """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR
IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN
NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB
TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG""".split()
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split()
_THREE = "BHD IQD JOD KWD LYD OMR TND".split()
EXPONENTS: dict[str, int] = {**dict.fromkeys(_TWO, 2), **dict.fromkeys(_ZERO, 0), **dict.fromkeys(_THREE, 3)}

PRICE_DECIMALS = 12
_MOST_DIGITS = 40


def _plain(value: Decimal) -> str:
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exact(value: object) -> object:
    if isinstance(value, float | bool):
        raise ValueError(f"a {type(value).__name__} is never exact: pass a Decimal, an int or a string")
    return value


def _sensible(value: Decimal) -> Decimal:
    """Refuse `1E+999999`, which is a few bytes on the wire and a million digits in arithmetic."""
    if value and not -_MOST_DIGITS <= value.adjusted() <= _MOST_DIGITS:
        raise ValueError(f"{value} is beyond {_MOST_DIGITS} digits")
    return value


Exact = Annotated[
    Decimal,
    BeforeValidator(_exact),
    AfterValidator(_sensible),
    PlainSerializer(_plain, return_type=str, when_used="json"),
    Field(allow_inf_nan=False),
]
"""A Decimal that refuses floats and travels as a plain string, so that equal numbers serialise equally."""


def exponent(currency: str) -> int:
    """Digits after the point of `currency`. Raises Rejected for a code without minor-unit data."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise Rejected(
            f"no minor-unit data for currency {currency!r}",
            code="currency-unknown",
            field="currency",
            fix="use an ISO 4217 code, or add its minor units to canonical/money.py with the source",
        ) from None


class Money(Model):
    """An exact amount: `minor` units of `currency` (USD 12.34 is 1234, JPY 12 is 12, KWD 1.234 is 1234)."""

    minor: int = Field(strict=True)
    currency: str

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.currency not in EXPONENTS:
            raise ValueError(f"no minor-unit data for currency {self.currency!r}")
        return self

    @classmethod
    def zero(cls, currency: str) -> "Money":
        """Nothing, in `currency`."""
        exponent(currency)
        return cls(minor=0, currency=currency)

    @classmethod
    def exactly(cls, amount: Decimal | int | str, currency: str) -> "Money":
        """`amount` in major units, refused with Rejected when it has a fraction of a minor unit or is no number."""
        decimals = exponent(currency)
        try:
            scaled = Fraction(_sensible(Decimal(str(_exact(amount))))) * 10**decimals
        except (InvalidOperation, ValueError, OverflowError):
            scaled = Fraction(1, 2)
        if scaled.denominator != 1:
            raise Rejected(
                f"{amount} {currency} is not a whole number of minor units",
                code="amount-not-exact",
                field="amount",
                fix=f"state the amount with at most {decimals} decimals",
            )
        return cls(minor=int(scaled), currency=currency)

    @classmethod
    def rounded(cls, amount: Decimal | Fraction, currency: str) -> "Money":
        """`amount` in major units, rounded half away from zero to the minor unit."""
        return cls(minor=half_away(_fraction(amount) * 10 ** exponent(currency)), currency=currency)

    @property
    def amount(self) -> Decimal:
        """The amount in major units, with exactly the decimals of the currency."""
        return Decimal(f"{self.minor}E-{exponent(self.currency)}")

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise Rejected(
                f"{self} and {other} have different currencies",
                code="currency-mismatch",
                field="currency",
                fix="convert explicitly; amounts of two currencies are never added",
            )

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(minor=self.minor + other.minor, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(minor=self.minor - other.minor, currency=self.currency)

    def __neg__(self) -> "Money":
        return Money(minor=-self.minor, currency=self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: "Money") -> bool:
        self._same(other)
        return self.minor <= other.minor

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        return f"{self.amount:,f} {self.currency}"

    def split(self, weights: Sequence[int | Decimal | Fraction]) -> tuple["Money", ...]:
        """Shares in proportion to `weights` by largest remainder; they always sum back. Ties go to the earlier share.

        Raises Rejected for no weights, a negative weight, or weights that are all zero.
        """
        exact = [_fraction(w) for w in weights]
        if not exact or any(w < 0 for w in exact) or not any(exact):
            raise Rejected(
                "an amount can only be split by non-negative weights that are not all zero",
                code="weights-invalid",
                field="weights",
                fix="give each share a weight of zero or more, and at least one above zero",
            )
        total = sum(exact)
        sign = -1 if self.minor < 0 else 1
        ideal = [abs(self.minor) * w / total for w in exact]
        floors = [int(i) for i in ideal]
        left = abs(self.minor) - sum(floors)
        order = sorted(range(len(ideal)), key=lambda i: (floors[i] - ideal[i], i))
        for i in order[:left]:
            floors[i] += 1
        return tuple(Money(minor=sign * f, currency=self.currency) for f in floors)


def _fraction(value: Decimal | Fraction | int) -> Fraction:
    """Types refuse a float already; this refuses it to callers whose types are lost, e.g. values out of JSON."""
    if isinstance(value, float):
        raise TypeError("a float is never exact: pass a Decimal, a Fraction or an int")
    return Fraction(value)


def half_away(value: Fraction) -> int:
    """`value` rounded to a whole number, halves away from zero (2.5 -> 3, -2.5 -> -3)."""
    sign = -1 if value < 0 else 1
    return sign * int((abs(value) + Fraction(1, 2)) // 1)


def extend(unit_price: Decimal, quantity: Decimal, currency: str) -> Money:
    """The one place where a price becomes money: unit price (up to 12 decimals) x quantity, rounded once."""
    return Money.rounded(_fraction(unit_price) * _fraction(quantity), currency)


def price(value: Fraction | Decimal) -> Decimal:
    """A unit price with at most 12 decimals, half away from zero; never rounded further before `extend`."""
    scaled = half_away(_fraction(value) * 10**PRICE_DECIMALS)
    return Decimal(_plain(Decimal(f"{scaled}E-{PRICE_DECIMALS}")))


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of `amounts`, zero in `currency` when there are none."""
    result = Money.zero(currency)
    for amount in amounts:
        result = result + amount
    return result
