//! The loop: keys and news in, pictures out.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use signal_hook::consts::{SIGHUP, SIGTERM};

use super::super::session::Target;
use super::feed;
use super::model::{Effect, Key, Model};
use super::view;
use crate::error::CommandError;

/// Time for which a key is waited for. Ages of checkpoints are drawn anew at least twice a second.
const KEY_WITHIN: Duration = Duration::from_millis(100);
const DRAW_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn run(target: &Target) -> Result<()> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let message = "`flowgate top` needs a terminal; `flowgate job list --json` is for programs";
        return Err(CommandError::Arguments(message.into()).into());
    }
    let session = Arc::new(target.session()?);
    let tenant = session.tenant()?;
    let path = session.path(&[])?;
    // What is wrong with the token or the tenant is said before the screen is taken.
    session.client.get::<flowgate_api::tenant::Tenant>(&path)?;
    let mut model = Model { tenant, node: session.client.url().into(), ..Model::default() };
    let (to, news) = channel();
    let (watch, wanted) = channel();
    feed::jobs(Arc::clone(&session), format!("{path}/events"), to.clone())?;
    feed::details(session, path, wanted, to)?;
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        let handler = signal_hook::flag::register(signal, Arc::clone(&ended));
        handler.map_err(|e| Error::io("cannot handle signals", &e))?;
    }
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let failed = |e: &std::io::Error| Error::io("cannot draw on the terminal", e);
    // From here on, the terminal is restored whatever happens: ratatui's hook does it after a panic.
    let mut terminal = ratatui::try_init().map_err(|e| failed(&e))?;
    let _restored = Restored;
    let mut drawn_at = None;
    loop {
        let mut is_new = drawn_at.is_none_or(|at: std::time::Instant| at.elapsed() >= DRAW_EVERY);
        for of in news.try_iter() {
            model.learn(of);
            is_new = true;
        }
        if is_new {
            terminal.draw(|frame| view::draw(frame, &model, clock::now_ms(), !no_colour)).map_err(|e| failed(&e))?;
            drawn_at = Some(clock::monotonic());
        }
        if ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !event::poll(KEY_WITHIN).map_err(|e| failed(&e))? {
            continue;
        }
        // Whatever happens on the terminal, a change of its size too, it is drawn again.
        drawn_at = None;
        let Event::Key(pressed) = event::read().map_err(|e| failed(&e))? else { continue };
        match key(pressed).map(|key| model.press(key)) {
            Some(Effect::Quit) => return Ok(()),
            // Without that thread, there are no details.
            Some(Effect::Watch(job)) => drop(watch.send(job)),
            Some(Effect::Draw) | None => {}
        }
    }
}

/// Gives the terminal back.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn key(pressed: KeyEvent) -> Option<Key> {
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    let control = pressed.modifiers.contains(KeyModifiers::CONTROL);
    Some(match pressed.code {
        KeyCode::Char('c' | 'd') if control => Key::Quit,
        KeyCode::Char('q') => Key::Quit,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::First,
        KeyCode::End => Key::Last,
        KeyCode::Enter | KeyCode::Right => Key::Open,
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => Key::Back,
        _ => return None,
    })
}
