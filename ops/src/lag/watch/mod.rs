//! The watch: a live view on a terminal, worst first, for whoever waits for a reader to catch up.
//!
//! What is seen is kept in `view`, how it looks in `draw`, a pure function of it, and the terminal itself in `screen`. Here is
//! the loop: a look, a pause, and keys in between, which never wait for the table.

mod draw;
#[cfg(test)]
mod recorded;
mod screen;
mod view;

use std::io::IsTerminal;

use super::observe::Selection;
use super::stop::Stop;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::options::{Common, Format};
use crate::time::Duration;
use screen::{Press, Screen};
use view::{Rows, View};

/// Shows how subscriptions do, over and over.
#[derive(Clone, Debug, clap::Args)]
pub struct Watch {
    #[command(flatten)]
    selection: Selection,
    /// How long to wait between two looks, as in 2s
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    every: Duration,
    /// A line for each partition, not for each subscription
    #[arg(long)]
    partitions: bool,
}

impl Watch {
    pub(super) async fn run(self, common: &Common) -> Result<Exit> {
        if common.output != Format::Table {
            return Err(Failure::Usage("watch draws for people; use `report` for JSON and CSV".to_owned()));
        }
        if !std::io::stdout().is_terminal() {
            let what = "watch draws on a terminal, and standard output is none";
            return Err(Failure::Refused(format!("{what}; use `report`, which prints the same once")));
        }
        let desk = &Desk::open(common).await?;
        let rows = if self.partitions { Rows::Partitions } else { Rows::Subscriptions };
        let mut view = View::new(&desk.environment.name, self.every.0, rows);
        // What is wrong from the start is told as by every other verb, before the screen is taken.
        let first = self.selection.observe(desk).await?;
        view.take(desk.ledger.clock().now(), Ok(first));
        self.watch(desk, &mut view).await
    }

    async fn watch(&self, desk: &Desk, view: &mut View) -> Result<Exit> {
        let colour = platform::config::may_colour();
        let mut stop = Stop::listen()?;
        let mut screen = Screen::open()?;
        let mut presses = screen::presses();
        let look = || async {
            desk.ledger.clock().sleep(self.every.0).await;
            self.selection.observe(desk).await
        };
        let mut next = Box::pin(look());
        loop {
            let visible = screen.show(view, colour)?;
            tokio::select! {
                () = stop.told() => return Ok(Exit::Done),
                press = presses.recv() => match press {
                    // Whose terminal is gone cannot watch any more.
                    None | Some(Press::Leave) => return Ok(Exit::Done),
                    Some(press) => view.press(press, visible),
                },
                seen = &mut next, if !view.is_paused => {
                    view.take(desk.ledger.clock().now(), seen);
                    next = Box::pin(look());
                }
            }
        }
    }
}
