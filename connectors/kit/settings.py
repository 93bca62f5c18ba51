"""Settings that every adapter has: where the vendor is, how long to wait, what to trust.

    class AcmeSettings(VendorSettings):
        model_config = vendor_config("acme")          # REVSAGA_ACME_BASE_URL, REVSAGA_ACME_API_KEY, ...
        base_url: str = "https://rest.acme.example"
        api_key: SecretStr

Any value may come from a file instead: `REVSAGA_ACME_API_KEY_FILE=/run/secrets/acme_api_key`. Giving both is an error.
"""

import ipaddress
import os
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from connectors.kit.redact import register_secret


def vendor_config(vendor: str) -> SettingsConfigDict:
    """The pydantic configuration of a vendor's settings: variables start with `REVSAGA_<VENDOR>_`."""
    return SettingsConfigDict(env_prefix=f"REVSAGA_{vendor.upper()}_", frozen=True, extra="ignore")


class _FromFiles(PydanticBaseSettingsSource):
    """Reads a field from the file that `<PREFIX><FIELD>_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = os.environ.get(f"{variable}_FILE")
        if path is None:
            return None, field_name, False
        if variable in os.environ:
            raise ValueError(f"{variable} and {variable}_FILE are both set; keep one")
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except OSError as error:
            raise ValueError(f"{variable}_FILE cannot be read: {error}") from error

    def __call__(self) -> dict[str, Any]:
        values = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values


class VendorSettings(BaseSettings):
    """What the kit needs to speak to a vendor. Times are seconds, together below an activity's start-to-close."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    base_url: str = Field(description="scheme, host and port; paths are appended to it")
    allow_hosts: tuple[str, ...] = Field(
        default=(),
        description="hosts that may be called: `host`, `host:port` or `*.domain`; empty: the host of base_url only",
    )
    connect_timeout: float = Field(default=3.0, gt=0)
    read_timeout: float = Field(default=15.0, gt=0, description="longest silence while an answer is awaited")
    write_timeout: float = Field(default=15.0, gt=0)
    pool_timeout: float = Field(default=5.0, gt=0, description="longest wait for a free connection")
    total_timeout: float = Field(default=40.0, gt=0, description="a whole call, however slowly it drips")
    max_answer_bytes: int = Field(default=16 * 1024 * 1024, gt=0, description="after decompression")
    pool_size: int = Field(default=10, gt=0, description="connections of one process to this vendor")
    ca_bundle: Path | None = Field(default=None, description="PEM file of the authorities to trust")
    client_certificate: Path | None = Field(default=None, description="PEM chain, for mutual TLS")
    client_key: Path | None = Field(default=None, description="PEM key, unless it is in the chain")
    client_key_password: SecretStr | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and the environment is the only other source."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _FromFiles(settings_cls)

    @model_validator(mode="after")
    def _hide_secrets(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                register_secret(value.get_secret_value())
        return self

    @model_validator(mode="after")
    def _safe_base_url(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("base_url must be http(s)://host[:port]")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("base_url may hold neither credentials nor a query nor a fragment")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("base_url must use https, except on the loopback interface")
        if is_forbidden(parts.hostname):
            raise ValueError(
                "base_url names an address that no vendor has (link-local, multicast or unspecified)"
            )
        return self

    def allowed(self) -> tuple[str, ...]:
        """The allow-list in force."""
        if self.allow_hosts:
            return self.allow_hosts
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        return (f"{host}:{parts.port}" if parts.port else host,)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_forbidden(host: str) -> bool:
    """Whether `host` is an address that only an attacker would configure, such as a cloud's metadata service."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_link_local or address.is_multicast or address.is_unspecified
