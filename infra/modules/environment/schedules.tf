# What is due at times: the keeper's sweeps and samples, and the canary's rounds.

locals {
  # Whether there is a key is no secret.
  has_canary = nonsensitive(var.canary_api_key != null)

  schedules = {
    for schedule in local.services.schedules : "${schedule.function}-${schedule.name}" => schedule
    if schedule.function != "canary" || local.has_canary
  }

  woken = merge(local.functions, { for canary in module.canary : "canary" => canary })
}

# A client like any other. It needs a key, which can only be made once the table is there: until then there is no canary.
module "canary" {
  source = "../function"
  count  = local.has_canary ? 1 : 0

  name            = "${local.name}-canary"
  release         = var.release
  zip             = "${var.zips}/canary/bootstrap.zip"
  architecture    = var.architecture
  timeout_seconds = local.services.functions.canary.timeout_seconds
  variables = merge(
    {
      for name in local.services.functions.canary.variables : name => merge(local.variables, {
        EVENTLEDGER_API_URL = local.url
        EVENTLEDGER_API_KEY = var.canary_api_key
      })[name]
    },
    local.wishes,
  )
  table_arn          = module.table.arn
  access             = local.services.functions.canary.access
  log_retention_days = var.log_retention_days

  depends_on = [module.publish]
}

resource "aws_cloudwatch_event_rule" "schedule" {
  for_each = local.schedules

  name                = "${local.name}-${each.key}"
  description         = each.value.description
  schedule_expression = each.value.rate
}

resource "aws_cloudwatch_event_target" "schedule" {
  for_each = local.schedules

  rule  = aws_cloudwatch_event_rule.schedule[each.key].name
  arn   = local.woken[each.value.function].alias_arn
  input = each.value.input
}

resource "aws_lambda_permission" "schedule" {
  for_each = local.schedules

  statement_id  = each.value.name
  action        = "lambda:InvokeFunction"
  function_name = local.woken[each.value.function].name
  qualifier     = local.woken[each.value.function].alias
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.schedule[each.key].arn
}
