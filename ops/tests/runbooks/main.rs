//! The runbooks, held to the code: a page for each alarm and an alarm for each page, every command understood by the real tool
//! and carried out where that changes nothing, and no name on a page of something that does not exist.

mod insights;
mod page;
#[path = "../program/mod.rs"]
mod program;
mod world;

use std::collections::BTreeSet;

use expect_test::expect_file;
use page::{Command, Page, all, anchor, flat, pages, root};
use platform::telemetry::alarms::{self, Alarm, Severity, Strictness};
use platform::telemetry::series::{Series, Source};
use platform::telemetry::{catalogue, dashboards};
use world::{Worlds, is_here, verb};

const INDEX: &str = "README.md";
const FIRST: &str = "First five minutes";
const SECTIONS: [&str; 8] =
    ["Meaning", "Impact", FIRST, "Diagnose", "Mitigate", "Verify", "Escalate", "Why this threshold"];
const PROCEDURES: [&str; 6] = [
    "procedures/add-an-environment",
    "procedures/deploy-and-roll-back",
    "procedures/rebuild-compacted-state",
    "procedures/reset-offsets",
    "procedures/restore-the-table",
    "procedures/rotate-an-api-key",
];
/// What an operation of AWS is called that changes nothing.
const LOOKS: &[&str] = &["get-", "list-", "describe-", "tail", "wait"];
/// Operations of AWS that pages tell somebody to use and that change something.
const CHANGES_AT_AWS: &[&str] = &[
    "dynamodb restore-table-to-point-in-time",
    "lambda delete-function-concurrency",
    "lambda put-function-concurrency",
    "lambda update-alias",
    "lambda update-event-source-mapping",
    "lambda update-function-configuration",
];

/// The pages of alarms.
fn alarm_pages() -> Vec<Page> {
    pages("").into_iter().filter(|page| page.name != INDEX).collect()
}

fn alarm_of(page: &Page) -> Alarm {
    let found = alarms::all(Strictness::Strict).into_iter().find(|alarm| alarm.name == page.stem());
    found.unwrap_or_else(|| panic!("{}: there is no such alarm", page.name))
}

fn is_ours(command: &Command) -> bool {
    command.words[0].starts_with("ledger-")
}

fn has(command: &Command, option: &str) -> bool {
    command.words.iter().any(|word| word == option)
}

#[test]
fn each_alarm_has_a_page_and_each_page_an_alarm() {
    let names: BTreeSet<_> = alarms::all(Strictness::Strict).iter().map(|alarm| alarm.name.to_owned()).collect();
    let written: BTreeSet<_> = alarm_pages().iter().map(|page| page.stem().to_owned()).collect();
    assert_eq!(written, names);
    let procedures: Vec<_> = pages("procedures/").iter().map(|page| page.stem().to_owned()).collect();
    assert_eq!(procedures, PROCEDURES);
}

