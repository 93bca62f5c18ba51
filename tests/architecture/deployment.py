"""The production files: docker-compose.yml judged by the published schema, and by rules of our own."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

# Jobs end; everything else must say whether it is well.
JOBS = frozenset({"migrate", "temporal-namespace", "temporal-schema"})

SEARCH_ATTRIBUTES = (
    "SagaKind",
    "SagaState",
    "SagaStep",
    "ExceptionOwner",
    "CorrelationId",
    "CustomerId",
    "LegalEntity",
)

_SECRET_WORD = re.compile(r"(PASSWORD|PWD|SECRET|TOKEN|LICEN[CS]E|CREDENTIAL)", re.IGNORECASE)
_FILE_REFERENCE = re.compile(r"(_FILE|_DIR)$")


def compose(path: Path) -> dict[str, Any]:
    """The parsed file."""
    parsed = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(parsed, dict)
    return parsed


def script(document: dict[str, Any], config: str) -> str:
    """A script that the file carries, as a container gets it: compose turns `$$` into `$`."""
    return str(document["configs"][config]["content"]).replace("$$", "$")


def schema(path: Path) -> list[str]:
    """What the published compose-spec schema (carried by check-jsonschema) says against the file."""
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "-o",
        "text",
        str(path),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return (
        []
        if result.returncode == 0
        else [line.strip() for line in result.stdout.splitlines() if line.strip()]
    )


def rules(document: dict[str, Any]) -> list[str]:
    """Not root, confined, restartable, healthy or a job, loopback only, secrets by file, everything named exists."""
    found: list[str] = []
    for name, service in document["services"].items():
        user = str(service.get("user", ""))
        if not user or user.partition(":")[0] in {"0", "root"}:
            found.append(f"{name}: runs as root")
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get(
            "security_opt", []
        ):
            found.append(f"{name}: keeps privileges")
        if name in JOBS:
            if not str(service.get("restart", "")).startswith("on-failure"):
                found.append(f"{name}: a job restarts on failure, and only then")
        elif "healthcheck" not in service or service.get("restart") != "unless-stopped":
            found.append(f"{name}: a service has a health check and restarts")
        found += [
            f"{name}: publishes {p} beyond the loopback address"
            for p in service.get("ports", [])
            if not _loopback(p)
        ]
        found += [
            f"{name}: {key} carries a secret in the environment"
            for key in service.get("environment", {})
            if _SECRET_WORD.search(key) and not _FILE_REFERENCE.search(key)
        ]
        if ":latest" in service["image"] or ":" not in service["image"]:
            found.append(f"{name}: the image has no version")
        found += _references(name, service, document)
    found += [
        f"secret {name}: not by file" for name, s in document.get("secrets", {}).items() if "file" not in s
    ]
    return found


def _loopback(port: object) -> bool:
    return isinstance(port, str) and port.startswith("127.0.0.1:")


def _references(name: str, service: dict[str, Any], document: dict[str, Any]) -> list[str]:
    found = [
        f"{name}: secret {s} is not declared"
        for s in service.get("secrets", [])
        if s not in document["secrets"]
    ]
    sources = [config["source"] for config in service.get("configs", [])]
    found += [
        f"{name}: config {source} is not declared" for source in sources if source not in document["configs"]
    ]
    for other, how in service.get("depends_on", {}).items():
        if other not in document["services"]:
            found.append(f"{name}: waits for {other}, which is not there")
        ends = how["condition"] == "service_completed_successfully"
        if ends != (other in JOBS):
            found.append(f"{name}: waits for {other} in the wrong manner")
    return found
