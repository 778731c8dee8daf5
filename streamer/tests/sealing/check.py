"""Reads sealed ticks with one of the examples and prints them as the `ticks` command prints recorded ones: one JSON
object a line. Decimals must be the shortest that read as the double beside them."""
import datetime
import importlib
import json
import sys
from decimal import Decimal

import pyarrow

NUMBERS = ("price", "size", "bid", "ask", "bid_size", "ask_size", "mid", "volume")
TEXTS = ("exchange", "conditions", "fill_quality", "fill_agreement", "rev")
FLAGS = ("past_limit", "unreported", "bid_past_low", "ask_past_high")


def rows(result):
    """Rows as dictionaries, from what the examples return."""
    if hasattr(result, "iter_rows"):
        return result.iter_rows(named=True)
    if hasattr(result, "description"):
        names = [column[0] for column in result.description]
        return (dict(zip(names, row)) for row in result.fetchall())
    return pyarrow.Table.from_pandas(result, preserve_index=False).to_pylist()


def micros(time):
    """A datetime as microseconds since 1970, in whole numbers."""
    assert time.utcoffset() == datetime.timedelta(0), time
    since = time - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def main(example, root, con_id, tick):
    reader = importlib.import_module(example)
    for row in rows(reader.ticks(root, con_id, tick)):
        line = {
            "con_id": row["con_id"],
            "tick": row["tick"],
            "date": str(row["date"]),
            "time_us": micros(row["ts_event"]),
            "received_us": micros(row["ts_recv"]),
            "sequence": row["seq"],
            "backfill": row["source"] == "backfill",
        }
        for name in NUMBERS:
            double, exact = row[name], row[name + "_exact"]
            if double is None:
                assert exact is None, row
                continue
            line[name] = double
            meant = Decimal(repr(double))
            # What has more digits than the column is left out, never rounded.
            assert exact == (meant if -meant.as_tuple().exponent <= 12 else None), (name, double, exact)
        line |= {name: row[name] for name in TEXTS if row[name] is not None}
        line |= {name: True for name in FLAGS if row[name]}
        print(json.dumps(line))


def sides(example, root):
    """Prints the side tables: one JSON object a row, with the name of its table, times in microseconds."""
    reader = importlib.import_module(example)
    for name in ("instruments", "sessions", "gaps", "coverage"):
        for row in rows(reader.table(root, name)):
            times = {key: micros(value) for key, value in row.items() if isinstance(value, datetime.datetime)}
            print(json.dumps({"table": name} | row | times, default=str))


main(*sys.argv[1:]) if len(sys.argv) > 3 else sides(*sys.argv[1:])
