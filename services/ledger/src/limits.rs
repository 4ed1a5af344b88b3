//! Every limit of EventLedger, with its source, and the relations between them held at compile time.
//!
//! Who checks what: the types in `model` refuse what exceeds a limit of a value, the handlers refuse what exceeds a
//! limit of a request, and the verbs keep the limits of the store. Nothing else repeats a number from here.

/// The grammar of stream and subscription names.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";
/// Longest stream or subscription name, in characters (all ASCII).
pub const NAME_CHARACTERS: usize = 64;
/// Most partitions a stream can have. A cursor holds a position for each, and a publish transaction one put or more.
pub const PARTITIONS: u16 = 32;
/// Shortest and longest retention, in hours: one hour to ten years.
pub const RETENTION_HOURS: std::ops::RangeInclusive<u32> = 1..=87_600;
/// Retention of a stream that names none: fifteen days.
pub const DEFAULT_RETENTION_HOURS: u32 = 360;

/// Longest event key in bytes of UTF-8.
pub const KEY_BYTES: usize = 512;
/// The grammar of event types.
pub const TYPE_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$";
/// Longest event type in characters (all ASCII).
pub const TYPE_CHARACTERS: usize = 128;
/// Longest client-given event id, in characters.
pub const EVENT_ID_CHARACTERS: usize = 128;
/// Largest JSON text of an event's data, in bytes.
pub const DATA_BYTES: usize = 256 * 1024;
/// Deepest nesting of arrays and objects in an event's data.
pub const DATA_NESTING: usize = 64;
/// Most headers of an event.
pub const HEADER_PAIRS: usize = 16;
/// Names and values of an event's headers together, in bytes.
pub const HEADER_BYTES: usize = 4 * 1024;

/// Most events of one publish request.
pub const EVENTS_PER_REQUEST: usize = 1_000;
/// Largest request body in bytes.
pub const BODY_BYTES: usize = 1024 * 1024;
/// Names and values of a request's own headers together, in bytes. API Gateway takes about 10 KB.
pub const REQUEST_HEADER_BYTES: usize = 16 * 1024;
/// Longest path and query of a request, in bytes.
pub const URI_BYTES: usize = 8 * 1024;
/// Longest path segment that is looked at, in bytes.
pub const PATH_SEGMENT_BYTES: usize = 3 * KEY_BYTES;
/// Longest Idempotency-Key, in printable ASCII characters.
pub const IDEMPOTENCY_KEY_CHARACTERS: usize = 128;
/// Most items of one page of any listing or poll.
pub const PAGE_ITEMS: u32 = 1_000;
/// Items of a page when the request does not say.
pub const DEFAULT_PAGE_ITEMS: u32 = 100;
/// A page of records is cut before it exceeds this many bytes, counted as Lambda does, which refuses answers over 6 MB.
pub const PAGE_BYTES: usize = 4_500_000;
/// Longest a poll may wait for events, in seconds. API Gateway gives up after 30.
pub const WAIT_SECONDS: u32 = 20;
/// Longest cursor in characters.
pub const CURSOR_CHARACTERS: usize = 2_048;

/// A record batch is split before its compressed body exceeds this, so that reading a head stays cheap.
pub const BATCH_BODY_BYTES: usize = 100_000;
/// DynamoDB refuses items over 400 KB, names and values of attributes together.
pub const STORE_ITEM_BYTES: usize = 400 * 1024;
/// DynamoDB refuses transactions of more actions.
pub const STORE_TRANSACTION_ITEMS: usize = 100;
/// DynamoDB refuses transactions over 4 MB.
pub const STORE_TRANSACTION_BYTES: usize = 4 * 1024 * 1024;
/// Compaction folds about this many bytes of unpacked record batches in one round: what it keeps in memory.
pub const COMPACTION_ROUND_BYTES: usize = 16_000_000;
/// Compaction ends a round, and moves the watermark, after about this many keys.
pub const COMPACTION_ROUND_KEYS: usize = 2_000;
/// Compaction gives up a round that takes longer, in milliseconds: what it read may be older than the tombstones by then.
pub const COMPACTION_ROUND_MS: u64 = 60_000;
/// For so long one sweep compacts, and then puts off deletions, in milliseconds: everything else that it is for must be done.
pub const SWEEP_MS: u64 = 60_000;
/// Compaction puts at most this many keys with one write.
pub const COMPACTION_KEYS_TOGETHER: usize = 10;

