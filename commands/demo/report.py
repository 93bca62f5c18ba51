"""What is told when the performance is over, in 100 columns."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from canonical.case import ExceptionCase
from canonical.money import total
from commands.demo import standing as s
from commands.demo.facts import Facts, Outcome
from commands.demo.faults import Struck
from commands.demo.invariants import Invariant
from commands.demo.play import Help
from commands.inner.lineage import Line
from commands.inner.nodes import Node
from commands.inner.scoring import Rate
from commands.inner.trail import Attempt, Trace

_STYLES = {s.DONE: "green", s.UNDONE: "magenta", s.PARKED: "yellow"}
_OWNERS = {
    "revops": "RevOps",
    "finance-operations": "finance operations",
    "integration-support": "integration support",
}


def heading(out: Console, text: str) -> None:
    """A line across, with a title."""
    out.print()
    out.print(Rule(Text(text, style="bold"), align="left", style="dim", characters="─"))


def _table(*columns: str, right: Iterable[str] = ()) -> Table:
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def _print(out: Console, what: RenderableType) -> None:
    out.print(Padding(what, (0, 0, 0, 2), expand=False))


# Outcomes


def outcomes(out: Console, facts: Facts) -> None:
    """By legal entity and currency: how many deals, worth how much."""
    states = tuple(x for x in (s.DONE, s.UNDONE, s.PARKED, s.WAITING, s.RUNNING, s.TO_COME) if facts.those(x))
    heading(out, f"What became of {len(facts.outcomes)} deals")
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("legal entity", "", ""):
        made.add_column(name)
    for state in states:
        made.add_column("", justify="right", style=_STYLES.get(state, "red"))
        made.add_column(state, justify="right", style=_STYLES.get(state, "red"))
    groups = sorted(
        {(o.region, o.entity, o.money.currency) for o in facts.outcomes}, key=lambda g: (not g[0], g)
    )
    for region, entity, currency in groups:
        cells = [Text(entity), Text(region, style="dim"), Text(currency)]
        for state in states:
            cells += _cell(
                state, [o for o in facts.those(state) if (o.entity, o.money.currency) == (entity, currency)]
            )
        made.add_row(*cells)
    sums = [Text("deals", style="bold"), Text(""), Text("")]
    for state in states:
        sums += [Text(str(len(facts.those(state))), style="bold"), Text("")]
    made.add_row(*sums)
    _print(out, made)


def _cell(state: str, those: Sequence[Outcome]) -> list[Text]:
    if not those:
        return [Text(""), Text("·", style="dim")]
    money = total((o.money for o in those), those[0].money.currency)
    return [Text(str(len(those))), Text(f"{money.amount:,f}", style=_STYLES.get(state, ""))]


# Faults


def faults(out: Console, facts: Facts, struck: Sequence[Struck]) -> None:
    """What went wrong on purpose, and what was done about it."""
    played = facts.played
    heading(out, "What went wrong on purpose")
    made = _table("", "what", "times", "and then", right=("times",))
    rows = [(one.vendor, one.what, one.times, one.answer) for one in struck]
    for vendor in played.revoked:
        issued = facts.books[vendor].figures["tokens_issued"]
        rows.append((vendor, "all access tokens expired", 1, f"renewed: {issued} tokens issued in all"))
    if played.kills:
        rows.append(
            (
                "worker",
                "killed with SIGKILL",
                played.kills,
                f"{played.caught} activations go on, nothing twice",
            )
        )
    for where, what, times, answer in rows:
        made.add_row(
            where, what, Text(str(times), style="yellow" if times else "dim"), Text(answer, style="dim")
        )
    _print(out, made)


# Cases


def cases(out: Console, facts: Facts) -> None:
    """Every case with its owner and the command that resolves it; two of them were resolved on the way."""
    heading(out, f"{len(facts.cases)} cases for people")
    helped = {h.case.case_id: h for h in facts.played.helped}
    names = {o.activation.workflow_id: o for o in facts.outcomes if o.activation}
    for case in sorted(facts.cases, key=lambda c: (c.open, c.case_id)):
        outcome = names.get(case.workflow_id)
        made = Tree(_head(case, outcome), guide_style="dim")
        for line in (*_reasons(case), *_ways(case, helped.get(case.case_id))):
            made.add(line)
        _print(out, made)


def _head(case: ExceptionCase, outcome: Outcome | None) -> Text:
    state = ("open", "bold yellow") if case.open else (f"{case.resolution} by {case.resolved_by}", "green")
    name = outcome.deal.quote.name if outcome else case.workflow_id
    owner = _OWNERS.get(case.owner.value, case.owner.value)
    return Text.assemble((name, "bold"), f"  {case.title}  ", (owner, "cyan"), "  ", state)


def _ways(case: ExceptionCase, known: Help | None) -> list[Text]:
    """How it was resolved, or the commands that resolve it."""
    if known is not None:
        mended = [Text(known.mended, style="green")] if known.mended else []
        return [*mended, Text(known.command, style="green")]
    first = []
    if case.findings:
        first = [
            Text(
                "mend the quote in the CRM, and the deal watch starts its new revision; otherwise:",
                style="dim",
            )
        ]
    return [*first, *(Text(line, style="cyan") for line in commands(case))]


def _reasons(case: ExceptionCase) -> list[Text]:
    if not case.findings:
        return [Text(f"{case.reason}"), Text(f"fix: {case.fix}", style="dim")]
    return [Text.assemble(f"{f.message}  ", (f.field, "dim")) for f in case.findings]


_VERBS = {"retry_with": "retry-with {} --input FILE", "skip_with": "skip {} --result FILE"}


def commands(case: ExceptionCase) -> list[str]:
    """The exact commands that resolve an open case, ready to be typed; the quote itself is mended first."""
    choices = [c for c in case.choices if c in ("retry", "unwind")] or list(case.choices)
    return [
        f'revsaga saga {_VERBS.get(choice, choice + " {}").format(case.case_id)} --reason "..."'
        for choice in choices
    ]


# One trail


def trail(out: Console, found: Trace, outcome: Outcome) -> None:
    """One deal from the quote to the contract document, with its lines."""
    attempt = found.chains[0].attempts[-1]
    customer = " ".join(outcome.deal.parties.customer.name.split())
    heading(out, f"The trail of {outcome.deal.quote.name}: {customer}, {outcome.money}")
    _print(
        out,
        Text(
            f"revsaga trace {outcome.deal.quote.quote_id}    correlation {attempt.correlation_id}",
            style="dim",
        ),
    )
    made = _table("", "", "number", "by step")
    for node in attempt.nodes:
        made.add_row(_TITLES.get(node.kind, node.title), Text(node.state, style="green"), Text(_number(node)),
                     Text(_maker(node, attempt), style="dim"))  # fmt: skip
    _print(out, made)
    currency = outcome.money.currency

    def bare(amount: str) -> str:
        return amount.removesuffix(f" {currency}")

    lines = _table("quote line", "sold", "for", "charge in billing", "ERP contract", right=("for",))
    for line in attempt.lines:
        sold = f"{line.quantity} x {line.product}"
        contract = line.contract
        recorded = f"{contract.obligation.split(':')[0]} {bare(contract.allocated)}" if contract else "-"
        lines.add_row(line.lineage_id, sold, bare(line.amount), Text(_charges(line)), Text(recorded))
    out.print()
    _print(out, lines)
    present = sum(r.status == "present" for r in attempt.required)
    text = f"{len(attempt.events)} events, {len(attempt.effects)} effects; {present} required links, {found.verdict}"
    _print(out, Text(text, style="green" if found.verdict == "no gap" else "red"))


_TITLES = {
    "quote": "quote", "validation": "validation", "lock": "quote lock", "billing-account": "billing account",
    "payment-reference": "payment reference", "order": "order", "tax-estimate": "tax estimate",
    "subscription": "subscription", "erp-customer": "ERP customer", "erp-contract": "ERP contract",
    "write-back": "write-back",
}  # fmt: skip


def _number(node: Node) -> str:
    if node.kind == "lock":
        return ""
    facts = node.facts
    more = {
        "validation": facts.get("entity"),
        "tax-estimate": " ".join(
            [str(facts.get("tax")).split()[0], *map(str, facts.get("zero_reasons") or ())]
        ),
        "subscription": f"until {facts.get('end')}",
        "erp-contract": next((r.id for r in node.refs if r.type == "contract-number"), ""),
    }.get(node.kind)
    return node.id + (f"  {more}" if more else "")


def _charges(line: Line) -> str:
    """The number without the quote line in its middle; charges that only balance are named."""
    numbers = [f"…{c.number.rsplit('-', 1)[-1]}" for c in line.charges if c.number]
    return " + ".join([*numbers, *(c.kind for c in line.charges if not c.number)])


def _maker(node: Node, attempt: Attempt) -> str:
    made = node.cause.removeprefix(f"{attempt.workflow_id}/").removesuffix("/do")
    return made if made and made != attempt.workflow_id else str(node.facts.get("started_by", node.actor))


# The end


def invariants(out: Console, found: Sequence[Invariant]) -> None:
    """Each with its figures."""
    broken = sum(one.holds is False for one in found)
    heading(out, "Invariants")
    marks = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("–", "dim")}
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column()
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for one in found:
        mark, style = marks[one.holds]
        figures = one.figures + ("; asked of the whole book only" if one.holds is None else "")
        made.add_row(
            Text(mark, style=style),
            Text(one.name),
            Text(figures, style="red" if one.holds is False else "dim"),
        )
    _print(out, made)
    if broken:
        _print(out, Text(f"{broken} of {len(found)} do not hold", style="bold red"))


def end(out: Console, facts: Facts, found: Sequence[Invariant], elapsed: float) -> None:
    """The key figure, the time, the verdict."""
    score = facts.score
    out.print()
    made = Table.grid(padding=(0, 3, 0, 0))
    made.add_row(
        Text("Activation success rate", style="bold"),
        _share(score.prompt),
        "within 15 minutes, without a person",
    )
    made.add_row("", _share(score.in_a_day), "within 24 hours")
    _print(out, made)
    good = all(one.holds is not False for one in found)
    held = sum(bool(one.holds) for one in found)
    verdict = (
        f"{held} invariants hold"
        if good
        else f"{sum(o.holds is False for o in found)} invariants do not hold"
    )
    _print(out, Text(f"{verdict}, after {elapsed:.0f} seconds", style="bold green" if good else "bold red"))


def _share(rate: Rate) -> str:
    return f"{rate.numerator}/{rate.denominator}" + (f" = {rate.percent} %" if rate.percent else "")


def shown(facts: Facts) -> str:
    """The quote whose trail is told: a bundle whose order was never answered, or the first that is done."""
    done = [o for o in facts.those(s.DONE) if o.deal.quote.quote_id in facts.traces]
    told = [o for o in done if any(line.bundle for line in o.deal.quote.lines)] or done
    return told[0].deal.quote.quote_id if told else ""


def tell(
    out: Console,
    facts: Facts,
    struck: Sequence[Struck],
    found: Sequence[Invariant],
    trail_of: str,
    elapsed: float,
) -> None:
    """All of it."""
    outcomes(out, facts)
    faults(out, facts, struck)
    cases(out, facts)
    outcome = next((o for o in facts.outcomes if o.deal.quote.quote_id == trail_of), None)
    if outcome is not None:
        trail(out, facts.traces[trail_of], outcome)
    invariants(out, found)
    end(out, facts, found, elapsed)


# As data


def as_data(
    facts: Facts,
    struck: Sequence[Struck],
    found: Sequence[Invariant],
    trail_of: str,
    elapsed: float,
    seed: int,
) -> dict[str, Any]:
    """The whole report with stable names."""
    helped = {h.case.case_id for h in facts.played.helped}
    return {
        "deals": len(facts.outcomes),
        "seed": seed,
        "outcomes": [
            {
                "quote": o.deal.quote.name, "quote_id": o.deal.quote.quote_id, "state": o.state, "entity": o.entity,
                "money": o.money, "workflow_id": o.activation.workflow_id if o.activation else "",
            }
            for o in facts.outcomes
        ],
        "faults": list(struck),
        "cases": [
            {**case.model_dump(mode="json"), "resolved_here": case.case_id in helped,
             "commands": commands(case) if case.open else []}
            for case in facts.cases
        ],
        "trail": facts.traces.get(trail_of),
        "invariants": list(found),
        "kpi": {
            "name": facts.score.name,
            "prompt": {**facts.score.prompt.model_dump(), "percent": facts.score.prompt.percent},
            "in_a_day": {**facts.score.in_a_day.model_dump(), "percent": facts.score.in_a_day.percent},
        },
        "elapsed_seconds": round(elapsed),
        "ok": all(one.holds is not False for one in found),
    }  # fmt: skip
