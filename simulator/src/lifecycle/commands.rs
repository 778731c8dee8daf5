//! IBC's commands: what each does, and the answer. The answers are a guess.

use super::Life;
use super::clocks::next_minute;
use crate::journal::requests::Event;

/// What IBC says, and whether the connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// One line.
    pub text: String,
    /// The connection ends.
    pub last: bool,
}

impl Life {
    /// Carries out a command.
    pub fn command(&mut self, text: &str, now_us: i64) -> Reply {
        let command = text.trim().to_ascii_uppercase();
        self.log(Event::Command { command: command.clone() });
        self.line(format!("IBC: CommandServer: received command: {command}"));
        match command.as_str() {
            "PAUSE" => {
                self.save_token();
                self.exit(0);
            }
            "STOP" => self.exit(0),
            "RESTART" => {
                // The daily restart moves to the next minute, and a time that is set anew at each start moves back.
                self.clocks.restart = Some(next_minute(now_us));
            }
            "RECONNECTDATA" => {
                self.heal_upstream();
                for (code, text) in self.farms.reconnect() {
                    self.notice(code, text);
                }
            }
            "RECONNECTACCOUNT" => self.relink(now_us),
            "ENABLEAPI" | "EXIT" => {}
            _ => return Reply { text: format!("ERROR Command invalid: {command}"), last: false },
        }
        Reply { text: format!("OK {command}"), last: command == "EXIT" }
    }
}
