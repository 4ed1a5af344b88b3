# What the module is told.

variable "dashboards" {
  description = "The document that the catalogue renders for an environment: bodies by name."
  type        = any
}

variable "release" {
  description = "What was deployed, as the line says."
  type        = string
}

variable "released_at" {
  description = "When, as RFC 3339 writes it."
  type        = string
}

variable "region" {
  description = "The region whose console shows them."
  type        = string
}
