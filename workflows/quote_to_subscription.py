"""Quote to subscription: a closed deal becomes an active subscription and a contract in the ERP, or nothing at all.

1.  Claim the quote in the ledger, read the deal, validate it whole; wait for products that are not published yet.
2.  Lock the quote in the CRM.
3.  Take the turn on the billing account, find or create the account.
4.  Customers who pay automatically: check the stored method, store its reference on the account.
5.  Preview the order to the end of its term, estimate the tax of its first invoice.
6.  Create the order as a draft, compare it and its invoice plan with the quote.
7.  Activate the order: the point of no return.
8.  Read the subscription back, give the turn to the next activation of the account.
9.  Record the customer and the contract document in the ERP.
10. Write back to the CRM, record events and cross-references, start the subscription's own entity.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from temporalio import workflow
from temporalio.common import VersioningBehavior, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.contracts import activation, billing, crm, erp, manners, payments, tax
from activities.contracts.activation import (
    ActivationOpened,
    OpenActivation,
    RecordActivation,
    TakeTurn,
    Validated,
    ValidateDeal,
)
from activities.contracts.billing import (
    ActivateOrder,
    AttachPayment,
    CompareOrder,
    DraftOrder,
    OpenAccount,
    PreviewOrder,
    ReadSubscription,
)
from activities.contracts.crm import DealRead, FindContract, LockQuote, ReadDeal, WriteBack
from activities.contracts.erp import RecordContract, RecordCustomer
from activities.contracts.payments import CheckMethod
from activities.contracts.stories import (
    ACTIVATE_QUOTE,
    SUBSCRIPTION,
    ActivationOrder,
    ActivationResult,
    EntityState,
)
from activities.contracts.tax import EstimateTax
from canonical.contract import ErpRef
from canonical.document import DocumentRef
from canonical.entity import Route
from canonical.failures import Owner
from canonical.ids import number
from canonical.quote import QuoteMark
from workflows.kernel.parking import CancelRequest
from workflows.kernel.people import Story
from workflows.kernel.saga import Saga
from workflows.kernel.step import OnRejected, Step, StepKind, checked

_NAMED = 5
"""Products that the text of a wait names; the rest is counted."""
_TAKE_BACK, _PIVOT, _FORWARD = StepKind.COMPENSATABLE, StepKind.PIVOT, StepKind.RETRIABLE

CLAIM = Step(
    name="claim-quote", title="Claim the quote", kind=_TAKE_BACK, owner=Owner.INTEGRATION, manner=manners.STORE,
    do=activation.open_activation, undo=activation.release_claim, undo_last=True,
)  # fmt: skip
READ = Step(
    name="read-deal", title="Read the deal", kind=_TAKE_BACK, owner=Owner.REVOPS, manner=manners.CRM,
    do=crm.read_deal, on_conflict=OnRejected.UNWIND, needs=("claim-quote",),
)  # fmt: skip
VALIDATE = Step(
    name="validate-deal", title="Validate the deal", kind=_TAKE_BACK, owner=Owner.REVOPS, manner=manners.TAX,
    do=activation.validate_deal, needs=("read-deal",),
)  # fmt: skip
LOCK = Step(
    name="lock-quote", title="Lock the quote in the CRM", kind=_TAKE_BACK, owner=Owner.REVOPS, manner=manners.CRM,
    do=crm.lock_quote, undo=crm.unlock_quote, on_conflict=OnRejected.UNWIND, needs=("validate-deal",),
)  # fmt: skip
TURN = Step(
    name="take-turn", title="Wait for the turn on the customer's account", kind=_TAKE_BACK, owner=Owner.INTEGRATION,
    manner=manners.STORE, do=activation.take_turn, undo=activation.leave_turn, undo_last=True, needs=("lock-quote",),
)  # fmt: skip
ACCOUNT = Step(
    name="open-account", title="Open the billing account", kind=_TAKE_BACK, owner=Owner.REVOPS, manner=manners.BILLING,
    do=billing.open_account, undo=billing.close_account, needs=("take-turn",),
)  # fmt: skip
CHECK = Step(
    name="check-method", title="Check the payment method", kind=_TAKE_BACK, owner=Owner.REVOPS, manner=manners.PAYMENTS,
    do=payments.check_method, needs=("open-account",),
)  # fmt: skip
ATTACH = Step(
    name="attach-payment", title="Store the payment reference in billing", kind=_TAKE_BACK, owner=Owner.FINANCE_OPS,
    manner=manners.BILLING, do=billing.attach_payment, undo=billing.restore_payment, needs=("check-method",),
)  # fmt: skip
PREVIEW = Step(
    name="preview-order", title="Preview the order in billing", kind=_TAKE_BACK, owner=Owner.REVOPS,
    manner=manners.BILLING, do=billing.preview_order, needs=("open-account",),
)  # fmt: skip
ESTIMATE = Step(
    name="estimate-tax", title="Estimate the tax of the first invoice", kind=_TAKE_BACK, owner=Owner.FINANCE_OPS,
    manner=manners.TAX, do=tax.estimate_tax, needs=("preview-order",),
)  # fmt: skip
DRAFT = Step(
    name="draft-order", title="Create the draft order in billing", kind=_TAKE_BACK, owner=Owner.REVOPS,
    manner=manners.BILLING, do=billing.draft_order, undo=billing.withdraw_order, needs=("preview-order",),
)  # fmt: skip
COMPARE = Step(
    name="compare-order", title="Compare the order with the quote", kind=_TAKE_BACK, owner=Owner.REVOPS,
    manner=manners.STORE, do=billing.compare_order, needs=("draft-order",),
)  # fmt: skip
ACTIVATE = Step(
    name="activate-order", title="Activate the order in billing", kind=_PIVOT, owner=Owner.REVOPS,
    manner=manners.BILLING, do=billing.activate_order, probe=billing.probe_activation,
    needs=("compare-order", "estimate-tax"),
)  # fmt: skip
READ_BACK = Step(
    name="read-subscription", title="Read the active subscription back", kind=_FORWARD, owner=Owner.REVOPS,
    manner=manners.BILLING, do=billing.read_subscription, needs=("activate-order",),
)  # fmt: skip
GIVE = Step(
    name="give-turn", title="Give the turn to the next activation", kind=_FORWARD, owner=Owner.INTEGRATION,
    manner=manners.STORE, do=activation.give_turn, needs=("read-subscription",),
)  # fmt: skip
CUSTOMER = Step(
    name="record-customer", title="Record the customer in the ERP", kind=_FORWARD, owner=Owner.FINANCE_OPS,
    manner=manners.ERP, do=erp.record_customer, probe=erp.probe_customer, needs=("read-subscription",),
)  # fmt: skip
CONTRACT = Step(
    name="record-contract", title="Record the contract document in the ERP", kind=_FORWARD, owner=Owner.FINANCE_OPS,
    manner=manners.ERP, do=erp.record_contract, probe=erp.probe_contract, needs=("record-customer",),
)  # fmt: skip
WRITE_BACK = Step(
    name="write-back", title="Write the outcome back to the CRM", kind=_FORWARD, owner=Owner.REVOPS, manner=manners.CRM,
    do=crm.write_back, probe=crm.probe_write_back, needs=("record-contract",),
)  # fmt: skip
CRM_CONTRACT = Step(
    name="find-contract", title="Wait for the CRM's own contract", kind=_FORWARD, owner=Owner.REVOPS,
    manner=manners.CRM, do=crm.find_contract, needs=("write-back",),
)  # fmt: skip
RECORD = Step(
    name="record-activation", title="Record events and cross-references", kind=_FORWARD, owner=Owner.INTEGRATION,
    manner=manners.STORE, do=activation.record_activation, needs=("write-back",),
)  # fmt: skip

STEPS = checked(
    (CLAIM, READ, VALIDATE, LOCK, TURN, ACCOUNT, CHECK, ATTACH, PREVIEW, ESTIMATE, DRAFT, COMPARE, ACTIVATE,
     READ_BACK, GIVE, CUSTOMER, CONTRACT, WRITE_BACK, CRM_CONTRACT, RECORD)
)  # fmt: skip


@dataclass(frozen=True)
class _Sale:
    """What every part of the story needs."""

    saga: Saga
    deal: DealRead
    route: Route
    catalog: DocumentRef
    opened: ActivationOpened
    correlation: str

    @property
    def me(self) -> str:
        """The id of this activation."""
        return workflow.info().workflow_id

    @property
    def on(self) -> date:
        """The business day on which it began."""
        return self.opened.now.date()


@workflow.defn(name=ACTIVATE_QUOTE, versioning_behavior=VersioningBehavior.PINNED)
class ActivateQuote(Story):
    """Turns one revision of one quote into a subscription."""

    steps = STEPS

    @workflow.init
    def __init__(self, order: ActivationOrder) -> None:
        super().__init__()
        self._order = order
        self._my_turn = False
        self._published = False
        self._locked = False

    @workflow.signal(description="The account is free, and it is this saga's turn")
    def turn_given(self) -> None:
        """Whoever had the turn before says so; the store has recorded it already."""
        self._my_turn = True

    @workflow.signal(description="Products were published; validate again")
    def catalog_published(self) -> None:
        """Sent by the command that activates a mapping or a catalog."""
        self._published = True

    @workflow.signal(description="The quote has another content now")
    def superseded(self, revision: str) -> None:
        """A deal that was edited before its quote is locked makes way for its new revision."""
        if not self._locked and revision != self._order.revision:
            self._superseded_by = revision
            self._stop(
                CancelRequest(actor="revsaga", reason=f"the quote was edited: revision {revision} takes over")
            )

    @workflow.run
    async def run(self, order: ActivationOrder) -> ActivationResult:
        """The story."""
        me = workflow.info().workflow_id
        correlation = number("COR", order.quote_id, me)
        async with self.saga(
            kind="activation", title=f"Activate quote {order.quote_id}", correlation_id=correlation
        ) as saga:
            claim = OpenActivation(workflow_id=me, actor=order.actor, **order.model_dump(exclude={"actor"}))
            opened = await saga.do(CLAIM, claim)
            if not opened.granted:
                return ActivationResult(outcome="refused", holder=opened.holder)
            deal = await saga.do(READ, ReadDeal(quote_id=order.quote_id, revision=order.revision))
            saga.about(customer_id=deal.customer_id)
            ground = await self._ground(saga, deal, opened, correlation)
            if ground.route is None or ground.catalog is None:
                raise ValueError("a validated deal has a route and a catalog")
            saga.about(legal_entity=ground.route.entity)
            lock = LockQuote(
                quote_id=deal.quote_id,
                operation_id=me,
                content_hash=deal.content_hash,
                correlation_id=correlation,
            )
            self._locked = True
            await saga.do(LOCK, lock)
            sale = _Sale(saga, deal, ground.route, ground.catalog, opened, correlation)
            return await self._sell(sale)

    async def _ground(
        self, saga: Saga, deal: DealRead, opened: ActivationOpened, correlation: str
    ) -> Validated:
        """Validate; while only the catalog is behind, wait for it before anybody is called."""
        order = ValidateDeal(deal=deal.deal, correlation_id=correlation, patient=True)
        due = opened.now + timedelta(hours=opened.catalog_patience_hours)
        while True:
            self._published = False
            ground = await saga.do(VALIDATE, order)
            if not ground.waiting:
                return ground
            missing = sorted({f.message for f in ground.findings})
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            why = f"waits for the catalog: {', '.join(missing[:_NAMED])}{more}"
            came = await saga.wait_for(lambda: self._published, why=why, due=due)
            if not came:
                order = order.model_copy(update={"patient": False})

    async def _account(self, sale: _Sale) -> str:
        """Take the turn, then the account; an automatic payer's method is checked and its reference stored."""
        saga, deal = sale.saga, sale.deal
        turn = await saga.do(TURN, TakeTurn(account=deal.customer_id, workflow_id=sale.me))
        if not turn.granted:
            why = f"waits for {turn.holder}, which works on the same account"
            await saga.wait_for(lambda: self._my_turn, why=why)
        opening = OpenAccount(deal=deal.deal, workflow_id=sale.me, correlation_id=sale.correlation)
        account = (await saga.do(ACCOUNT, opening)).number
        if deal.autopay and deal.gateway_customer and deal.payment_method:
            method = CheckMethod(gateway_customer=deal.gateway_customer, payment_method=deal.payment_method)
            await saga.do(CHECK, method)
            reference = f"{deal.gateway_customer}/{deal.payment_method}"
            attach = AttachPayment(
                account_number=account, reference=reference, correlation_id=sale.correlation
            )
            await saga.do(ATTACH, attach)
        return account

    async def _sell(self, sale: _Sale) -> ActivationResult:
        """From the account to the active subscription; then forward only."""
        saga, deal, correlation = sale.saga, sale.deal, sale.correlation
        account = await self._account(sale)
        order_number, subscription_number = (number(kind, deal.quote_name, sale.me) for kind in ("O", "S"))
        previewed = await saga.do(
            PREVIEW,
            PreviewOrder(deal=deal.deal, catalog=sale.catalog, entity=sale.route.entity, account_number=account,
                         order_number=order_number, subscription_number=subscription_number,
                         correlation_id=correlation, on=sale.on),
        )  # fmt: skip
        plan, preview = previewed.plan, previewed.preview
        estimate = await saga.do(
            ESTIMATE,
            EstimateTax(
                deal=deal.deal, plan=plan, preview=preview, catalog=sale.catalog, entity=sale.route.entity
            ),
        )
        draft = DraftOrder(plan=plan, order_number=order_number, correlation_id=correlation)
        drafted = await saga.do(DRAFT, draft)
        await saga.do(COMPARE, CompareOrder(deal=deal.deal, plan=plan, preview=preview, order=drafted.order))
        activate = ActivateOrder(plan=plan, order_number=order_number, correlation_id=correlation)
        await saga.do(ACTIVATE, activate)
        read = await saga.do(READ_BACK, ReadSubscription(plan=plan, subscription_number=subscription_number))
        await saga.do(GIVE, activation.GiveTurn(account=deal.customer_id, workflow_id=sale.me))
        customer, contract = await self._book(sale, plan)
        crm_contract = await self._tell_crm(sale, subscription_number, contract)
        recorded = await saga.do(
            RECORD,
            RecordActivation(
                workflow_id=sale.me, correlation_id=correlation, quote_id=deal.quote_id,
                opportunity_id=deal.opportunity_id, customer_id=deal.customer_id, entity=sale.route.entity,
                account_number=account, order_number=order_number, subscription_number=subscription_number,
                subscription=read.subscription, deal=deal.deal, plan=plan, catalog=sale.catalog,
                erp_customer=customer.erp_id, erp_document=contract.erp_id, crm_contract=crm_contract,
                tax_estimate=estimate.amount, route=sale.route,
            ),
        )  # fmt: skip
        await saga.settled(self._start_entity(subscription_number, recorded.subscription))
        return ActivationResult(
            outcome="activated", subscription_number=subscription_number, erp_document=contract.erp_id
        )

    async def _book(self, sale: _Sale, plan: DocumentRef) -> tuple[ErpRef, ErpRef]:
        """The ERP learns of the deal: the customer, then the contract document."""
        saga, deal, route = sale.saga, sale.deal, sale.route
        customer = await saga.do(
            CUSTOMER, RecordCustomer(deal=deal.deal, route=route, correlation_id=sale.correlation)
        )
        contract = await saga.do(
            CONTRACT,
            RecordContract(deal=deal.deal, plan=plan, catalog=sale.catalog, route=route, on=sale.on,
                           correlation_id=sale.correlation, customer_external_id=customer.external_id,
                           external_id=number("SO", deal.quote_name, sale.me)),
        )  # fmt: skip
        return customer, contract

    async def _tell_crm(self, sale: _Sale, subscription_number: str, contract: ErpRef) -> str:
        """Write the outcome back; the id of the CRM's own contract where the org makes one."""
        saga, deal = sale.saga, sale.deal
        mark = QuoteMark(operation_id=sale.me, content_hash=deal.content_hash, state="active",
                         billing_subscription=subscription_number,
                         erp_document=contract.number or contract.erp_id)  # fmt: skip
        back = WriteBack(
            quote_id=deal.quote_id,
            opportunity_id=deal.opportunity_id,
            mark=mark,
            correlation_id=sale.correlation,
        )
        await saga.do(WRITE_BACK, back)
        if not sale.opened.waits_for_contract:
            return ""
        return (await saga.do(CRM_CONTRACT, FindContract(opportunity_id=deal.opportunity_id))).contract_id

    async def _start_entity(self, subscription_number: str, subscription: DocumentRef) -> None:
        """Only activation starts entities; one that runs already is the same one."""
        try:
            _ = await workflow.start_child_workflow(
                SUBSCRIPTION,
                EntityState(subscription_number=subscription_number, subscription=subscription),
                id=f"subscription/{subscription_number}",
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"Subscription {subscription_number}",
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("the entity of %s runs already", subscription_number)
