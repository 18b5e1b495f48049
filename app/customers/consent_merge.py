"""What becomes of consent by topic when profiles become one: nobody gets more mail than the strictest of them wanted.

Called before anything else of the merge is written. The losers keep their rows, so that they can be put back.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.customers.consent_rows import RANK
from app.customers.facts import CONSENT_FIELDS

_PAIR = (
    "pair AS (SELECT * FROM unnest(CAST(:merges AS uuid[]), CAST(:winners AS uuid[]), CAST(:losers AS uuid[]))"
    " AS p(merge_id, winner, loser))"
)
_MEMBER = "member AS (SELECT winner, winner AS id FROM pair UNION SELECT winner, loser FROM pair)"
_PUT = """
    INSERT INTO consent AS held (tenant_id, customer_id, channel, topic_id, state, said_at, address)
    SELECT :tenant_id, winner, channel, topic_id, state, said_at, address FROM settled
    ON CONFLICT (tenant_id, customer_id, channel, topic_id) DO UPDATE
    SET state = excluded.state, said_at = excluded.said_at, address = excluded.address
    WHERE (held.state, held.said_at) IS DISTINCT FROM (excluded.state, excluded.said_at)
"""

# Each profile's own word first comes to what it came to for that profile: a yes to a topic that a later no to its
# channel had silenced is a no. A profile whose channel is a no, and that made no exception for the topic, says no.
_STRICTER = text(f"""
    WITH {_PAIR}, {_MEMBER}, answer AS (
        SELECT member.winner, member.id, said.channel, said.yes, said.at FROM member
        JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = member.id
        CROSS JOIN LATERAL (VALUES
            {", ".join(f"('{channel}', {column}, {column}_at)" for channel, column in CONSENT_FIELDS.items())}
        ) AS said(channel, yes, at)
    ), said AS (
        SELECT member.winner, member.id, consent.channel, consent.topic_id, consent.said_at, consent.address,
               CASE WHEN consent.state = 'subscribed' AND answer.yes IS FALSE
                         AND consent.said_at <= coalesce(answer.at, 'infinity')
                    THEN 'unsubscribed' ELSE consent.state END AS state
        FROM member
        JOIN consent ON consent.tenant_id = :tenant_id AND consent.customer_id = member.id
        LEFT JOIN answer ON answer.id = member.id AND answer.channel = consent.channel
    ), settled AS (
        SELECT DISTINCT ON (winner, channel, topic_id) winner, channel, topic_id, address,
               max(said_at) OVER (PARTITION BY winner, channel, topic_id) AS said_at,
               CASE WHEN topic_id IS NOT NULL AND EXISTS (
                        SELECT FROM answer WHERE answer.winner = said.winner AND answer.channel = said.channel
                            AND answer.yes IS FALSE AND NOT EXISTS (
                                SELECT FROM said AS own WHERE own.id = answer.id AND own.winner = answer.winner
                                    AND own.channel = said.channel AND own.topic_id = said.topic_id
                                    AND own.state = 'subscribed'))
                    THEN 'unsubscribed' ELSE state END AS state
        FROM said
        ORDER BY winner, channel, topic_id, {RANK.format("state")} DESC, said.said_at DESC
    ) {_PUT}
""")  # noqa: S608 - the names are ours
# Two profiles that prove to have been one person all along: the last word holds, of one moment's the stricter.
_LAST_WORD = text(f"""
    WITH {_PAIR}, {_MEMBER}, settled AS (
        SELECT DISTINCT ON (member.winner, consent.channel, consent.topic_id)
               member.winner, consent.channel, consent.topic_id, consent.state, consent.said_at, consent.address
        FROM member JOIN consent ON consent.tenant_id = :tenant_id AND consent.customer_id = member.id
        ORDER BY member.winner, consent.channel, consent.topic_id, consent.said_at DESC,
                 {RANK.format("consent.state")} DESC
    ) {_PUT}
""")  # noqa: S608 - the names are ours

# The winner's rows as they were before the merge and after it, for the journal.
_NOTE = f"""
    WITH {_PAIR}
    INSERT INTO customer_merge_part (tenant_id, merge_id, part, images)
    SELECT :tenant_id, pair.merge_id, '{{part}}', jsonb_agg(to_jsonb(c)) FROM pair
    JOIN consent c ON c.tenant_id = :tenant_id AND c.customer_id = pair.winner
    GROUP BY pair.merge_id
"""  # noqa: S608 - the names are ours
_BEFORE, _AFTER = text(_NOTE.format(part="consent:before")), text(_NOTE.format(part="consent:after"))
_IMAGES = """
    jsonb_populate_recordset(cast(NULL AS consent), (
        SELECT p.images FROM customer_merge_part p
        WHERE p.tenant_id = :tenant_id AND p.merge_id = :merge_id AND p.part = '{part}'))
"""
_SAME = """
    c.id = r.id AND c.state = r.state AND c.said_at = r.said_at
"""
_UNSETTLE = tuple(
    text(statement)
    for statement in (
        # A refusal given since the merge holds for both.
        f"""
        INSERT INTO consent AS held (tenant_id, customer_id, channel, topic_id, state, said_at, address)
        SELECT c.tenant_id, :loser, c.channel, c.topic_id, c.state, c.said_at, c.address FROM consent c
        WHERE c.tenant_id = :tenant_id AND c.customer_id = :winner AND c.state = 'unsubscribed'
            AND NOT EXISTS (SELECT FROM {_IMAGES.format(part="consent:after")} AS r WHERE {_SAME})
        ON CONFLICT (tenant_id, customer_id, channel, topic_id) DO UPDATE
        SET state = excluded.state, said_at = excluded.said_at, address = excluded.address
        """,  # noqa: S608 - the names are ours
        f"""
        DELETE FROM consent c USING {_IMAGES.format(part="consent:after")} AS r
        WHERE c.tenant_id = :tenant_id AND c.customer_id = :winner AND {_SAME}
        """,  # noqa: S608 - the names are ours
        f"""
        INSERT INTO consent SELECT r.* FROM {_IMAGES.format(part="consent:before")} AS r ON CONFLICT DO NOTHING
        """,  # noqa: S608 - the names are ours
    )
)


def settle(session: Session, values: Mapping[str, Any], *, last_word: bool) -> None:
    """Give each winner what holds of its own and its loser's words, and keep for the journal what it had.

    `values` are those of the merge's statements: `tenant_id`, and the arrays `merges`, `winners` and `losers`.
    """
    named = {name: values[name] for name in ("tenant_id", "merges", "winners", "losers")}
    for statement in (_BEFORE, _LAST_WORD if last_word else _STRICTER, _AFTER):
        session.execute(statement, named)


def unsettle(session: Session, values: Mapping[str, Any]) -> None:
    """Give a winner back what it had, but for what was said since; `values`: tenant_id, merge_id, winner, loser."""
    for statement in _UNSETTLE:
        session.execute(statement, values)
