"""A payment that did not go through."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, end, send, tag, until, wait

_AMOUNT = "{% if event.amount %} of {{ event.currency }} {{ event.amount }}{% endif %}"

registry.register("payment-failed")(
    Recipe(
        title="Payment failed",
        description="A notice after an hour, a reminder after three days, and a tag for the office after ten. It stops"
        " as soon as a payment comes in.",
        icon="credit-card-off",
        trigger={"event_type": "payment.failed"},
        settings={"reentry": "after_exit", "goal": {"event_type": "payment.received"}, "goal_days": 30},
        steps=(
            wait("hour", "1 hour", "notice"),
            send("notice", "notice", "days_3", transactional=True),
            until("days_3", "10:00", 3, "reminder"),
            send("reminder", "reminder", "days_10", transactional=True),
            until("days_10", "10:00", 7, "office"),
            tag("office", "payment-open", "end"),
            end(),
        ),
        letters={
            "notice": RecipeLetter(
                "Payment did not go through",
                "Your payment did not go through",
                f"{FRIEND}, your payment did not go through",
                (
                    f"A payment{_AMOUNT} to {{{{ club.name }}}} did not go through. Often a card has expired, or a"
                    " limit was reached.",
                    "Please look at your card and try once more, or pay at the office. If you have paid meanwhile,"
                    " thank you: then there is nothing to do.",
                ),
            ),
            "reminder": RecipeLetter(
                "Payment still open",
                "A payment is still open",
                f"{FRIEND}, a payment is still open",
                (
                    f"We wrote to you some days ago: a payment{_AMOUNT} is still open.",
                    "Please pay at the office, or reply to this mail if something is wrong with it. A reply reaches a"
                    " person, and we find a way.",
                ),
            ),
        },
    )
)
