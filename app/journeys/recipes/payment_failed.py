"""A payment that did not go through."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, ask, did, end, send, tag, wait

registry.register("payment-failed")(
    Recipe(
        title="Payment failed",
        description="A notice after an hour, a reminder after three days, and a tag for the office after ten. It stops"
        " when a payment comes in.",
        icon="credit-card-off",
        trigger={"event_type": "payment.failed"},
        settings={"reentry": "after_exit"},
        steps=(
            wait("hour", "1 hour", "paid"),
            ask("paid", "Paid meanwhile", [did("payment.received", "1 hours")], "end", "notice"),
            send("notice", "notice", "days_3", transactional=True),
            wait("days_3", "3 days", "paid_3"),
            ask("paid_3", "Paid meanwhile", [did("payment.received", "3 days")], "end", "reminder"),
            send("reminder", "reminder", "days_10", transactional=True),
            wait("days_10", "7 days", "paid_10"),
            ask("paid_10", "Paid meanwhile", [did("payment.received", "10 days")], "end", "office"),
            tag("office", "payment-open", "end"),
            end(),
        ),
        letters={
            "notice": RecipeLetter(
                "Payment did not go through",
                "Your payment did not go through",
                f"{FRIEND}, your payment did not go through",
                (
                    "Your bank did not release a payment to {{ club.name }}. This happens when a card has expired.",
                    "Please look at your card, or pay at the office. We try again in a few days.",
                ),
            ),
            "reminder": RecipeLetter(
                "Payment still open",
                "A payment is still open",
                "A payment is still open",
                ("We tried again without success. Please call the office or come by, and we find a way.",),
            ),
        },
    )
)
