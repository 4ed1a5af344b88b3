# What others may know of it.

output "bucket" {
  description = "Where the environments of the account keep what OpenTofu knows of them."
  value       = module.state.name
}