#[test]
fn the_pages_of_alarms_say_what_the_alarms_say_in_the_same_order() {
    for page in alarm_pages() {
        let (name, alarm, headings) = (&page.name, alarm_of(&page), page.headings());
        assert!(headings.first().is_some_and(|title| title.starts_with("# ")), "{name} has no title");
        let sections: Vec<_> = headings.iter().filter_map(|heading| heading.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{name}");
        assert_eq!(page.section("Meaning"), alarm.meaning, "{name}");
        let why = page.section("Why this threshold");
        assert!(why.contains(&flat(alarm.why)), "{name} gives another reason than: {}", alarm.why);
        let dashboard = format!("`eventledger-prod-{}`", alarm.dashboard);
        assert!(page.section(FIRST).contains(&dashboard), "{name} does not name {dashboard}");
    }
}

#[test]
fn the_panels_that_pages_name_are_on_their_dashboards() {
    let mut named = 0;
    for page in alarm_pages() {
        let (text, alarm) = (page.section(FIRST), alarm_of(&page));
        let dashboard = dashboards::all().into_iter().find(|dashboard| dashboard.name == alarm.dashboard);
        let panels = dashboard.expect("its dashboard").panels;
        for title in text.split("panel \"").skip(1).filter_map(|rest| rest.split('"').next()) {
            named += 1;
            assert!(panels.iter().any(|panel| panel.title == title), "{}: there is no panel {title}", page.name);
        }
    }
    assert!(named > 5, "too few panels were found");
}

#[test]
fn the_index_lists_every_alarm() {
    let severity = |severity: Severity| match severity {
        Severity::Page => "page",
        Severity::Ticket => "ticket",
        Severity::None => panic!("an alarm that tells nobody"),
    };
    let mut table = "| alarm | strict | lenient | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for (strict, lenient) in alarms::all(Strictness::Strict).iter().zip(alarms::all(Strictness::Lenient)) {
        assert_eq!(strict.name, lenient.name);
        let (name, meaning) = (strict.name, strict.meaning);
        let told = [strict.severity, lenient.severity].map(severity).join(" | ");
        table.push_str(&format!("| [{name}]({name}.md) | {told} | {meaning} |\n"));
    }
    let (begin, end) = ("<!-- alarms -->\n", "<!-- end -->");
    let text = std::fs::read_to_string(root().join("runbooks").join(INDEX)).expect("the index");
    let (before, rest) = text.split_once(begin).expect("a place for the table");
    let (_, after) = rest.split_once(end).expect("its end");
    expect_file!["../../../runbooks/README.md"].assert_eq(&format!("{before}{begin}{table}{end}{after}"));
}

#[test]
fn every_command_is_one() {
    let justfile = std::fs::read_to_string(root().join("justfile")).expect("the justfile");
    let recipes: BTreeSet<_> = justfile
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains(':'))
        .filter_map(|line| line.split([' ', ':']).next())
        .collect();
    for command in all().iter().flat_map(Page::commands) {
        let (place, words) = (&command.place, &command.words);
        match words[0].as_str() {
            "just" => assert!(recipes.contains(words[1].as_str()), "{place}: there is no recipe {}", words[1]),
            "aws" => {
                let operation = words[1..3].join(" ");
                let is_known = looks(&command) || CHANGES_AT_AWS.contains(&operation.as_str());
                assert!(is_known, "{place}: {operation} is not among those that pages use");
            }
            "tofu" => assert!(words.iter().all(|word| is_made(word)), "{place}: nothing of that name is made"),
            "curl" | "cp" | "cargo" | "export" => {}
            word if word.starts_with("URL=") || word.starts_with("KEY=") => {}
            _ => ops::understands(words).unwrap_or_else(|error| panic!("{place}: {error}")),
        }
    }
}

/// Whether infrastructure code makes what a word of a command is the address of, as in `module.table.aws_dynamodb_table.this`;
/// other words are let through.
fn is_made(word: &str) -> bool {
    let parts: Vec<_> = word.split('.').collect();
    let ["module", _, "module", module, kind, name] = parts[..] else { return !word.starts_with("module.") };
    let file = root().join(format!("infra/modules/{module}/main.tf"));
    std::fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("resource \"{kind}\" \"{name}\" {{")))
}

/// Whether a command of AWS changes nothing.
fn looks(command: &Command) -> bool {
    LOOKS.iter().any(|look| command.words[2].starts_with(look))
}

#[test]
fn the_first_five_minutes_change_nothing() {
    for command in alarm_pages().iter().flat_map(Page::commands).filter(|command| command.section == FIRST) {
        let place = &command.place;
        assert!(!has(&command, "--execute"), "{place} writes");
        match command.words[0].as_str() {
            "aws" => assert!(looks(&command), "{place} changes something"),
            "curl" => {
                let sends =
                    ["-X", "-d", "--request", "--data", "--json"].into_iter().find(|option| has(&command, option));
                assert_eq!(sends, None, "{place} sends something");
            }
            _ => assert!(is_ours(&command), "{place}: it is not known what that does"),
        }
    }
}

