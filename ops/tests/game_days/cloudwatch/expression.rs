//! Metric math: the expression of an alarm, for one period. A series that is silent in it is not a number here, as is
//! whatever is computed of one, unless `FILL` says what it counts as.

/// The value of an expression; none where CloudWatch would have no data point.
pub(super) fn value(expression: &str, term: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut names = |name: &str, arguments: Vec<f64>| match (name, arguments.as_slice()) {
        ("FILL", [value, other]) => Some(if value.is_nan() { *other } else { *value }),
        ("IF", [condition, yes, no]) if !condition.is_nan() => Some(if *condition == 0.0 { *no } else { *yes }),
        ("IF", [..]) => Some(f64::NAN),
        // An array of series; those that are silent are passed over.
        ("MAX", values) => Some(values.iter().copied().fold(f64::NAN, f64::max)),
        (_, []) => Some(term(name).unwrap_or(f64::NAN)),
        _ => None,
    };
    // Arrays are arguments of their own to CloudWatch.
    let expression = expression.replace("([", "(").replace("])", ")");
    let value = fasteval::ez_eval(&expression, &mut names);
    let value = value.unwrap_or_else(|error| panic!("CloudWatch would not take {expression}: {error}"));
    // A division by zero has no value either.
    value.is_finite().then_some(value)
}
