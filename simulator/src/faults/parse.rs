//! Faults from JSON. By hand, so that an error names the field.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde_json::{Map, Value};

use super::garbage::Garbage;
use super::{Connections, Cure, Fault, KINDS, Scope, ZeroField};
use crate::market::tick::TickType;

/// Why a JSON value is not a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Not a JSON object.
    #[error("{0} must be a JSON object")]
    NotAnObject(&'static str),
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has a value that it cannot have.
    #[error("{field}: {what}")]
    Bad {
        /// Name.
        field: &'static str,
        /// What it should be.
        what: String,
    },
    /// A field that the fault does not have.
    #[error("unknown field {0}")]
    Unknown(String),
}

/// What the ticks of a delayed subscription are late by when the fault does not say, seconds: as the original's are.
const DELAY_S: u32 = 900;

/// Longest delay: the journal has room for a send that much after the tick.
const MAX_DELAY_S: u32 = 1_800;
const MAX_BYTES_PER_S: u32 = 1_000_000_000;
/// Most ticks of one burst: an index in a second has 21 bits on disk.
const MAX_BURST: u32 = 1_000_000;

impl Fault {
    /// Reads a fault, for example `{"kind":"silence","scope":{"all":true},"cure":"Never"}`.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn from_json(value: &Value) -> Result<Self, FaultError> {
        let mut fields = Fields::of("the fault", value)?;
        let kind: String = fields.required("kind")?;
        let fault = match kind.as_str() {
            "silence" => Self::Silence { scope: scope(&mut fields)?, cure: cure(&mut fields)? },
            "wrong_prices" => {
                let (scope, cure) = (scope(&mut fields)?, cure(&mut fields)?);
                let offset: f64 = fields.required("offset")?;
                if offset == 0.0 || !offset.is_finite() {
                    return Err(bad("offset", "must be a number other than 0"));
                }
                Self::WrongPrices { scope, cure, offset }
            }
            "zero_fields" => Self::ZeroFields {
                scope: scope(&mut fields)?,
                cure: cure(&mut fields)?,
                fields: zero_fields(&mut fields)?,
            },
            "delayed" => {
                Self::Delayed { scope: scope(&mut fields)?, by_s: fields.number("by_s", Some(DELAY_S), MAX_DELAY_S)? }
            }
            "refuse" => Self::Refuse,
            "hang" => Self::Hang,
            "no_handshake" => Self::NoHandshake,
            "blackhole" => Self::Blackhole {
                connections: fields.one_of(
                    "connections",
                    &[("old", Connections::Old), ("new", Connections::New), ("all", Connections::All)],
                )?,
            },
            "slow_link" => Self::SlowLink { bytes_per_s: fields.number("bytes_per_s", None, MAX_BYTES_PER_S)? },
            "competing" => Self::Competing,
            "reject" => Self::Reject {
                scope: scope(&mut fields)?,
                code: fields.required("code")?,
                text: fields.required("text")?,
            },
            "reject_history" => Self::RejectHistory {
                scope: scope(&mut fields)?,
                code: fields.required("code")?,
                text: fields.required("text")?,
            },
            "client_id_in_use" => Self::ClientIdInUse { client_id: fields.required("client_id")? },
            "lose_subscriptions" => Self::LoseSubscriptions {
                scope: scope(&mut fields)?,
                every: fields.number("every", Some(1), u32::MAX)?,
            },
            "half_frame" => Self::HalfFrame,
            "garbage" => Self::Garbage { scope: scope(&mut fields)?, what: fields.one_of("what", &Garbage::ALL)? },
            "burst" => Self::Burst {
                con_id: fields.required("con_id")?,
                tick: fields.one_of("tick", &TICKS)?,
                ticks: fields.number("ticks", None, MAX_BURST)?,
            },
            _ => return Err(bad("kind", &one_of(KINDS.iter().map(|kind| kind.kind)))),
        };
        fields.finish()?;
        Ok(fault)
    }
}

const TICKS: [(&str, TickType); 4] = [
    ("Last", TickType::Last),
    ("AllLast", TickType::AllLast),
    ("BidAsk", TickType::BidAsk),
    ("MidPoint", TickType::MidPoint),
];

