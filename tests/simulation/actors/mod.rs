//! Who does something in a world. Each actor draws what it does next, records what came of it, and judges nothing.

pub(crate) mod bootstrapper;
pub(crate) mod compactor;
pub(crate) mod keys;
pub(crate) mod life;
pub(crate) mod neighbour;
pub(crate) mod operator;
pub(crate) mod publisher;
pub(crate) mod reader;
pub(crate) mod subscriber;
pub(crate) mod time;
