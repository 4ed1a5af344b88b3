//! What a watch shows, recorded as `runbooks/watch.txt` for people who read about it before they need it. `UPDATE_EXPECT=1`
//! records it again.

use expect_test::expect_file;
use ledger::model::{StreamName, SubscriptionName};
use ledger::{Lag, Observation, PartitionObservation, Status, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::super::observe::Seen;
use super::draw::draw;
use super::screen::Press;
use super::view::{Rows, View};
use crate::failure::Failure;

const EVERY_MS: u64 = 5_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Looks that are taken.
const LOOKS: u64 = 16;
/// The one that the table does not answer.
const SILENT: u64 = 9;

fn begun() -> Timestamp {
    Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
}

/// Where a subscription stands in a partition: committed, tail, lag in milliseconds.
type Stand = (u64, u64, u64);

fn observation(names: (&str, &str), status: Status, at: Timestamp, stands: &[Stand]) -> Observation {
    let partition = |(partition, (committed, tail, ms)): (u16, &Stand)| PartitionObservation {
        partition,
        committed: *committed,
        tail: *tail,
        lag: Lag { events: tail - committed, ms: *ms },
        headroom_ms: (tail > committed).then(|| (7 * DAY_MS).saturating_sub(*ms)),
    };
    let partitions: Vec<_> = (0..).zip(stands).map(partition).collect();
    Observation {
        stream: StreamName::parse(names.0).unwrap(),
        subscription: SubscriptionName::parse(names.1).unwrap(),
        observed_at: at,
        status,
        in_snapshot: false,
        generation: 1,
        created_at: Timestamp(0),
        begun_at: Timestamp(0),
        last_poll_at: None,
        commits: Vec::new(),
        retention_ms: 7 * DAY_MS,
        lag: Lag {
            events: partitions.iter().map(|one| one.lag.events).sum(),
            ms: partitions.iter().map(|one| one.lag.ms).max().unwrap_or(0),
        },
        headroom_ms: partitions.iter().filter_map(|one| one.headroom_ms).min(),
        partitions,
    }
}

/// What a look sees: readers of every kind.
fn seen(look: u64) -> Seen {
    let at = begun().plus(look * EVERY_MS);
    let of = |names, status, stands: &[Stand]| observation(names, status, at, stands);
    let (orders, ms) = (48_000 + 200 * look, look * EVERY_MS);
    let swings = [0, 40, 120, 20, 0, 0, 60, 10][usize::try_from(look).unwrap() % 8];
    let observations = vec![
        of(("orders", "archive"), Status::Lost, &[(1_204, orders, 7 * DAY_MS + ms), (orders, orders, 0)]),
        of(("orders", "billing"), Status::Stall, &[(44_871, orders, HOUR_MS + ms), (47_100, orders, HOUR_MS / 2)]),
        of(
            ("orders", "shipping"),
            Status::Ok,
            &[(39_000 + 700 * look, orders, 240_000 - 5 * ms / 2), (orders, orders, 0)],
        ),
        of(("payments", "fraud-check"), Status::Ok, &[(9_000 + 90 * look - swings, 9_000 + 90 * look, 10 * swings)]),
        of(
            ("payments", "reconciliation-of-yesterday"),
            Status::Warn,
            &[(2_000 + 20 * look, 6_000 + 90 * look, 900_000 + ms)],
        ),
        of(("refunds", "mail"), Status::Idle, &[(310, 310, 0)]),
    ];
    Seen { observations, left_out: Vec::new() }
}

fn watched(of: Rows) -> View {
    let mut view = View::new("prod", EVERY_MS, of);
    for look in 0..LOOKS {
        let told =
            if look == SILENT { Err(Failure::Failed("the table does not answer".to_owned())) } else { Ok(seen(look)) };
        view.take(begun().plus(look * EVERY_MS), told);
    }
    view
}

fn drawn(view: &View, height: u16, colour: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(100, height)).unwrap();
    let paint = |frame: &mut ratatui::Frame<'_>| {
        draw(frame, view, colour);
    };
    terminal.draw(paint).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let line = |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    buffer.content.chunks(width).map(|cells| line(cells).trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_watch_looks_as_recorded() {
    expect_file!["../../../../runbooks/watch.txt"].assert_eq(&text(&drawn(&watched(Rows::Subscriptions), 16, false)));
}

#[test]
fn positions_are_told_apart_and_what_is_unseen_is_told() {
    let mut view = watched(Rows::Partitions);
    view.take(begun(), Err(Failure::Failed("the table does not answer".to_owned())));
    let shown = text(&drawn(&view, 10, false));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].contains("1 to 6 of 9 positions"), "{shown}");
    assert_eq!(lines[1], "! the table does not answer");
    assert!(lines[2].contains("PARTITION"), "{shown}");
    // Worst first, and the last look's rows are kept.
    assert!(lines[3].starts_with("orders") && lines[3].contains(" LOST ") && lines[3].contains(" 7d "), "{shown}");
    // As low as it is there is room for the keys, and not for what everything means.
    assert!(lines[9].starts_with("q leave") && !shown.contains("BEHIND age"), "{shown}");

    view.press(Press::Page(1), 6);
    view.press(Press::Page(1), 6);
    assert_eq!(view.top, 3, "no further than the last page");
    assert!(text(&drawn(&view, 10, false)).contains("4 to 9 of 9 positions"));
    view.press(Press::Move(-1), 6);
    assert_eq!(view.top, 2);
    view.press(Press::Move(isize::MIN), 6);
    assert_eq!(view.top, 0);
}

#[test]
fn who_is_gone_has_no_row_and_who_was_only_not_seen_has_a_gap() {
    let mut view = watched(Rows::Subscriptions);
    let mail = view.rows.last().cloned().unwrap();
    let trend = |view: &View| view.trend(&mail).collect::<Vec<_>>();
    let silent = usize::try_from(LOOKS - 1 - SILENT).unwrap();
    assert_eq!(
        (mail.subscription.as_str(), trend(&view)[silent - 1..=silent + 1].to_vec()),
        ("mail", vec![Some(0), None, Some(0)])
    );

    let mut part = seen(LOOKS);
    part.observations.retain(|seen| seen.subscription.as_str() != "mail");
    part.left_out.push("refunds was left out".to_owned());
    view.take(begun(), Ok(part.clone()));
    assert_eq!(trend(&view)[..2], [None, Some(0)]);
    part.left_out.clear();
    view.take(begun(), Ok(part));
    assert_eq!((trend(&view), view.rows.len()), (Vec::new(), 5));
}

#[test]
fn only_who_may_is_coloured() {
    let view = watched(Rows::Subscriptions);
    let colours = |may: bool| {
        let buffer = drawn(&view, 16, may);
        buffer.content.iter().map(|cell| cell.fg).filter(|colour| *colour != Color::Reset).collect::<Vec<_>>()
    };
    assert!(colours(false).is_empty());
    for colour in [Color::Red, Color::Yellow, Color::Green] {
        assert!(colours(true).contains(&colour), "{colour}");
    }
}
