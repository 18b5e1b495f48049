"""The numbers of steps, and of their messages, counted from some of the latest walks: what counters say of everybody.

A step may be taken more than once in a walk, and is counted as often; who was taken on from a step before they took it
has come to it by no count of these.
"""

from collections import Counter, defaultdict

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.journeys import latest
from app.journeys.latest import Who
from app.journeys.models import Journey
from app.journeys.queries import StepCounts

# Who left before they took the step they stood at is not in the log with it.
_STEPS = f"""
    WITH walk AS MATERIALIZED ({latest.walk()})
    SELECT s.step_key AS key, s.status, s.exit, count(*) AS number
    FROM walk JOIN journey_enrollment_step s ON s.tenant_id = :tenant_id AND s.enrollment_id = walk.id
    WHERE s.status <> 'IN_PROGRESS' GROUP BY s.step_key, s.status, s.exit
    UNION ALL
    SELECT current_step_key, 'HERE', NULL, count(*) FROM walk
    WHERE status = 'ACTIVE' AND current_step_key IS NOT NULL GROUP BY current_step_key
    UNION ALL
    SELECT current_step_key, 'SKIPPED', NULL, count(*) FROM walk
    WHERE status = 'EXITED' AND current_step_key IS NOT NULL AND NOT EXISTS (
        SELECT FROM journey_enrollment_step s
        WHERE s.tenant_id = :tenant_id AND s.enrollment_id = walk.id AND s.step_number = walk.current_step_number)
    GROUP BY current_step_key
"""  # noqa: S608 - of parts written here
_LETTERS = f"""
    WITH walk AS MATERIALIZED ({latest.walk()}),
    letter AS MATERIALIZED (
        SELECT m.id, m.step_key, m.status
        FROM walk JOIN message m ON m.tenant_id = :tenant_id AND m.customer_id = walk.customer_id
            AND m.enrollment_id = walk.id
    )
    SELECT step_key AS key, status AS what, count(*) AS number FROM letter GROUP BY step_key, status
    UNION ALL
    SELECT letter.step_key, r.kind, count(*)
    FROM letter JOIN message_response r ON r.tenant_id = :tenant_id AND r.message_id = letter.id
    GROUP BY letter.step_key, r.kind
"""  # noqa: S608 - of parts written here


def steps(session: Session, journey: Journey, who: Who) -> dict[str, StepCounts]:
    """Return the numbers of each step that the latest of these people came to."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    ways: dict[str, dict[str, int]] = defaultdict(dict)
    for row in session.execute(text(_STEPS), latest.values(journey, who)):
        found[row.key][row.status] += row.number
        if row.exit is not None:
            ways[row.key][row.exit] = ways[row.key].get(row.exit, 0) + row.number
    return {
        key: StepCounts(
            entered=became.total(),
            active=became["HERE"],
            completed=became["COMPLETED"],
            failed=became["FAILED"],
            skipped=became["SKIPPED"],
            ways=ways[key],
        )
        for key, became in found.items()
    }


def letters(session: Session, journey: Journey, who: Who) -> dict[str, dict[str, int]]:
    """Return, by step, how many messages of the latest of these people are in each status, and what was done with how
    many (as `letters.lately`)."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in session.execute(text(_LETTERS), latest.values(journey, who)):
        found[row.key][row.what] = row.number
    return found
