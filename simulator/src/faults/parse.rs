//! Faults from JSON. By hand, so that an error names the field.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde_json::{Map, Value};

use super::{Cure, Fault, Scope};
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

const KINDS: &str = "must be one of silence, refuse, hang, competing, reject, client_id_in_use";

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
            "refuse" => Self::Refuse,
            "hang" => Self::Hang,
            "competing" => Self::Competing,
            "reject" => Self::Reject {
                scope: scope(&mut fields)?,
                code: fields.required("code")?,
                text: fields.required("text")?,
            },
            "client_id_in_use" => Self::ClientIdInUse { client_id: fields.required("client_id")? },
            _ => return Err(FaultError::Bad { field: "kind", what: KINDS.to_owned() }),
        };
        fields.finish()?;
        Ok(fault)
    }
}

fn scope(fields: &mut Fields) -> Result<Scope, FaultError> {
    let value: Value = fields.required("scope")?;
    let mut inner = Fields::of("scope", &value)?;
    let all: Option<bool> = inner.optional("all")?;
    let con_id: Option<i32> = inner.optional("con_id")?;
    let tick: Option<String> = inner.optional("tick")?;
    inner.finish()?;
    let tick = match tick {
        None => None,
        Some(name) => {
            let what = "must be one of Last, AllLast, BidAsk, MidPoint".to_owned();
            Some(TickType::from_name(&name).ok_or(FaultError::Bad { field: "tick", what })?)
        }
    };
    match (all, con_id, tick) {
        (Some(true), None, None) => Ok(Scope::All),
        (None | Some(false), Some(con_id), tick) => Ok(Scope::Contract { con_id, tick }),
        _ => Err(FaultError::Bad {
            field: "scope",
            what: "must be {\"all\":true}, or {\"con_id\":N} with or without \"tick\"".to_owned(),
        }),
    }
}

fn cure(fields: &mut Fields) -> Result<Cure, FaultError> {
    let name: String = fields.required("cure")?;
    match name.as_str() {
        "Resubscribe" => Ok(Cure::Resubscribe),
        "Reconnect" => Ok(Cure::Reconnect),
        "Never" => Ok(Cure::Never),
        _ => Err(FaultError::Bad { field: "cure", what: "must be one of Resubscribe, Reconnect, Never".to_owned() }),
    }
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

    fn finish(self) -> Result<(), FaultError> {
        self.0.into_iter().next().map_or(Ok(()), |(field, _)| Err(FaultError::Unknown(field)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_reads_back_as_written() {
        for value in [
            json!({"kind": "silence", "scope": {"all": true}, "cure": "Never"}),
            json!({"kind": "silence", "scope": {"con_id": 5}, "cure": "Resubscribe"}),
            json!({"kind": "silence", "scope": {"con_id": 5, "tick": "BidAsk"}, "cure": "Reconnect"}),
            json!({"kind": "refuse"}),
            json!({"kind": "hang"}),
            json!({"kind": "competing"}),
            json!({"kind": "reject", "scope": {"con_id": 5}, "code": 354, "text": "no"}),
            json!({"kind": "client_id_in_use", "client_id": 851}),
        ] {
            let fault = Fault::from_json(&value).unwrap();
            assert_eq!(serde_json::to_value(&fault).unwrap(), value);
        }
        let null = json!({"kind": "silence", "scope": {"con_id": 5, "tick": null}, "cure": "Never"});
        let scope = Scope::Contract { con_id: 5, tick: None };
        assert_eq!(Fault::from_json(&null), Ok(Fault::Silence { scope, cure: Cure::Never }));
    }

    #[test]
    fn errors_name_the_field() {
        let message = |value: Value| Fault::from_json(&value).unwrap_err().to_string();
        assert_eq!(message(json!([])), "the fault must be a JSON object");
        assert_eq!(message(json!({})), "kind is missing");
        assert_eq!(message(json!({"kind": "sulk"})), format!("kind: {KINDS}"));
        assert_eq!(message(json!({"kind": "hang", "for_s": 3})), "unknown field for_s");
        assert_eq!(message(json!({"kind": "silence", "cure": "Never"})), "scope is missing");
        let silence = |scope: Value| json!({"kind": "silence", "scope": scope, "cure": "Never"});
        assert!(message(silence(json!({}))).starts_with("scope: must be"));
        assert!(message(silence(json!({"con_id": "x"}))).starts_with("con_id: invalid type"));
        assert!(message(silence(json!({"con_id": 1, "tick": "Quote"}))).starts_with("tick: must be one of"));
        assert!(message(silence(json!({"all": true, "tick": "Last"}))).starts_with("scope: must be"));
        let cure = json!({"kind": "silence", "scope": {"all": true}, "cure": "Tea"});
        assert!(message(cure).starts_with("cure: must be one of"));
        assert!(message(json!({"kind": "client_id_in_use", "client_id": true})).starts_with("client_id: invalid"));
    }
}
