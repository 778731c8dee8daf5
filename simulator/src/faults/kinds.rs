//! The kinds of faults, once: for the parser's errors, for `GET /faults/kinds`, and for the manual.

use serde::Serialize;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FaultKind {
    /// Value of `kind`.
    pub kind: &'static str,
    /// Whether it goes on until it is ended; else it happens once.
    pub lasts: bool,
    /// Whether the ticks that it costs a client can be had from the history afterwards.
    pub fillable: bool,
    /// Other fields.
    pub fields: &'static [FaultField],
    /// What it does.
    pub description: &'static str,
}

/// A field of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FaultField {
    /// Its name.
    pub name: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
    /// What it may be.
    pub values: &'static str,
}

const fn needed(name: &'static str, values: &'static str) -> FaultField {
    FaultField { name, optional: false, values }
}

const fn optional(name: &'static str, values: &'static str) -> FaultField {
    FaultField { name, optional: true, values }
}

const SCOPE: FaultField = needed("scope", r#"{"all":true}, {"con_id":N}, {"tick":T}, or {"con_id":N,"tick":T}"#);
const CURE: FaultField = needed("cure", "Resubscribe, Reconnect, Restart, Never");
const TICK: &str = "Last, AllLast, BidAsk, MidPoint";

const fn lasting(
    kind: &'static str,
    fillable: bool,
    fields: &'static [FaultField],
    description: &'static str,
) -> FaultKind {
    FaultKind { kind, lasts: true, fillable, fields, description }
}

const fn once(kind: &'static str, fields: &'static [FaultField], description: &'static str) -> FaultKind {
    FaultKind { kind, lasts: false, fillable: true, fields, description }
}

/// All kinds.
pub const KINDS: &[FaultKind] = &[
    lasting("silence", true, &[SCOPE, CURE], "ticks are withheld without a word, and lost"),
    lasting(
        "wrong_prices",
        false,
        &[SCOPE, CURE, needed("offset", "a number other than 0, in the contract's currency")],
        "each price on the wire is off by this much, as was seen after a farm had flapped",
    ),
    lasting(
        "zero_fields",
        false,
        &[SCOPE, CURE, needed("fields", "a list of time, price, size")],
        "these fields of ticks are 0 on the wire; a time of 0 is the epoch",
    ),
    lasting(
        "delayed",
        true,
        &[SCOPE, optional("by_s", "1 to 1800; 900 when absent")],
        "new subscriptions get notice 10167 and ticks of that long ago, for as long as they live",
    ),
    lasting("refuse", true, &[], "the API port is closed; connections stay"),
    lasting("hang", true, &[], "a frozen process: connections are accepted, nothing is read or sent"),
    lasting("no_handshake", true, &[], "connections are accepted, and their handshake is not answered"),
    lasting(
        "blackhole",
        true,
        &[needed("connections", "old, new, all")],
        "packets are dropped without a reset: old connections are dead for good, new ones time out",
    ),
    lasting(
        "slow_link",
        true,
        &[needed("bytes_per_s", "1 to 1000000000")],
        "each connection gets this many bytes a second; a client with too many frames waiting is cut off",
    ),
    lasting("competing", true, &[], "each subscription gets 10197 and ends, new requests get 10189"),
    lasting(
        "reject",
        true,
        &[SCOPE, needed("code", "a number"), needed("text", "a text")],
        "new requests get that error",
    ),
    lasting(
        "reject_history",
        false,
        &[SCOPE, needed("code", "a number"), needed("text", "a text")],
        "questions about these streams' past get that error; trades are those of Last",
    ),
    lasting("client_id_in_use", true, &[needed("client_id", "a number")], "error 326 for that id"),
    once(
        "lose_subscriptions",
        &[SCOPE, optional("every", "1 or more; 1 when absent")],
        "each of these subscriptions, or every Nth, is forgotten without a word; a new request flows",
    ),
    once("half_frame", &[], "each connection gets half a frame, and then nothing more for good; requests are read"),
    once(
        "garbage",
        &[SCOPE, needed("what", "unknown_message, undecodable, wrong_type, bad_size, bad_length, random")],
        "each subscription gets such a frame, or its connection such bytes (bad_length, random)",
    ),
    once(
        "burst",
        &[needed("con_id", "a number"), needed("tick", TICK), needed("ticks", "1 to 1000000")],
        "so many additional ticks of this second, as fast as the socket takes them; they are in journal and history",
    ),
];
