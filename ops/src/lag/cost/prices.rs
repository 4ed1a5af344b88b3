//! Prices: what a file says that names its region, its day, and for each price where it is published and where it was read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

/// The file that is used when none is named.
const BUILT_IN: &str = include_str!("../../../cost/prices/us-east-1.json");

/// Prices of a region, as of a day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// AWS's name of the region.
    pub region: String,
    /// The day on which they were read.
    pub read_on: String,
    /// What an environment is made of.
    pub environment: EnvironmentPrices,
    /// What others take for the same events.
    pub others: OtherPrices,
}

/// A price, and how sure it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// US dollars.
    pub dollars: f64,
    /// For so many units.
    pub per: f64,
    /// What they are.
    pub unit: String,
    /// What is beyond so many units of a month costs less.
    #[serde(default)]
    pub beyond: Option<Beyond>,
    /// So many units of a month are free for each account, for good.
    #[serde(default)]
    pub free: f64,
    /// Where it is published.
    pub source: String,
    /// Where the figure itself was read; absent where it was read nowhere that has an address.
    #[serde(default)]
    pub read_in: Option<String>,
    /// Whether that is a copy of the seller's own page, or made of the seller's own list.
    pub verified: bool,
}

/// The second step of a price.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Beyond {
    /// From so many units of a month on.
    pub units: f64,
    /// US dollars, for as many units as the first step.
    pub dollars: f64,
}

impl Price {
    /// What so many units of a month cost.
    #[must_use]
    pub fn of(&self, units: f64) -> f64 {
        let (first, rest) = match self.beyond {
            Some(beyond) => (units.min(beyond.units), (units - beyond.units).max(0.0) * beyond.dollars),
            None => (units, 0.0),
        };
        (first * self.dollars + rest) / self.per
    }
}

/// Prices by name: the members of a part of the file.
macro_rules! prices {
    ($(#[$meaning:meta])* $part:ident { $($(#[$of:meta])* $name:ident,)* }) => {
        $(#[$meaning])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $part {
            $($(#[$of])* pub $name: Price,)*
        }

        impl $part {
            /// Each with its name in the file.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, &Price)> {
                [$((stringify!($name), &self.$name)),*].into_iter()
            }
        }
    };
}

prices! {
    /// What an environment is made of.
    EnvironmentPrices {
        /// A write unit of DynamoDB on demand.
        write_unit,
        /// A read unit of it.
        read_unit,
        /// What the table holds, for a month.
        table_storage,
        /// The same for recovery to a point in time.
        table_recovery,
        /// A request to an HTTP API.
        api_request,
        /// An invocation of a Lambda.
        invocation,
        /// A second of a Lambda on arm64, for each GB of its memory.
        compute,
        /// What is written to logs.
        log_ingestion,
        /// What is written to logs of the class Infrequent Access.
        seldom_log_ingestion,
        /// What logs of either class keep, compressed, for a month.
        log_storage,
        /// A series of numbers of our own for a month.
        custom_metric,
        /// A metric that an alarm looks at for a month.
        alarm_metric,
        /// An alarm that is made of others for a month.
        composite_alarm,
        /// A dashboard for a month.
        dashboard,
        /// What leaves AWS for the internet.
        data_out,
    }
}

prices! {
    /// What others take.
    OtherPrices {
        /// Kinesis Data Streams on demand: a stream for an hour.
        kinesis_stream_hour,
        /// What is written to it, each record rounded up to a KB.
        kinesis_data_in,
        /// What is read of it.
        kinesis_data_out,
        /// What it keeps from the second to the seventh day, for a month.
        kinesis_extended_retention,
        /// What either kind of stream keeps longer, for a month.
        kinesis_long_retention,
        /// Kinesis Data Streams provisioned: a shard for an hour.
        kinesis_shard_hour,
        /// A payload unit of 25 KB that is put, or a part of it.
        kinesis_payload_unit,
        /// A shard that keeps more than a day, for an hour.
        kinesis_shard_retention_hour,
        /// MSK Serverless: a cluster for an hour.
        msk_cluster_hour,
        /// A partition for an hour.
        msk_partition_hour,
        /// What is written.
        msk_data_in,
        /// What is read.
        msk_data_out,
        /// What it keeps, for a month.
        msk_storage,
        /// WarpStream: the smallest cluster with a promise of availability, for a month; machines and buckets are the customer's.
        warpstream_cluster_month,
        /// What is written, uncompressed.
        warpstream_data_in,
        /// What is kept, uncompressed, for a month.
        warpstream_storage,
    }
}

impl Prices {
    /// Those of a file, or the built-in ones.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such file.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let prices: Self = super::read("prices", file, BUILT_IN)?;
        let wrong = |(_, price): &(&str, &Price)| !(price.dollars >= 0.0 && price.per > 0.0 && price.free >= 0.0);
        let wrong = prices.named().find(wrong).map(|(name, _)| name);
        wrong.map_or(Ok(prices), |name| Err(Failure::Failed(format!("`{name}` is no price"))))
    }

    /// Every price, with its name in the file.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Price)> {
        self.environment.named().chain(self.others.named())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_price_says_where_it_is_from() {
        let prices = Prices::read(None).unwrap();
        for (_, price) in prices.named() {
            assert!(price.source.starts_with("https://"), "{price:?}");
            // Who says that it is verified says by what.
            assert!(!price.verified || price.read_in.is_some(), "{price:?}");
        }
    }

    #[test]
    fn what_is_beyond_a_step_costs_less() {
        let requests = Prices::read(None).unwrap().environment.api_request;
        let million = 1_000_000.0;
        assert!((requests.of(300.0 * million) - 300.0).abs() < 1e-6);
        assert!((requests.of(310.0 * million) - 309.0).abs() < 1e-6);
    }
}
