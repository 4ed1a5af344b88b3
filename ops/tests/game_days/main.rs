//! Game days: something breaks on a small EventLedger, and everything that operators have for it is held against that. The alarm
//! of the matter goes off, judged from the lines that the services wrote, and wakes nobody for anything else; the commands of
//! its page run, with the real programs on the same table; and afterwards the alarm is silent again.
//!
//! A day takes moments: its clock is moved. It begins so long ago that it is now when the programs run, which take the time
//! from the machine.

mod cloudwatch;
mod days;
#[path = "../program/mod.rs"]
mod program;
mod runbook;
mod world;
