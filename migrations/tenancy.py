"""What every migration of a tenant's table needs: row-level security, grants, and what the dispatcher may see."""

from collections.abc import Sequence

from alembic import op

APP_ROLE = "fairway_app"
DISPATCH_ROLE = "fairway_dispatch"
CURRENT_TENANT = "nullif(current_setting('fairway.tenant_id', true), '')::uuid"


def protect(table: str, column: str = "tenant_id") -> None:
    """Bind `table` to the transaction's tenant, for its owner too; without a tenant no row is seen or written."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant ON {table} TO {APP_ROLE}"
        f" USING ({column} = {CURRENT_TENANT}) WITH CHECK ({column} = {CURRENT_TENANT})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP_ROLE}")


def dispatchable(table: str, columns: Sequence[str]) -> None:
    """Let the dispatcher read `columns` of every tenant's rows: enough to know who has work due, and no more."""
    op.execute(f"CREATE POLICY dispatch ON {table} FOR SELECT TO {DISPATCH_ROLE} USING (true)")
    op.execute(f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {DISPATCH_ROLE}")
