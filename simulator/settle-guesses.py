#!/usr/bin/env python3
"""Asks a gateway what this project had to guess about it, and prints the answers beside those of ib-gateway-sim.

    simulator/settle-guesses.py 127.0.0.1:4002

Needs Python 3.8 and nothing else. It is safe to run against a live login: it places no orders, changes no setting, and
takes at most one line of tick-by-tick data at a time. It connects some twenty times, one after the other, under the
client ids from --client-id on. The contracts are EUR.USD, AAPL and ES; where a login lacks the data for one, the answer
is the error that says so. Lines that differ are worth an issue: please attach the output.
"""

import argparse
import re
import socket
import struct
import sys
import time

# The version of the questions: the newest that all of them are known for.
VERSIONS = b"v213..226"
ERROR, NEXT_ID, ACCOUNTS = 4, 9, 15
EUR = [(2, "EUR"), (3, "CASH"), (8, "IDEALPRO"), (10, "USD")]
APPLE = [(2, "AAPL"), (3, "STK"), (8, "SMART"), (10, "USD")]
ES = [(2, "ES"), (3, "FUT"), (8, "CME"), (10, "USD")]


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def encode(fields):
    """A protobuf message of (tag, value) pairs; a list is a message in it."""
    out = b""
    for tag, value in fields:
        if isinstance(value, int):
            out += varint(tag << 3) + varint(value)
        else:
            data = encode(value) if isinstance(value, list) else value.encode()
            out += varint(tag << 3 | 2) + varint(len(data)) + data
    return out


