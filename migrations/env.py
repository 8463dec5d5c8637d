"""Alembic's entry point: runs the versions on the connection that ``naived.database.migrate`` hands over."""

from alembic import context

from naived.database.schema import metadata

connection = context.config.attributes["connection"]
# Alembic believes that SQLite cannot roll DDL back. It can, and only in one transaction does a second daemon
# read the version after the first one has written it.
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
    if connection.dialect.name == "sqlite":
        # Foreign keys are off while tables are rebuilt; nothing may be left dangling when this commits.
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if orphans:
            raise RuntimeError(f"the migration would leave rows without their parents: {orphans[:5]}")
