"""Where AvaTax is, who we are to it, and the choices that the vendor's documents leave open."""

from pydantic import Field, SecretStr

from connectors.kit.settings import VendorSettings, vendor_config


class AvalaraSettings(VendorSettings):
    """One account of AvaTax. Environment variables start with `REVSAGA_AVALARA_`."""

    model_config = vendor_config("avalara")

    base_url: str = "https://sandbox-rest.avatax.com"
    read_timeout: float = Field(default=30.0, gt=0, description="large documents take their time")
    account_id: str = ""
    license_key: SecretStr = SecretStr("")
    app_name: str = Field(default="revsaga", description="first part of the client identification header")
    app_version: str = "1.0"
    machine: str = "revsaga"
    page_size: int = Field(
        default=1000, ge=1, le=1000, description="records per page; the vendor's maximum is 1,000"
    )
    minimum_quality: str = Field(
        default="PostalCentroidGood", description="coarsest place that an address may resolve to"
    )
    sales_nexus_groups: tuple[str, ...] = Field(
        default=("SalesAndUse",), description="nexusTaxTypeGroup values that mean sales tax"
    )
    vat_nexus_groups: tuple[str, ...] = Field(
        default=("InputAndOutput", "VAT", "GST"),
        description="nexusTaxTypeGroup values that mean VAT or GST; the vendor's name for it is unconfirmed",
    )
