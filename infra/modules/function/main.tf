# One Lambda: its code, its role, its log group, and the alias `live` that everybody calls.
#
# Each deployment publishes a version that never changes again, with its settings. Whoever calls the function calls `live`,
# so rolling back is moving that alias to the version before, which takes seconds and needs no build.
#
# It leaves to others who calls it: the API, the table's change stream, schedules.

locals {
  # As its log group exists before the function, AWS does not make one that keeps everything for ever.
  log_group = "/aws/lambda/${var.name}"
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:with AWS's own key; lines hold no credential and nothing of an event
  name              = local.log_group
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "What the Lambda ${var.name} may do."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "what-it-does"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
      }],
      # Each permission names the items that it is for by how their partition keys begin.
      [for index, access in var.access : {
        Sid      = "Items${index}"
        Effect   = "Allow"
        Action   = [for action in access.actions : "dynamodb:${action}"]
        Resource = [var.table_arn]
        # For all values of none is true, but every one of these actions names a key.
        Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = access.partition_keys } }
      }],
      var.statements,
    )
  })
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:traces go to a collector of OpenTelemetry, where there is one
  #checkov:skip=CKV_AWS_116:what fails is due again soon; what the change stream brings has a queue of its own
  #checkov:skip=CKV_AWS_117:it talks to DynamoDB and to nobody inside a network
  #checkov:skip=CKV_AWS_173:with AWS's own key; the one secret, the canary's key, may do nothing but what a canary does
  #checkov:skip=CKV_AWS_272:there is nobody who signs
  function_name = var.name
  description   = "EventLedger ${var.release}"
  role          = aws_iam_role.this.arn

  # A program of our own that asks Lambda for work.
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  filename         = var.zip
  source_code_hash = filebase64sha256(var.zip)
  publish          = true

  timeout                        = var.timeout_seconds
  memory_size                    = var.memory_megabytes
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = var.variables
  }

  # Of the lines that Lambda writes itself only those of what went wrong: START, END and REPORT of every invocation cost as much
  # as a third of ours, and tell less. Ours are documents already, which Lambda takes as they are; without a level of `TRACE` it
  # would drop those of DEBUG.
  logging_config {
    log_format            = "JSON"
    application_log_level = "TRACE"
    system_log_level      = "WARN"
    log_group             = aws_cloudwatch_log_group.this.name
  }

  # What it starts with, it must be allowed to do.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that is called."
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

# What is asked to do something later and fails is due again soon anyway; repeated, it would be counted three times.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
