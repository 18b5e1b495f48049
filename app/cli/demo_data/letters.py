"""The demo's e-mail templates: one plain layout that mail programs agree on, five things to say."""

from collections.abc import Iterator
from dataclasses import dataclass

LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
<body style="margin:0;padding:0;background:#eef2ee">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#eef2ee">
<tr><td align="center" style="padding:24px 12px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:600px;background:#ffffff;border-radius:10px">
<tr><td style="padding:18px 32px;background:{colour};border-radius:10px 10px 0 0;color:#ffffff;font:600 15px/1.4 Helvetica,Arial,sans-serif">{{{{ club.name }}}}</td></tr>
<tr><td style="padding:32px 32px 8px;color:#17241c;font:700 26px/1.25 Georgia,'Times New Roman',serif">{title}</td></tr>
<tr><td style="padding:8px 32px 4px;color:#33413a;font:16px/1.6 Helvetica,Arial,sans-serif">
{body}
</td></tr>
<tr><td style="padding:12px 32px 36px">
<table role="presentation" cellpadding="0" cellspacing="0"><tr>
<td style="background:{colour};border-radius:6px"><a href="https://twooceans.example/{path}" style="display:inline-block;padding:13px 26px;color:#ffffff;text-decoration:none;font:600 16px/1 Helvetica,Arial,sans-serif">{button}</a></td>
</tr></table>
</td></tr>
<tr><td style="padding:18px 32px 24px;border-top:1px solid #e3e9e4;color:#5d6b63;font:13px/1.6 Helvetica,Arial,sans-serif">
{{{{ club.name }}}}{{% if unsubscribe_url %}}<br>
You receive this because you agreed to hear from us. <a href="{{{{ unsubscribe_url }}}}" style="color:#5d6b63">Unsubscribe</a>{{% endif %}}
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
"""  # noqa: E501 - a line of mail HTML is as long as its styles

GREEN, BLUE, SAND, RED = "#1f6b45", "#1d5b8f", "#8a5a1c", "#9b2f3f"


@dataclass(frozen=True, slots=True)
class DemoLetter:
    """One template: its paragraphs are HTML with merge tags."""

    name: str
    subject: str
    title: str
    paragraphs: tuple[str, ...]
    button: str
    path: str
    colour: str

    @property
    def html(self) -> str:
        """Return the whole mail."""
        body = "\n".join(f'<p style="margin:0 0 16px">{one}</p>' for one in self.paragraphs)
        return LAYOUT.format(title=self.title, body=body, button=self.button, path=self.path, colour=self.colour)


WELCOME = DemoLetter(
    "Welcome",
    'Welcome to {{ club.name }}, {{ customer.first_name | default: "friend" }}',
    'Good to have you with us, {{ customer.first_name | default: "friend" }}',
    (
        "Your membership is open{% if customer.membership_tier %}:"
        " you are a <strong>{{ customer.membership_tier }}</strong> member from today{% endif %}.",
        "The pro shop has your bag tag. Book your first round online, or come by: the starter knows that you are new"
        " and will find you people to play with.",
        "If anything is not as it should be in your first weeks, tell the pro shop. We would like to put it right.",
    ),
    "Book a first round",
    "tee-times",
    GREEN,
)
REMINDER = DemoLetter(
    "Reminder",
    "{{ customer.first_name | default: 'Hello' }}, there is a tee time free for you",
    "There is still a place for you",
    (
        "Hello {{ customer.first_name | default: 'there' }}, we wrote a few days ago and don't know if it reached you.",
        "There are tee times free at {{ club.name }} this week, in the mornings above all. Nine holes take two hours.",
    ),
    "See free tee times",
    "tee-times",
    BLUE,
)
MISS_YOU = DemoLetter(
    "We miss you",
    'It has been a while, {{ customer.first_name | default: "friend" }}',
    "The course has missed you",
    (
        'Dear {{ customer.first_name | default: "friend" }}, we have not seen you at {{ club.name }} for some weeks.',
        "Come back for a round: the first coffee is ours. Say at the halfway house that we wrote to you.",
        "And if something keeps you away, tell us. We would like to put it right.",
    ),
    "Find a tee time",
    "come-back",
    GREEN,
)
ROUND = DemoLetter(
    "Your round",
    "Your tee time at {{ club.name }}",
    "See you on the first tee",
    (
        "{{ customer.first_name | default: 'Hello' }}, you are booked{% if event.tee_time %} for"
        ' <strong>{{ event.tee_time | date: "%A %-d %B, %H:%M" }}</strong>{% endif %}'
        "{% if event.holes %}, {{ event.holes }} holes{% endif %}.",
        "Please be at the starter ten minutes before. Buggies are kept for members who ask the day before.",
        "Plans changed? Free your place, and somebody else will be glad of it.",
    ),
    "Change the booking",
    "bookings",
    SAND,
)
BIRTHDAY = DemoLetter(
    "Birthday",
    'Happy birthday, {{ customer.first_name | default: "friend" }}',
    'Happy birthday, {{ customer.first_name | default: "friend" }}',
    (
        "All of us at {{ club.name }} wish you a good year: dry fairways and short putts.",
        "A round for you and a guest is on the house, any day within the next four weeks.",
    ),
    "Book your birthday round",
    "birthday",
    RED,
)


def letters() -> Iterator[DemoLetter]:
    """Yield the templates in the order they are made."""
    yield from (WELCOME, REMINDER, MISS_YOU, ROUND, BIRTHDAY)
