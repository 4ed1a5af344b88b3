# Each route leads to its service, past the authorizer unless it is open; what is no route leads to the one that answers for all.

mock_provider "aws" {}

variables {
  name               = "eventledger-test"
  fallback           = "admin"
  authorizer         = { name = "eventledger-test-authorizer", alias = "live", invoke_arn = "authorizer" }
  open_routes        = ["GET /health"]
  throttle           = { requests_per_second = 200, burst = 400 }
  log_retention_days = 14
  functions = {
    admin = { name = "eventledger-test-admin", alias = "live", invoke_arn = "admin", routes = ["GET /health", "GET /streams", "POST /streams"] }
    poll  = { name = "eventledger-test-poll", alias = "live", invoke_arn = "poll", routes = ["GET /streams/{stream}/compacted/{key}"] }
  }
  usage_plans = {
    small = { requests_per_second = 100, burst = 200 }
    large = { requests_per_second = 20000, burst = 40000 }
  }
  refusals = {
    THROTTLED     = { status = 429, headers = { content-type = "application/problem+json", retry-after = "1" }, body = "{\"status\":429}" }
    ACCESS_DENIED = { status = 401, headers = { content-type = "application/problem+json" }, body = "{\"status\":401}" }
  }
}

run "routes_lead_to_their_services_and_who_asks_is_asked_for" {
  assert {
    condition = {
      for route in flatten([
        for path, item in jsondecode(aws_api_gateway_rest_api.this.body).paths : [
          for method, operation in item : { at = "${method} ${path}", operation = operation }
        ]
        ]) : route.at => join(" ", concat(
        [route.operation["x-amazon-apigateway-integration"].uri],
        flatten([for scheme in route.operation.security : keys(scheme)]),
      ))
      } == {
      "get /health"                                                      = "admin"
      "x-amazon-apigateway-any-method /health"                           = "admin"
      "get /streams"                                                     = "admin authorizer api_key"
      "post /streams"                                                    = "admin authorizer api_key"
      "x-amazon-apigateway-any-method /streams"                          = "admin"
      "get /streams/{stream}/compacted/{key}"                            = "poll authorizer api_key"
      "x-amazon-apigateway-any-method /streams/{stream}/compacted/{key}" = "admin"
      "x-amazon-apigateway-any-method /"                                 = "admin"
      "x-amazon-apigateway-any-method /{proxy+}"                         = "admin"
    }
    error_message = "a route leads elsewhere, or lets in whom it should not"
  }

  assert {
    condition = {
      for path, item in jsondecode(aws_api_gateway_rest_api.this.body).paths : path => [
        for parameter in item["x-amazon-apigateway-any-method"].parameters : parameter.name
      ]
      } == {
      "/health"                           = []
      "/streams"                          = []
      "/streams/{stream}/compacted/{key}" = ["stream", "key"]
      "/"                                 = []
      "/{proxy+}"                         = ["proxy"]
    }
    error_message = "a part of a path is not named"
  }

  assert {
    condition = alltrue([
      jsondecode(aws_api_gateway_rest_api.this.body).components.securitySchemes.authorizer["x-amazon-apigateway-authorizer"] == {
        type                         = "request"
        authorizerUri                = "authorizer"
        authorizerResultTtlInSeconds = 0
      },
      aws_api_gateway_rest_api.this.api_key_source == "AUTHORIZER",
    ])
    error_message = "the authorizer is not asked each time, or API Gateway reads keys itself"
  }

  assert {
    condition = jsondecode(aws_api_gateway_rest_api.this.body)["x-amazon-apigateway-gateway-responses"] == {
      THROTTLED = {
        statusCode = "429"
        responseParameters = {
          "gatewayresponse.header.Content-Type" = "'application/problem+json'"
          "gatewayresponse.header.Retry-After"  = "'1'"
        }
        responseTemplates = { "application/json" = "{\"status\":429}" }
      }
      ACCESS_DENIED = {
        statusCode         = "401"
        responseParameters = { "gatewayresponse.header.Content-Type" = "'application/problem+json'" }
        responseTemplates  = { "application/json" = "{\"status\":401}" }
      }
    }
    error_message = "API Gateway answers in its own words"
  }

  assert {
    condition     = aws_api_gateway_deployment.this.triggers == tomap({ document = sha256(aws_api_gateway_rest_api.this.body) })
    error_message = "a change of the document is not deployed"
  }

  assert {
    condition = {
      for plan in aws_api_gateway_usage_plan.this : plan.name => "${one(plan.api_stages).stage} ${one(plan.throttle_settings).rate_limit} ${one(plan.throttle_settings).burst_limit}"
      } == {
      eventledger-test-small = "live 100 200"
      eventledger-test-large = "live 20000 40000"
    }
    error_message = "clients are not throttled by their tier"
  }

  assert {
    condition     = alltrue([for permission in concat(values(aws_lambda_permission.this), [aws_lambda_permission.authorizer]) : permission.qualifier == "live"])
    error_message = "the API may call what it does not call"
  }

  assert {
    condition     = !strcontains(aws_api_gateway_stage.live.access_log_settings[0].format, "path")
    error_message = "paths may hold what a client calls its keys"
  }

  assert {
    condition     = !aws_api_gateway_method_settings.all.settings[0].metrics_enabled
    error_message = "metrics of each method are paid for, and nobody looks at them"
  }
}

run "an_open_route_that_is_none_is_refused" {
  command = plan

  variables {
    open_routes = ["GET /heath"]
  }

  expect_failures = [aws_api_gateway_rest_api.this]
}
