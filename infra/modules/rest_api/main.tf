# The edge with usage plans: a REST API, which costs three times what an HTTP API does, and an invocation of the authorizer
# for each request that needs a key. It routes, throttles, writes an access log, and counts and throttles each client.
#
# The authorizer says by which usage id a request is counted, or refuses it. What its key may do is decided by the functions
# behind, which check it again. Usage ids are not made here: they come and go with the keys, and `ledger-keys mirror` keeps them.

locals {
  # Each route with the service that answers it, and each path that has any.
  services = merge([
    for service, function in var.functions : { for route in function.routes : route => service }
  ]...)
  paths = distinct([for route in keys(local.services) : split(" ", route)[1]])

  parameters = {
    for path in concat(local.paths, ["/", "/{proxy+}"]) : path => [
      for found in regexall("\\{(\\w+)\\+?\\}", path) : { name = found[0], in = "path", required = true, schema = { type = "string" } }
    ]
  }

  integrations = {
    for service, function in var.functions : service => {
      type       = "aws_proxy"
      httpMethod = "POST"
      uri        = function.invoke_arn
      # The most that API Gateway takes, unless its quota is raised.
      timeoutInMillis = 29000
    }
  }

  # As OpenAPI has it, one of them would be enough. API Gateway asks for both.
  security = [{ authorizer = [] }, { api_key = [] }]

  operations = {
    for route, service in local.services : route => {
      parameters                        = local.parameters[split(" ", route)[1]]
      responses                         = {}
      security                          = [for scheme in local.security : scheme if !contains(var.open_routes, route)]
      "x-amazon-apigateway-integration" = local.integrations[service]
    }
  }

  # What is no route is refused in our words, and counted: other paths, and other methods of the same.
  others = {
    for path, parameters in local.parameters : path => {
      "x-amazon-apigateway-any-method" = {
        parameters                        = parameters
        responses                         = {}
        security                          = []
        "x-amazon-apigateway-integration" = local.integrations[var.fallback]
      }
    }
  }

  document = {
    openapi = "3.0.1"
    info    = { title = var.name, version = "1" }
    paths = {
      for path, others in local.others : path => merge(others, {
        for route, operation in local.operations : lower(split(" ", route)[0]) => operation if split(" ", route)[1] == path
      })
    }
    components = {
      securitySchemes = {
        # A key comes in one header or in another, so none of them can be what answers are remembered by.
        authorizer = {
          type                           = "apiKey"
          name                           = "Unused"
          in                             = "header"
          "x-amazon-apigateway-authtype" = "custom"
          "x-amazon-apigateway-authorizer" = {
            type                         = "request"
            authorizerUri                = var.authorizer.invoke_arn
            authorizerResultTtlInSeconds = 0
          }
        }
        # API Gateway's own name for that a usage plan has to know the client.
        api_key = { type = "apiKey", name = "x-api-key", in = "header" }
      }
    }
    "x-amazon-apigateway-gateway-responses" = {
      for type, refusal in var.refusals : type => {
        statusCode = tostring(refusal.status)
        responseParameters = {
          for header, value in refusal.headers :
          "gatewayresponse.header.${join("-", [for word in split("-", header) : title(word)])}" => "'${value}'"
        }
        responseTemplates = { "application/json" = refusal.body }
      }
    }
  }
}

resource "aws_api_gateway_rest_api" "this" {
  name        = var.name
  description = "EventLedger"
  body        = jsonencode(local.document)
  # By what the authorizer says, not by the header of the request: that holds a key of ours, which API Gateway never learns.
  api_key_source = "AUTHORIZER"

  # TLS 1.2 or later; by itself API Gateway would take 1.0.
  security_policy      = "SecurityPolicy_TLS13_1_2_2021_06"
  endpoint_access_mode = "BASIC"

  endpoint_configuration {
    types = ["REGIONAL"]
  }

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = length(setsubtract(var.open_routes, keys(local.services))) == 0
      error_message = "An open route is none of the routes: ${join(", ", setsubtract(var.open_routes, keys(local.services)))}"
    }
  }
}

# What the document says is asked for only once it is deployed. It names functions by their alias, so a new version of one
# changes nothing here.
resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  triggers    = { document = sha256(aws_api_gateway_rest_api.this.body) }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:with AWS's own key
  name              = "/aws/apigateway/${var.name}-rest"
  retention_in_days = var.log_retention_days
  # For half the price it can be asked by Logs Insights, and nothing else; nothing else is done with it.
  log_group_class = "INFREQUENT_ACCESS"
}

resource "aws_api_gateway_stage" "live" {
  #checkov:skip=CKV_AWS_73:traces go to a collector of OpenTelemetry, where there is one
  #checkov:skip=CKV_AWS_120:answers are of one client and of one moment
  #checkov:skip=CKV2_AWS_4:execution logs hold paths; errors are in the access log
  #checkov:skip=CKV2_AWS_29:whom to keep out before an account is known, nobody here can say; a web ACL can be put before it
  #checkov:skip=CKV2_AWS_51:clients have keys, not certificates
  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = "live"

  # The functions write a line for each request that reaches them. This one is for those that did not, and as it is written for all of
  # them, it is short; it never has paths, which may hold what a client calls its keys.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      id          = "$context.requestId"
      ip          = "$context.identity.sourceIp"
      route       = "$context.httpMethod $context.resourcePath"
      status      = "$context.status"
      ms          = "$context.responseLatency"
      error       = "$context.error.responseType"
      integration = "$context.integrationErrorMessage"
    })
  }
}

resource "aws_api_gateway_method_settings" "all" {
  #checkov:skip=CKV_AWS_225:answers are of one client and of one moment
  #checkov:skip=CKV_AWS_308:there is no cache
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.live.stage_name
  method_path = "*/*"

  settings {
    # Each method would be five metrics to pay for, and nobody looks at them. Those of the API as a whole cost nothing.
    metrics_enabled        = false
    logging_level          = "OFF"
    data_trace_enabled     = false
    throttling_rate_limit  = var.throttle.requests_per_second
    throttling_burst_limit = var.throttle.burst
  }
}

# By these names `ledger-keys mirror` finds them.
resource "aws_api_gateway_usage_plan" "this" {
  for_each = var.usage_plans

  name        = "${var.name}-${each.key}"
  description = "EventLedger: API keys of tier ${each.key}"

  api_stages {
    api_id = aws_api_gateway_rest_api.this.id
    stage  = aws_api_gateway_stage.live.stage_name
  }

  throttle_settings {
    rate_limit  = each.value.requests_per_second
    burst_limit = each.value.burst
  }
}

resource "aws_lambda_permission" "this" {
  for_each = var.functions

  statement_id  = "rest-api"
  action        = "lambda:InvokeFunction"
  function_name = each.value.name
  qualifier     = each.value.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/*/*"
}

resource "aws_lambda_permission" "authorizer" {
  statement_id  = "rest-api"
  action        = "lambda:InvokeFunction"
  function_name = var.authorizer.name
  qualifier     = var.authorizer.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/authorizers/*"
}
