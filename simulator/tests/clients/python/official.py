"""The official Python client against the gateway: every kind of request of a data client, in protobuf."""

import os
import queue
import sys
import threading
import time
import traceback
from collections import defaultdict

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.wrapper import EWrapper

from common import *


class Client(EWrapper, EClient):
    """Collects callbacks by request."""

    def __init__(self):
        EClient.__init__(self, self)
        self.callbacks = defaultdict(queue.Queue)
        self.closed = threading.Event()
        self.ids = iter(range(1, 1_000_000))

    def open(self, client_id):
        self.connect("127.0.0.1", API_PORT, client_id)
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def put(self, req_id, name, *args):
        self.callbacks[req_id].put((name, args))

    def get(self, req_id, *names, timeout=PATIENCE):
        """The next callback of a request that has one of the names. An error is always taken."""
        end = time.monotonic() + timeout
        while True:
            name, args = self.callbacks[req_id].get(timeout=max(0.001, end - time.monotonic()))
            if name in names or name == "error":
                return name, args

    def silent(self, req_id):
        """Takes what is there, then waits long enough to be sure that nothing more comes."""
        waiting = self.callbacks[req_id]
        while not waiting.empty():
            waiting.get()
        try:
            waiting.get(timeout=SILENCE)
            return False
        except queue.Empty:
            return True

    # Callbacks.

    def error(self, reqId, errorTime, errorCode, errorString, advancedOrderRejectJson=""):
        self.put("notices" if reqId == -1 else reqId, "error", errorCode, errorString, errorTime)

    def connectionClosed(self):
        self.closed.set()

    def nextValidId(self, orderId):
        self.put(-1, "id", orderId)

    def managedAccounts(self, accountsList):
        self.put(-1, "accounts", accountsList)

    def currentTime(self, seconds):
        self.put(-1, "time", seconds)

    def currentTimeInMillis(self, millis):
        self.put(-1, "millis", millis)

    def contractDetails(self, reqId, details):
        self.put(reqId, "details", details)

    def contractDetailsEnd(self, reqId):
        self.put(reqId, "end")

    def tickByTickAllLast(self, reqId, tickType, second, price, size, attributes, exchange, conditions):
        self.put(reqId, "tick", trade(second, price, size, exchange, conditions, attributes))

    def tickByTickBidAsk(self, reqId, second, bid, ask, bidSize, askSize, attributes):
        self.put(reqId, "tick", quote(second, bid, ask, bidSize, askSize, attributes))

    def tickByTickMidPoint(self, reqId, second, price):
        self.put(reqId, "tick", mid(second, price))

    def marketDataType(self, reqId, kind):
        self.put(reqId, "type", kind)

    def tickReqParams(self, reqId, minTick, bboExchange, permissions, *precisions):
        self.put(reqId, "parameters", float(minTick), bboExchange)

    def tickPrice(self, reqId, field, price, attributes):
        self.put(reqId, "price", field, price)

    def tickSize(self, reqId, field, size):
        self.put(reqId, "size", field, float(size))

    def tickString(self, reqId, field, value):
        self.put(reqId, "string", field, value)

    def tickSnapshotEnd(self, reqId):
        self.put(reqId, "end")

    def realtimeBar(self, reqId, second, *ohlc):
        self.put(reqId, "bar", second, *map(float, ohlc))

    def historicalTicksLast(self, reqId, ticks, done):
        ticks = [trade(t.time, t.price, t.size, t.exchange, t.specialConditions, t.tickAttribLast) for t in ticks]
        self.put(reqId, "ticks", ticks, done)

    def historicalTicksBidAsk(self, reqId, ticks, done):
        ticks = [quote(t.time, t.priceBid, t.priceAsk, t.sizeBid, t.sizeAsk, t.tickAttribBidAsk) for t in ticks]
        self.put(reqId, "ticks", ticks, done)

    def historicalTicks(self, reqId, ticks, done):
        self.put(reqId, "ticks", [mid(t.time, t.price) for t in ticks], done)

    def historicalData(self, reqId, bar):
        self.put(reqId, "bar", bar)

    def historicalDataUpdate(self, reqId, bar):
        self.put(reqId, "update", bar)

    def historicalDataEnd(self, reqId, start, end):
        self.put(reqId, "end", start, end)

    def headTimestamp(self, reqId, text):
        self.put(reqId, "head", text)

    def marketRule(self, ruleId, increments):
        self.put(-1, "rule", ruleId, [[float(i.lowEdge), float(i.increment)] for i in increments])

    def symbolSamples(self, reqId, samples):
        self.put(reqId, "samples", [sample.contract.symbol for sample in samples])

    def openOrderEnd(self):
        self.put(-1, "orders")

    def positionEnd(self):
        self.put(-1, "positions")

    def completedOrdersEnd(self):
        self.put(-1, "completed")

    def execDetailsEnd(self, reqId):
        self.put(reqId, "executions")

    def accountDownloadEnd(self, account):
        self.put(-1, "account", account)


