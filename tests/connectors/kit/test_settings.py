"""Settings come from the environment or from files, and unsafe addresses are refused at the start."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.kit.redact import redact
from tests.connectors.kit.acme import AcmeSettings


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVSAGA_ACME_BASE_URL", "https://eu.acme.example")
    monkeypatch.setenv("REVSAGA_ACME_API_KEY", "key-from-env")
    monkeypatch.setenv("REVSAGA_ACME_READ_TIMEOUT", "4.5")
    settings = AcmeSettings()
    assert settings.base_url == "https://eu.acme.example"
    assert settings.api_key.get_secret_value() == "key-from-env"
    assert settings.read_timeout == 4.5
    assert "key-from-env" not in repr(settings)
    assert redact("x key-from-env y") == "x [redacted] y"


def test_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("key-from-file\n", encoding="utf-8")
    monkeypatch.setenv("REVSAGA_ACME_API_KEY_FILE", str(file))
    assert AcmeSettings().api_key.get_secret_value() == "key-from-file"


def test_value_and_file_together_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REVSAGA_ACME_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("REVSAGA_ACME_API_KEY", "x")
    with pytest.raises(ValueError, match="are both set"):
        AcmeSettings()


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REVSAGA_ACME_API_KEY_FILE", str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="REVSAGA_ACME_API_KEY_FILE cannot be read"):
        AcmeSettings()


@pytest.mark.parametrize(
    "address",
    [
        "http://rest.acme.example",
        "http://169.254.169.254",
        "https://169.254.169.254/latest",
        "https://0.0.0.0",
        "https://[fe80::1]",
        "https://user:password@rest.acme.example",
        "https://rest.acme.example?x=1",
        "ftp://rest.acme.example",
        "rest.acme.example",
        "",
    ],
)
def test_unsafe_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        AcmeSettings(base_url=address)


def test_the_allow_list_is_the_own_host_unless_given() -> None:
    assert AcmeSettings().allowed() == ("rest.acme.example",)
    assert AcmeSettings(base_url="http://127.0.0.1:8123").allowed() == ("127.0.0.1:8123",)
    assert AcmeSettings(allow_hosts=("*.acme.example",)).allowed() == ("*.acme.example",)


def test_the_time_limits_are_the_documented_ones() -> None:
    s = AcmeSettings()
    assert (s.connect_timeout, s.read_timeout, s.write_timeout, s.pool_timeout) == (3, 15, 15, 5)
    assert (s.total_timeout, s.max_answer_bytes, s.pool_size) == (40, 16 * 1024 * 1024, 10)
