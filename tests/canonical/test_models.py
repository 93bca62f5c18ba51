"""Every model of ours is closed, frozen, free of floats, and comes back from JSON as it went."""

import importlib
import json
import pkgutil
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, JsonValue, ValidationError
from pydantic.fields import FieldInfo

import canonical
from canonical.base import Model
from canonical.catalog import Catalog, PricePlan, Product
from canonical.entity import LegalEntity, RoutingRule
from canonical.failures import FailureRecord
from canonical.money import Money
from canonical.order import OrderPlan
from canonical.party import Customer
from canonical.period import Period
from canonical.quote import Deal, Quote, QuoteLine
from canonical.revenue import Promise, RevenueContract, allocate
from canonical.subscription import Subscription, SubscriptionVersion
from canonical.tax import LineTax, TaxDetermination, TaxRow
from tests.builders.quotes import days, moneys, periods

for module in pkgutil.iter_modules(canonical.__path__):
    importlib.import_module(f"canonical.{module.name}")


def _subclasses(of: type[Model]) -> set[type[Model]]:
    found = {c for c in of.__subclasses__() if c.__module__.startswith("canonical.")}
    return found | {deeper for c in found for deeper in _subclasses(c)}


MODELS = sorted(_subclasses(Model), key=lambda m: f"{m.__module__}.{m.__qualname__}")
NOT_MONEY = {(FailureRecord, "retry_after")}  # seconds of a clock


def _types(annotation: Any) -> set[Any]:
    inner = get_args(annotation)
    return {annotation} | {t for part in inner for t in _types(part)}


def _fields() -> list[tuple[type[Model], str, FieldInfo]]:
    return [(model, name, field) for model in MODELS for name, field in model.model_fields.items()]


def test_all_models_are_found() -> None:
    assert {Quote, Deal, Money, OrderPlan, Subscription, TaxDetermination, RevenueContract} < set(MODELS)
    assert len(MODELS) > 60


def test_no_field_anywhere_is_a_float() -> None:
    floats = {(m, name) for m, name, f in _fields() if float in _types(f.annotation)}
    assert floats == NOT_MONEY


def _serialised(model: type[Model], name: str) -> object:
    schema = model.model_json_schema(mode="serialization")["properties"][name]
    return schema.get("type") or {option.get("type") for option in schema.get("anyOf", ())}


def test_every_decimal_refuses_floats_and_travels_as_text() -> None:
    numbers = [(m, name, f) for m, name, f in _fields() if Decimal in _types(f.annotation)]
    assert len(numbers) > 15
    for model, name, field in numbers:
        mapped = get_origin(field.annotation) is dict
        expected = ("object",) if mapped else ("string", {"string", "null"})
        assert _serialised(model, name) in expected, (model, name)
        with pytest.raises(ValidationError) as refused:
            model.model_validate({name: {"USD": 1.5} if mapped else 1.5})
        told = [e for e in refused.value.errors() if e["loc"][0] == name]
        assert told, (model, name)
        assert "a float is never exact" in told[0]["msg"], (model, name)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_models_are_closed_frozen_and_described(model: type[Model]) -> None:
    assert model.model_config.get("frozen") is True
    assert model.model_config.get("extra") == "forbid"
    assert (model.__doc__ or "").strip()
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"surely_unknown": 1})
    assert "extra_forbidden" in {e["type"] for e in refused.value.errors()}
    mutable = {list, set, bytearray}
    for name, field in model.model_fields.items():
        origins = {getattr(t, "__origin__", t) for t in _types(field.annotation)}
        assert not origins & mutable, (model, name)


# One strategy for each model: pydantic's fields decide, and what a validator demands is given by hand.
_words = st.text(max_size=12)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | _words, lambda x: st.lists(x, max_size=2), max_leaves=4
)
_exact = st.decimals(-(10**9), 10**9, places=6, allow_nan=False, allow_infinity=False)


def _row(amount: Money) -> TaxRow:
    return TaxRow(
        jurisdiction_type="state", jurisdiction_code="WA", jurisdiction_name="Washington", tax_name="tax",
        rate=Decimal("0.065"), base=amount, amount=amount, non_taxable=Money.zero(amount.currency),
    )  # fmt: skip


