"""Alembic's entry point: runs the versions on the connection that ``naived.database.migrate`` passes."""

from alembic import context

from naived.database.schema import metadata

connection = context.config.attributes["connection"]
# Alembic assumes that SQLite cannot roll back DDL. It can, and the transaction makes a second daemon read the
# version only after the first one has written it.
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
    if connection.dialect.name == "sqlite":
        # Foreign keys are off while tables are rebuilt, so they are checked before the commit.
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if orphans:
            raise ValueError(f"the migration would leave rows without their parents: {orphans[:5]}")
