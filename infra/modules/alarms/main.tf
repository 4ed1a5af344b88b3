# The alarms of the catalogue, and whom they tell. What they look at and why is in the catalogue, which renders the document
# that this reads; here nothing is decided but where a severity goes.

locals {
  # Those whose severity is "none" are parts of a composite alarm and tell nobody.
  actions = merge(
    { for severity, topic in aws_sns_topic.this : severity => [topic.arn] },
    { none = [] },
  )
}

resource "aws_sns_topic" "this" {
  #checkov:skip=CKV_AWS_26:CloudWatch cannot use SNS's own key, and what alarms say holds nothing of a client
  for_each = var.emails

  name         = "${var.name}-${each.key}"
  display_name = "EventLedger ${each.key}"
}

# CloudWatch, for alarms of this account, and nobody else.
resource "aws_sns_topic_policy" "this" {
  for_each = aws_sns_topic.this

  arn = each.value.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Alarms"
      Effect    = "Allow"
      Action    = "sns:Publish"
      Resource  = each.value.arn
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_sns_topic_subscription" "this" {
  for_each = merge([
    for severity, addresses in var.emails : {
      for address in addresses : "${severity} ${address}" => { severity = severity, address = address }
    }
  ]...)

  topic_arn = aws_sns_topic.this[each.value.severity].arn
  protocol  = "email"
  endpoint  = each.value.address
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for alarm in var.alarms.metric_alarms : alarm.alarm_name => alarm }

  alarm_name          = each.value.alarm_name
  alarm_description   = each.value.alarm_description
  comparison_operator = each.value.comparison_operator
  threshold           = each.value.threshold
  evaluation_periods  = each.value.evaluation_periods
  datapoints_to_alarm = each.value.datapoints_to_alarm
  treat_missing_data  = each.value.treat_missing_data
  alarm_actions       = local.actions[each.value.severity]
  ok_actions          = local.actions[each.value.severity]

  dynamic "metric_query" {
    for_each = each.value.metric_query
    iterator = query

    content {
      id          = query.value.id
      label       = try(query.value.label, null)
      expression  = try(query.value.expression, null)
      return_data = query.value.return_data

      dynamic "metric" {
        for_each = try([query.value.metric], [])

        content {
          namespace   = metric.value.namespace
          metric_name = metric.value.metric_name
          dimensions  = metric.value.dimensions
          period      = metric.value.period
          stat        = metric.value.stat
        }
      }
    }
  }

  # One that a composite alarm names is deleted only when that names it no more.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_composite_alarm" "this" {
  for_each = { for alarm in var.alarms.composite_alarms : alarm.alarm_name => alarm }

  alarm_name        = each.value.alarm_name
  alarm_description = each.value.alarm_description
  alarm_rule        = each.value.alarm_rule
  alarm_actions     = local.actions[each.value.severity]
  ok_actions        = local.actions[each.value.severity]

  # A rule may only name alarms that exist.
  depends_on = [aws_cloudwatch_metric_alarm.this]
}
