"""Sealed ticks with pandas: python3 with_pandas.py DATA_DIR/parquet CON_ID [TICK] [DATE]"""
import sys

import pandas


def ticks(root, con_id, tick="last", date=None):
    """One contract's ticks in order; `date` is a trading day such as 2026-11-24, without it all days are read."""
    wanted = [("tick", "==", tick), ("con_id", "==", int(con_id))]
    if date:
        wanted.append(("date", "==", date))
    # pyarrow's types keep the decimals exact and the times in UTC; only the folders that fit are opened.
    frame = pandas.read_parquet(f"{root}/ticks", filters=wanted, dtype_backend="pyarrow")
    # Times are IBKR's whole seconds; within one, what was recorded live comes first, then what was fetched later.
    return frame.sort_values("ts_event", kind="stable", ignore_index=True)


def table(root, name):
    """A side table: instruments, sessions, gaps or coverage."""
    return pandas.read_parquet(f"{root}/{name}", dtype_backend="pyarrow")


if __name__ == "__main__":
    frame = ticks(*sys.argv[1:])
    print(frame)
    # Decimals add up without rounding.
    print("size in all:", frame["size_exact"].sum())
