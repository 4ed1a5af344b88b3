# What the module is told.

variable "environment" {
  description = "The environment's name, which is part of every API key."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{1,16}$", var.environment))
    error_message = "An environment's name is 1 to 16 of a-z and 0-9, because it is part of every API key."
  }
}

variable "account" {
  description = "The AWS account, twelve digits; empty while it is not known, and then the provider refuses every account."
  type        = string

  validation {
    condition     = can(regex("^([0-9]{12})?$", var.account))
    error_message = "An account has twelve digits; it stands in settings.json of the environment, as a text."
  }
}

variable "region" {
  description = "The AWS region."
  type        = string
}

variable "table" {
  description = "The table's name."
  type        = string
}

variable "protected" {
  description = "Whether the table refuses to be deleted."
  type        = bool
}

variable "recovery_days" {
  description = "How many days back the table can be restored to any second; null for not at all."
  type        = number
  nullable    = true
}

variable "zips" {
  description = "The folder with the functions' programs, as `<service>/bootstrap.zip`."
  type        = string
}

variable "release" {
  description = "What is deployed, in words for people: a version and a commit."
  type        = string
}

variable "released_at" {
  description = "When, as RFC 3339 writes it."
  type        = string
}

variable "architecture" {
  description = "What the programs were built for: arm64 or x86_64."
  type        = string
}

variable "reserved_concurrency" {
  description = "How many of a service's functions may run at once, and are set aside for it. Others take what the account has left."
  type        = map(number)
}

variable "edge" {
  description = "What clients come through: `http` for an HTTP API, `rest` for a REST API with usage plans."
  type        = string

  validation {
    condition     = contains(["http", "rest"], var.edge)
    error_message = "An edge is \"http\" or \"rest\"; it stands in settings.json of the environment."
  }
}

variable "api_url" {
  description = "Where clients ask, such as a domain of your own that leads to the API; null for API Gateway's own name."
  type        = string
  nullable    = true
  default     = null
}

variable "throttle" {
  description = "How many requests each route lets through, whoever they are from."
  type = object({
    requests_per_second = number
    burst               = number
  })
}

variable "log_retention_days" {
  description = "For how long lines are kept."
  type        = number
}

variable "log" {
  description = "Which lines are written, as EVENTLEDGER_LOG says it; null for the default."
  type        = string
  nullable    = true
  default     = null
}

variable "traces_endpoint" {
  description = "A collector of OpenTelemetry that the functions reach; null for no traces."
  type        = string
  nullable    = true
  default     = null
}

variable "alarms" {
  description = "alarms.json of the environment."
  type        = any
}

variable "alarm_emails" {
  description = "Whom pages and tickets are told to, by e-mail."
  type        = object({ page = list(string), ticket = list(string) })
}

variable "dashboards" {
  description = "dashboards.json of the environment."
  type        = any
}

variable "canary_api_key" {
  description = "The canary's API key; null for no canary."
  type        = string
  nullable    = true
  default     = null
  sensitive   = true
}

variable "archive" {
  description = "Whether there is a bucket for what leaves the table one day."
  type        = bool
  default     = false
}
