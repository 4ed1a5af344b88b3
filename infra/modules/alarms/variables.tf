# What the module is told.

variable "name" {
  description = "What the names of the topics begin with."
  type        = string
}

variable "account" {
  description = "The account whose alarms may tell."
  type        = string
}

variable "alarms" {
  description = "The document that the catalogue renders for an environment."
  type        = any

  validation {
    condition     = var.alarms.schema_version == 1
    error_message = "This code reads alarms.json of schema version 1."
  }
}

variable "emails" {
  description = "Whom each severity tells, by e-mail; each address has to confirm. A severity without an address has a topic all the same."
  type        = map(list(string))

  validation {
    condition     = toset(keys(var.emails)) == toset(["page", "ticket"])
    error_message = "The severities are \"page\" and \"ticket\"."
  }
}
