//! The two shapes of a value that proves something: a text and an integer that were checked when they were made.
//!
//! The macros give such a type its check, its [`REQUIREMENT`](crate::model::StreamName::REQUIREMENT) sentence, and a
//! `Deserialize` whose errors say what is required and never repeat what was given.

/// Declares a checked text: `checked_text!(/// doc  Name, "requirement", |text| condition);`
macro_rules! checked_text {
    ($(#[$documentation:meta])* $name:ident, $requirement:literal, $check:expr) => {
        $(#[$documentation])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What a text must be, as a phrase that follows "must be".
            pub const REQUIREMENT: &'static str = $requirement;

            /// Checks a text. `None` when it does not meet the requirement.
            #[must_use]
            pub fn parse(text: impl Into<String>) -> Option<Self> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                check(&text).then_some(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        formatter.write_str($requirement)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                        $name::parse(text).ok_or_else(|| E::custom($requirement))
                    }
                    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Self::Value, E> {
                        $name::parse(text).ok_or_else(|| E::custom($requirement))
                    }
                }
                deserializer.deserialize_string(Visitor)
            }
        }
    };
}

/// Declares a checked integer: `checked_integer!(/// doc  Name(u16), "requirement", 1..=32);`
macro_rules! checked_integer {
    ($(#[$documentation:meta])* $name:ident($inner:ty), $requirement:literal, $range:expr) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// What a number must be, as a phrase that follows "must be".
            pub const REQUIREMENT: &'static str = $requirement;

            /// Checks a number. `None` when it is out of range.
            #[must_use]
            pub fn new(number: u64) -> Option<Self> {
                <$inner>::try_from(number).ok().filter(|number| ($range).contains(number)).map(Self)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        formatter.write_str($requirement)
                    }
                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                        $name::new(number).ok_or_else(|| E::custom($requirement))
                    }
                    /// JSON has one kind of number, and 7.0 is an integer.
                    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
                        let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
                        whole.then_some(number as u64).and_then($name::new).ok_or_else(|| E::custom($requirement))
                    }
                }
                deserializer.deserialize_u64(Visitor)
            }
        }
    };
}

pub(crate) use {checked_integer, checked_text};
