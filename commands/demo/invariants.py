"""What must hold when everything has settled, each with its figures: read from the vendors' own books and our store."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from activities.store.store import Store
from canonical.catalog import ChargeType
from canonical.money import Money, total
from commands.demo import standing as s
from commands.demo.facts import Facts, Outcome, minor, region
from commands.inner.trail import trace

REPEATABLE = ("account-field", "customer-updated", "salesOrder-updated", "quote-marked", "quote-unlocked")
"""Setting a value to what it is to be: twice is once."""
_SLOTS = 5
_KINDS = {
    ChargeType.RECURRING: "annual platform",
    ChargeType.USAGE: "monthly overage",
    ChargeType.ONE_TIME: "services",
}
_EVERY = len(_KINDS) * 2


@dataclass(frozen=True)
class Invariant:
    """A sentence, whether it holds (None: not asked of a part of the book), and the figures that show it."""

    name: str
    holds: bool | None
    figures: str


async def check(facts: Facts, store: Store) -> tuple[Invariant, ...]:
    """All of them, in the order in which they are told."""
    plain: tuple[Callable[[Facts], Invariant], ...] = (
        accounted, once, erp_last, nothing_left, owned, totals, at_once, combinations, started_once,
    )  # fmt: skip
    found = [judge(facts) for judge in plain]
    found.insert(4, await settled(store))
    found.insert(5, await nothing_held(facts, store))
    found.append(await chain(store))
    found.append(await trails(facts, store))
    return tuple(found)


def accounted(facts: Facts) -> Invariant:
    """Each deal is done, undone or parked."""
    counts = Counter(o.state for o in facts.outcomes)
    text = " + ".join(f"{counts[state]} {state}" for state in (s.DONE, s.UNDONE, s.PARKED))
    ended = sum(counts[state] for state in (s.DONE, s.UNDONE, s.PARKED))
    lost = [o.deal.quote.name for o in facts.outcomes if o.state not in (s.DONE, s.UNDONE, s.PARKED)]
    figures = f"{text} = {ended} of {len(facts.outcomes)}" + (
        f"; not settled: {', '.join(lost)}" if lost else ""
    )
    return Invariant("Every deal is accounted for", not lost, figures)


def once(facts: Facts) -> Invariant:
    """No business key has two effects in any vendor's books."""
    made, twice = dict[str, int](), list[str]()
    for vendor, books in facts.books.items():
        for kind, keys in books.effects.items():
            made[vendor] = made.get(vendor, 0) + len(keys)
            if not kind.startswith(REPEATABLE):
                twice += [f"{vendor} {kind} {key}: {n}" for key, n in keys.items() if n != 1]
    told = ", ".join(f"{n} in {vendor}" for vendor, n in sorted(made.items(), key=lambda item: -item[1]))
    figures = f"{told}; {len(twice)} twice" + _named(twice)
    return Invariant("One effect per key in every vendor", not twice and bool(made), figures)


def _calls(log: Iterable[dict[str, Any]], method: str, path: str, end: str = "") -> dict[str, Any]:
    """When each document was first asked for, by the readable part and hash that its numbers share."""
    found: dict[str, Any] = {}
    for entry in log:
        if entry["method"] == method and path in entry["path"] and entry["path"].endswith(end):
            found.setdefault(entry["path"].split(path, 1)[1].removesuffix(end), entry["at"])
    return found


def erp_last(facts: Facts) -> Invariant:
    """By the vendors' own logs: no contract is sent to the ERP before billing was told to activate its order."""
    activated = _calls(facts.books["zuora"].log, "PUT", "/v1/orders/O-", "/activate")
    sent = _calls(facts.books["netsuite"].log, "PUT", "/salesOrder/eid:SO-")
    early = [number for number, at in sent.items() if number not in activated or at < activated[number]]
    tables = facts.books["netsuite"].state["tables"]
    quotes = {row.get("custbody_quote_id") for row in tables["transaction"].values()}
    stray = [
        o.deal.quote.name for o in facts.outcomes if o.state != s.DONE and o.deal.quote.quote_id in quotes
    ]
    done = facts.those(s.DONE)
    complete = len(tables["transaction"]) == len(done) == len(tables["customer"])
    figures = (
        f"{len(tables['transaction'])} contracts, {len(tables['customer'])} customers for {len(done)} deals; "
        f"{len(early)} early, {len(stray)} stray" + _named([*early, *stray])
    )
    return Invariant("No ERP call before activation", not early and not stray and complete, figures)


