"""The first version: requests, accounts, servers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "servers",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("begun_ms", sa.BigInteger, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "accounts",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("since_s", sa.BigInteger, nullable=False),
        *(
            sa.Column(n, sa.BigInteger, nullable=False, server_default="0")
            for n in ("free_used", "tokens", "price_nano")
        ),
    )
    counts = ("audio_ms", "audio_tokens", "text_tokens", "completion_tokens")
    op.create_table(
        "requests",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("server", sa.Integer, nullable=False),
        sa.Column("began_ms", sa.BigInteger, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("protocol", sa.String(16), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("engine", sa.String(200), nullable=False),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("finish", sa.String(16)),
        sa.Column("error", sa.String(64), nullable=False, server_default=""),
        sa.Column("duration_ms", sa.BigInteger),
        *(sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in counts),
        sa.Column("billed", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("free_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("price_nano", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("currency", sa.String(8), nullable=False),
    )
    still_open = sa.text("status = 'open'")
    op.create_index("requests_began", "requests", ["began_ms"])
    op.create_index("requests_key", "requests", ["key", "began_ms"])
    op.create_index("requests_open", "requests", ["server"], sqlite_where=still_open, postgresql_where=still_open)


def downgrade() -> None:
    for table in ("requests", "accounts", "servers"):
        op.drop_table(table)