/// How long services keep what they know of streams and subscriptions, in milliseconds.
pub const CACHE_MS: u64 = 30_000;

/// How long nobody asks again for the health of a table that did not answer, in milliseconds.
pub const UNANSWERED_MS: u64 = 1_000;
/// Until a deleted name can be created again on a fleet: every cache must have expired, by whosever clock.
pub const NAME_REUSE_MS: u64 = 130_000;
/// How long what is left of a deleted stream is looked for; far longer than any write into it can still be under way.
pub const COLLECTION_MS: u64 = 24 * HOUR_MS;
/// How long a receipt of an Idempotency-Key is kept: a day, and a minute for clocks that differ.
pub const RECEIPT_MS: u64 = 24 * HOUR_MS + CLOCK_SKEW_MS;
/// Between the logical expiry of a record batch and its physical deletion.
pub const GRACE_MS: u64 = 7 * 24 * HOUR_MS;
/// A head that time to live may delete within so long should have been kept by a sweep long ago, and is trusted no more:
/// time to live deletes in no particular order, so newer record batches may be gone already.
pub const HEAD_UNSAFE_MS: u64 = 24 * HOUR_MS;
/// How long what is left of a deleted subscription stays; far longer than any write of its time can still be under way.
pub const ENDED_SUBSCRIPTION_MS: u64 = 24 * HOUR_MS;
/// How far the clocks of processes may differ, in milliseconds. What one of them takes away, none must still have shown.
pub const CLOCK_SKEW_MS: u64 = 60_000;
/// How long a tombstone stays in compacted state; longer than any bootstrap takes.
pub const TOMBSTONE_MS: u64 = 7 * 24 * HOUR_MS;
/// Age of the oldest uncompacted record batch at which publishing to its stream stops.
pub const COMPACTOR_STALLED_MS: u64 = GRACE_MS / 2;
/// The deletion of what is not compacted is put off when time to live may delete it within so long: days before it does.
pub const PUT_OFF_BEFORE_MS: u64 = GRACE_MS / 4 * 3;
/// For how long a position that was seen to be readable need not be checked against the tail when nothing follows it.
pub const VERIFIED_MS: u64 = 60_000;
/// One hour in milliseconds.
pub const HOUR_MS: u64 = 3_600_000;

/// Pages of the store that one page of compacted state may read, so that a partition full of tombstones, or of large records
/// whose keys nobody asked for, keeps no one waiting and costs no more than 2,048 read units.
pub const STATE_PAGES: usize = 8;
/// Lost races for a slot after which a publish answers `contention`.
pub const SLOT_RACES: u32 = 8;
/// Most receipts of Idempotency-Keys that are put with one write.
pub const RECEIPTS_PER_WRITE: usize = 64;
/// How long after a write began queries may still see it in part, in milliseconds: far longer than any attempt takes.
pub const UNFINISHED_MS: u64 = 120_000;
/// How long one verb may keep trying, in milliseconds; waiting for events comes on top.
pub const OPERATION_MS: u64 = 8_000;
/// How long a request may take until its answer is on its way, in milliseconds. API Gateway gives up after 30 seconds.
pub const REQUEST_MS: u64 = 29_000;
/// What is left of the time of a request when nothing more is begun for it, in milliseconds: an attempt at the store that is
/// under way then can end, and say what became of it.
pub const ANSWER_MS: u64 = 1_000;
/// How long noting the minute of a poll or the hour of a key may take, in milliseconds; what is asked for matters more.
pub const NOTE_MS: u64 = 500;
/// First and largest pause between attempts of a write, in milliseconds; the pause is drawn below it (full jitter).
pub const RETRY_PAUSE_MS: std::ops::RangeInclusive<u64> = 25..=400;
/// The windows that the quotas of API keys are counted in, in milliseconds.
pub const QUOTA_WINDOW_MS: u64 = 10_000;
/// An API key that expires within so long should get a successor now, in milliseconds: two weeks.
pub const API_KEY_NOTICE_MS: u64 = 14 * 24 * HOUR_MS;
/// Commits that a subscription remembers.
pub const REMEMBERED_COMMITS: usize = 10;
/// So far apart lie the commits that a subscription remembers, in milliseconds; but for the last one, which is always known.
pub const REMEMBERED_COMMIT_SPACING_MS: u64 = 60_000;
/// How long a sample of all subscriptions may take, in milliseconds: the next one comes after a minute.
pub const SAMPLE_MS: u64 = 45_000;
/// A keeper whose last sweep is older has missed two of them, in milliseconds.
pub const KEEPER_LATE_MS: u64 = 3 * HOUR_MS;
/// Reads of one sample of all subscriptions: what it costs at the most. Most of them cost a unit each.
pub const SAMPLE_READS: usize = 20_000;
/// Places of the log that are read for a page of subscriptions: one request is not to cost what a thousand do.
pub const LISTING_READS: usize = 500;
/// Reads that a sample, or a list of subscriptions or API keys, has under way at once.
pub const READS_AT_ONCE: usize = 16;

