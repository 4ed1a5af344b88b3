# An environment. This file is the same in each folder: what differs stands in settings.json and terraform.tfvars, and what
# is rendered from the code in alarms.json and dashboards.json.

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Which bucket it is, `just tf-init` says.
  backend "s3" {}
}

locals {
  environment = basename(abspath(path.module))
  settings    = jsondecode(file("${path.module}/settings.json"))
  account     = local.settings.account == null ? "" : local.settings.account
}

provider "aws" {
  region              = local.settings.region
  allowed_account_ids = [local.account]

  default_tags {
    tags = {
      project     = "eventledger"
      environment = local.environment
    }
  }
}

module "eventledger" {
  source = "../../infra/modules/environment"

  environment = local.environment
  account     = local.account
  region      = local.settings.region
  table       = local.settings.table
  protected   = local.settings.protected
  edge        = local.settings.edge

  alarms     = jsondecode(file("${path.module}/alarms.json"))
  dashboards = jsondecode(file("${path.module}/dashboards.json"))

  zips           = "${path.module}/../../target/lambda"
  release        = var.release
  released_at    = var.released_at
  canary_api_key = var.canary_api_key

  architecture         = var.architecture
  recovery_days        = var.recovery_days
  reserved_concurrency = var.reserved_concurrency
  api_url              = var.api_url
  throttle             = var.throttle
  log_retention_days   = var.log_retention_days
  log                  = var.log
  traces_endpoint      = var.traces_endpoint
  alarm_emails         = var.alarm_emails
  archive              = var.archive
}

variable "release" {
  description = "What is deployed, in words for people; `just plan` says it."
  type        = string
}

variable "released_at" {
  description = "When, as RFC 3339 writes it; `just plan` says it."
  type        = string
}

variable "canary_api_key" {
  description = "The canary's API key, from TF_VAR_canary_api_key; absent, there is no canary."
  type        = string
  default     = null
  sensitive   = true
}

variable "architecture" {
  description = "What the functions are built for: arm64 or x86_64."
  type        = string
}

variable "recovery_days" {
  description = "How many days back the table can be restored to any second; null for not at all."
  type        = number
  default     = null
}

variable "reserved_concurrency" {
  description = "How many of a service's functions may run at once, and are set aside for it."
  type        = map(number)
  default     = {}
}

variable "api_url" {
  description = "Where clients ask, such as a domain of your own that leads to the API; API Gateway's own name where it is null."
  type        = string
  default     = null
}

variable "throttle" {
  description = "How many requests each route lets through, whoever they are from."
  type        = object({ requests_per_second = number, burst = number })
}

variable "log_retention_days" {
  description = "For how long lines are kept."
  type        = number
}

variable "log" {
  description = "Which lines are written, as EVENTLEDGER_LOG says it."
  type        = string
  default     = null
}

variable "traces_endpoint" {
  description = "A collector of OpenTelemetry that the functions reach."
  type        = string
  default     = null
}

variable "alarm_emails" {
  description = "Whom pages and tickets are told to, by e-mail."
  type        = object({ page = list(string), ticket = list(string) })
  default     = { page = [], ticket = [] }
}

variable "archive" {
  description = "Whether there is a bucket for what leaves the table one day."
  type        = bool
  default     = false
}

output "url" {
  description = "Where the API is."
  value       = module.eventledger.url
}

output "api" {
  description = "What API Gateway calls the API."
  value       = module.eventledger.api
}

output "table" {
  description = "The table's name."
  value       = module.eventledger.table
}

output "dashboards" {
  description = "Where the dashboards are in the console."
  value       = module.eventledger.dashboards
}

output "topics" {
  description = "Where pages and tickets go, for subscriptions of other kinds."
  value       = module.eventledger.topics
}

output "not_rung" {
  description = "The queue of what the compactor was not told."
  value       = module.eventledger.not_rung
}
