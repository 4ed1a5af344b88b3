//! The house rules that a machine can hold: who imports whom, how files begin and how long they are, and what never
//! stays in the repository. Each failure names the file and the rule.

mod clauses;
mod files;
mod imports;
