"""The list of customers as a file, in columns that Fairway's own import takes again."""

from typing import Any

from flask import Response

from app.accounts import queries as accounts
from app.blueprints.customers.base import blueprint
from app.blueprints.customers.pages import found_by, list_filters
from app.customers import custom_fields, queries
from app.customers.models import Customer
from app.infra.paging import Page
from app.web.downloads import PERMISSION, download
from app.web.guards import current, requires

FIELDS = (
    "title",
    "first_name",
    "last_name",
    "email",
    "phone",
    "date_of_birth",
    "membership_tier",
    "membership_status",
    "joined_on",
    "handicap_index",
    "email_opt_in",
    "sms_opt_in",
    "push_opt_in",
    "whatsapp_opt_in",
)
MORE = ("lifecycle_stage", "last_activity_at", "id")


@blueprint.post("/export")
@requires(PERMISSION)
def download_list() -> Response:
    """Give out the customers the list shows."""
    tenant_id, filters = current().tenant_id, list_filters()
    clubs = {one.id: one.name for one in accounts.clubs(tenant_id=tenant_id)}
    own = custom_fields.fields(tenant_id=tenant_id)

    def pages(cursor: str | None, limit: int) -> Page[Customer]:
        return queries.customers(tenant_id=tenant_id, cursor=cursor, limit=limit, **found_by(filters))

    def rows(people: list[Customer]) -> list[list[Any]]:
        numbers = queries.member_numbers(tenant_id=tenant_id, customer_ids=[one.id for one in people])
        return [
            [
                *(numbers.get(one.id) or [""])[:1],
                *(getattr(one, name) for name in FIELDS),
                clubs.get(one.club_id) if one.club_id else None,
                one.tags,
                *(one.custom.get(field.key) for field in own),
                *(getattr(one, name) for name in MORE),
                (numbers.get(one.id) or [])[1:],
            ]
            for one in people
        ]

    return download(
        "customers",
        seen_by="customers.view",
        header=["member_number", *FIELDS, "club", "tag", *(one.name for one in own), *MORE, "other_member_numbers"],
        pages=pages,
        rows=rows,
        filters=filters,
    )
