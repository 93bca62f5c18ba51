"""Events: what happened, in an envelope shaped after CloudEvents 1.0, in two families that never mix.

Operational events tell people and systems how work went. Financial events say what must be booked; they alone may reach
an ERP. The family is the fourth part of the type: `com.revsaga.o2c.<family>.<noun>.<past verb>`.

Producers are strict: `emit` takes a payload model, which refuses unknown fields. Readers are tolerant: `read` brings an
old version up to date step by step and ignores fields that a newer producer added.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, Field, JsonValue, ValidationError

from canonical.base import Model
from canonical.failures import Misconfigured, Rejected
from canonical.ids import digest

PREFIX = "com.revsaga.o2c"
SOURCE = "urn:revsaga:o2c"


class Family(StrEnum):
    """Which stream an event belongs to."""

    OPERATIONAL = "operational"
    FINANCIAL = "financial"


class Event(Model):
    """One event. Attribute names follow CloudEvents (lower-case letters and digits only)."""

    specversion: str = "1.0"
    id: str = Field(min_length=1, description="unique with `source`; equal pairs are the same event")
    source: str = SOURCE
    type: str
    subject: str = Field(description="what it is about: the id of an aggregate of ours")
    time: AwareDatetime = Field(description="business time")
    dataschema: str = Field(description="absolute URI; another one for another version")
    datacontenttype: str = "application/json"
    correlationid: str = Field(description="born with the quote, ends in the journal entry")
    causationid: str = Field(default="", description="the effect key or event id that caused this one")
    actor: str = Field(description="the person or process that did it")
    entity: str = Field(default="", description="legal entity code; empty before the route is known")
    data: dict[str, JsonValue]

    @property
    def family(self) -> Family:
        """Read from the type. Raises Rejected `event-type-unknown` for a foreign type."""
        return family_of(self.type)


def family_of(event_type: str) -> Family:
    """The family that a type's prefix names. Raises Rejected `event-type-unknown` when it names none."""
    for family in Family:
        if event_type.startswith(f"{PREFIX}.{family.value}."):
            return family
    raise Rejected(
        f"{event_type!r} is no event of ours",
        code="event-type-unknown",
        field="type",
        fix="see `revsaga event catalog` for the types there are",
    )


class Payload(Model):
    """The data of one event type. Subclasses set the three class variables and are registered by `@event`."""

    family: ClassVar[Family]
    name: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def type(cls) -> str:
        """The full event type."""
        return f"{PREFIX}.{cls.family.value}.{cls.name}"

    @classmethod
    def dataschema(cls, version: int | None = None) -> str:
        """The URI of one version of the data's shape."""
        return f"urn:revsaga:event:{cls.family.value}.{cls.name}:{version or cls.version}"


Upcaster = Callable[[dict[str, JsonValue]], dict[str, JsonValue]]
P = TypeVar("P", bound=type[Payload])

_TYPES: dict[str, type[Payload]] = {}
_UPCASTERS: dict[tuple[str, int], Upcaster] = {}


def event(payload: P) -> P:
    """Class decorator: register a payload. Two payloads of one type are a mistake in the program."""
    if payload.type() in _TYPES:
        raise ValueError(f"the event type {payload.type()} is registered twice")
    _TYPES[payload.type()] = payload
    return payload


def upcaster(payload: type[Payload], from_version: int) -> Callable[[Upcaster], Upcaster]:
    """Decorator: how data of `from_version` becomes data of the next version."""

    def register(function: Upcaster) -> Upcaster:
        _UPCASTERS[(payload.type(), from_version)] = function
        return function

    return register


def registry() -> Iterator[type[Payload]]:
    """All payloads, by type."""
    yield from (_TYPES[key] for key in sorted(_TYPES))


def upcast_versions(payload: type[Payload]) -> tuple[int, ...]:
    """The older versions that can still be read."""
    return tuple(sorted(version for kind, version in _UPCASTERS if kind == payload.type()))


def emit(
    payload: Payload,
    *,
    key: str,
    subject: str,
    time: datetime,
    correlation_id: str,
    actor: str,
    entity: str = "",
    causation_id: str = "",
) -> Event:
    """The event that says `payload`. `key` is the business identity of the fact: the same fact always has the same id.

    Raises ValueError when the payload is not registered or the time has no zone: both are mistakes in the program.
    """
    if _TYPES.get(payload.type()) is not type(payload):
        raise ValueError(f"{type(payload).__name__} is not registered as an event")
    if time.tzinfo is None:
        raise ValueError("an event needs a time with a zone")
    return Event(
        id=digest([payload.type(), key])[:32],
        type=payload.type(),
        subject=subject,
        time=time.astimezone(UTC),
        dataschema=payload.dataschema(),
        correlationid=correlation_id,
        causationid=causation_id,
        actor=actor,
        entity=entity,
        data=payload.model_dump(mode="json"),
    )


def _known(value: Any, model: type[BaseModel]) -> Any:
    """`value` without the fields that `model` does not know, at every depth that is a model of ours."""
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name in value:
            inner = _model_in(field.annotation)
            found = value[name]
            if inner is not None and isinstance(found, list):
                found = [_known(item, inner) for item in found]
            elif inner is not None:
                found = _known(found, inner)
            kept[name] = found
    return kept


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is dict:
        return None
    for part in get_args(annotation):
        if (found := _model_in(part)) is not None:
            return found
    return None


def read(found: Event) -> Payload:
    """The payload of an event, at today's version.

    Raises Rejected `event-type-unknown` or `event-unreadable`, and Misconfigured `event-too-new` when a newer program
    wrote a version that this one does not know.
    """
    payload = _TYPES.get(found.type)
    if payload is None:
        family_of(found.type)
        raise Misconfigured(
            f"this program does not know the event type {found.type}",
            code="event-too-new",
            fix="update this program",
        )
    tail = found.dataschema.rsplit(":", 1)[-1]
    version = int(tail) if tail.isdecimal() else 0
    if version > payload.version:
        raise Misconfigured(
            f"{found.type} has version {version}; this program reads up to {payload.version}",
            code="event-too-new",
            fix="update this program",
        )
    data = dict(found.data)
    for step in range(version, payload.version):
        upcast = _UPCASTERS.get((found.type, step))
        if upcast is None:
            raise _unreadable(found, f"nothing brings version {step} up to date")
        data = upcast(data)
    try:
        return payload.model_validate(_known(data, payload))
    except ValidationError as error:
        first = error.errors()[0]
        raise _unreadable(found, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _unreadable(found: Event, why: str) -> Rejected:
    return Rejected(
        f"event {found.id} ({found.type}) cannot be read: {why}",
        code="event-unreadable",
        field="data",
        fix="see `revsaga event show` for the record, and `revsaga event catalog` for its shape",
    )


def for_ledger(found: Event) -> Event:
    """The guard in front of every ERP: lets financial events through and refuses all others.

    Raises Rejected `event-not-financial` (or `event-type-unknown`).
    """
    if family_of(found.type) is not Family.FINANCIAL:
        raise Rejected(
            f"{found.type} is an operational event and may not reach the ledger",
            code="event-not-financial",
            field="type",
            fix="emit the financial event that belongs to this fact; operational events are never booked",
        )
    return found
