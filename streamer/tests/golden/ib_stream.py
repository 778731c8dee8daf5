"""Compares recordings with ib-stream's format, by Google's protobuf. Of our code it uses nothing.

ib_stream.py DATA < TICKS: each line of TICKS is a tick as it was given to the recorder, with the number it should have.
Fails with the first difference; prints how many records it compared.
"""

import json
import struct
import sys
from datetime import datetime, timezone
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

INT64, INT32, STRING, DOUBLE, BOOL, UINT64, ENUM = 3, 5, 9, 1, 8, 4, 14
# ib-stream's tick_message_v3.proto. The first five have no presence: a zero is left out.
THEIRS = [
    ("ts", 1, INT64), ("st", 2, INT64), ("cid", 3, INT32), ("tt", 4, STRING), ("rid", 5, INT32),
    ("p", 10, DOUBLE), ("s", 11, DOUBLE), ("bp", 12, DOUBLE), ("bs", 13, DOUBLE), ("ap", 14, DOUBLE), ("as", 15, DOUBLE),
    ("mp", 16, DOUBLE), ("bpl", 20, BOOL), ("aph", 21, BOOL), ("upt", 22, BOOL),
]
# What was added to it.
ADDED = [
    ("exchange", 23, STRING), ("conditions", 24, STRING), ("past_limit", 25, BOOL), ("sequence", 26, UINT64),
    ("source", 27, ENUM), ("volume", 28, DOUBLE),
]
WITHOUT_PRESENCE = {"ts", "st", "cid", "tt", "rid", "sequence", "source"}


def message(fields):
    """The class of a message of these fields."""
    file = descriptor_pb2.FileDescriptorProto(name="tick.proto", package="ib_stream.v3", syntax="proto3")
    source = file.enum_type.add(name="Source")
    source.value.add(name="LIVE", number=0)
    source.value.add(name="BACKFILL", number=1)
    tick = file.message_type.add(name="TickMessage")
    for name, number, kind in fields:
        field = tick.field.add(name=name, number=number, type=kind, label=1)
        if kind == ENUM:
            field.type_name = ".ib_stream.v3.Source"
        if name not in WITHOUT_PRESENCE:
            field.proto3_optional = True
            field.oneof_index = len(tick.oneof_decl)
            tick.oneof_decl.add(name="_" + name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ib_stream.v3.TickMessage"))


def encode(kind, fields, tick):
    """A tick as this message writes it."""
    made = kind()
    for name, _, _ in fields:
        if tick.get(name) is not None:
            setattr(made, name, tick[name])
    return made.SerializeToString(deterministic=True)


def records(path):
    """The records of a file, as ib-stream reads them: a big-endian length, then the message."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        body = content[at + 4 : at + 4 + length]
        assert len(body) == length, f"{path}: incomplete message at byte {at}"
        yield body
        at += 4 + length


def path_of(data, tick):
    """Where ib-stream's layout has a tick."""
    hour = tick["ts"] // 1_000_000 // 3600 * 3600
    folder = datetime.fromtimestamp(hour, timezone.utc).strftime("%Y/%m/%d/%H")
    part = "_backfill" if tick["source"] else ""
    return data / folder / f"{tick['cid']}_{tick['tt']}_{hour}{part}.pb"


def main():
    data, files = Path(sys.argv[1]), {}
    for line in sys.stdin:
        tick = json.loads(line)
        files.setdefault(path_of(data, tick), []).append(tick)
    on_disk = {path for path in data.rglob("*.pb")}
    assert on_disk == set(files), f"files: {on_disk ^ set(files)}"
    theirs, both = message(THEIRS), message(THEIRS + ADDED)
    compared = 0
    for path, ticks in files.items():
        bodies = list(records(path))
        assert len(bodies) == len(ticks), f"{path}: {len(bodies)} records of {len(ticks)}"
        for body, tick in zip(bodies, ticks):
            # The whole record, byte for byte.
            expected = encode(both, THEIRS + ADDED, tick)
            assert body == expected, f"{tick}: {body.hex()} is not {expected.hex()}"
            # Its begin is all that ib-stream would have written.
            begin = encode(theirs, THEIRS, tick)
            assert body.startswith(begin), f"{tick}: {body.hex()} does not begin with {begin.hex()}"
            # ib-stream's reader finds what was recorded, and passes over the rest.
            read = theirs.FromString(body)
            for name, _, _ in THEIRS:
                known = tick.get(name)
                if name in WITHOUT_PRESENCE:
                    assert getattr(read, name) == (known or type(getattr(read, name))()), (name, tick)
                else:
                    assert read.HasField(name) == (known is not None), (name, tick)
                    assert known is None or getattr(read, name) == known, (name, tick)
            compared += 1
    print(compared)


main()
