"""The legacy member export of the UK clubs."""

from app.capture.imports.preset import MEMBERS, Preset, register

register(
    Preset(
        name="mca-v1-uk-members",
        label="MCA v1 UK members",
        kind=MEMBERS,
        about="Members of the UK clubs, as the legacy system exports them.",
        columns={
            "Member No": "member_number",
            "Club Name": "club",
            "Salutation": "title",
            "Forename": "first_name",
            "Surname": "last_name",
            "E-mail": "email",
            "Mobile": "phone",
            "Landline": "home_phone",
            "DOB": "date_of_birth",
            "Joined": "joined_on",
            "Category": "membership_tier",
            "WHS Index": "handicap_index",
            "Marketing Email": "email_opt_in",
            "Marketing Text": "sms_opt_in",
            "Balance": "account_balance",
            "Total Spend": "lifetime_spend",
            "Last Seen": "last_visit_on",
            "State": "membership_status",
            "Comment": "note",
        },
        # Day first, always: %d/%m/%y stands after %d/%m/%Y, which does not take two figures for a year.
        days=("%d/%m/%Y", "%d/%m/%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%Y-%m-%d"),
        country="GB",
        currency="GBP",
    )
)
