"""A new member's first 90 days."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, ask, did, end, send, tag, until

registry.register("new-member")(
    Recipe(
        title="New member's first 90 days",
        description="A welcome on the day, a nudge towards the first round, and a word after a month and after three.",
        icon="user-plus",
        trigger={"event_type": "scl.member.created"},
        steps=(
            send("welcome", "welcome", "day_4"),
            until("day_4", "10:00", 4, "played"),
            ask("played", "Played a first round", [did("teetime.completed", "7 days")], "day_30", "first_round"),
            send("first_round", "first_round", "day_30"),
            until("day_30", "10:00", 26, "month"),
            send("month", "month", "day_90"),
            until("day_90", "10:00", 60, "settled"),
            ask("settled", "Plays regularly", [did("teetime.completed", "60 days", value=3)], "tag", "quarter"),
            tag("tag", "settled-in", "quarter"),
            send("quarter", "quarter", "end"),
            end(),
        ),
        letters={
            "welcome": RecipeLetter(
                "Welcome, new member",
                f"Welcome to {{{{ club.name }}}}, {FRIEND}",
                f"Good to have you with us, {FRIEND}",
                (
                    "Your membership has begun. If you need anything, ask at the pro shop: they know that you are new.",
                    "Book your first round when it suits you, alone or with a guest. If you would like company, reply"
                    " to this mail and we find you people to play with.",
                ),
            ),
            "first_round": RecipeLetter(
                "First round",
                "Shall we find you a first tee time?",
                f"{FRIEND}, your first round is waiting",
                (
                    "We have not seen you on the course yet. Weekday mornings are quiet; nine holes take two hours.",
                    "Reply to this mail if you would like us to book a time, or to be introduced to a group.",
                ),
            ),
            "month": RecipeLetter(
                "After one month",
                f"One month in, {FRIEND}: how is it going?",
                "How was your first month?",
                (
                    "Tell us what you like and what you miss at {{ club.name }}. A reply reaches a person.",
                    "There are roll-ups every week for members of all handicaps. You are welcome at each of them.",
                ),
            ),
            "quarter": RecipeLetter(
                "After three months",
                "Three months with us",
                f"{FRIEND}, thank you for your first three months",
                (
                    "You have been a member of {{ club.name }} for three months. We hope it feels like your club.",
                    "Is there a friend who should see the course? Bring them for a round: the first one is on us.",
                ),
            ),
        },
    )
)
