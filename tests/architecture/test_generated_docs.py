"""Generated pages say what the program says, and a page that was edited by hand is found."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from canonical.lifecycle import FLOWS
from canonical.ownership import REGISTER, owner_of
from commands import docs

ROOT = Path(__file__).resolve().parents[2]
ROLES = {"crm", "cpq", "billing", "tax", "payments", "erp", "metering", "revsaga"}


def test_every_generated_page_is_current() -> None:
    assert docs.stale(ROOT) == [], "run `revsaga docs generate` (or `python -m commands.docs generate`)"


def test_an_edited_and_a_missing_page_are_found(tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(docs.group, ["generate", "--root", str(tmp_path)]).exit_code == 0
    assert run.invoke(docs.group, ["check", "--root", str(tmp_path)]).exit_code == 0
    (tmp_path / "docs" / "events.md").unlink()
    with (tmp_path / "docs" / "ownership.md").open("a", encoding="utf-8") as page:
        page.write("by hand\n")
    told = run.invoke(docs.group, ["check", "--root", str(tmp_path)])
    assert told.exit_code == 1
    assert docs.stale(tmp_path) == ["docs/events.md", "docs/ownership.md"]
    assert "docs/events.md is out of date: run `revsaga docs generate`" in told.output


def test_the_map_shows_every_flow_with_systems_and_owners() -> None:
    wanted = {"new-business", "renewals", "amendments", "usage", "credits", "refunds", "collections", "close"}
    assert wanted <= {flow.code for flow in FLOWS}
    page = docs.lifecycle()
    for flow in FLOWS:
        assert flow.steps
        assert {step.system for step in flow.steps} <= ROLES
        assert f"## {flow.name}\n" in page
        section = page.split(f"## {flow.name}\n")[1].split("\n## ")[0]
        assert ("State: **delivered**" in section) == (flow.saga is not None)
        assert all(f"| {step.what} | {step.system} | {step.owner} |" in section for step in flow.steps)


def test_a_delivered_flow_shows_the_steps_of_its_saga() -> None:
    delivered = [flow for flow in FLOWS if flow.saga is not None]
    assert [flow.saga for flow in delivered] == ["quote_to_subscription"]
    assert all((ROOT / "workflows" / f"{flow.saga}.py").is_file() for flow in delivered)
    section = docs.lifecycle().split("## New business\n")[1].split("\n## ")[0]
    assert "flowchart TD" in section
    assert "`activate-order`" in section
    assert "| pivot |" in section


def test_every_field_has_one_system_of_record_and_a_steward() -> None:
    page = docs.ownership()
    assert len({(row.domain, row.field) for row in REGISTER}) == len(REGISTER)
    for row in REGISTER:
        assert {row.owner_role, *row.written_to} <= ROLES
        assert row.owner_role not in row.written_to
        assert f"| {row.field} | {row.owner_role} |" in page
        assert row in owner_of(row.domain)
    domains = [row.domain for row in REGISTER]
    assert domains == sorted(domains, key=domains.index), "rows of a domain stand together"
    for domain in ("customer", "catalog", "pricing", "subscription", "invoice", "payment", "revenue"):
        assert owner_of(domain)
    assert owner_of("weather") == ()


@pytest.fixture
def tree() -> click.Group:
    """A little command tree with everything that the page has to show."""

    @click.group()
    def root() -> None:
        """The tool."""

    @root.group()
    def case() -> None:
        """Cases that wait for a person."""

    @case.command()
    @click.argument("case_id")
    @click.option("--state", type=click.Choice(["open", "closed"]), help="Only these.")
    def show(case_id: str, state: str) -> None:
        """Show one case.

        With its evidence.
        """

    @root.command(hidden=True)
    def secret() -> None:
        """Nobody sees this."""

    return root


def test_the_command_line_is_written_from_its_tree(tree: click.Group) -> None:
    page = docs.command_line(tree)
    assert "## revsaga case\n\nCases that wait for a person." in page
    assert "### revsaga case show\n\nShow one case. With its evidence." in page
    assert "revsaga case show [OPTIONS] CASE_ID" in page
    assert "| `--state [open\\|closed]` | Only these. |" in page
    assert "secret" not in page


def test_pages_name_no_path_of_this_machine() -> None:
    for path, text in docs.render_all().items():
        assert str(ROOT) not in text, path
        assert str(Path.home()) not in text or Path.home() == Path("/"), path