def contract(**fields):
    made = Contract()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


SIM1 = contract(conId=CON_ID, secType="CRYPTO", exchange="PAXOS", currency="USD")


def session(client):
    first = dict(client.get(-1, "accounts", "id") for _ in range(2))
    notices = [client.get("notices")[1][0] for _ in range(3)]
    emit("connected", version=client.serverVersion(), accounts=list(first["accounts"]), notices=notices)
    client.reqCurrentTime()
    seconds = client.get(-1, "time")[1][0]
    client.reqCurrentTimeInMillis()
    emit("time", seconds=seconds, millis=client.get(-1, "millis")[1][0])
    client.reqOpenOrders()
    client.reqPositions()
    client.reqCompletedOrders(False)
    client.reqAccountUpdates(True, "")
    answers = [client.get(-1, "orders", "positions", "completed", "account")[0] for _ in range(4)]
    emit("start-up", answers=sorted(answers))


def contracts(client):
    wanted = {
        "id": contract(conId=265_598, exchange="SMART"),
        "fields": contract(symbol="AAPL", secType="STK", exchange="SMART", currency="USD"),
        "several": contract(symbol="ES", secType="FUT", exchange="CME", currency="USD"),
        "front": contract(symbol="ES", secType="CONTFUT", exchange="CME", currency="USD"),
        "unknown": contract(symbol="NOPE", secType="STK", exchange="SMART", currency="USD"),
        "test": SIM1,
    }
    for query, asked in wanted.items():
        req_id = next(client.ids)
        client.reqContractDetails(req_id, asked)
        found = []
        while True:
            name, args = client.get(req_id, "details", "end")
            if name != "details":
                break
            found.append(details(args[0]))
        emit("details", query=query, found=found, error=args[0] if name == "error" else None)
    client.reqMarketRule(26)
    emit("rule", increments=client.get(-1, "rule")[1][1])
    req_id = next(client.ids)
    client.reqMatchingSymbols(req_id, "AAP")
    emit("samples", symbols=client.get(req_id, "samples")[1][0])


def details(found):
    return {
        "con_id": found.contract.conId,
        "symbol": found.contract.symbol,
        "sec_type": found.contract.secType,
        "min_tick": float(found.minTick),
        "time_zone": found.timeZoneId,
        "trading_hours": found.tradingHours,
        "long_name": found.longName,
        "min_size": float(found.minSize),
    }


def subscribe(client, asked=SIM1):
    """All kinds of tick-by-tick data, by request id; waits for a tick of each."""
    kinds = {next(client.ids): kind for kind in TICK_TYPES}
    for req_id, kind in kinds.items():
        client.reqTickByTickData(req_id, asked, kind, 0, False)
    return kinds, {req_id: client.get(req_id, "tick") for req_id in kinds}


def live(client):
    kinds, _ = subscribe(client)
    window = live_window()
    for req_id, kind in kinds.items():
        ticks = []
        while not ticks or ticks[-1]["time_s"] < window[1]:
            ticks.append(client.get(req_id, "tick")[1][0])
        emit_ticks("live", kind, ticks, window)
    first = next(iter(kinds))
    client.reqTickByTickData(first, SIM1, "Last", 0, False)
    while True:
        name, args = client.get(first, "error")
        if name == "error":
            break
    emit("error", of="duplicate id", code=args[0])
    for req_id in kinds:
        client.cancelTickByTickData(req_id)
    # The answers to a later request come after the last tick.
    client.reqCurrentTime()
    client.get(-1, "time")
    emit("cancelled", silent=all(client.silent(req_id) for req_id in kinds))
    client.cancelTickByTickData(first)
    emit("error", of="unknown cancel", code=client.get(first)[1][0])
    for of, asked in [
        ("unknown contract", contract(symbol="NOPE", secType="STK", exchange="SMART", currency="USD")),
        ("ambiguous contract", contract(symbol="ES", secType="FUT", exchange="CME", currency="USD")),
    ]:
        req_id = next(client.ids)
        client.reqTickByTickData(req_id, asked, "Last", 0, False)
        emit("error", of=of, code=client.get(req_id)[1][0])


