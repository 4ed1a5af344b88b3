# What a function may do is what it is given, and nothing else.

mock_provider "aws" {}

variables {
  name               = "eventledger-test-poll"
  release            = "a commit"
  zip                = "main.tf"
  architecture       = "arm64"
  timeout_seconds    = 30
  variables          = { EVENTLEDGER_TABLE = "eventledger-test" }
  table_arn          = "arn:aws:dynamodb:eu-central-1:123456789012:table/eventledger-test"
  log_retention_days = 14
  access = [
    { partition_keys = ["LOG#*", "STREAMS"], actions = ["GetItem", "Query"] },
    { partition_keys = ["STREAM#*"], actions = ["UpdateItem"] },
  ]
}

run "it_may_do_to_items_what_it_is_given" {
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement if statement.Sid != "Logs"
      ] == [
      {
        Sid       = "Items0"
        Effect    = "Allow"
        Action    = ["dynamodb:GetItem", "dynamodb:Query"]
        Resource  = [var.table_arn]
        Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["LOG#*", "STREAMS"] } }
      },
      {
        Sid       = "Items1"
        Effect    = "Allow"
        Action    = ["dynamodb:UpdateItem"]
        Resource  = [var.table_arn]
        Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["STREAM#*"] } }
      },
    ]
    error_message = "the policy is not what the function was given: ${aws_iam_role_policy.this.policy}"
  }

  assert {
    condition     = aws_lambda_function.this.publish && aws_lambda_alias.live.function_version == aws_lambda_function.this.version
    error_message = "the alias does not go to the version that was published"
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 0
    error_message = "what failed is repeated"
  }

  assert {
    condition = (
      one(aws_lambda_function.this.logging_config).system_log_level == "WARN"
      && one(aws_lambda_function.this.logging_config).application_log_level == "TRACE"
    )
    error_message = "Lambda writes lines where nothing is wrong, or keeps back some of ours"
  }
}

run "without_access_it_writes_its_log_and_no_more" {
  variables {
    access = []
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Sid] == ["Logs"]
    error_message = "it may do more: ${aws_iam_role_policy.this.policy}"
  }
}

run "an_architecture_that_lambda_lacks_is_refused" {
  command = plan

  variables {
    architecture = "riscv64"
  }

  expect_failures = [var.architecture]
}