def decode(data):
    """The values of a protobuf message by tag; texts and messages are bytes."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        else:
            length = {1: 8, 5: 4}.get(key & 7) or number()
            value, at = data[at : at + length], at + length
        found.setdefault(key >> 3, []).append(value)
    return found


class Session:
    """One connection."""

    next_client_id = 0
    address = ("", 0)
    patience = 3.0

    def __init__(self, versions=VERSIONS, start=True):
        self.socket = socket.create_connection(self.address, timeout=10)
        self.closed = False
        if versions:
            self.send_raw(b"API\0" + struct.pack(">I", len(versions)) + versions)
        if start:
            self.frame()
            self.start()
            # The first messages are there when the time is told.
            self.answer(49, to=[49])

    def start(self):
        Session.next_client_id += 1
        self.send(71, [(1, Session.next_client_id)])

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, number, fields=()):
        body = struct.pack(">i", number + 200) + encode(fields)
        self.send_raw(struct.pack(">I", len(body)) + body)

    def frame(self):
        """The next body; None when none comes in time or the gateway closed."""
        self.socket.settimeout(self.patience)
        try:
            body = self.exactly(struct.unpack(">I", self.exactly(4))[0])
        except socket.timeout:
            return None
        except OSError:
            self.closed = True
            return None
        return body

    def exactly(self, length):
        data = b""
        while len(data) < length:
            part = self.socket.recv(length - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def messages(self):
        """(number, fields) of what comes, until nothing comes for a while."""
        while True:
            body = self.frame()
            if body is None:
                return
            yield struct.unpack(">i", body[:4])[0] - 200, decode(body[4:])

    def wait(self, *numbers):
        """The first message of these numbers, or an error of a request."""
        end = time.monotonic() + 10 * self.patience
        for number, fields in self.messages():
            if number in numbers or number == ERROR and is_answer(fields) or time.monotonic() > end:
                return number, fields
        return None, {}

    def answer(self, number, fields=(), to=()):
        """Sends a request and says in words what came back."""
        self.send(number, fields)
        got, answer = self.wait(*to)
        if got == ERROR:
            return error(answer)
        if got is not None:
            return f"message {got}"
        return "closed" if self.closed else "nothing"

    def alive(self):
        return "the session goes on" if self.answer(49, to=[49]) == "message 49" else "the session is over"


def text(value):
    return value.decode(errors="replace")


def is_answer(fields):
    """Not a notice about a farm or the like."""
    return not 2100 <= fields.get(3, [0])[0] < 2200


def error(fields):
    words = re.sub(r"-'\w+'", "-'..'", text(fields.get(4, [b""])[0]))
    owner = "session" if fields[1][0] >> 31 else "request"
    return f"{owner} error {fields[3][0]}: {words}"


def first_words(data, versions=None):
    session = Session(versions, start=False)
    if data:
        session.send_raw(data)
    body = session.frame()
    words = "nothing" if body is None else " ".join(text(body).split("\0")[:5]).strip()
    session.frame()
    return words, "closed" if session.closed else "left open"


def stranger():
    return ", ".join(first_words(b"GET / HTTP/1.1\r\n\r\n"))


def too_old():
    words, end = first_words(b"", b"v1..20")
    return f"{re.sub(': .*', '', words)}, {end}"


def too_new():
    words, end = first_words(b"", b"v9998..9999")
    return ("its own version" if re.match(r"\d{3} ", words) else words) + f", {end}"


def before_start():
    session = Session(start=False)
    session.frame()
    return session.answer(49, to=[49])


def start_twice():
    session = Session()
    return session.answer(71, [(1, Session.next_client_id + 500)], to=[ACCOUNTS, NEXT_ID])


def order():
    session = Session(start=False)
    session.frame()
    session.start()
    numbers = [number for number, _ in session.messages()]
    places = [numbers.index(number) for number in (ACCOUNTS, NEXT_ID, ERROR) if number in numbers]
    return "accounts, id, notices" if places == sorted(places) and len(places) == 3 else str(numbers)


def bad(body):
    session = Session()
    session.send_raw(struct.pack(">I", len(body)) + body)
    number, fields = session.wait()
    said = re.sub(r"(Error reading request).*", r"\1", error(fields)) if number == ERROR else "nothing"
    return f"{said}, {session.alive()}"


def short_length():
    session = Session()
    session.send_raw(struct.pack(">I", 3) + b"abc")
    session.frame()
    return "closed" if session.closed else "left open"


def ticks(contract, kind="BidAsk", req_id=7):
    return [(1, req_id), (2, contract), (3, kind)]


def subscribe(contract, kind="BidAsk"):
    return Session().answer(97, ticks(contract, kind), to=[99])


def twice():
    session = Session()
    session.answer(97, ticks(EUR), to=[99])
    return session.answer(97, ticks(EUR))


def cancel_refused():
    session = Session()
    session.answer(97, ticks([(2, "NOPE"), *EUR[1:]]))
    return session.answer(98, [(1, 7)])


def of_apple(tag):
    """A detail of AAPL."""
    session = Session()
    session.send(9, [(1, 7), (2, APPLE)])
    number, fields = session.wait(10)
    return text(decode(fields[3][0]).get(tag, [b""])[0]) if number == 10 else error(fields)


def wrong_type():
    session = Session()
    session.send(9, [(1, 7), (2, APPLE)])
    number, fields = session.wait(10)
    if number != 10:
        return error(fields)
    con_id = decode(fields[2][0])[1][0]
    return session.answer(97, ticks([(1, con_id), (3, "CASH"), (8, "SMART"), (10, "USD")], req_id=8), to=[99])


def trading_days():
    return f"{len(of_apple(13).split(';'))} days"


def history(start, req_id=7):
    stamp = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(start))
    return [(1, req_id), (2, EUR), (3, stamp), (5, 1000), (6, "BID_ASK"), (7, 0), (8, 0)]


def future_history():
    session = Session()
    session.send(96, history(time.time() + 7200))
    number, fields = session.wait(97)
    return error(fields) if number == ERROR else f"{len(fields.get(2, []))} ticks" if number else "nothing"


def whole_seconds():
    """Whether a page of a thousand ends with a whole second: asks for its last second again."""
    session = Session()
    pages = []
    start = time.time() - 3 * 86400
    for req_id in (7, 8):
        session.send(96, history(start, req_id))
        number, fields = session.wait(97)
        if number != 97 or not fields.get(2):
            return error(fields) if number == ERROR else "nothing"
        pages.append([decode(tick)[1][0] for tick in fields[2]])
        start = pages[0][-1]
    same = pages[0].count(start) == pages[1].count(start)
    return "whole seconds" if same else "cut in the middle of a second"


# What is asked, how, and what ib-gateway-sim says.
QUESTIONS = [
    ("a connection that does not begin with API", stranger, "nothing, closed"),
    ("a client that is too old", too_old, "4 2 -1 506 Unsupported version, closed"),
    ("a client that is too new", too_new, "its own version, left open"),
    ("a request before the start", before_start, "nothing"),
    ("a second start", start_twice, "nothing"),
    ("order of the first messages", order, "accounts, id, notices"),
    (
        "an unknown message",
        lambda: bad(struct.pack(">i", 3000)),
        "session error 320: Error reading request, the session goes on",
    ),
    (
        "a text message in a protobuf session",
        lambda: bad(struct.pack(">i", 49) + b"1\0"),
        "session error 320: Error reading request, the session goes on",
    ),
    (
        "a body that is not protobuf",
        lambda: bad(struct.pack(">i", 297) + b"\xff"),
        "session error 320: Error reading request, the session goes on",
    ),
    ("a frame of three bytes", short_length, "closed"),
    (
        "ticks of an unknown contract",
        lambda: subscribe([(2, "NOPE"), *EUR[1:]]),
        "request error 200: No security definition has been found for the request",
    ),
    (
        "ticks of an ambiguous contract",
        lambda: subscribe(ES),
        "request error 200: The contract description specified is ambiguous.",
    ),
    (
        "ticks without an exchange",
        lambda: subscribe([EUR[0], EUR[1], EUR[3]]),
        "request error 321: Error validating request.-'..' : cause - Please enter exchange",
    ),
    (
        "ticks of an unknown type",
        lambda: subscribe(EUR, "Nope"),
        "request error 321: Error validating request.-'..' : cause - Invalid tick-by-tick type",
    ),
    (
        "an id with the type of something else",
        wrong_type,
        "request error 200: No security definition has been found for the request",
    ),
    ("a request id twice", twice, "request error 102: Duplicate ticker ID for API request"),
    (
        "cancel of an unknown id",
        lambda: Session().answer(98, [(1, 7)]),
        "request error 300: Can't find EId with tickerId:7",
    ),
    ("cancel after a refused request", cancel_refused, "request error 300: Can't find EId with tickerId:7"),
    (
        "an unknown market rule",
        lambda: Session().answer(91, [(1, 99_999_999)], to=[93]),
        "session error 321: Error validating request.-'..' : cause - Invalid market rule id",
    ),
    (
        "an unknown market data type",
        lambda: Session().answer(59, [(1, 9)]),
        "session error 321: Error validating request.-'..' : cause - Invalid market data type",
    ),
    ("days in tradingHours of AAPL", trading_days, "6 days"),
    ("lastPricePrecision of AAPL", lambda: of_apple(63), "0.01"),
    ("historical ticks of a time to come", future_history, "0 ticks"),
    ("the end of a page of historical ticks", whole_seconds, "whole seconds"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="host:port of the API")
    parser.add_argument("--client-id", type=int, default=9000, help="first client id [9000]")
    parser.add_argument("--patience", type=float, default=3, help="seconds of silence that count as no answer [3]")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    if not port.isdigit():
        parser.error("address: write host:port, for example 127.0.0.1:4002")
    Session.address, Session.patience = (host, int(port)), options.patience
    Session.next_client_id = options.client_id
    different = 0
    for name, ask, ours in QUESTIONS:
        try:
            theirs = ask()
        except OSError as failure:
            sys.exit(f"{name}: {failure}")
        same = theirs == ours
        different += not same
        print(f"{'same  ' if same else 'DIFFER'}  {name}\n          gateway    {theirs}", flush=True)
        if not same:
            print(f"          simulator  {ours}", flush=True)
    print(f"{len(QUESTIONS)} questions, {different} answers differ from the simulator's")


main()
