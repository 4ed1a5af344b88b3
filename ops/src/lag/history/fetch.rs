//! CloudWatch: the values of a metric, page by page.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, StatusCode};
use ledger::Timestamp;
use platform::telemetry::catalogue;

use super::LineOfValues;
use super::grid::Grid;
use super::subject::Subject;
use crate::failure::{Failure, Result, advice};
use crate::output::say;

/// A client of CloudWatch in a region.
pub(super) async fn client(region: String) -> Client {
    Client::new(&platform::config::aws(Some(region)).await)
}

/// The lines of what is asked for.
///
/// # Errors
/// When CloudWatch does not answer, or not with all of it.
pub(super) async fn fetch(
    client: &Client,
    namespace: &str,
    subject: Subject,
    grid: &Grid,
) -> Result<Vec<LineOfValues>> {
    let series = subject.lines();
    let empty = |(dimension, value): &(catalogue::Dimension, &'static str)| LineOfValues {
        status: (*dimension == catalogue::Dimension::ConsumerStatus).then_some(*value),
        values: vec![None; grid.slots],
    };
    let mut lines: Vec<LineOfValues> = series.iter().map(empty).collect();
    let queries = series.iter().enumerate().map(|(number, (dimension, value))| {
        let dimension = Dimension::builder().name(dimension.as_str()).value(*value).build();
        query(number, namespace, subject, grid, dimension)
    });
    let request = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries.collect()))
        .start_time(time(grid.time(0)))
        .end_time(time(grid.end()));
    let mut pages = request.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Failure::Failed(format!("CloudWatch does not answer: {}", advice(&error))))?;
        take(&page, subject, grid, &mut lines)?;
    }
    Ok(lines)
}

fn query(number: usize, namespace: &str, subject: Subject, grid: &Grid, dimension: Dimension) -> MetricDataQuery {
    let metric = Metric::builder().namespace(namespace).metric_name(subject.metric().name).dimensions(dimension);
    let stat = MetricStat::builder().metric(metric.build()).period(grid.asked_seconds()).stat(subject.statistic());
    MetricDataQuery::builder().id(id(number)).metric_stat(stat.build()).build()
}

/// What a line is called between us and CloudWatch, which wants a letter first.
fn id(number: usize) -> String {
    format!("line{number}")
}

/// Adds a page to the lines.
fn take(page: &GetMetricDataOutput, subject: Subject, grid: &Grid, lines: &mut [LineOfValues]) -> Result<()> {
    let results = page.metric_data_results();
    for message in page.messages().iter().chain(results.iter().flat_map(MetricDataResult::messages)) {
        say(&format!("CloudWatch: {}", message.value().or(message.code()).unwrap_or_default()));
    }
    for result in results {
        if let Some(status @ (StatusCode::InternalError | StatusCode::Forbidden)) = result.status_code() {
            return Err(Failure::Failed(format!("CloudWatch does not tell it: {status}")));
        }
        let known = lines.iter_mut().enumerate().find(|(number, _)| result.id() == Some(&*id(*number)));
        let Some((_, line)) = known else { continue };
        for (at, value) in result.timestamps().iter().zip(result.values()) {
            let at = at.to_millis().ok().and_then(|ms| u64::try_from(ms).ok()).map(Timestamp);
            // Of several that make one period the worst counts.
            if let Some(place) = at.and_then(|at| grid.slot(at)).and_then(|slot| line.values.get_mut(slot)) {
                *place = Some(place.map_or(*value, |known| subject.worse(known, *value)));
            }
        }
    }
    Ok(())
}

fn time(at: Timestamp) -> DateTime {
    DateTime::from_millis(i64::try_from(at.0).unwrap_or(i64::MAX))
}
