"""The legacy member export of the South African clubs."""

from app.capture.imports.preset import MEMBERS, Preset, register

register(
    Preset(
        name="mca-v1-za-members",
        label="MCA v1 ZA members",
        kind=MEMBERS,
        about="Members of the South African clubs, as the legacy system exports them.",
        columns={
            "MemberID": "member_number",
            "Club": "club",
            "Title": "title",
            "FirstName": "first_name",
            "Surname": "last_name",
            "Email": "email",
            "Cell": "phone",
            "HomeTel": "home_phone",
            "DateOfBirth": "date_of_birth",
            "JoinDate": "joined_on",
            "MembershipCategory": "membership_tier",
            "HandicapIndex": "handicap_index",
            "EmailOptIn": "email_opt_in",
            "SmsOptIn": "sms_opt_in",
            "AccountBalance": "account_balance",
            "LifetimeSpend": "lifetime_spend",
            "LastVisit": "last_visit_on",
            "Status": "membership_status",
            "Notes": "note",
        },
        days=("%Y/%m/%d", "%Y-%m-%d"),
        country="ZA",
        currency="ZAR",
    )
)
