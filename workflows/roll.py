"""Every workflow of the house: what worker, command line and replay tests read."""

from workflows.deal_watch import WatchDeals
from workflows.quote_to_subscription import ActivateQuote
from workflows.subscription import SubscriptionEntity

ROLL: tuple[type, ...] = (ActivateQuote, SubscriptionEntity, WatchDeals)
