"""Sealed ticks with DuckDB: python3 with_duckdb.py DATA_DIR/parquet CON_ID [TICK] [DATE]"""
import sys

import duckdb

# The folders' names become columns, and only those that fit are opened. Within one of IBKR's seconds, what was recorded
# live comes first, then what was fetched later.
QUERY = """
    SELECT * FROM read_parquet($files, hive_partitioning = true, hive_types = {'con_id': BIGINT, 'date': DATE})
    WHERE tick = $tick AND con_id = $con_id AND ($date IS NULL OR date = CAST($date AS DATE))
    ORDER BY ts_event, source DESC, seq
"""


def ticks(root, con_id, tick="last", date=None):
    """One contract's ticks in order; `date` is a trading day such as 2026-11-24, without it all days are read."""
    wanted = {"files": f"{root}/ticks/**/*.parquet", "tick": tick, "con_id": int(con_id), "date": date}
    session = duckdb.connect()
    # Times are in UTC.
    session.execute("SET TimeZone = 'UTC'")
    return session.execute(QUERY, wanted)


def table(root, name):
    """A side table: instruments, sessions, gaps or coverage."""
    session = duckdb.connect()
    session.execute("SET TimeZone = 'UTC'")
    return session.execute("SELECT * FROM read_parquet($files)", {"files": f"{root}/{name}/**/*.parquet"})


if __name__ == "__main__":
    rows = ticks(*sys.argv[1:]).to_arrow_table()
    print(duckdb.from_arrow(rows))
    # Decimals add up without rounding.
    print(duckdb.sql("SELECT sum(size_exact) AS size_in_all FROM rows"))
