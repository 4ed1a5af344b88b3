# What the module is told.

variable "name" {
  description = "The table's name."
  type        = string
}

variable "shape" {
  description = "What the ledger needs of it, from services.json."
  type = object({
    partition_key = string
    sort_key      = string
    time_to_live  = string
    stream_view   = string
  })
}

variable "protected" {
  description = "Whether it refuses to be deleted."
  type        = bool
}

variable "recovery_days" {
  description = "How many days back it can be restored to any second; null for not at all."
  type        = number
  nullable    = true
  default     = null

  validation {
    condition     = var.recovery_days == null ? true : var.recovery_days >= 1 && var.recovery_days <= 35
    error_message = "DynamoDB keeps 1 to 35 days."
  }
}
