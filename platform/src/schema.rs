//! JSON Schemas of the domain's values, built from `ledger::limits`.
//!
//! The ledger knows nothing of schemas, so wire types name one of these functions with `#[schemars(schema_with)]`.

use ledger::limits;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::problem::Code;

/// The name of a stream.
#[must_use]
pub fn stream_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": limits::NAME_PATTERN, "description": "Name of a stream." })
}

/// The name of a subscription.
#[must_use]
pub fn subscription_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": limits::NAME_PATTERN, "description": "Name of a subscription." })
}

/// No control characters, neither those of ASCII nor those of Latin-1.
const TEXT_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// The key of an event.
#[must_use]
pub fn event_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": limits::KEY_BYTES, "pattern": TEXT_PATTERN,
        "description": "What the event is about: 1 to 512 bytes of UTF-8 without control characters."
    })
}

/// The type of an event.
#[must_use]
pub fn event_type(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": limits::TYPE_PATTERN, "description": "What kind of change it is." })
}

/// The id of an event.
#[must_use]
pub fn event_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": limits::EVENT_ID_CHARACTERS, "pattern": TEXT_PATTERN,
        "description": "The publisher's id of the event, else `<partition>-<offset>`."
    })
}

/// The time of an event, or any other.
#[must_use]
pub fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// A time that may be absent.
#[must_use]
pub fn optional_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "date-time" })
}

/// The headers of an event.
#[must_use]
pub fn event_headers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": limits::HEADER_PAIRS,
        "propertyNames": { "pattern": limits::TYPE_PATTERN },
        "additionalProperties": { "type": "string", "pattern": TEXT_PATTERN },
        "description": "Names and values for the readers, 4 KiB together."
    })
}

/// The data of an event: any JSON.
#[must_use]
pub fn event_data(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Any JSON, up to 256 KiB and nested up to 64 deep, kept as written. `null` is a tombstone and needs a key."
    })
}

/// That a tombstone needs a key, of the object that `key` and `data` are members of.
#[must_use]
pub fn tombstone_needs_key() -> serde_json::Value {
    serde_json::json!([{ "required": ["key"] }, { "properties": { "data": { "not": { "type": "null" } } } }])
}

/// The beginning of a name or key, or the whole of one.
#[must_use]
pub fn short_text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "maxLength": limits::KEY_BYTES, "pattern": TEXT_PATTERN,
        "description": "At most 512 bytes of UTF-8 without control characters."
    })
}

/// `Idempotency-Key`, without the spaces around it that HTTP takes away.
#[must_use]
pub fn idempotency_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": limits::IDEMPOTENCY_KEY_CHARACTERS, "pattern": "^[!-~]([ -~]*[!-~])?$"
    })
}

/// `traceparent` of an event.
#[must_use]
pub fn traceparent(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$" })
}

/// A header that takes any text; what cannot be read is ignored.
#[must_use]
pub fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

/// `If-Match` of a publish: an offset in double quotes.
#[must_use]
pub fn expected_tail(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 3, "maxLength": 21, "pattern": "^\"(0|[1-9][0-9]{0,18})\"$" })
}

/// `If-None-Match`: any text; what is no entity tag matches none.
#[must_use]
pub fn entity_tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

/// How many partitions a stream has.
#[must_use]
pub fn partition_count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 1, "maximum": limits::PARTITIONS, "default": 1 })
}

/// For how long events can be read.
#[must_use]
pub fn retention_hours(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer", "minimum": limits::RETENTION_HOURS.start(), "maximum": limits::RETENTION_HOURS.end(),
        "default": limits::DEFAULT_RETENTION_HOURS
    })
}

/// Most items of a page.
#[must_use]
pub fn limit(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer", "minimum": 1, "maximum": limits::PAGE_ITEMS, "default": limits::DEFAULT_PAGE_ITEMS,
        "description": "Most items of the page."
    })
}

/// How long a poll waits.
#[must_use]
pub fn wait(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer", "minimum": 0, "maximum": limits::WAIT_SECONDS, "default": 0,
        "description": "How many seconds to wait while there is no event."
    })
}

/// An opaque cursor.
#[must_use]
pub fn cursor(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": limits::CURSOR_CHARACTERS,
        "description": "Opaque; pass it back unchanged."
    })
}

/// A cursor that is null on the last page.
#[must_use]
pub fn optional_cursor(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "description": "Where to go on; null on the last page." })
}

/// Where a subscription starts.
#[must_use]
pub fn start_from(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "oneOf": [start_word(), at_time()] })
}

/// Where a seek goes.
#[must_use]
pub fn seek_to(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "oneOf": [start_word(), at_time(), {
        "type": "object", "properties": { "cursor": { "type": "string" } },
        "required": ["cursor"], "additionalProperties": false
    }] })
}

fn start_word() -> serde_json::Value {
    serde_json::json!({
        "type": "string", "enum": ["earliest", "latest", "compacted"],
        "description": "To say `compacted`, the API key needs the scope `bootstrap` as well."
    })
}

fn at_time() -> serde_json::Value {
    serde_json::json!({
        "type": "object", "properties": { "timestamp": { "type": "string", "format": "date-time" } },
        "required": ["timestamp"], "additionalProperties": false
    })
}

/// Where reading without a subscription starts.
#[must_use]
pub fn read_from(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "default": "earliest", "description": "Where to begin without a cursor.",
        "anyOf": [{ "type": "string", "enum": ["earliest", "latest"] }, { "type": "string", "format": "date-time" }]
    })
}

/// How a subscription does.
#[must_use]
pub fn status(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["LOST", "REWIND", "STOP", "STALL", "WARN", "OK", "IDLE"] })
}

pub(crate) fn problem_code(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Code::ALL.map(Code::as_str).to_vec() })
}

pub(crate) fn effect(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["none", "unknown"] })
}
