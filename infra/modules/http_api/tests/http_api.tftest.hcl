# Each route leads to its service, and what is no route to the one that answers for all.

mock_provider "aws" {}

variables {
  name               = "eventledger-test"
  fallback           = "admin"
  throttle           = { requests_per_second = 200, burst = 400 }
  log_retention_days = 14
  functions = {
    admin = { name = "eventledger-test-admin", alias = "live", invoke_arn = "admin", routes = ["GET /health", "POST /streams"] }
    poll  = { name = "eventledger-test-poll", alias = "live", invoke_arn = "poll", routes = ["GET /streams/{stream}/events"] }
  }
}

run "routes_lead_to_their_services" {
  assert {
    condition = { for route in aws_apigatewayv2_route.this : route.route_key => route.target } == {
      "GET /health"                  = "integrations/${aws_apigatewayv2_integration.this["admin"].id}"
      "POST /streams"                = "integrations/${aws_apigatewayv2_integration.this["admin"].id}"
      "GET /streams/{stream}/events" = "integrations/${aws_apigatewayv2_integration.this["poll"].id}"
    }
    error_message = "a route leads elsewhere"
  }

  assert {
    condition     = aws_apigatewayv2_route.others.target == "integrations/${aws_apigatewayv2_integration.this["admin"].id}"
    error_message = "what is no route is not answered in our words"
  }

  assert {
    condition     = alltrue([for permission in aws_lambda_permission.this : permission.qualifier == "live"])
    error_message = "the API may call what it does not call"
  }

  assert {
    condition     = !strcontains(aws_apigatewayv2_stage.default.access_log_settings[0].format, "path")
    error_message = "paths may hold what a client calls its keys"
  }

  assert {
    condition     = !aws_apigatewayv2_stage.default.default_route_settings[0].detailed_metrics_enabled
    error_message = "metrics of each route are paid for, and nobody looks at them"
  }
}
