//! Standard output and error, and whether they show colours.

use std::io::{IsTerminal, Write};

use flowgate_base::error::{Error, Result};
use flowgate_base::{shown, standard_error};

/// Whether messages on standard error are coloured: on a terminal, unless NO_COLOR is set.
pub(crate) fn stderr_has_colour() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    !no_colour && std::io::stderr().is_terminal()
}

/// Writes a result to standard output. For a terminal, control characters in it are replaced.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let text = if out.is_terminal() { shown::lines(text) } else { text.into() };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Error::io("cannot write to stdout", &e))
}

/// Writes a message to standard error. Control characters from plugins and data are replaced.
pub(crate) fn message(text: &str) {
    standard_error::flush();
    // Where standard error is closed, nobody reads messages.
    let _ = std::io::stderr().lock().write_all(shown::painted(text).as_bytes());
}

/// Returns the cells in a line of standard output's terminal, if it is one.
pub(crate) fn width() -> Option<u16> {
    columns(std::io::stdout())
}

/// Returns the cells in a line of standard error's terminal, if it is one.
pub(crate) fn stderr_width() -> Option<u16> {
    columns(std::io::stderr())
}

fn columns(of: impl std::os::fd::AsFd) -> Option<u16> {
    rustix::termios::tcgetwinsize(of).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}

/// Erases the line of the cursor.
const ERASE: &str = "\r\x1b[2K";

/// A line that is drawn over itself.
pub(crate) struct Line {
    shows: bool,
    is_drawn: bool,
}

impl Line {
    /// A line on standard error. `shows`: whether it is drawn at all.
    pub(crate) fn on_stderr(shows: bool) -> Line {
        Line { shows, is_drawn: false }
    }

    /// Draws this text over the one before, as much of it as has room.
    pub(crate) fn draw(&mut self, text: &str) {
        if self.shows {
            let cells = usize::from(stderr_width().unwrap_or(80)).saturating_sub(1);
            put(&format!("{ERASE}{}", text.chars().take(cells).collect::<String>()));
            self.is_drawn = true;
        }
    }

    /// Erases the line.
    pub(crate) fn erase(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            put(ERASE);
        }
    }
}

/// Writes to the terminal; that the line cannot be shown does not matter to what it tells of.
fn put(text: &str) {
    use std::io::Write;
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