def nothing_left(facts: Facts) -> Invariant:
    """What was taken back is gone, and what is parked has not begun to sell."""
    billing, crm = facts.books["zuora"].state, facts.books["salesforce"].state["rows"]
    left: list[str] = []
    accounts = 0
    for o in facts.those(s.UNDONE):
        customer, name = o.deal.parties.customer.customer_id, o.deal.quote.name
        numbers = {a["accountNumber"]: a for a in billing["accounts"].values() if a["crmId"] == customer}
        accounts += len(numbers)
        left += [f"{name}: account {n}" for n, a in numbers.items() if a.get("status") != "Canceled"]
        orders = [x for x in billing["orders"].values() if x["existingAccountNumber"] in numbers]
        left += [f"{name}: order {x['status']}" for x in orders if x["status"] != "Cancelled"]
        sold = [x[-1] for x in billing["subscriptions"].values() if x[-1]["accountNumber"] in numbers]
        left += [f"{name}: subscription" for _ in sold]
        if crm["SBQQ__Quote__c"][o.deal.quote.quote_id].get("Otc_Operation__c"):
            left.append(f"{name}: quote locked")
    figures = f"{len(facts.those(s.UNDONE))} deals, {accounts} accounts closed, {len(left)} things left"
    return Invariant("What was taken back is gone", not left, figures + _named(left))


def owned(facts: Facts) -> Invariant:
    """Each parked deal has an open case; each case has an owner by rule, a reason, and a way out."""
    open_ = [case for case in facts.cases if case.open]
    parked = {o.activation.workflow_id for o in facts.those(s.PARKED) if o.activation}
    wrong = [c.case_id for c in facts.cases if c.unrouted or not c.reason or not c.fix or not c.choices]
    wrong += [c.case_id for c in open_ if c.workflow_id not in parked]
    figures = (
        f"{len(facts.cases)} cases, {len(open_)} open for {len(parked)} parked; {len(wrong)} without owner"
    )
    good = not wrong and parked == {c.workflow_id for c in open_}
    return Invariant("Every parked deal has an owned case", good, figures + _named(wrong))


async def settled(store: Store) -> Invariant:
    """No effect is in doubt."""
    rows = await store.fetch("SELECT state, count(*)::int AS n FROM effect GROUP BY state ORDER BY state")
    counts = {row["state"]: row["n"] for row in rows}
    open_ = sum(counts.get(state, 0) for state in ("intent", "sent", "uncertain"))
    tries = await store.fetchval("SELECT coalesce(sum(tries - 1), 0)::int FROM effect WHERE tries > 1")
    words = {"done": "done", "not_done": "refused", "void": "voided"}
    told = ", ".join(f"{counts[state]} {text}" for state, text in words.items() if counts.get(state))
    figures = f"{sum(counts.values())} rows: {told}; {open_} in doubt, {tries} repeated"
    return Invariant("Every ledger row is settled", open_ == 0 and bool(counts), figures)


async def nothing_held(facts: Facts, store: Store) -> Invariant:
    """Turns, leases and locks are given back by all that has ended."""
    turns = await store.fetch("SELECT holder, queue FROM account_turn WHERE holder IS NOT NULL")
    held = [row["holder"] for row in turns if row["holder"] not in facts.live]
    leases = await store.fetchval("SELECT count(*)::int FROM lease WHERE expires_at > clock_timestamp()")
    quotes = facts.books["salesforce"].state["rows"]["SBQQ__Quote__c"]
    ended = {o.deal.quote.quote_id for o in facts.those(s.DONE, s.UNDONE)}
    locked = [q for q, row in quotes.items() if q in ended and row.get("Otc_State__c") == "activating"]
    figures = f"{len(held)} turns, {leases} leases, {len(locked)} quote locks"
    good = not held and not locked and leases == 0
    return Invariant("No turn, lease or lock is left", good, figures + _named([*held, *locked]))


