# What the module is told.

variable "name" {
  description = "The function's name, and its role's."
  type        = string
}

variable "release" {
  description = "What is deployed, in words for people: a version and a commit."
  type        = string
}

variable "zip" {
  description = "The file with its program."
  type        = string
}

variable "architecture" {
  description = "What the program was built for."
  type        = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Lambda runs arm64 and x86_64."
  }
}

variable "timeout_seconds" {
  description = "For how long it may run."
  type        = number
}

variable "memory_megabytes" {
  description = "Its memory, which its share of a processor grows with."
  type        = number
  # TLS to DynamoDB at a cold start takes most of a second with 128.
  default = 512
}

variable "reserved_concurrency" {
  description = "How many may run at once, and are set aside for it; null for as many as the account has left."
  type        = number
  nullable    = true
  default     = null
}

variable "variables" {
  description = "Its environment variables."
  type        = map(string)
  sensitive   = true
}

variable "table_arn" {
  description = "The table that it may work on."
  type        = string
}

variable "access" {
  description = "What it may do to which items, from services.json."
  type = list(object({
    partition_keys = list(string)
    actions        = list(string)
  }))
}

variable "statements" {
  description = "Further statements of its policy."
  type        = any
  default     = []
}

variable "log_retention_days" {
  description = "For how long its lines are kept."
  type        = number
}
