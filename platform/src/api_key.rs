//! API keys as they are written: `elk_<environment>_<id>_<secret><checksum>`.
//!
//! The prefix lets scanners find leaked keys; the checksum lets a service refuse typing errors and sprayed guesses
//! without asking the store. Of the secret only the SHA-256 is ever stored.

use ledger::{ApiKey, ApiKeyState, Randomness, Timestamp};
use sha2::{Digest, Sha256};

use crate::access::{Action, Tier};

const ID_CHARACTERS: usize = 12;
const SECRET_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 6;

/// A well-formed API key: its checksum is right, which says nothing of whether it is valid.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    environment: String,
    id: String,
    secret: String,
}

impl Token {
    /// Draws a new one for an environment, such as `dev`, of lower-case letters and digits.
    #[must_use]
    pub fn mint(randomness: &Randomness, environment: &str) -> Self {
        let environment = environment.to_owned();
        Self { environment, id: randomness.base62(ID_CHARACTERS), secret: randomness.base62(SECRET_CHARACTERS) }
    }

    /// The token of these parts, for who wants to know what comes of a secret that is not the key's.
    #[must_use]
    pub fn assemble(environment: &str, id: &str, secret: &str) -> Self {
        Self { environment: environment.to_owned(), id: id.to_owned(), secret: secret.to_owned() }
    }

    /// Reads one. `None` unless every part is there and the checksum is right.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("elk_")?.split('_');
        let (environment, id, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let well_formed = parts.next().is_none()
            && !environment.is_empty()
            && [environment, id, rest].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            && id.len() == ID_CHARACTERS
            && rest.len() == SECRET_CHARACTERS + CHECKSUM_CHARACTERS;
        if !well_formed {
            return None;
        }
        let (secret, _) = rest.split_at(SECRET_CHARACTERS);
        let token = Self { environment: environment.to_owned(), id: id.to_owned(), secret: secret.to_owned() };
        (token.reveal() == text).then_some(token)
    }

    /// The key as its owner sends it. Show it once and keep it nowhere.
    #[must_use]
    pub fn reveal(&self) -> String {
        let text = format!("elk_{}_{}_{}", self.environment, self.id, self.secret);
        let checksum = checksum(&text);
        text + &checksum
    }

    /// What is stored of it: an active key that never expires.
    #[must_use]
    pub fn record(&self, client: &str, scopes: &[&str], created_at: Timestamp) -> ApiKey {
        ApiKey {
            id: self.id.clone(),
            secret_hash: self.secret_hash(),
            client: client.to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            state: ApiKeyState::Active,
            created_at,
            not_before: None,
            expires_at: None,
            tier: Tier::default().as_str().to_owned(),
            last_used_at: None,
        }
    }

    /// What is stored of it when it may do everything, everywhere: the key of an administrator.
    #[must_use]
    pub fn record_of_admin(&self, created_at: Timestamp) -> ApiKey {
        let everything = Action::ALL.map(|action| format!("{}:*", action.as_str()));
        self.record("admin", &everything.each_ref().map(String::as_str), created_at)
    }

    /// The environment it is for.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// Its id, which is no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is stored of its secret.
    #[must_use]
    pub fn secret_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.secret).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Token({} of {})", self.id, self.environment)
    }
}

/// How a key stands at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It works.
    Active,
    /// It works until its grace ends.
    Grace,
    /// It does not work yet.
    TooEarly,
    /// It does not work any more.
    Expired,
    /// Its grace has ended.
    GraceOver,
    /// It never works again.
    Revoked,
}

impl Standing {
    /// How a key stands at a time.
    #[must_use]
    pub fn of(key: &ApiKey, now: Timestamp) -> Self {
        let standing = match key.state {
            ApiKeyState::Revoked => return Self::Revoked,
            ApiKeyState::Grace { until } if until <= now => return Self::GraceOver,
            ApiKeyState::Grace { .. } => Self::Grace,
            ApiKeyState::Active => Self::Active,
        };
        if key.not_before.is_some_and(|start| now < start) {
            return Self::TooEarly;
        }
        if key.expires_at.is_some_and(|end| end <= now) { Self::Expired } else { standing }
    }

    /// Whether the key works, or may later.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::Grace | Self::TooEarly)
    }

    /// For people and scripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Grace => "grace",
            Self::TooEarly => "not yet",
            Self::Expired => "expired",
            Self::GraceOver => "grace over",
            Self::Revoked => "revoked",
        }
    }
}

/// The keys in a text, each with the byte at which it begins. Only well-formed ones: a mistyped or shortened key opens nothing.
pub fn find_all(text: &str) -> impl Iterator<Item = (usize, Token)> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices("elk_").filter_map(move |(at, _)| {
        let word = text[at..].split(|character| !is_part(character)).next()?;
        Some((at, Token::parse(word)?))
    })
}

/// Whether a text holds what anyone would take for a key, be it mistyped or cut off: its prefix, an environment, an id, and
/// more of a secret than a name has letters in a row.
#[must_use]
pub fn is_in(text: &str) -> bool {
    const OF_A_SECRET: usize = 16;
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.match_indices("elk_").any(|(at, prefix)| {
        let mut parts = text[at + prefix.len()..].split('_');
        let environment = parts.next().filter(is_word);
        let id = parts.next().filter(is_word).filter(|id| id.len() == ID_CHARACTERS);
        let secret = parts.next().unwrap_or_default().bytes().take_while(u8::is_ascii_alphanumeric);
        environment.is_some() && id.is_some() && secret.count() >= OF_A_SECRET
    })
}

/// CRC-32 of a text as six base62 digits.
fn checksum(text: &str) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

/// The usage id of a key: what a REST edge of API Gateway counts its requests by, as the value of an API key of its own. It
/// opens nothing, so it is derived and no secret; AWS takes letters and digits, twenty at least.
#[must_use]
pub fn usage_identifier_key(environment: &str, key_id: &str) -> String {
    format!("eventledgerusage{environment}{key_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_key_can_be_read_back_and_only_as_it_is() {
        let token = Token::mint(&Randomness::seeded(1), "dev");
        let text = token.reveal();
        assert_eq!(text.len(), "elk_dev_".len() + 12 + 1 + 43 + 6);
        assert_eq!(Token::parse(&text), Some(token));
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
            assert_eq!(Token::parse(&String::from_utf8(bytes).unwrap()), None);
            assert_eq!(Token::parse(&text[..index]), None);
        }
        assert_eq!(Token::parse(&format!("{text}0")), None);
    }

    #[test]
    fn the_checksum_is_frozen() {
        assert_eq!(checksum(""), "000000");
        assert_eq!(checksum("123456789"), "3jZRME");
    }

    #[test]
    fn keys_are_found_wherever_they_are_written() {
        let [one, other] = [1, 2].map(|seed| Token::mint(&Randomness::seeded(seed), "dev"));
        let (first, second) = (one.reveal(), other.reveal());
        let text = format!("-H 'x-api-key: {first}' https://h/?k={second}&x elk_dev_short {first}x");
        let found: Vec<_> = find_all(&text).collect();
        assert_eq!(found, [(15, one), (text.find(&second).unwrap(), other)]);
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = Token::mint(&Randomness::seeded(1), "dev");
        assert!(!format!("{token:?}").contains(&token.secret));
    }
}
