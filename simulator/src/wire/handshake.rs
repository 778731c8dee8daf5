//! The handshake: plain text, and the only frames without a message id.

use std::ops::RangeInclusive;

/// What a client sends before its first frame.
pub const PREFIX: &[u8; 4] = b"API\0";

/// Server versions whose messages are all text.
pub const TEXT_VERSIONS: RangeInclusive<i32> = 157..=178;

/// Server versions whose messages are all protobuf. Those in between mix the two, and are not spoken here.
pub const PROTOBUF_VERSIONS: RangeInclusive<i32> = 213..=226;

/// Code of an error about the versions.
const UNSUPPORTED_VERSION: i32 = 506;

/// How the messages of a session are written: settled by the server version of its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Bodies are fields of text, each ended by a NUL, at that server version.
    Text(i32),
    /// Protobuf bodies, at that server version.
    Protobuf(i32),
}

impl Dialect {
    /// The dialect of a server version that [`negotiate`] chose.
    #[must_use]
    pub fn of(version: i32) -> Self {
        if TEXT_VERSIONS.contains(&version) { Self::Text(version) } else { Self::Protobuf(version) }
    }

    /// The server version.
    #[must_use]
    pub fn version(self) -> i32 {
        let (Self::Text(version) | Self::Protobuf(version)) = self;
        version
    }

    /// Shortest body of a message, bytes: a message id, and in text the NUL that ends it.
    #[must_use]
    pub fn min_body(self) -> usize {
        match self {
            Self::Text(_) => 2,
            Self::Protobuf(_) => 4,
        }
    }
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HandshakeError {
    /// The connection does not begin with `API\0`.
    #[error("not an API client: the connection does not begin with \"API\\0\"")]
    Prefix,
    /// The version frame is not `v<min>..<max>`.
    #[error("malformed version frame {0:?}")]
    Versions(String),
    /// The two sides have no version in common.
    #[error("the client speaks server versions {0} to {1}, this gateway {TEXT_VERSIONS:?} and {PROTOBUF_VERSIONS:?}")]
    NoCommonVersion(i32, i32),
}

/// Chooses the server version for a version frame, for example `v100..226` or `v213..226 +PACEAPI`. A client that is
/// newer than this gateway is told the newest version here, and judges itself (the official one reports code 503).
///
/// # Errors
/// When the frame is malformed or no version is common to both sides.
pub fn negotiate(body: &[u8]) -> Result<i32, HandshakeError> {
    let text = String::from_utf8_lossy(body);
    let malformed = || HandshakeError::Versions(text.chars().take(64).collect());
    // Connect options may follow after a blank; none changes anything here.
    let range = text.split([' ', '\0']).next().unwrap_or_default();
    let range = range.strip_prefix('v').ok_or_else(malformed)?;
    let (min, max) = range.split_once("..").unwrap_or((range, range));
    let (min, max): (i32, i32) = (min.parse().map_err(|_| malformed())?, max.parse().map_err(|_| malformed())?);
    let newest_of = |ours: RangeInclusive<i32>| {
        let chosen = max.min(*ours.end());
        (chosen >= min && ours.contains(&chosen)).then_some(chosen)
    };
    newest_of(PROTOBUF_VERSIONS)
        .or_else(|| newest_of(TEXT_VERSIONS))
        .or_else(|| (min > *PROTOBUF_VERSIONS.end() && max >= min).then_some(*PROTOBUF_VERSIONS.end()))
        .ok_or(HandshakeError::NoCommonVersion(min, max))
}

/// Body of the gateway's first frame: version and time, each ended by a NUL.
#[must_use]
pub fn answer(version: i32, now: &jiff::Zoned) -> Vec<u8> {
    let zone = now.time_zone().iana_name().unwrap_or("UTC");
    format!("{version}\0{} {zone}\0", now.strftime("%Y%m%d %H:%M:%S")).into_bytes()
}

/// Body of the only frame to a client whose handshake failed: an error without a request, as text, because no version
/// was settled.
#[must_use]
pub fn refusal(error: &HandshakeError) -> Vec<u8> {
    format!("4\02\0-1\0{UNSUPPORTED_VERSION}\0Unsupported version: {error}\0").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_newest_common_version() {
        assert_eq!(negotiate(b"v213..226"), Ok(226));
        assert_eq!(negotiate(b"v100..226"), Ok(226));
        assert_eq!(negotiate(b"v213..240 +PACEAPI"), Ok(226));
        assert_eq!(negotiate(b"v100..215"), Ok(215));
        assert_eq!(negotiate(b"v157..226"), Ok(226));
        assert_eq!(negotiate(b"v157..178"), Ok(178));
        assert_eq!(negotiate(b"v100..157"), Ok(157));
        assert_eq!(negotiate(b"v100..190"), Ok(178));
        assert_eq!(negotiate(b"v213"), Ok(213));
        assert_eq!(negotiate(b"v230..240"), Ok(226));
    }

    #[test]
    fn the_version_settles_the_dialect() {
        assert_eq!(Dialect::of(178), Dialect::Text(178));
        assert_eq!(Dialect::of(213), Dialect::Protobuf(213));
        assert_eq!(Dialect::of(157).version(), 157);
    }

    #[test]
    fn refuses_what_it_cannot_speak() {
        for (min, max) in [(240, 230), (100, 156), (179, 212), (226, 213)] {
            let versions = format!("v{min}..{max}");
            assert_eq!(negotiate(versions.as_bytes()), Err(HandshakeError::NoCommonVersion(min, max)));
        }
        assert!(matches!(negotiate(b"hello"), Err(HandshakeError::Versions(_))));
        assert!(matches!(negotiate(b"v1..x"), Err(HandshakeError::Versions(_))));
    }

    #[test]
    fn refuses_as_an_error_without_a_request() {
        let refusal = String::from_utf8(refusal(&HandshakeError::NoCommonVersion(100, 156))).unwrap();
        let text =
            "Unsupported version: the client speaks server versions 100 to 156, this gateway 157..=178 and 213..=226";
        assert_eq!(refusal.split('\0').collect::<Vec<_>>(), ["4", "2", "-1", "506", text, ""]);
    }

    #[test]
    fn answers_with_version_and_time() {
        let now = "2026-10-30T12:00:00[US/Eastern]".parse().unwrap();
        assert_eq!(answer(226, &now), b"226\x0020261030 12:00:00 US/Eastern\0");
    }
}
