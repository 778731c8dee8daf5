"""What the scripts share: what they print, the gateway's admin port, and the rules by which they page through history.

A script prints one JSON object a line, as it goes along. The test checks them against the gateway's journal.
"""

import json
import sys
import time
import urllib.request

# Longest wait for anything that must happen, seconds.
PATIENCE = 30

# How long a stream must be silent to count as silent: the test contract ticks in each second.
SILENCE = 2.5

# The contract whose ticks are checked, and the length of the live window, seconds.
CON_ID = 900_001
WINDOW = 3

# How much history is fetched, seconds: several pages of quotes and of trades.
HISTORY = 600
PAGE = 1_000

TICK_TYPES = ["Last", "AllLast", "BidAsk", "MidPoint"]
API_PORT, ADMIN_PORT = int(sys.argv[1]), int(sys.argv[2])


def emit(step, **fields):
    print(json.dumps({"step": step, **fields}), flush=True)


def admin(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://127.0.0.1:{ADMIN_PORT}{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def bar(source, second, length, ohlc, volume, count):
    values = {"ohlc": [float(price) for price in ohlc], "volume": float(volume), "count": int(count)}
    emit("bar", source=source, second=int(second), length=length, **values)


def trade(time_s, price, size, exchange, conditions, attributes):
    return {
        "time_s": int(time_s),
        "price": float(price),
        "size": float(size),
        "exchange": exchange,
        "conditions": conditions,
        "past_limit": attributes.pastLimit,
        "unreported": attributes.unreported,
    }


def quote(time_s, bid, ask, bid_size, ask_size, attributes):
    return {
        "time_s": int(time_s),
        "bid": float(bid),
        "ask": float(ask),
        "bid_size": float(bid_size),
        "ask_size": float(ask_size),
        "bid_past_low": attributes.bidPastLow,
        "ask_past_high": attributes.askPastHigh,
    }


def mid(time_s, price):
    return {"time_s": int(time_s), "mid": float(price)}


def emit_ticks(source, kind, ticks, window):
    """Prints the ticks of a window and the window."""
    begin, end = window
    for tick in ticks:
        if begin <= tick["time_s"] < end:
            emit("tick", source=source, con_id=CON_ID, tick=kind, **tick)
    emit("window", source=source, tick=kind, **{"from": begin, "to": end})


def live_window():
    """The whole seconds that a recording made from now on covers."""
    begin = int(time.time()) + 1
    return begin, begin + WINDOW


def past_window():
    """Seconds that are far enough in the past to be in the history."""
    end = int(time.time()) - 30
    return end - HISTORY, end


class Pages:
    """Pages of history, each from a second on, put together.

    A page may end in the middle of a second, so that the last second is asked for again.
    """

    def __init__(self, window):
        self.start, self.end = window
        self.ticks = []
        self.calls = 0

    def add(self, page):
        """Takes a page; says whether another one is needed."""
        self.calls += 1
        if not page:
            return False
        last = page[-1]["time_s"]
        more = last < self.end and last > page[0]["time_s"]
        if more:
            page = [tick for tick in page if tick["time_s"] < last]
        self.ticks += page
        self.start = last
        return more
