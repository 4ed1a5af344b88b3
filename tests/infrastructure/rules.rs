//! The rules of the house for infrastructure code. Each failure names the file and the rule.

use std::collections::{BTreeMap, BTreeSet};

use ::hcl::expr::Expression;
use ::hcl::structure::{Block, Body};

use crate::hcl::{File, all, attribute, expressions, members, name, words};

/// The modules, each with its files.
fn modules(files: &[File]) -> BTreeMap<&str, Vec<&File>> {
    let mut modules: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.ends_with(".tf")) {
        modules.entry(file.module()).or_default().push(file);
    }
    modules
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    for file in all() {
        assert!(file.text.starts_with("# "), "{}", file.path);
    }
}

#[test]
fn environments_differ_in_their_settings_only() {
    let files = all();
    let mains: Vec<_> =
        files.iter().filter(|file| file.path.starts_with("environments/") && file.path.ends_with("/main.tf")).collect();
    assert!(mains.len() >= 2, "too few environments were found");
    for main in &mains[1..] {
        assert_eq!(main.text, mains[0].text, "{} is not {}", main.path, mains[0].path);
    }
    for read in ["settings.json", "alarms.json", "dashboards.json"] {
        assert!(
            mains[0].text.contains(&format!("jsondecode(file(\"${{path.module}}/{read}\"))")),
            "{read} is not read"
        );
    }
}

#[test]
fn every_module_says_what_it_works_with() {
    let files = all();
    for (module, files) in modules(&files) {
        let mut blocks = files.iter().flat_map(|file| file.blocks("terraform"));
        let block = blocks.next().unwrap_or_else(|| panic!("{module} has no terraform block"));
        let version = attribute(block.body(), "required_version");
        assert_eq!(version, Some(&Expression::from(">= 1.10")), "{module}");
        let providers = block.body().blocks().find(|block| block.identifier() == "required_providers");
        let aws = providers.and_then(|block| attribute(block.body(), "aws")).unwrap_or_else(|| panic!("{module}"));
        let wanted = [("source", "hashicorp/aws"), ("version", "~> 6.0")];
        for (member, value) in wanted {
            let found = members(aws).into_iter().find(|(name, _)| name == member).map(|(_, value)| value);
            assert_eq!(found, Some(&Expression::from(value)), "{module}: {member}");
        }
    }
}

#[test]
fn what_a_module_is_told_and_tells_is_described_and_used() {
    let files = all();
    for (module, files) in modules(&files) {
        let is_variable = |block: &&Block| block.identifier() == "variable";
        let blocks = || files.iter().flat_map(|file| file.body.blocks());
        // What a variable checks of itself is no use of it.
        let rest: Body = blocks().filter(|block| !is_variable(block)).cloned().collect();
        let rest = ::hcl::to_string(&rest).expect("what was parsed can be written");
        let used: BTreeSet<&str> = rest.split("var.").skip(1).filter_map(|after| words(after).next()).collect();
        for variable in blocks().filter(is_variable) {
            for needed in ["description", "type"] {
                assert!(attribute(variable.body(), needed).is_some(), "{module}: {} has no {needed}", name(variable));
            }
            assert!(used.contains(name(variable)), "{module}: var.{} is not used", name(variable));
        }
        for output in blocks().filter(|block| block.identifier() == "output") {
            assert!(attribute(output.body(), "description").is_some(), "{module}: {} is not described", name(output));
        }
    }
}

/// The statements of policies that allow something, with their file.
fn allowing(files: &[File]) -> Vec<(&str, BTreeMap<String, &Expression>)> {
    let mut found = Vec::new();
    for file in files {
        expressions(&file.body, &mut |expression| {
            let statement: BTreeMap<_, _> = members(expression).into_iter().collect();
            if statement.get("Effect").is_some_and(|effect| **effect == Expression::from("Allow")) {
                found.push((file.path.as_str(), statement));
            }
        });
    }
    found
}

#[test]
fn no_policy_allows_everything() {
    let files = all();
    let statements = allowing(&files);
    assert!(statements.len() >= 6, "too few statements were found: is the walk right?");
    for (path, statement) in statements {
        let action = statement.get("Action").unwrap_or_else(|| panic!("{path}: a statement without an action"));
        let texts = match action {
            Expression::Array(elements) => elements.iter().collect(),
            one => vec![*one],
        };
        for text in texts {
            if let Expression::String(text) = text {
                assert!(!text.contains('*'), "{path}: {text} allows more than it says");
            }
        }
        let everything = [Expression::from("*"), Expression::from(vec!["*"])];
        let resource = statement.get("Resource");
        assert!(resource.is_none_or(|resource| !everything.contains(resource)), "{path}: on everything");
        let principal = statement.get("Principal");
        assert!(principal.is_none_or(|principal| **principal != everything[0]), "{path}: to everybody");
    }
}

/// Who calls a function calls the version that is live.
#[test]
fn every_call_of_a_function_goes_to_its_alias() {
    for file in all() {
        for resource in file.blocks("resource") {
            let kind = resource.labels()[0].as_str();
            if kind == "aws_lambda_permission" {
                assert!(attribute(resource.body(), "qualifier").is_some(), "{}: {}", file.path, name(resource));
            }
        }
        let outside = !file.path.starts_with("infra/modules/function/");
        assert!(!outside || !file.text.contains("aws_lambda_function."), "{} reaches into the module", file.path);
    }
}

#[test]
fn nothing_is_written_down_that_belongs_to_one_account() {
    for file in all().iter().filter(|file| file.path.starts_with("infra/")) {
        assert!(!file.text.contains("arn:aws"), "{}: AWS's own names come from what they name", file.path);
        let digits: BTreeSet<&str> =
            words(&file.text).filter(|word| word.len() == 12 && word.parse::<u64>().is_ok()).collect();
        assert!(digits.is_empty(), "{}: {digits:?}", file.path);
        for region in ["eu-", "us-", "ap-"] {
            assert!(!file.text.contains(&format!("\"{region}")), "{}: a region", file.path);
        }
    }
}

#[test]
fn every_log_group_forgets() {
    let mut groups = 0;
    for file in all() {
        for group in file.blocks("resource").filter(|block| block.labels()[0].as_str() == "aws_cloudwatch_log_group") {
            groups += 1;
            assert!(attribute(group.body(), "retention_in_days").is_some(), "{}: {}", file.path, name(group));
        }
    }
    assert!(groups >= 2, "too few log groups were found");
}
