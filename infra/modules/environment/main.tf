# An environment: the table, the functions around it, the edge before them, what wakes them, and what watches over all of it.
#
# What the services need stands in services.json, which is rendered from their code; what differs between environments comes
# in as variables. Here both are put together, and nothing else is decided.

locals {
  name     = "eventledger-${var.environment}"
  services = jsondecode(file("${path.module}/../../services.json"))

  # Who reads what is stored comes before who writes it, so that whatever a new version writes, everybody can read.
  # Who asks, only a REST edge wants to be told.
  readers = {
    for service, function in local.services.functions : service => function
    if !contains(["publish", "canary"], service) && (service != local.services.authorizer || var.edge == "rest")
  }

  functions = merge(module.reader, { publish = module.publish })

  # The edge, whichever it is, and where clients ask.
  api = one(concat(module.http_api[*], module.rest_api[*]))
  url = var.api_url == null ? local.api.url : var.api_url

  # Those behind the edge.
  asked = {
    for service, function in local.functions : service => merge(function, {
      routes = local.services.functions[service].routes
    }) if length(local.services.functions[service].routes) > 0
  }

  # What a function may be told. Each says which of them it needs.
  variables = {
    EVENTLEDGER_TABLE       = module.table.name
    EVENTLEDGER_ENVIRONMENT = var.environment
  }

  # What every function may be told, if anybody wants it to be.
  wishes = {
    for name, value in {
      EVENTLEDGER_LOG             = var.log
      OTEL_EXPORTER_OTLP_ENDPOINT = var.traces_endpoint
    } : name => value if value != null
  }
}

module "table" {
  source = "../table"

  name          = var.table
  shape         = local.services.table
  protected     = var.protected
  recovery_days = var.recovery_days
}

module "reader" {
  source   = "../function"
  for_each = local.readers

  name                 = "${local.name}-${each.key}"
  release              = var.release
  zip                  = "${var.zips}/${each.key}/bootstrap.zip"
  architecture         = var.architecture
  timeout_seconds      = each.value.timeout_seconds
  reserved_concurrency = lookup(var.reserved_concurrency, each.key, null)
  variables            = merge({ for name in each.value.variables : name => local.variables[name] }, local.wishes)
  table_arn            = module.table.arn
  access               = each.value.access
  statements           = each.key == local.services.doorbell.function ? local.doorbell_statements : []
  log_retention_days   = var.log_retention_days
}

module "publish" {
  source = "../function"

  name                 = "${local.name}-publish"
  release              = var.release
  zip                  = "${var.zips}/publish/bootstrap.zip"
  architecture         = var.architecture
  timeout_seconds      = local.services.functions.publish.timeout_seconds
  reserved_concurrency = lookup(var.reserved_concurrency, "publish", null)
  variables            = merge({ for name in local.services.functions.publish.variables : name => local.variables[name] }, local.wishes)
  table_arn            = module.table.arn
  access               = local.services.functions.publish.access
  log_retention_days   = var.log_retention_days

  depends_on = [module.reader]
}

module "http_api" {
  source = "../http_api"
  count  = var.edge == "http" ? 1 : 0

  name               = local.name
  functions          = local.asked
  fallback           = local.services.fallback
  throttle           = var.throttle
  log_retention_days = var.log_retention_days
}

module "rest_api" {
  source = "../rest_api"
  count  = var.edge == "rest" ? 1 : 0

  name               = local.name
  functions          = local.asked
  fallback           = local.services.fallback
  authorizer         = local.functions[local.services.authorizer]
  open_routes        = local.services.open_routes
  refusals           = local.services.refusals
  usage_plans        = local.services.usage_plans
  throttle           = var.throttle
  log_retention_days = var.log_retention_days
}

module "alarms" {
  source = "../alarms"

  name    = local.name
  account = var.account
  alarms  = var.alarms
  emails  = var.alarm_emails
}

module "dashboards" {
  source = "../dashboards"

  dashboards  = var.dashboards
  release     = var.release
  released_at = var.released_at
  region      = var.region
}

module "archive" {
  source = "../bucket"
  count  = var.archive ? 1 : 0

  name          = "${local.name}-archive-${var.account}"
  replaced_days = 30
}
