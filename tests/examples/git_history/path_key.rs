//! Which event key stands for a path of a repository.
//!
//! A key is text of 1 to 512 bytes without control characters; a path is any bytes but NUL. A path that is such a text is
//! its own key. Any other path is kept under its SHA-256, and its event holds the bytes of the path in `path_bytes`,
//! percent-encoded: nothing is left out, and equal paths have equal keys in every program. No key can be mistaken for
//! another, because git refuses a path with the component `.git`, which the hashes and the progress begin with.

use sha2::{Digest, Sha256};

const LONGEST_KEY_BYTES: usize = 512;

/// The key of a path.
pub(crate) fn path_key(path: &[u8]) -> String {
    let text = std::str::from_utf8(path).ok();
    let fitting = text.filter(|text| text.len() <= LONGEST_KEY_BYTES && !text.chars().any(char::is_control));
    fitting.map_or_else(|| format!(".git/sha256/{}", hexadecimal(&Sha256::digest(path))), str::to_owned)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