#[test]
fn nothing_is_executed_that_was_not_shown_before() {
    for page in all() {
        let mut shown = BTreeSet::new();
        for command in page.commands().into_iter().filter(is_ours) {
            let place = &command.place;
            if !has(&command, "--execute") {
                shown.insert(command.words);
                continue;
            }
            let mut plan = Vec::new();
            let mut words = command.words.iter();
            while let Some(word) = words.next() {
                match word.as_str() {
                    "--execute" => {}
                    "--reason" | "--confirm" | "--operator" => {
                        words.next();
                    }
                    _ => plan.push(word.clone()),
                }
            }
            assert!(shown.contains(&plan), "{place} is not shown as a plan before: {}", plan.join(" "));
            assert!(has(&command, "--reason"), "{place} gives no reason");
            let is_protected = has(&command, "prod");
            assert_eq!(has(&command, "--confirm"), is_protected, "{place}: only prod is confirmed");
        }
    }
}

#[test]
fn every_command_that_changes_nothing_is_carried_out() {
    let worlds = Worlds::new();
    let commands: Vec<_> = all().iter().flat_map(Page::commands).filter(is_ours).collect();
    let (mut seen, mut only_parsed) = (BTreeSet::new(), BTreeSet::new());
    for command in &commands {
        if !is_here(&command.words) {
            only_parsed.insert(command.words.join(" "));
        } else if seen.insert(&command.words) {
            let done = worlds.run(command);
            let as_expected = match (command.exits, verb(&command.words)) {
                (Some(code), _) => done.code == Some(code),
                (None, "check") => matches!(done.code, Some(0 | 10 | 11)),
                (None, _) => done.code == Some(0),
            };
            assert!(as_expected, "{}: {} ends with {done:?}", command.place, command.words.join(" "));
        }
    }
    println!("{} commands were carried out; these were only parsed:", seen.len());
    only_parsed.iter().for_each(|command| println!("  {command}"));
}

#[test]
fn every_metric_exists() {
    let of_aws = |series: &Series| match series.source {
        Source::Ours(metric, _) => metric.name,
        Source::Function { metric, .. } | Source::Table { metric } => metric,
    };
    let mut known: BTreeSet<_> = catalogue::ALL.iter().map(|metric| metric.name).collect();
    for alarm in alarms::all(Strictness::Strict) {
        known.extend(alarm.rule.conditions().flat_map(|condition| &condition.terms).map(|(_, series)| of_aws(series)));
    }
    let dashboards = dashboards::all();
    let panels = dashboards.iter().flat_map(|dashboard| &dashboard.panels);
    known.extend(panels.flat_map(|panel| &panel.lines).map(|(_, series)| of_aws(series)));
    let looks_like_one = |name: &&String| {
        let capitals = name.bytes().filter(u8::is_ascii_uppercase).count();
        let begins = name.starts_with(|first: char| first.is_ascii_uppercase());
        begins && capitals > 1 && name.bytes().all(|byte| byte.is_ascii_alphabetic()) && **name != name.to_uppercase()
    };
    for page in all() {
        for name in page.names().iter().filter(looks_like_one) {
            assert!(known.contains(name.as_str()), "{}: there is no metric {name}", page.name);
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    for page in all() {
        for link in page.links().iter().filter(|link| !link.contains("://")) {
            let (file, wanted) = link.split_once('#').map_or((link.as_str(), None), |(file, name)| (file, Some(name)));
            let here = root().join("runbooks").join(&page.name);
            let path = if file.is_empty() { here } else { here.parent().expect("a folder").join(file) };
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {link}: {error}", page.name));
            let mut anchors = text.lines().filter(|line| line.starts_with('#')).map(anchor);
            assert!(wanted.is_none_or(|wanted| anchors.any(|name| name == wanted)), "{}: {link}", page.name);
        }
    }
}

#[test]
fn queries_ask_for_properties_that_lines_have() {
    let known = insights::known();
    let mut queries = 0;
    for (place, query) in all().iter().flat_map(Page::queries) {
        queries += 1;
        let unknown: Vec<_> = insights::named(&query).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{place}: no line has {unknown:?}");
    }
    assert!(queries > 0, "there are no queries: are they found?");
}
