"""Versioned maps from our codes to vendors' ids: items, subsidiaries, terms, segments, plans, tax codes."""

from collections.abc import Iterable
from functools import cached_property

from pydantic import Field

from canonical.base import Model
from canonical.failures import Misconfigured


class Reference(Model):
    """One record of a vendor that our codes can point to, as the vendor lists it."""

    kind: str
    code: str
    vendor_id: str
    name: str = ""
    active: bool = True


class MappingSet(Model):
    """The active version of one vendor's maps. Keys are `kind:code`."""

    vendor: str
    version: int = 0
    entries: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, vendor: str, references: Iterable[Reference], version: int = 1) -> "MappingSet":
        """From what the vendor lists; inactive records are left out."""
        return cls(
            vendor=vendor,
            version=version,
            entries={f"{r.kind}:{r.code}": r.vendor_id for r in references if r.active},
        )

    def find(self, kind: str, code: str) -> str | None:
        """The vendor's id, or None."""
        return self.entries.get(f"{kind}:{code}")

    def code(self, kind: str, vendor_id: str) -> str | None:
        """Our code for a vendor's id, or None."""
        return self.codes.get((kind, vendor_id))

    @cached_property
    def codes(self) -> dict[tuple[str, str], str]:
        """Our code by kind and vendor id; of several codes for one id, the first."""
        found: dict[tuple[str, str], str] = {}
        for key, vendor_id in self.entries.items():
            kind, _, code = key.partition(":")
            found.setdefault((kind, vendor_id), code)
        return found

    def id(self, kind: str, code: str) -> str:
        """The vendor's id. Raises Misconfigured, naming the missing row and the command that adds it."""
        found = self.find(kind, code)
        if found is None:
            raise Misconfigured(
                f"{self.vendor} has no active mapping for {kind} {code!r}",
                code="mapping-missing",
                field=f"mapping.{kind}.{code}",
                fix=f"create it in {self.vendor}, then `revsaga mapping activate {self.vendor}`",
            )
        return found
