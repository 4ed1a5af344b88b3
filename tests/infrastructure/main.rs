//! The infrastructure code, held to the code that it is for and to the rules of the house, without a network and without a
//! program that runs it: what the services need is rendered from them, and the HCL is parsed and looked at.
//!
//! That it can be planned and applied is for `tests/terraform`, with a real core; whether AWS takes it, only AWS knows.

mod hcl;
mod rules;
mod services;
