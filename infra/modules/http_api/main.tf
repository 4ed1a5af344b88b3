# The edge by default: an HTTP API, which costs a third of a REST API. It routes, throttles and writes an access log; who
# may do what is decided by the functions behind it.

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "EventLedger"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = var.functions

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = each.value.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:API keys are checked in the functions, which also works locally
  for_each = merge([
    for service, function in var.functions : { for route in function.routes : route => service }
  ]...)

  api_id    = aws_apigatewayv2_api.this.id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.this[each.value].id}"
}

# What is no route is refused in our words, and counted.
resource "aws_apigatewayv2_route" "others" {
  #checkov:skip=CKV_AWS_309:nothing is behind it
  api_id    = aws_apigatewayv2_api.this.id
  route_key = "$default"
  target    = "integrations/${aws_apigatewayv2_integration.this[var.fallback].id}"
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:with AWS's own key
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  # For half the price it can be asked by Logs Insights, and nothing else; nothing else is done with it.
  log_group_class = "INFREQUENT_ACCESS"
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = var.throttle.requests_per_second
    throttling_burst_limit = var.throttle.burst
    # Each route would be six metrics to pay for, and nobody looks at them. Those of the API as a whole cost nothing.
    detailed_metrics_enabled = false
  }

  # The functions write a line for each request that reaches them. This one is for those that did not, and as it is written for all of
  # them, it is short; it never has paths, which may hold what a client calls its keys.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      id          = "$context.requestId"
      ip          = "$context.identity.sourceIp"
      route       = "$context.routeKey"
      status      = "$context.status"
      ms          = "$context.responseLatency"
      error       = "$context.error.responseType"
      integration = "$context.integrationErrorMessage"
    })
  }
}

resource "aws_lambda_permission" "this" {
  for_each = var.functions

  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = each.value.name
  qualifier     = each.value.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}
