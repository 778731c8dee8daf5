//! What became of an action.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Acknowledgement of an action.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionStatus {
    /// The action's identifier.
    #[schemars(length(max = 64))]
    pub id: String,
    /// How far it got.
    pub state: ActionState,
    /// What came of it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// How far an action got.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ActionState {
    /// Under way.
    Accepted,
    /// Carried out; whether it helped is for the operator to see.
    Done,
    /// Could not be carried out.
    Failed,
    /// Found at start: it was meant for an earlier process.
    Superseded,
}
