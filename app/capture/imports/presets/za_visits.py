"""The legacy system's visits to the South African clubs: rounds, bar, shop, functions."""

from app.capture.imports.preset import VISITS, Preset, register

register(
    Preset(
        name="mca-v1-za-visits",
        label="MCA v1 visits",
        kind=VISITS,
        about="Rounds, bar, shop and function visits by member number. Import the members first.",
        columns={
            "VisitID": "visit_id",
            "MemberID": "member_number",
            "Date": "visited_on",
            "Time": "visited_at",
            "Type": "visit_type",
            "Amount": "amount",
            "Holes": "holes",
        },
        days=("%Y/%m/%d", "%Y-%m-%d"),
        country="ZA",
        currency="ZAR",
    )
)
