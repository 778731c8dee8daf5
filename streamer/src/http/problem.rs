//! What is wrong with a request, as JSON.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// An error that the caller can do something about. Its codes are ib-stream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// What went wrong, for programs.
    pub code: &'static str,
    /// What went wrong and what to do, for people.
    pub message: String,
}

impl Problem {
    /// A parameter that is not as it should be.
    pub fn parameter(name: &str, value: &str, form: &str) -> Self {
        let shown: String = value.chars().take(64).collect();
        Self::request(format!("{name}={shown}: write {form}"))
    }

    /// A request that cannot be understood.
    pub fn request(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "INVALID_REQUEST", message }
    }

    /// A contract or a kind of tick that is not recorded here.
    pub fn not_recorded(message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "CONTRACT_NOT_FOUND", message }
    }

    /// A path that nothing is served under.
    pub fn not_served(message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "INVALID_REQUEST", message }
    }

    /// What is stored cannot be read.
    pub fn unreadable(error: &std::io::Error) -> Self {
        let message = format!("the stored ticks cannot be read: {error}");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "BUFFER_ERROR", message }
    }

    /// As many as are served at once are being served.
    pub fn busy(message: String) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code: "RATE_LIMIT_EXCEEDED", message }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": self.message, "code": self.code}));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            (self.status, [(header::RETRY_AFTER, "5")], body).into_response()
        } else {
            (self.status, body).into_response()
        }
    }
}
