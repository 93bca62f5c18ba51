"""Payment references: tokens of the gateway, and whether they may be charged without the customer."""

from pydantic import Field

from canonical.base import Model


class MethodCheck(Model):
    """May this stored method be charged off session?"""

    usable: bool
    why: str = Field(default="", description="what is missing, in words for the customer's contact")
    kind: str = ""
    last4: str = ""
    warnings: tuple[str, ...] = ()