const CURES: [(&str, Cure); 4] = [
    ("Resubscribe", Cure::Resubscribe),
    ("Reconnect", Cure::Reconnect),
    ("Restart", Cure::Restart),
    ("Never", Cure::Never),
];

fn scope(fields: &mut Fields) -> Result<Scope, FaultError> {
    let value: Value = fields.required("scope")?;
    let mut inner = Fields::of("scope", &value)?;
    let all: Option<bool> = inner.optional("all")?;
    let con_id: Option<i32> = inner.optional("con_id")?;
    let tick: Option<String> = inner.optional("tick")?;
    let tick = tick.map(|name| pick("tick", &name, &TICKS)).transpose()?;
    inner.finish()?;
    match (all, con_id, tick) {
        (Some(true), None, None) => Ok(Scope::All),
        (None | Some(false), Some(con_id), tick) => Ok(Scope::Contract { con_id, tick }),
        (None | Some(false), None, Some(tick)) => Ok(Scope::Tick(tick)),
        _ => Err(bad("scope", "must be {\"all\":true}, or {\"con_id\":N}, {\"tick\":T} or both")),
    }
}

fn cure(fields: &mut Fields) -> Result<Cure, FaultError> {
    fields.one_of("cure", &CURES)
}

fn zero_fields(fields: &mut Fields) -> Result<Vec<ZeroField>, FaultError> {
    const NAMES: [(&str, ZeroField); 3] =
        [("time", ZeroField::Time), ("price", ZeroField::Price), ("size", ZeroField::Size)];
    let names: Vec<String> = fields.required("fields")?;
    if names.is_empty() {
        return Err(bad("fields", &format!("must be a list of {}", one_of_names(&NAMES))));
    }
    names.iter().map(|name| pick("fields", name, &NAMES)).collect()
}

fn bad(field: &'static str, what: &str) -> FaultError {
    FaultError::Bad { field, what: what.to_owned() }
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("must be one of {}", names.collect::<Vec<_>>().join(", "))
}

fn one_of_names<T>(names: &[(&str, T)]) -> String {
    names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn pick<T: Copy>(field: &'static str, name: &str, names: &[(&str, T)]) -> Result<T, FaultError> {
    let found = names.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| bad(field, &format!("must be one of {}", one_of_names(names))))
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::All => map.serialize_entry("all", &true)?,
            Self::Contract { con_id, tick } => {
                map.serialize_entry("con_id", con_id)?;
                if let Some(tick) = tick {
                    map.serialize_entry("tick", tick)?;
                }
            }
            Self::Tick(tick) => map.serialize_entry("tick", tick)?,
        }
        map.end()
    }
}

/// The fields of an object, taken out one by one: what is left at the end is unknown.
struct Fields(Map<String, Value>);

impl Fields {
    fn of(name: &'static str, value: &Value) -> Result<Self, FaultError> {
        value.as_object().cloned().map(Self).ok_or(FaultError::NotAnObject(name))
    }

    fn optional<T: DeserializeOwned>(&mut self, field: &'static str) -> Result<Option<T>, FaultError> {
        let Some(value) = self.0.remove(field).filter(|value| !value.is_null()) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|error| FaultError::Bad { field, what: error.to_string() })
    }

    fn required<T: DeserializeOwned>(&mut self, field: &'static str) -> Result<T, FaultError> {
        self.optional(field)?.ok_or(FaultError::Missing(field))
    }

    /// A name out of a list.
    fn one_of<T: Copy>(&mut self, field: &'static str, names: &[(&str, T)]) -> Result<T, FaultError> {
        let name: String = self.required(field)?;
        pick(field, &name, names)
    }

    /// A number from 1 to `max`.
    fn number(&mut self, field: &'static str, default: Option<u32>, max: u32) -> Result<u32, FaultError> {
        let number: Option<u32> = self.optional(field)?;
        let number = number.or(default).ok_or(FaultError::Missing(field))?;
        if (1..=max).contains(&number) { Ok(number) } else { Err(bad(field, &format!("must be 1 to {max}"))) }
    }

    fn finish(self) -> Result<(), FaultError> {
        self.0.into_iter().next().map_or(Ok(()), |(field, _)| Err(FaultError::Unknown(field)))
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
