"""What every command shares: failures end with a fix and an exit code, and the process ends by itself."""

import json
import subprocess
from datetime import date, timedelta
from decimal import Decimal

import click
import pytest
from click.testing import CliRunner

from canonical.failures import Conflict, Finding, Misconfigured, OutcomeUnknown, Rejected, Transient
from cli import Root, cli
from commands import _shared
from tests.builders.embedded import clean_environment, command, revsaga_later


class _Only(Root):
    """The root group, without looking for nouns in the folder."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.commands.get(cmd_name)


def failing(error: Exception) -> click.Group:
    """A command line whose one command raises `error`."""

    @click.group(cls=_Only)
    def root() -> None:
        """For tests."""

    @root.command()
    @_shared.json_option
    def fail(as_json: bool) -> None:
        raise error

    return root


CASES: list[tuple[Exception, int]] = [
    (Transient("away", code="x", fix="do this"), 4),
    (OutcomeUnknown("who knows", code="x", fix="do this"), 4),
    (Misconfigured("not set", code="x", fix="do this"), 4),
    (Rejected("no", code="x", fix="do this"), 3),
    (Conflict("moved", code="x", fix="do this"), 3),
    (_shared.Stop("stop", fix="do this", code=2), 2),
]


@pytest.mark.parametrize(("error", "code"), CASES)
def test_a_failure_is_a_message_a_fix_and_a_code(error: Exception, code: int) -> None:
    said = CliRunner().invoke(failing(error), ["fail"])
    assert said.exit_code == code
    assert f"error: {error}" in said.stderr
    assert "fix: do this" in said.stderr
    assert said.stdout == ""
    as_json = CliRunner().invoke(failing(error), ["fail", "--json"])
    assert as_json.exit_code == code
    assert json.loads(as_json.stdout)["error"]["fix"] == "do this"


def test_every_finding_is_printed() -> None:
    finding = Finding(code="x", field="quote.lines[0]", message="is negative", fix="correct it")
    error = Rejected("six mistakes", code="invalid", findings=(finding,))
    said = CliRunner().invoke(failing(error), ["fail"])
    assert "quote.lines[0]: is negative (correct it)" in said.stderr


def test_a_fault_of_the_program_has_a_code_of_its_own_and_no_trace() -> None:
    error = KeyError("bug")
    said = CliRunner().invoke(failing(error), ["fail"])
    assert said.exit_code == 70
    assert "REVSAGA_DEBUG" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_secret_never_reaches_an_error() -> None:
    error = Transient("refused: Bearer abcdef123456789", code="x", fix="y")
    assert "abcdef123456789" not in CliRunner().invoke(failing(error), ["fail"]).stderr


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("90s", timedelta(seconds=90)),
        ("2w", timedelta(weeks=2)),
        ("15M", timedelta(minutes=15)),
        ("0d", timedelta()),
    ],
)
def test_a_span_of_time(text: str, span: timedelta) -> None:
    assert _shared.Span().convert(text, None, None) == span


def test_numbers_that_json_cannot_hold_exactly_are_text() -> None:
    assert _shared.plain({"a": Decimal("0.10"), "b": (date(2026, 2, 1), timedelta(minutes=1))}) == {
        "a": "0.10",
        "b": ["2026-02-01", 60.0],
    }


def test_a_cell_is_never_read_as_markup() -> None:
    assert _shared.cell("[red]x[/red]").plain == "[red]x[/red]"


def test_the_actor_is_named_or_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVSAGA_ACTOR", "ann")
    assert _shared.actor() == "ann"
    monkeypatch.setenv("REVSAGA_ACTOR", " ")
    assert _shared.actor().strip()


def test_every_noun_loads_and_says_what_it_is() -> None:
    context = click.Context(cli)
    assert isinstance(cli, Root)
    names = cli.list_commands(context)
    assert {"clock", "db", "doctor", "up", "worker"} <= set(names)
    for name in names:
        found = cli.get_command(context, name)
        assert found is not None
        assert found.help, name


async def test_an_unknown_noun_is_a_usage_error() -> None:
    for wrong in ("nonsense", "-shared", "_shared", "connect", "../db", ""):
        said = await revsaga_later(wrong, environment={})
        assert said.code == 2, wrong


def test_a_reader_that_leaves_costs_nothing() -> None:
    script = " ".join(command()) + " --help | head -1; exit ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=clean_environment({}), check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


async def test_a_command_with_the_engine_s_client_always_ends_cleanly(stack: object) -> None:
    environment = stack.environment  # type: ignore[attr-defined]
    said = [await revsaga_later("clock", "advance", "0d", environment=environment) for _ in range(6)]
    assert [(s.code, s.err) for s in said if s.code] == []
