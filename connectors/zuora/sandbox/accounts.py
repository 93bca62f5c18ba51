"""Accounts: created at once, read back in sections, deleted by a background job that leaves them cancelled."""

from typing import Any

from connectors.kit.sandbox import Call, Reply, route
from connectors.zuora.sandbox.desk import Desk
from connectors.zuora.sandbox.replies import ACCOUNT, READ, body_of, done, page, refuse, without_nulls

_CARD = ("creditCard", "paymentMethod", "hpmCreditCardPaymentMethodId")


class AccountDesk(Desk):
    """`/v1/accounts` and what hangs on an account."""

    def account_of(self, key: str, resource: int = READ) -> dict[str, Any]:
        """The account with that number or id."""
        found: dict[str, Any] | None = self.state["accounts"].get(key)
        if found is None:
            found = next((a for a in self.state["accounts"].values() if a["id"] == key), None)
        if found is None:
            raise refuse(resource, 40, f"Cannot find entity by key: '{key}'.")
        return found

    @route("POST", "/v1/accounts")
    async def create_account(self, call: Call) -> Reply:
        """One atomic call; the account is active at once."""
        body = without_nulls(body_of(call, ACCOUNT))
        for name in ("name", "currency", "billToContact"):
            if not body.get(name):
                raise refuse(ACCOUNT, 22, f"'{name}' is required")
        if "billCycleDay" not in body and "subscription" not in body:
            raise refuse(ACCOUNT, 22, "'billCycleDay' is required when no subscription is created")
        self._check_account(body)
        number = body.get("accountNumber") or f"A{self.next_number('account'):08d}"
        if number in self.state["accounts"]:
            raise refuse(ACCOUNT, 30, f"The account number {number} already exists.")
        parent = self._parent(body)
        async with self.writing(number, ACCOUNT):
            account = {
                **{k: v for k, v in body.items() if k not in ("parentAccountNumber", "parentId", *_CARD)},
                "id": self.new_id("8ac0"),
                "accountNumber": number,
                "status": "Active",
                "parentId": parent,
                # Accounts made by this call are set to automatic payment unless it says otherwise.
                "autoPay": body.get("autoPay", True),
                "billToContact": {"id": self.new_id("8ac1"), **body["billToContact"]},
            }
            sold_to = body.get("soldToContact") or body["billToContact"]
            account["soldToContact"] = {"id": self.new_id("8ac1"), **sold_to}
            self.state["accounts"][number] = account
            self.effect("account", number)
        return done(
            accountId=account["id"],
            accountNumber=number,
            billToContactId=account["billToContact"]["id"],
            soldToContactId=account["soldToContact"]["id"],
        )

    def _check_account(self, body: dict[str, Any]) -> None:
        if len(str(body.get("accountNumber", ""))) > 50:
            raise refuse(ACCOUNT, 20, "'accountNumber' is longer than 50 characters")
        if len(str(body.get("name", ""))) > 255:
            raise refuse(ACCOUNT, 20, "'name' is longer than 255 characters")
        day = body.get("billCycleDay", 1)
        if not isinstance(day, int) or not 0 <= day <= 31:
            raise refuse(ACCOUNT, 20, "'billCycleDay' must be between 0 and 31")
        cards = [name for name in _CARD if body.get(name)]
        if body.get("autoPay") is True and len(cards) != 1:
            raise refuse(ACCOUNT, 30, "'autoPay' needs exactly one payment method in the same call")
        if body.get("autoPay") is False and cards:
            raise refuse(ACCOUNT, 30, f"'{cards[0]}' is not allowed when 'autoPay' is false")
        for name in ("billToContact", "soldToContact"):
            contact = body.get(name)
            if contact is not None and not (contact.get("firstName") and contact.get("lastName")):
                raise refuse(ACCOUNT, 22, f"'{name}' needs 'firstName' and 'lastName'")

    def _parent(self, body: dict[str, Any]) -> str | None:
        key = body.get("parentId") or body.get("parentAccountNumber")
        return None if key is None else str(self.account_of(str(key), ACCOUNT)["id"])

    @route("GET", "/v1/accounts/{key}")
    def read_account(self, call: Call) -> Reply:
        """In sections; custom fields stand among the basic information."""
        account = self.account_of(call.path_params["key"])
        basic = ("id", "name", "accountNumber", "status", "crmId", "parentId", "batch", "notes")
        billing = ("autoPay", "billCycleDay", "currency", "paymentTerm", "paymentGateway")
        return done(
            basicInfo={
                **{k: account.get(k) for k in basic},
                **{k: v for k, v in account.items() if k.endswith("__c")},
            },
            billingAndPayment={**{k: account.get(k) for k in billing}, "additionalEmailAddresses": []},
            billToContact=account["billToContact"],
            soldToContact=account["soldToContact"],
            taxInfo=account.get("taxInfo"),
            metrics={"balance": 0, "contractedMrr": 0, "creditBalance": 0},
        )

    @route("PUT", "/v1/accounts/{key}")
    async def update_account(self, call: Call) -> Reply:
        """What is named is replaced; an empty text clears a custom field, null changes nothing."""
        body = without_nulls(body_of(call, ACCOUNT))
        account = self.account_of(call.path_params["key"], ACCOUNT)
        self._check_account({**body, "autoPay": body.get("autoPay")})
        if account["status"] == "Canceled":
            raise refuse(ACCOUNT, 30, "A cancelled account cannot be changed.")
        async with self.writing(account["accountNumber"], ACCOUNT):
            plain = ("name", "notes", "crmId", "paymentTerm", "batch", "autoPay", "billCycleDay")
            for name, value in body.items():
                if name.endswith("__c"):
                    self._set_custom(account, name, value)
                elif name in plain:
                    account[name] = value
        return done()

    def _set_custom(self, account: dict[str, Any], name: str, value: Any) -> None:
        before = account.pop(name, "")
        if value != "":
            account[name] = value
        if value != before:
            # Set, cleared and set again are three changes, not one made twice.
            place = f"{account['accountNumber']}/{name}"
            self.effect("account-field", f"{place}#{self.next_number(place)}={value}")

    @route("DELETE", "/v1/accounts/{key}")
    async def delete_account(self, call: Call) -> Reply:
        """Starts a job that removes every transaction and leaves the account cancelled."""
        account = self.account_of(call.path_params["key"])
        if account["status"] == "Canceled":
            raise refuse(READ, 30, "The account is cancelled already.")
        async with self.writing(account["accountNumber"], READ):
            job = self.start_job("Account", account["accountNumber"])
        return done(id=account["id"], jobId=job["id"], jobStatus="Pending")

    def run_job(self, job: dict[str, Any]) -> str:
        """Cancel an account with all that is on it."""
        number = job["objectId"]
        account = self.state["accounts"][number]
        account["status"] = "Canceled"
        for kind in ("orders", "subscriptions"):
            kept = {k: v for k, v in self.state[kind].items() if _owner(v) != number}
            self.state[kind] = kept
        live = self.state["subscriptions"]
        self.state["charges"] = {c: n for c, n in self.state["charges"].items() if n in live}
        self.state["documents"] = [d for d in self.state["documents"] if d["accountNumber"] != number]
        self.effect("account-cancelled", number)
        return "Completed"

    @route("GET", "/v1/billing-documents")
    def documents(self, call: Call) -> Reply:
        """Invoices and memos of one account together."""
        key = call.query.get("accountNumber") or call.query.get("accountId")
        if not key:
            raise refuse(READ, 23, "'accountNumber' or 'accountId' is required", 400)
        account = self.account_of(key)
        wanted = call.query.get("status")
        rows = [
            {k: v for k, v in d.items() if k != "accountNumber"}
            for d in self.state["documents"]
            if d["accountNumber"] == account["accountNumber"] and wanted in (None, d["status"])
        ]
        return page(call, "documents", rows)

    def add_document(self, account: str, number: str, status: str = "Draft") -> None:
        """Put an invoice on an account, as a bill run would."""
        found = self.account_of(account)
        self.state["documents"].append(
            {
                "id": self.new_id("8ad0"),
                "accountId": found["id"],
                "accountNumber": found["accountNumber"],
                "documentNumber": number,
                "documentType": "Invoice",
                "status": status,
                "amount": 0,
                "balance": 0,
                "documentDate": self.today().isoformat(),
            }
        )


def _owner(record: Any) -> str:
    head = record[-1] if isinstance(record, list) else record
    return str(head["accountNumber"])
