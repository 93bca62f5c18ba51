"""Who plays which part: the deals of one performance, and the moment at which each is won."""

from dataclasses import dataclass

from canonical.quote import Deal
from commands.demo import world as master
from commands.demo.book import CLEAN, SPECIAL, build, mistaken, orders, world
from connectors.kit.world import World

WHOLE = CLEAN + len(SPECIAL) + 1
"""Deals in the whole book."""
LATE_PRODUCT, MISTAKES, CANCELLED, DETACHED, PERIOD, ODD_NAME = 36, 37, 38, 39, 40, 35
"""Deals with a story of their own: sold before it was published, six mistakes, taken back half way, a card that is no
longer the customer's, an accounting period that is closed, a name that breaks what is not careful."""
LOST_ORDER, LOST_LOCK, LOST_CONTRACT = 2, 3, ODD_NAME
"""Deals whose vendor does the work and never answers: the order, the lock of the quote, the contract document."""
_FIRST = (LATE_PRODUCT, MISTAKES, CANCELLED, DETACHED, PERIOD, ODD_NAME, LOST_ORDER, LOST_LOCK)


@dataclass(frozen=True)
class Cast:
    """The deals of one performance. `morning` are won before it begins, `later` ten minutes after."""

    morning: tuple[Deal, ...]
    later: tuple[Deal, ...]

    @property
    def deals(self) -> tuple[Deal, ...]:
        """All of them, by number."""
        return tuple(sorted((*self.morning, *self.later), key=lambda deal: deal.quote.name))

    @property
    def whole(self) -> bool:
        """Nothing of the book is left out."""
        return len(self.deals) >= WHOLE

    def find(self, n: int) -> Deal | None:
        """The deal with this number, if it plays."""
        return next((deal for deal in self.deals if deal.quote.name == name(n)), None)

    def opening(self) -> World:
        """What the systems hold in the morning: one product is sold already, and published nowhere."""
        return world(self.morning).model_copy(update={"catalog": master.CATALOG})

    def afternoon(self) -> World:
        """What the CRM and the gateway learn later: the other deals."""
        return world(self.later).model_copy(update={"catalog": master.CATALOG})

    def release(self) -> World:
        """What billing and ERP learn when the late product is released."""
        late = master.CATALOG.model_copy(update={"products": (master.LATE_PRODUCT,)})
        return world(()).model_copy(update={"catalog": late})


def name(n: int) -> str:
    """The name of quote `n`."""
    return f"Q-{n:05d}"


def cast(count: int = WHOLE) -> Cast:
    """The first `count` deals, those with a story first; more than the book holds are made in the same manner."""
    clean = {order.n: order for order in orders(max(CLEAN, count - len(SPECIAL) - 1))}
    special = {order.n: order for order in SPECIAL}
    numbers = (*_FIRST, *(n for n in clean if n not in _FIRST))[:count]
    plain = [n for n in numbers if n in clean]
    later = set(plain[len(plain) * 2 // 3 :])
    made = {n: mistaken() if n == MISTAKES else build(special.get(n) or clean[n]) for n in numbers}
    return Cast(
        morning=tuple(made[n] for n in sorted(numbers) if n not in later),
        later=tuple(made[n] for n in sorted(later)),
    )