def _line_tax(amounts: list[int]) -> LineTax:
    rows = tuple(_row(Money(minor=m, currency="USD")) for m in amounts)
    return LineTax(lineage_id="L", amount=Money(minor=sum(amounts), currency="USD"), rows=rows)


@st.composite
def _contracts(draw: st.DrawFn) -> RevenueContract:
    promises = draw(
        st.lists(st.tuples(_words, st.integers(0, 10**9), st.none() | st.integers(0, 10**9)), max_size=5)
    )
    made = [
        Promise(
            lineage_id=i, obligation=i, pattern="p", stated=Money(minor=stated, currency="USD"),
            ssp=None if ssp is None else Money(minor=ssp, currency="USD"),
        )
        for i, stated, ssp in promises
    ]  # fmt: skip
    return allocate(draw(_words), made, "USD")


@st.composite
def _subscriptions(draw: st.DrawFn) -> Subscription:
    versions = draw(st.lists(_model(SubscriptionVersion), max_size=2))
    numbered = tuple(v.model_copy(update={"number": i}) for i, v in enumerate(versions, 1))
    known = {name: draw(_field(f)) for name, f in Subscription.model_fields.items() if name != "versions"}
    return Subscription(**known, versions=numbered)


_BY_HAND: dict[type[Model], st.SearchStrategy[Any]] = {
    Money: moneys,
    Period: periods(),
    LineTax: st.lists(st.integers(-(10**6), 10**6), max_size=3).map(_line_tax),
    RevenueContract: _contracts(),
    Subscription: _subscriptions(),
}


def _field(field: FieldInfo) -> st.SearchStrategy[Any]:
    if field.is_required():
        return _of(field.annotation, field.metadata)
    return st.just(field.get_default(call_default_factory=True)) | _of(field.annotation, field.metadata)


_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: _words,
    int: st.integers(1, 10**6),
    Decimal: _exact,
    date: days,
    datetime: st.datetimes(timezones=st.just(UTC)),
    AwareDatetime: st.datetimes(timezones=st.just(UTC)),
    JsonValue: _json,
}


def _of(annotation: Any, metadata: Sequence[Any] = ()) -> st.SearchStrategy[Any]:
    if annotation is str and metadata:
        return _words.map(lambda word: f"x{word}")
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return _model(annotation)
    args, origin = get_args(annotation), getattr(annotation, "__origin__", None)
    if hasattr(annotation, "__metadata__"):
        return _of(origin)
    if origin is tuple:
        return st.lists(_of(args[0]), max_size=2, min_size=1).map(tuple)
    if origin is dict:
        return st.dictionaries(_words, _of(args[1]), max_size=2)
    if type(None) in args:
        return st.one_of(*(st.none() if a is type(None) else _of(a) for a in args))
    return st.from_type(annotation)


def _model(model: type[Model]) -> st.SearchStrategy[Any]:
    if model in _BY_HAND:
        return _BY_HAND[model]
    return st.deferred(
        lambda: st.fixed_dictionaries({n: _field(f) for n, f in model.model_fields.items()}).map(
            lambda values: model(**values)
        )
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
@given(data=st.data())
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_model_comes_back_from_json_as_it_went(model: type[Model], data: st.DataObject) -> None:
    _there_and_back(data.draw(_model(model)))


AGGREGATES: list[type[Model]] = [
    Customer, Product, PricePlan, Catalog, LegalEntity, RoutingRule, QuoteLine, Deal, Subscription, TaxDetermination,
    RevenueContract,
]  # fmt: skip


@pytest.mark.parametrize("model", AGGREGATES, ids=lambda m: m.__name__)
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_an_aggregate_comes_back_from_json_as_it_went(model: type[Model], data: st.DataObject) -> None:
    _there_and_back(data.draw(_model(model)))


def _there_and_back(value: Model) -> None:
    text = value.model_dump_json()
    again = type(value).model_validate_json(text)
    assert again == value
    assert again.model_dump_json() == text
    assert type(value).model_validate(value.model_dump()) == value
    if not isinstance(value, FailureRecord):
        json.loads(text, parse_float=lambda digits: pytest.fail(f"{digits} is a float in {text}"))
