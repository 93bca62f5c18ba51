"""The gateway's side of the common test data: customers with the methods that they stored earlier."""

from connectors.kit.world import World
from connectors.stripe.sandbox.books import Books


def seed(books: Books, world: World) -> None:
    """Make each stored method with its customer. Loading twice changes nothing.

    A method for off-session use has a succeeded set-up (a debit's has its mandate); one that is not attached was
    detached later.
    """
    for stored in world.methods:
        if stored.gateway_customer not in books.objects:
            books.add(
                "customer", stored.gateway_customer, email=None, name=None, tax_exempt="none", metadata={}
            )
        if stored.payment_method in books.objects:
            continue
        owner = stored.gateway_customer
        method = books.method(stored.kind, owner if stored.attached else None, stored.payment_method)
        if stored.off_session:
            books.prepared(owner, stored.payment_method)
        if not stored.attached:
            method["detached"] = True
            for mandate in books.newest("mandate", payment_method=stored.payment_method):
                mandate["status"] = "inactive"
