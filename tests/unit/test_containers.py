"""What compose.yaml and the Dockerfile say, as far as it can be seen without Docker."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.settings import SECRETS, Settings, load

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
SETTINGS = {f"SHEAF_{name.upper()}" for name in Settings.__struct_fields__}
FILES = {f"SHEAF_{name.upper()}_FILE" for name in SECRETS}


def instructions(name: str) -> list[str]:
    return re.findall(rf"^\s*{name}\s+(.*)$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_each_service_has_no_more_than_it_needs(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert all("127.0.0.1" in each for each in service.get("ports", ()))


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_what_a_service_names_is_there(service: dict[str, Any]) -> None:
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
    mounted = {each.partition(":")[0] for each in service.get("volumes", ())}
    assert all((ROOT / each).is_file() if each.startswith("./") else each in COMPOSE["volumes"] for each in mounted)
    waited_for = service.get("depends_on", {})
    assert waited_for.keys() <= SERVICES.keys()
    for name, told in waited_for.items():
        ends = SERVICES[name]["restart"] == "no"
        assert told["condition"] == ("service_completed_successfully" if ends else "service_healthy")
    environment = service.get("environment", {})
    assert {name for name in environment if name.startswith("SHEAF_")} <= SETTINGS | FILES
    files = {value.removeprefix("/run/secrets/") for name, value in environment.items() if name.endswith("_FILE")}
    assert files == set(service.get("secrets", ()))


def test_variables_reach_the_program_and_are_as_without_them() -> None:
    told = SERVICES["sheaf"]["environment"]
    named = {name: re.fullmatch(r"\$\{(\w+):-(.*)\}", value) for name, value in told.items() if value.startswith("$")}
    defaults = {name: found[2] for name, found in named.items() if found and found[1] == name}
    assert defaults.keys() == named.keys()
    quotas = {name for name in SETTINGS if name.startswith("SHEAF_WORKSPACE_")}
    assert quotas | {"SHEAF_RATE_LIMIT", "SHEAF_TRUSTED_PROXIES", "SHEAF_CORS_ORIGINS"} <= defaults.keys()
    assert load(defaults, workers=1) == Settings()
    assert SERVICES["sheaf"]["stop_grace_period"] == f"1m{told['SHEAF_DRAIN_SECONDS']}s"


def test_only_the_application_can_be_reached() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert [name for name, each in SERVICES.items() if each["networks"] != ["inside"] or "ports" in each] == ["sheaf"]


def test_the_image_is_a_plain_users_and_listens_to_signals() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert [json.loads(each) for each in instructions("ENTRYPOINT") + instructions("CMD")[-1:]] == [
        ["sheaf"],
        ["serve", "--no-key"],
    ]
    (check,) = re.findall(r"HEALTHCHECK .*?CMD (\[.*\])", DOCKERFILE)
    compile(json.loads(check)[2], "health check", "exec")
    assert "os.environ['SHEAF_PORT']" in check


def test_the_image_gets_what_it_copies_and_knows_its_settings() -> None:
    admitted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for each in instructions("COPY"):
        if not each.startswith("--from"):
            assert all(any(fnmatch(name, allowed) for allowed in admitted) for name in each.split()[:-1])
    told = {name for each in instructions("ENV") for name in re.findall(r"(SHEAF_\w+)=", each)}
    assert told <= SETTINGS
