//! The token of a soft restart: whoever has it logs in without a second factor until the week ends.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clocks::token_ends;

/// A login that can be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// When the full login was that it goes back to, microseconds since the epoch.
    pub login_us: i64,
}

impl Token {
    /// Whether it is still good.
    #[must_use]
    pub fn is_valid(&self, now_us: i64) -> bool {
        now_us < token_ends(self.login_us)
    }
}

/// The file in the settings. Only a soft restart and a pause write it, and a start uses it up.
#[derive(Debug)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// The name that the original and IBC give it.
    const NAME: &str = "autorestart";

    /// In the settings of one kind of account.
    #[must_use]
    pub fn of(settings: &Path, kind: &str) -> Self {
        Self(settings.join(kind).join(Self::NAME))
    }

    /// Reads it; one that cannot be read is none.
    #[must_use]
    pub fn read(&self) -> Option<Token> {
        serde_json::from_slice(&std::fs::read(&self.0).ok()?).ok()
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, token: &Token) -> io::Result<()> {
        if let Some(dir) = self.0.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let partial = self.0.with_extension("partial");
        std::fs::write(&partial, serde_json::to_vec(token)?)?;
        std::fs::rename(partial, &self.0)
    }

    /// Removes it; there may be none.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
