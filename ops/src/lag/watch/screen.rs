//! The terminal: taken as a whole, given back whatever happens, and its keys.

use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::draw::draw;
use super::view::View;
use crate::failure::{Failure, Result};

/// How long keys are waited for before it is asked whether anybody still wants them.
const PATIENCE: Duration = Duration::from_millis(100);
/// Keys that are kept for a loop that is busy.
const KEPT: usize = 16;

/// What somebody wants by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Press {
    /// To leave.
    Leave,
    /// To see so many lines further down, or up.
    Move(isize),
    /// To see so many pages further down, or up.
    Page(isize),
    /// To hold what is seen, and to go on.
    Pause,
    /// To see it drawn again, as after another size.
    Redraw,
}

/// A terminal that is ours until this is dropped; a panic gives it back too, before it is told.
#[derive(Debug)]
pub(super) struct Screen(DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

impl Screen {
    pub(super) fn open() -> Result<Self> {
        ratatui::try_init().map(Self).map_err(|error| {
            // It may be half taken.
            ratatui::restore();
            Failure::Failed(format!("the terminal cannot be drawn on: {error}"))
        })
    }

    /// Draws a view, and tells how many of its lines fit.
    pub(super) fn show(&mut self, view: &View, colour: bool) -> Result<usize> {
        let mut visible = 0;
        let drawn = self.0.draw(|frame| visible = draw(frame, view, colour));
        drawn.map(|_| visible).map_err(|error| Failure::Failed(format!("the terminal cannot be drawn on: {error}")))
    }
}

/// The keys, read beside everything else until nobody listens.
pub(super) fn presses() -> Receiver<Press> {
    let (sender, receiver) = channel(KEPT);
    tokio::task::spawn_blocking(move || read(&sender));
    receiver
}

fn read(sender: &Sender<Press>) {
    while !sender.is_closed() {
        let press = match event::poll(PATIENCE) {
            Ok(false) => continue,
            Ok(true) => event::read().map(|event| press(&event)),
            Err(error) => Err(error),
        };
        match press {
            Ok(None) => {}
            Ok(Some(press)) if sender.blocking_send(press).is_ok() => {}
            Ok(Some(_)) | Err(_) => return,
        }
    }
}

fn press(event: &Event) -> Option<Press> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => of_key(*key),
        Event::Resize(..) => Some(Press::Redraw),
        _ => None,
    }
}

fn of_key(key: KeyEvent) -> Option<Press> {
    match key.code {
        // A terminal that is taken makes no signal of it.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Press::Leave),
        KeyCode::Char('q') | KeyCode::Esc => Some(Press::Leave),
        KeyCode::Char('p' | ' ') => Some(Press::Pause),
        KeyCode::Char('j') | KeyCode::Down => Some(Press::Move(1)),
        KeyCode::Char('k') | KeyCode::Up => Some(Press::Move(-1)),
        KeyCode::PageDown => Some(Press::Page(1)),
        KeyCode::PageUp => Some(Press::Page(-1)),
        KeyCode::Home => Some(Press::Move(isize::MIN)),
        KeyCode::End => Some(Press::Move(isize::MAX)),
        _ => None,
    }
}
