"""ib_async against the gateway: every kind of request of a data client, in the text dialect."""

import asyncio
from collections import defaultdict
from datetime import datetime, timezone

from ib_async import IB, Contract, Crypto, Future, Stock

from common import *

SIM1 = Contract(conId=CON_ID, secType="CRYPTO", exchange="PAXOS", currency="USD")


async def until(condition):
    """Waits for a condition. What it waits for comes by callbacks of the same event loop."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


class Client:
    """The client, with every tick-by-tick datum noted as it came from the wire: its own ticks bear the time of arrival."""

    def __init__(self):
        self.ib = IB()
        self.ticks = defaultdict(list)
        self.errors = []
        self.closed = False
        self.ib.errorEvent += lambda req_id, code, *_: self.errors.append((req_id, code))
        self.ib.disconnectedEvent += self.on_close
        wrapper = self.ib.wrapper
        all_last, bid_ask, mid_point = wrapper.tickByTickAllLast, wrapper.tickByTickBidAsk, wrapper.tickByTickMidPoint

        def on_trade(req_id, kind, second, price, size, attributes, exchange, conditions):
            name = "Last" if kind == 1 else "AllLast"
            self.ticks[name].append(trade(second, price, size, exchange, conditions, attributes))
            all_last(req_id, kind, second, price, size, attributes, exchange, conditions)

        def on_quote(req_id, second, bid, ask, bid_size, ask_size, attributes):
            self.ticks["BidAsk"].append(quote(second, bid, ask, bid_size, ask_size, attributes))
            bid_ask(req_id, second, bid, ask, bid_size, ask_size, attributes)

        def on_mid(req_id, second, price):
            self.ticks["MidPoint"].append(mid(second, price))
            mid_point(req_id, second, price)

        wrapper.tickByTickAllLast, wrapper.tickByTickBidAsk, wrapper.tickByTickMidPoint = on_trade, on_quote, on_mid

    def on_close(self):
        self.closed = True

    async def open(self, client_id, timeout=PATIENCE):
        # Fails when an answer to its start-up requests is missing.
        await self.ib.connectAsync("127.0.0.1", API_PORT, client_id, timeout, raiseSyncErrors=True)
        return self

    async def error(self, code):
        await until(lambda: any(seen == code for _, seen in self.errors))
        return code

    async def subscribe(self):
        """All kinds of tick-by-tick data; waits for a tick of each."""
        self.ticks.clear()
        for kind in TICK_TYPES:
            ticker = self.ib.reqTickByTickData(SIM1, kind, 0, False)
        await until(lambda: all(self.ticks[kind] for kind in TICK_TYPES))
        assert ticker.tickByTicks or ticker.time
        return list(self.ticks)


async def session(client):
    ib = client.ib
    emit(
        "connected",
        version=ib.client.serverVersion(),
        accounts=ib.managedAccounts(),
        notices=[code for req_id, code in client.errors if req_id == -1],
    )
    emit("time", seconds=int((await ib.reqCurrentTimeAsync()).timestamp()))


async def contracts(client):
    ib = client.ib
    wanted = {
        "id": Contract(conId=265_598, exchange="SMART"),
        "fields": Stock("AAPL", "SMART", "USD"),
        "several": Future("ES", exchange="CME", currency="USD"),
        "front": Contract(symbol="ES", secType="CONTFUT", exchange="CME", currency="USD"),
        "unknown": Stock("NOPE", "SMART", "USD"),
        "test": Crypto("SIM1", "PAXOS", "USD"),
    }
    for query, asked in wanted.items():
        client.errors.clear()
        found = await ib.reqContractDetailsAsync(asked)
        emit(
            "details",
            query=query,
            found=[details(one) for one in found],
            error=client.errors[0][1] if client.errors else None,
        )
    increments = await ib.reqMarketRuleAsync(26)
    emit("rule", increments=[[one.lowEdge, one.increment] for one in increments])
    samples = await ib.reqMatchingSymbolsAsync("AAP")
    emit("samples", symbols=[one.contract.symbol for one in samples])


def details(found):
    return {
        "con_id": found.contract.conId,
        "symbol": found.contract.symbol,
        "sec_type": found.contract.secType,
        "min_tick": found.minTick,
        "time_zone": found.timeZoneId,
        "trading_hours": found.tradingHours,
        "long_name": found.longName,
        "min_size": found.minSize,
    }


async def live(client):
    ib = client.ib
    await client.subscribe()
    window = live_window()
    await until(lambda: all(client.ticks[kind][-1]["time_s"] >= window[1] for kind in TICK_TYPES))
    for kind in TICK_TYPES:
        emit_ticks("live", kind, client.ticks[kind], window)
        ib.cancelTickByTickData(SIM1, kind)
    # The answer to a later request comes after the last tick.
    await ib.reqCurrentTimeAsync()
    client.ticks.clear()
    await asyncio.sleep(SILENCE)
    emit("cancelled", silent=not any(client.ticks.values()))
    client.errors.clear()
    ib.client.cancelTickByTickData(999_999)
    emit("error", of="unknown cancel", code=await client.error(300))
    for of, asked in [("unknown contract", Stock("NOPE", "SMART", "USD")), ("ambiguous contract", Future("ES", exchange="CME"))]:
        client.errors.clear()
        ib.client.reqTickByTickData(ib.client.getReqId(), asked, "Last", 0, False)
        emit("error", of=of, code=await client.error(200))


async def market_data(client):
    ib = client.ib
    ib.reqMarketDataType(1)
    ticker = ib.reqMktData(SIM1, "233", False, False)
    await until(lambda: all(value > 0 for value in [ticker.bid, ticker.ask, ticker.last, ticker.bidSize, ticker.volume]))
    emit("market data", seen=["price", "size", "string", "type"], type=ticker.marketDataType, min_tick=ticker.minTick)
    ib.cancelMktData(SIM1)
    (snapshot,) = await ib.reqTickersAsync(SIM1)
    emit("snapshot", seen=["end", "price"] if snapshot.bid > 0 else [])


async def real_time_bars(client):
    bars = client.ib.reqRealTimeBars(SIM1, 5, "TRADES", False)
    await until(lambda: len(bars) >= 2)
    for one in bars[:2]:
        bar("live", one.time.timestamp(), 5, [one.open_, one.high, one.low, one.close], one.volume, one.count)
    client.ib.cancelRealTimeBars(bars)


async def historical_ticks(client):
    asked = {"Last": "TRADES", "BidAsk": "BID_ASK", "MidPoint": "MIDPOINT"}
    window = past_window()
    for kind, what in asked.items():
        pages = Pages(window)
        more = True
        while more:
            start = datetime.fromtimestamp(pages.start, timezone.utc)
            page = await client.ib.reqHistoricalTicksAsync(SIM1, start, "", PAGE, what, False)
            more = pages.add([historical(tick) for tick in page])
        emit_ticks("history", kind, pages.ticks, window)
        emit("pages", tick=kind, calls=pages.calls)


def historical(tick):
    second = tick.time.timestamp()
    match type(tick).__name__:
        case "HistoricalTickLast":
            return trade(second, tick.price, tick.size, tick.exchange, tick.specialConditions, tick.tickAttribLast)
        case "HistoricalTickBidAsk":
            return quote(second, tick.priceBid, tick.priceAsk, tick.sizeBid, tick.sizeAsk, tick.tickAttribBidAsk)
        case _:
            return mid(second, tick.price)


async def historical_bars(client):
    bars = await client.ib.reqHistoricalDataAsync(SIM1, "", "1800 S", "1 min", "AGGTRADES", False, formatDate=2)
    for one in bars:
        ohlc = [one.open, one.high, one.low, one.close]
        bar("history", one.date.timestamp(), 60, ohlc, one.volume, one.barCount)
    emit("bars", end="end")
    head = await client.ib.reqHeadTimeStampAsync(SIM1, "TRADES", False, 2)
    emit("head", answer="head" if head else "none")


async def client_id_in_use():
    second = Client()
    try:
        # It waits for its start to the end, although the socket is closed.
        await second.open(7, timeout=2)
    except Exception as error:
        emit("error", of="client id in use", code=await second.error(326), raised=type(error).__name__)
    emit("closed", closed=not second.ib.isConnected())


async def competing(client):
    await client.subscribe()
    client.errors.clear()
    fault = admin("POST", "/faults", {"kind": "competing"})["id"]
    await until(lambda: sum(code == 10197 for _, code in client.errors) >= len(TICK_TYPES))
    admin("DELETE", f"/faults/{fault}")
    emit("competing", codes=dict(client.errors))


async def reconnect(client):
    admin("POST", "/sockets/close?how=fin")
    await until(lambda: client.closed)
    again = await Client().open(7)
    kinds = await again.subscribe()
    emit("reconnected", closed=client.closed, kinds=["tick" for _ in kinds])
    again.ib.disconnect()


async def main():
    client = await Client().open(7)
    await session(client)
    await contracts(client)
    await live(client)
    await market_data(client)
    await real_time_bars(client)
    await historical_ticks(client)
    await historical_bars(client)
    await client_id_in_use()
    await competing(client)
    await reconnect(client)
    emit("done")


asyncio.run(main())
