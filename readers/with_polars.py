"""Sealed ticks with Polars: python3 with_polars.py DATA_DIR/parquet CON_ID [TICK] [DATE]"""
import sys

import polars


def ticks(root, con_id, tick="last", date=None):
    """One contract's ticks in order; `date` is a trading day such as 2026-11-24, without it all days are read."""
    # Lazy: only the folders that fit are opened. The folders' names become columns; they are kept as text.
    folders = {"tick": polars.String, "con_id": polars.Int64, "date": polars.String}
    rows = polars.scan_parquet(f"{root}/ticks/**/*.parquet", hive_partitioning=True, hive_schema=folders)
    rows = rows.filter(polars.col("tick") == tick, polars.col("con_id") == int(con_id))
    if date:
        rows = rows.filter(polars.col("date") == date)
    # Times are IBKR's whole seconds; within one, what was recorded live comes first, then what was fetched later.
    return rows.collect().sort("ts_event", maintain_order=True)


def table(root, name):
    """A side table: instruments, sessions, gaps or coverage."""
    return polars.read_parquet(f"{root}/{name}/**/*.parquet")


if __name__ == "__main__":
    frame = ticks(*sys.argv[1:])
    print(frame)
    # Decimals add up without rounding.
    print("size in all:", frame["size_exact"].sum())