const _: () = {
    // Every event must fit an item, with room for its attributes and framing.
    assert!(DATA_BYTES + KEY_BYTES + HEADER_BYTES + TYPE_CHARACTERS + 4096 < STORE_ITEM_BYTES);
    // Two neighbouring record batches of a request fill the cap, and each partition adds one, its use mark, and the receipt.
    assert!(2 * BODY_BYTES / BATCH_BODY_BYTES + 2 * PARTITIONS as usize + 2 < STORE_TRANSACTION_ITEMS);
    // A write that requests share goes to one partition, and has a receipt of each.
    assert!(2 * BODY_BYTES / BATCH_BODY_BYTES + 3 + RECEIPTS_PER_WRITE < STORE_TRANSACTION_ITEMS);
    assert!(BODY_BYTES * 2 < STORE_TRANSACTION_BYTES);
    // One event of the largest size always fits a page.
    assert!(2 * DATA_BYTES < PAGE_BYTES && PAGE_BYTES < 6_000_000);
    // A sweep has days to keep a head that expired.
    assert!(HEAD_UNSAFE_MS < GRACE_MS / 2);
    // A stalled compactor is noticed long before anything uncompacted is deleted.
    assert!(COMPACTOR_STALLED_MS < GRACE_MS);
    // A head that is put off is trusted long after, and what was put off need not be again at once.
    assert!(HEAD_UNSAFE_MS < PUT_OFF_BEFORE_MS && PUT_OFF_BEFORE_MS < GRACE_MS);
    // An idle position is checked well before everything after it can have expired.
    assert!(VERIFIED_MS < HOUR_MS * *RETENTION_HOURS.start() as u64 / 2);
    // No service acknowledges into a dead incarnation once the name is free again; the end may be written as long after its time
    // as a verb tries.
    assert!(OPERATION_MS + CACHE_MS + REQUEST_MS + CLOCK_SKEW_MS < NAME_REUSE_MS);
    // Whatever a writer has under way is over by every clock before queries are believed to see it.
    assert!(OPERATION_MS + REQUEST_MS + CLOCK_SKEW_MS < UNFINISHED_MS);
    // After the longest wait there is time to read what came.
    assert!(WAIT_SECONDS as u64 * 1_000 + OPERATION_MS + ANSWER_MS <= REQUEST_MS);
    assert!(COMPACTION_KEYS_TOGETHER * STORE_ITEM_BYTES < STORE_TRANSACTION_BYTES);
    // No round of compaction outlives a tombstone that it did not see.
    assert!(COMPACTION_ROUND_MS < TOMBSTONE_MS / 100);
    assert!(DEFAULT_PAGE_ITEMS <= PAGE_ITEMS);
};
