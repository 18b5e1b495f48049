"""Word to who made a campaign that it lacks the yes of a second person: it will be kept back, or was."""

from app.content.letters import LetterSource
from app.messaging.builtin import BuiltinLetter, builtins
from app.messaging.letters.campaign_answer import values

SOURCE = LetterSource(
    subject="“{{ letter.campaign }}” {% if letter.kept_back %}was kept back{% else %}waits for approval{% endif %}",
    html=None,
    text="""Hello {{ letter.name }},

the campaign “{{ letter.campaign }}” {% if letter.kept_back %}was kept back for want of a second person's yes.
{% else %}begins {{ letter.begins }} and lacks a second person's yes.
{% endif %}
{{ letter.words }}

{% if letter.declined %}Ask again, or cancel it:
{% elsif letter.kept_back %}Those who may approve it were asked. Once one has, it goes on when somebody resumes it:
{% else %}Without it the campaign is kept back when its time comes. Ask for it here:
{% endif %}
{{ letter.link }}
""",
)

builtins.register("campaign_unapproved")(BuiltinLetter(SOURCE, values))
