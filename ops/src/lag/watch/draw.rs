//! How a view looks: a line of what is seen, the columns of the report with the trend of lag beside them, and what they mean.
//! A pure function of the view and of the size of the screen.

use ledger::Status;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{RenderDirection, Sparkline, Widget};

use super::super::report::LagRow;
use super::view::{LOOKS, Rows, View};
use crate::output::Row;
use crate::time::short;

/// Where the row of the report says which partition it is.
const PARTITION: usize = 2;
const STATUS: &str = "status";
/// What the trend is called.
const TREND: &str = "last looks";
/// How much of what could not be seen is told.
const TROUBLES: usize = 2;
const GAP: u16 = 1;
/// Lines of a screen that is too low for the meaning of everything.
const LOW: u16 = 15;

const MEANING: [&str; 6] = [
    "COMMITTED TAIL the first offset that is not committed, and not written; of all partitions added up",
    "LAG events that are not committed   BEHIND age of the first of them   HEADROOM until it expires",
    "IN/S OUT/S events that came and were committed since the look before   ETA caught up, at this speed",
    "LAST LOOKS lag at each of them, the newest on the right, as a share of the row's own highest",
    "LOST events expired unread   STOP no polls, no commits   STALL polls, no commits   WARN falls behind",
    KEYS,
];
const KEYS: &str = "q leave   p pause   ↑ ↓ PgUp PgDn Home End scroll";

/// Draws a view, and tells how many of its rows there is room for.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View, colour: bool) -> usize {
    let area = frame.area();
    let meaning = if area.height < LOW { &MEANING[MEANING.len() - 1..] } else { &MEANING[..] };
    let lines = |count: usize| Constraint::Length(u16::try_from(count).unwrap_or(u16::MAX));
    let troubles = view.trouble.len().min(TROUBLES);
    let parts = [lines(1), lines(troubles), lines(1), Constraint::Fill(1), lines(meaning.len())];
    let [title, trouble, names, rows, footer] = Layout::vertical(parts).areas(area);
    let visible = usize::from(rows.height);
    let top = view.top.min(view.rows.len().saturating_sub(visible));
    let buffer = frame.buffer_mut();

    let bold = Style::new().add_modifier(Modifier::BOLD);
    Line::styled(headline(view, top, visible), bold).render(title, buffer);
    for (line, told) in trouble.rows().zip(&view.trouble) {
        Line::styled(format!("! {told}"), if colour { bold.fg(Color::Red) } else { bold }).render(line, buffer);
    }
    let columns = Columns::of(view, area.width);
    columns.name(names, buffer);
    for (line, row) in rows.rows().zip(view.rows.iter().skip(top)) {
        columns.draw(view, row, line, buffer, colour);
    }
    for (line, text) in footer.rows().zip(meaning) {
        Line::styled(*text, Style::new().add_modifier(Modifier::DIM)).render(line, buffer);
    }
    visible
}

fn headline(view: &View, top: usize, visible: usize) -> String {
    let count = view.rows.len();
    let what = match (view.of, count) {
        (Rows::Subscriptions, 1) => "subscription",
        (Rows::Subscriptions, _) => "subscriptions",
        (Rows::Partitions, 1) => "position",
        (Rows::Partitions, _) => "positions",
    };
    let shown = if count > visible {
        format!("{} to {} of {count} {what}", top + 1, (top + visible).min(count))
    } else {
        format!("{count} {what}")
    };
    let pause = if view.is_paused { ", PAUSED" } else { "" };
    let every = short(view.every_ms);
    format!("EventLedger {}: {shown}, worst first, at {}, every {every}{pause}", view.environment, view.looked_at)
}

/// The columns: how wide each is, the trend as the last.
struct Columns {
    of: Rows,
    /// Without the trend's.
    names: Vec<&'static str>,
    widths: Vec<u16>,
}

impl Columns {
    /// As wide as what is in them. Only names are cut where there is no room, and never a number.
    fn of(view: &View, width: u16) -> Self {
        let names = without(view.of, LagRow::COLUMNS.to_vec());
        let mut widths: Vec<u16> = names.iter().map(|name| wide(name)).collect();
        for row in &view.rows {
            for (width, cell) in widths.iter_mut().zip(without(view.of, row.cells())) {
                *width = wide(&cell).max(*width);
            }
        }
        let numbers: u16 = widths.iter().skip(2).sum();
        let gaps = GAP * u16::try_from(widths.len()).unwrap_or(0);
        let free = width.saturating_sub(numbers + gaps);
        let for_names = free.saturating_sub(wide(TREND));
        let stream = widths[0].min((for_names * 2 / 5).max(for_names.saturating_sub(widths[1])));
        let subscription = widths[1].min(for_names - stream);
        (widths[0], widths[1]) = (stream, subscription);
        widths.push((free - stream - subscription).min(u16::try_from(LOOKS).unwrap_or(u16::MAX)));
        Self { of: view.of, names, widths }
    }

    fn areas(&self, line: Rect) -> std::rc::Rc<[Rect]> {
        let widths = self.widths.iter().map(|width| Constraint::Length(*width));
        Layout::horizontal(widths).spacing(GAP).flex(Flex::Start).split(line)
    }

    fn name(&self, line: Rect, buffer: &mut Buffer) {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        for (area, name) in self.areas(line).iter().zip(self.names.iter().chain([&TREND])) {
            aligned(name, Line::styled(cut(&name.to_uppercase(), area.width), bold)).render(*area, buffer);
        }
    }

    fn draw(&self, view: &View, row: &LagRow, line: Rect, buffer: &mut Buffer, colour: bool) {
        let areas = self.areas(line);
        let style = if colour { style(row.status) } else { Style::new() };
        for ((area, name), cell) in areas.iter().zip(&self.names).zip(without(self.of, row.cells())) {
            let style = if *name == STATUS { style } else { Style::new() };
            aligned(name, Line::styled(cut(&cell, area.width), style)).render(*area, buffer);
        }
        let Some(area) = areas.last() else { return };
        let lags: Vec<Option<u64>> = view.trend(row).take(usize::from(area.width)).collect();
        let most = lags.iter().flatten().max().copied().unwrap_or(0);
        let trend = Sparkline::default().data(lags).max(most.max(1)).direction(RenderDirection::RightToLeft);
        trend.absent_value_symbol("·").style(style).render(*area, buffer);
    }
}

/// The cells of a row of the report, without the partition where it is all of them.
fn without<T>(of: Rows, mut cells: Vec<T>) -> Vec<T> {
    if of == Rows::Subscriptions {
        cells.remove(PARTITION);
    }
    cells
}

/// Words begin on the left, numbers and trends end on the right.
fn aligned<'a>(column: &str, line: Line<'a>) -> Line<'a> {
    if matches!(column, "stream" | "subscription" | STATUS) { line } else { line.right_aligned() }
}

fn wide(text: &str) -> u16 {
    u16::try_from(text.chars().count()).unwrap_or(u16::MAX)
}

/// A text within a width; one that is cut says so.
fn cut(text: &str, width: u16) -> String {
    if wide(text) <= width {
        return text.to_owned();
    }
    let kept = usize::from(width.saturating_sub(1));
    text.chars().take(kept).chain((width > 0).then_some('…')).collect()
}

fn style(status: Status) -> Style {
    match status {
        Status::Lost => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        Status::Stop | Status::Stall => Style::new().fg(Color::Red),
        Status::Warn | Status::Rewind => Style::new().fg(Color::Yellow),
        Status::Ok => Style::new().fg(Color::Green),
        Status::Idle => Style::new().fg(Color::DarkGray),
    }
}
