//! Creating, listing, describing and deleting streams.

use crate::answers::{Created, Listing, PartitionDescription, Stream, StreamDefinition, StreamDescription};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::{Incarnation, StreamName};
use crate::planted::{Bug, is_planted};
use crate::store::{Outcome, Store, StreamItem};

impl Ledger {
    /// Creates a stream. The same definition again is the same stream; of concurrent creates one wins.
    ///
    /// # Errors
    /// `StreamExists` with another definition, `StreamDeleting` while the name is not free again.
    pub async fn create_stream(&self, definition: StreamDefinition) -> Result<Created<Stream>> {
        let mut doubtful = false;
        loop {
            let honest = Error::after_doubt(doubtful);
            let now = self.clock.now();
            let existing = self.store.stream(&definition.name).await.map_err(honest)?;
            if let Some(existing) = &existing {
                match existing.deleted_at {
                    None if existing.stream.definition == definition => {
                        return Ok(Created { value: existing.stream.clone(), new: false });
                    }
                    None => return Err(honest(Error::StreamExists)),
                    Some(deleted_at) => {
                        let at_once = self.settings.alone || is_planted(Bug::NamesAreFreeAtOnce);
                        let free_at = deleted_at.plus(if at_once { 0 } else { limits::NAME_REUSE_MS });
                        if now < free_at {
                            return Err(honest(Error::StreamDeleting { free_at, wait_ms: free_at.since(now) }));
                        }
                    }
                }
            }
            let stream = Stream {
                definition: definition.clone(),
                incarnation: Incarnation(self.randomness.bytes()),
                created_at: now,
            };
            let cursor_key = existing.as_ref().map_or_else(|| self.randomness.bytes(), |existing| existing.cursor_key);
            let new = StreamItem { stream, cursor_key, compactor_stalled: false, deleted_at: None };
            match self.store.put_stream(&new, existing.as_ref()).await.map_err(honest)? {
                Outcome::Applied => {
                    self.forget_stream(&definition.name);
                    return Ok(Created { value: new.stream, new: true });
                }
                // Someone was faster, or an earlier attempt of ours was: what is there now decides.
                Outcome::Refused { doubtful: unknown, .. } => {
                    doubtful |= unknown;
                    let winner = self.store.stream(&definition.name).await.map_err(Error::after_doubt(doubtful))?;
                    if winner.is_some_and(|winner| winner.incarnation() == new.incarnation()) {
                        return Ok(Created { value: new.stream, new: true });
                    }
                }
            }
        }
    }

    /// Lists streams by name: those whose names begin with `prefix` and come after `after`. `visible` leaves out what
    /// the caller has no grant on.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_streams(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        visible: impl Fn(&StreamName) -> bool + Send + Sync,
    ) -> Result<Listing<Stream>> {
        let query = Store::streams(prefix, after);
        self.list(&query, limit, StreamItem::read, |item| {
            (item.deleted_at.is_none() && visible(item.name())).then(|| (item.name().to_string(), item.stream.clone()))
        })
        .await
    }

    /// A stream and how far each of its partitions goes.
    ///
    /// # Errors
    /// `StreamNotFound`, `Unavailable`.
    pub async fn describe_stream(&self, name: &StreamName) -> Result<StreamDescription> {
        let stream = self.fresh_stream(name).await?;
        let now = self.clock.now();
        let describe = async |partition: crate::PartitionId| {
            let (head, tail, item) = futures::try_join!(
                self.earliest(&stream, &partition, now),
                self.tail(&partition),
                self.store.partition(&partition)
            )?;
            // They were read beside the tail, and may have moved past it meanwhile.
            let head = head.offset.min(tail.offset);
            let watermark =
                if stream.stream.definition.compaction { item.watermark.offset.min(tail.offset) } else { 0 };
            Ok::<_, Error>(PartitionDescription { partition: partition.partition, head, tail: tail.offset, watermark })
        };
        let partitions = futures::future::try_join_all(stream.partitions().map(describe)).await?;
        let events = partitions.iter().map(|partition| partition.tail - partition.head).sum();
        Ok(StreamDescription { stream: stream.stream, events, partitions })
    }

    /// Deletes a stream and everything in it. What services acknowledge into it while they still know it is gone too.
    ///
    /// # Errors
    /// `StreamNotFound` when there is none; also of two concurrent deletes the second.
    pub async fn delete_stream(&self, name: &StreamName) -> Result<()> {
        let stream = self.fresh_stream(name).await?;
        let now = self.clock.now();
        let outcome = self.store.delete_stream(&stream, now).await;
        self.forget_stream(name);
        if let Outcome::Refused { doubtful, .. } = outcome? {
            // An earlier attempt of ours may have done it.
            let found = self.store.stream(name).await.map_err(Error::after_doubt(doubtful))?;
            return match found.filter(|found| found.incarnation() == stream.incarnation()) {
                Some(found) if found.deleted_at == Some(now) => Ok(()),
                Some(_) => Err(Error::StreamNotFound),
                // Another life has begun since, and whose deletion ended this one is not known any more.
                None => Err(Error::after_doubt(doubtful)(Error::StreamNotFound)),
            };
        }
        Ok(())
    }

    /// Reads a listing page by page until it has `limit` items that `keep` keeps, and whether there are more.
    pub(crate) async fn list<I, T>(
        &self,
        query: &crate::store::Query,
        limit: u32,
        read: impl Fn(&crate::store::Attributes) -> Result<I>,
        keep: impl Fn(&I) -> Option<(String, T)>,
    ) -> Result<Listing<T>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut kept: Vec<(String, T)> = Vec::new();
        let (mut start, mut scanned) = (None, limit + 1);
        loop {
            let page = self.store.query(query, scanned, start).await?;
            // Few of them are kept: look through more at a time.
            scanned = (scanned * 4).min(1_000);
            for attributes in &page.items {
                let Some(found) = keep(&read(attributes)?) else { continue };
                if kept.len() == limit {
                    let next = kept.last().map(|(name, _)| name.clone());
                    return Ok(Listing { items: kept.into_iter().map(|(_, item)| item).collect(), next });
                }
                kept.push(found);
            }
            match page.next {
                None => return Ok(Listing { items: kept.into_iter().map(|(_, item)| item).collect(), next: None }),
                next => start = next,
            }
        }
    }
}