def totals(facts: Facts) -> Invariant:
    """By currency: what the ERP's contract documents sum to, and what the CRM's quotes do."""
    tables = facts.books["netsuite"].state["tables"]
    quotes = facts.books["salesforce"].state["rows"]["SBQQ__Quote__c"]
    erp: dict[str, list[Money]] = {}
    for row in tables["transaction"].values():
        currency = tables["currency"][row["currency"]]["symbol"]
        erp.setdefault(currency, []).append(minor(row["total"], currency))
    crm: dict[str, list[Money]] = {}
    for o in facts.those(s.DONE):
        row = quotes[o.deal.quote.quote_id]
        currency = row["CurrencyIsoCode"]
        crm.setdefault(currency, []).append(minor(row["SBQQ__NetAmount__c"], currency))
    sums = {c: (total(erp.get(c, ()), c), total(crm.get(c, ()), c)) for c in sorted({*erp, *crm})}
    parts = [str(a) if a == b else f"{a} in the ERP against {b} in the CRM" for a, b in sums.values()]
    good = bool(sums) and all(a == b for a, b in sums.values())
    return Invariant("Contract documents sum to the quotes", good, "; ".join(parts))


def at_once(facts: Facts) -> Invariant:
    """The ERP's account takes so many calls at once, and was never offered more."""
    figures = facts.books["netsuite"].figures
    most = figures["concurrency"]["max_offered"]
    text = f"at most {most} at once in {figures['calls']} calls, limit {_SLOTS}"
    return Invariant("At most 5 calls at once at the ERP", most <= _SLOTS, text)


def combinations(facts: Facts) -> Invariant:
    """Three kinds of charge in both regions, at least three currencies, at least two legal entities in each region."""
    done = facts.those(s.DONE)
    kinds = {(_KINDS[line.charge_type], o.region) for o in done for line in o.deal.quote.lines}
    currencies = sorted({o.money.currency for o in done})
    entities = {name: _entities(done, name) for name in ("NA", "EMEA")}
    figures = (
        f"{len(kinds)} of {_EVERY} charge x region; {len(currencies)} currencies; "
        f"{len(entities['NA'])} + {len(entities['EMEA'])} entities"
    )
    full = len(kinds) == _EVERY and len(currencies) >= 3 and all(len(e) >= 2 for e in entities.values())
    return Invariant("Every kind of business is there", full if facts.whole else None, figures)


def _entities(outcomes: Iterable[Outcome], where: str) -> set[str]:
    return {o.entity for o in outcomes if region(o.entity) == where}


def started_once(facts: Facts) -> Invariant:
    """The watch has started each deal once, however often it looked."""
    rounds = facts.played.rounds
    started = sum(r.started for r in rounds)
    bad = [problem for r in rounds for problem in r.unreadable]
    parts = " + ".join(str(r.started) for r in rounds)
    figures = f"{parts} started in {len(rounds)} rounds, of {len(facts.outcomes)}"
    good = started == len(facts.outcomes) and bool(rounds) and rounds[-1].started == 0 and not bad
    return Invariant("The watch starts each deal once", good, figures + _named(bad))


async def chain(store: Store) -> Invariant:
    """The event table is what it was when it was written."""
    found = await store.events.verify()
    figures = f"{found.checked} events, head {found.head.hash[:12]}" + (
        "" if found.whole else f"; {found.why}"
    )
    return Invariant("The hash chain of events holds", found.whole and found.checked > 0, figures)


async def trails(facts: Facts, store: Store) -> Invariant:
    """No trail has a gap, and it is the same one from the quote, the subscription and the contract document."""
    gaps = [t.verdict for t in facts.traces.values() if t.verdict != "no gap"]
    entries, differ = 0, list[str]()
    for o in facts.those(s.DONE)[:3]:
        whole = facts.traces[o.deal.quote.quote_id].chains
        nodes = {node.kind: node.id for node in whole[0].attempts[-1].nodes}
        for entry in (nodes["subscription"], nodes["erp-contract"]):
            entries += 1
            if (await trace(store, entry)).chains != whole:
                differ.append(entry)
    figures = f"{len(facts.traces)} trails, {len(gaps)} gaps; the same from {entries} other ids"
    good = not gaps and not differ and bool(facts.traces)
    return Invariant("Every trail is whole, from any id", good, figures + _named([*gaps, *differ]))


def _named(bad: list[str]) -> str:
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    return f": {'; '.join(bad[:3])}{more}" if bad else ""
