//! Texts that are not to be seen: asked for without echo, or read from standard input.

use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::limits::SECRET_BYTES_MAX;
use crate::error::CommandError;
use crate::terminal;
use flowgate_base::error::{Error, Result};

/// The exit code of a program that was interrupted.
pub(super) const INTERRUPTED: i32 = 130;

/// Returns a text: asked for on a terminal, otherwise all of standard input without its last line end.
///
/// # Errors
/// Standard input cannot be read, is too long, or is no text.
pub(super) fn read(question: &str) -> Result<String> {
    if io::stdin().is_terminal() { asked(question) } else { piped() }
}

/// Returns standard input without its last line end.
///
/// # Errors
/// As for [`read`].
pub(super) fn piped() -> Result<String> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|e| Error::io("cannot read standard input", &e))?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        let message = format!("standard input has more than {SECRET_BYTES_MAX} bytes");
        return Err(CommandError::Arguments(message).into());
    }
    // The error of the conversion has the text in it.
    let text = String::from_utf8(bytes).map_err(|_| CommandError::Arguments("standard input is not UTF-8".into()))?;
    Ok(without_line_end(&text).into())
}

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Asks a question on the terminal, and returns the line that is typed unseen.
fn asked(question: &str) -> Result<String> {
    let failed = |e: &io::Error| Error::io("cannot read from the terminal", e);
    let quiet = Quiet::new().map_err(|e| failed(&e))?;
    terminal::message(question);
    let mut line = Line::default();
    let typed = loop {
        let mut byte = [0];
        match io::stdin().lock().read(&mut byte) {
            Ok(0) => break Key::End,
            Ok(_) => match line.take(byte[0]) {
                Key::More => {}
                key => break key,
            },
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(&e)),
        }
    };
    drop(quiet);
    terminal::message("\n");
    if typed == Key::Interrupt {
        std::process::exit(INTERRUPTED);
    }
    String::from_utf8(line.bytes).map_err(|_| CommandError::Arguments("what was typed is not UTF-8".into()).into())
}

/// What a key does.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    More,
    End,
    Interrupt,
}

/// A line that is typed, without the terminal's help.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
}

impl Line {
    fn take(&mut self, byte: u8) -> Key {
        const INTERRUPT: u8 = 3;
        const END: u8 = 4;
        const BACKSPACE: u8 = 8;
        const KILL_LINE: u8 = 21;
        const DELETE: u8 = 127;
        match byte {
            b'\n' | b'\r' | END => return Key::End,
            INTERRUPT => return Key::Interrupt,
            BACKSPACE | DELETE => {
                let start = self.bytes.iter().rposition(|byte| !(0x80..0xC0).contains(byte)).unwrap_or(0);
                self.bytes.truncate(start);
            }
            KILL_LINE => self.bytes.clear(),
            _ if self.bytes.len() as u64 >= SECRET_BYTES_MAX => {}
            byte => self.bytes.push(byte),
        }
        Key::More
    }
}

/// The terminal shows nothing that is typed, until this is dropped. Ctrl-C is a key, so that it cannot end the program meanwhile.
struct Quiet {
    before: Termios,
}

impl Quiet {
    fn new() -> io::Result<Quiet> {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(stdin.as_fd(), OptionalActions::Flush, &quiet)?;
        Ok(Quiet { before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> (String, Key) {
        let mut line = Line::default();
        let end = bytes.iter().map(|byte| line.take(*byte)).find(|key| *key != Key::More).unwrap_or(Key::More);
        (String::from_utf8(line.bytes).unwrap(), end)
    }

    #[test]
    fn a_line_is_typed_as_on_any_terminal() {
        assert_eq!(typed(b"abc\n"), ("abc".into(), Key::End));
        assert_eq!(typed(b"abx\x7fc\r"), ("abc".into(), Key::End));
        assert_eq!(typed("aé\x7f\x08\x08b\n".as_bytes()), ("b".into(), Key::End));
        assert_eq!(typed(b"wrong\x15right\n"), ("right".into(), Key::End));
        assert_eq!(typed(b"abc\x03"), ("abc".into(), Key::Interrupt));
        assert_eq!(typed(b"abc\x04"), ("abc".into(), Key::End));
    }

    #[test]
    fn one_line_end_is_not_part_of_a_text() {
        assert_eq!(["a\n", "a\r\n", "a", "a\n\n", " a "].map(without_line_end), ["a", "a", "a", "a\n", " a "]);
    }
}