def market_data(client):
    client.reqMarketDataType(1)
    req_id = next(client.ids)
    client.reqMktData(req_id, SIM1, "233", False, False, [])
    seen = {}
    while not {"type", "parameters", "price", "size", "string"} <= seen.keys():
        name, args = client.get(req_id, "type", "parameters", "price", "size", "string")
        if name == "error":
            return emit("market data", error=args[0])
        seen[name] = args
    client.cancelMktData(req_id)
    emit("market data", seen=sorted(seen), type=seen["type"][0], min_tick=seen["parameters"][0])
    req_id = next(client.ids)
    client.reqMktData(req_id, SIM1, "", True, False, [])
    names = []
    while "end" not in names:
        names.append(client.get(req_id, "type", "price", "size", "end")[0])
    emit("snapshot", seen=sorted(set(names)))


def real_time_bars(client):
    req_id = next(client.ids)
    client.reqRealTimeBars(req_id, SIM1, 5, "TRADES", False, [])
    for _ in range(2):
        _, (second, *values) = client.get(req_id, "bar")
        bar("live", second, 5, values[:4], values[4], values[6])
    client.cancelRealTimeBars(req_id)


def historical_ticks(client):
    asked = {"Last": "TRADES", "BidAsk": "BID_ASK", "MidPoint": "MIDPOINT"}
    window = past_window()
    for kind, what in asked.items():
        pages = Pages(window)
        more = True
        while more:
            req_id = next(client.ids)
            start = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(pages.start))
            client.reqHistoricalTicks(req_id, SIM1, start, "", PAGE, what, 0, False, [])
            page = []
            done = False
            while not done:
                name, args = client.get(req_id, "ticks")
                if name == "error":
                    return emit("error", of="historical ticks", code=args[0], text=args[1])
                page += args[0]
                done = args[1]
            more = pages.add(page)
        emit_ticks("history", kind, pages.ticks, window)
        emit("pages", tick=kind, calls=pages.calls)


def historical_bars(client):
    req_id = next(client.ids)
    client.reqHistoricalData(req_id, SIM1, "", "1800 S", "1 min", "AGGTRADES", 0, 2, False, [])
    while True:
        name, args = client.get(req_id, "bar", "end")
        if name != "bar":
            break
        one = args[0]
        bar("history", one.date, 60, [one.open, one.high, one.low, one.close], one.volume, one.barCount)
    emit("bars", end=name)
    req_id = next(client.ids)
    client.reqHeadTimeStamp(req_id, SIM1, "TRADES", 0, 2)
    emit("head", answer=client.get(req_id, "head")[0])


def client_id_in_use():
    second = Client().open(7)
    emit("error", of="client id in use", code=second.get("notices")[1][0])
    second.closed.wait(PATIENCE)
    emit("closed", closed=second.closed.is_set())


def competing(client):
    kinds, _ = subscribe(client)
    fault = admin("POST", "/faults", {"kind": "competing"})["id"]
    codes = {kind: client.get(req_id)[1][0] for req_id, kind in kinds.items()}
    admin("DELETE", f"/faults/{fault}")
    emit("competing", codes=codes)


def reconnect(client):
    kinds, _ = subscribe(client)
    admin("POST", "/sockets/close?how=fin")
    client.closed.wait(PATIENCE)
    again = Client().open(7)
    again.get(-1, "id")
    _, first = subscribe(again)
    emit("reconnected", closed=client.closed.is_set(), kinds=[name for name, _ in first.values()])
    again.disconnect()


def main():
    client = Client().open(7)
    session(client)
    contracts(client)
    live(client)
    market_data(client)
    real_time_bars(client)
    historical_ticks(client)
    historical_bars(client)
    client_id_in_use()
    competing(client)
    reconnect(client)
    emit("done")


try:
    main()
except BaseException:
    traceback.print_exc()
    status = 1
else:
    status = 0
# The client's threads would keep a failed script alive.
sys.stdout.flush()
os._exit(status)
