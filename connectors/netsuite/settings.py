"""Where the account is, who we are to it, and which names its administrators gave to our fields."""

from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.kit.settings import VendorSettings, vendor_config


class NetsuiteSettings(VendorSettings):
    """Settings of one account. Variables start with `REVSAGA_NETSUITE_`."""

    model_config = vendor_config("netsuite")

    base_url: str = Field(
        default="https://000000.suitetalk.api.netsuite.com",
        description="the account's own host: its id in lower case, `_` written as `-`",
    )
    pool_size: int = Field(
        default=5, gt=0, description="connections of one process: no more than the account's concurrency"
    )
    account: str = Field(default="", description="account id as the user interface shows it, e.g. 123456_SB1")
    auth: Literal["tba", "oauth2"] = Field(
        default="tba", description="token-based (OAuth 1.0a) or OAuth 2.0 with a certificate"
    )

    consumer_key: str = ""
    consumer_secret: SecretStr = SecretStr("")
    token_id: str = ""
    token_secret: SecretStr = SecretStr("")

    client_id: str = ""
    certificate_id: str = Field(default="", description="id of the certificate on the M2M setup page")
    private_key: SecretStr = Field(default=SecretStr(""), description="PEM; RSA for PS256, P-256 for ES256")
    algorithm: Literal["PS256", "ES256"] = "PS256"
    scope: str = "rest_webservices"

    concurrency: int = Field(
        default=5, ge=1, description="requests at a time that the account grants to us, over all processes"
    )
    page_size: int = Field(default=1000, ge=1, le=1000, description="rows of one page of a query")
    order_status: Literal["A", "B"] = Field(
        default="B", description="state of a new sales order: A pending approval, B approved"
    )

    body_correlation: str = "custbody_correlation_id"
    body_quote: str = "custbody_quote_id"
    body_subscription: str = "custbody_subscription"
    column_quote_line: str = "custcol_quote_line"
    column_line_no: str = "custcol_line_no"
    column_obligation: str = "custcol_pob_ref"
    column_pattern: str = "custcol_pob_pattern"
    column_ssp: str = "custcol_ssp"
    column_allocated: str = "custcol_allocated"
    column_charge_type: str = "custcol_charge_type"
    customer_vat: str = Field(default="custentity_vat_id", description="empty: the VAT id is not written")

    @field_validator("account")
    @classmethod
    def _as_shown(cls, value: str) -> str:
        if value != value.upper() or "-" in value:
            raise ValueError(
                "write the account id as the user interface shows it: upper case, with an underscore"
            )
        return value

    @model_validator(mode="after")
    def _named(self) -> Self:
        wrong = [
            name
            for prefix, names in (("custbody", self.body_fields), ("custcol", self.line_columns))
            for name in names
            if not name.startswith(prefix)
        ]
        if self.customer_vat and not self.customer_vat.startswith("custentity"):
            wrong.append(self.customer_vat)
        if wrong:
            raise ValueError(
                f"custom fields start with custbody, custcol or custentity, unlike {', '.join(wrong)}"
            )
        return self

    @property
    def body_fields(self) -> tuple[str, ...]:
        """Custom fields on the sales order that the account must have."""
        return (self.body_correlation, self.body_quote, self.body_subscription)

    @property
    def line_columns(self) -> tuple[str, ...]:
        """Custom columns on its lines that the account must have."""
        return (
            self.column_quote_line,
            self.column_line_no,
            self.column_obligation,
            self.column_pattern,
            self.column_ssp,
            self.column_allocated,
            self.column_charge_type,
        )
