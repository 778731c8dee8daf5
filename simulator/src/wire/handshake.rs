//! The handshake: the only part of a session that is plain text.

/// What a client sends before its first frame.
pub const PREFIX: &[u8; 4] = b"API\0";

/// Oldest server version whose requests are all protobuf: the oldest that is spoken here.
pub const MIN_VERSION: i32 = 213;

/// Newest server version that is spoken here.
pub const MAX_VERSION: i32 = 226;

/// How the messages of a session are written: settled by the server version of its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Protobuf bodies, at that server version.
    Protobuf(i32),
}

impl Dialect {
    /// The dialect of a server version that [`negotiate`] chose.
    #[must_use]
    pub fn of(version: i32) -> Self {
        Self::Protobuf(version)
    }

    /// The server version.
    #[must_use]
    pub fn version(self) -> i32 {
        let Self::Protobuf(version) = self;
        version
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
    #[error("the client speaks server versions {0} to {1}, this gateway {MIN_VERSION} to {MAX_VERSION}")]
    NoCommonVersion(i32, i32),
}

/// Chooses the server version for a version frame, for example `v100..226` or `v213..226 +PACEAPI`.
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
    let chosen = max.min(MAX_VERSION);
    if chosen < min || chosen < MIN_VERSION {
        return Err(HandshakeError::NoCommonVersion(min, max));
    }
    Ok(chosen)
}

/// Body of the gateway's first frame: version and time, each ended by a NUL.
#[must_use]
pub fn answer(version: i32, now: &jiff::Zoned) -> Vec<u8> {
    let zone = now.time_zone().iana_name().unwrap_or("UTC");
    format!("{version}\0{} {zone}\0", now.strftime("%Y%m%d %H:%M:%S")).into_bytes()
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
    }

    #[test]
    fn refuses_what_it_cannot_speak() {
        assert_eq!(negotiate(b"v157..178"), Err(HandshakeError::NoCommonVersion(157, 178)));
        assert_eq!(negotiate(b"v230..240"), Err(HandshakeError::NoCommonVersion(230, 240)));
        assert!(matches!(negotiate(b"hello"), Err(HandshakeError::Versions(_))));
        assert!(matches!(negotiate(b"v1..x"), Err(HandshakeError::Versions(_))));
    }

    #[test]
    fn answers_with_version_and_time() {
        let now = "2026-10-30T12:00:00[US/Eastern]".parse().unwrap();
        assert_eq!(answer(226, &now), b"226\x0020261030 12:00:00 US/Eastern\0");
    }
}
