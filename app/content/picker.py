"""The merge tags an organisation's people can pick from: those everybody has, its own fields and its snippets."""

from uuid import UUID

from app.content import snippet_queries
from app.content.merge_tags import MERGE_TAGS, OF_JOURNEYS, MergeTag
from app.customers import custom_fields

_OF_JOURNEYS = tuple(f"{{{{ {name}." for name in OF_JOURNEYS)


def tags(*, tenant_id: UUID) -> list[MergeTag]:
    """Return every merge tag there is for a template."""
    known = custom_fields.fields(tenant_id=tenant_id)
    shared = snippet_queries.choices(tenant_id=tenant_id)
    return [
        *MERGE_TAGS,
        *(MergeTag(one.label, custom_fields.kind_of(one).merge_tag(one), one.heading) for one in known),
        *(MergeTag(name, f'{{% snippet "{key}" %}}', "Snippets") for key, name in shared),
    ]


def tags_for_subject(*, tenant_id: UUID) -> list[MergeTag]:
    """Return those that make sense in the subject of a campaign's letter: no links, and nothing of a journey's."""
    return [one for one in tags(tenant_id=tenant_id) if one.link is None and not one.tag.startswith(_OF_JOURNEYS)]
