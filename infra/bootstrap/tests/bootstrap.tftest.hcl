# What belongs to a whole account and region is changed for who asks for it, and for nobody else.

mock_provider "aws" {}

variables {
  account = "123456789012"
  region  = "eu-central-1"
}

run "by_itself_it_leaves_the_account_as_it_is" {
  assert {
    condition     = length(aws_api_gateway_account.this) == 0 && length(aws_iam_role.access_logs) == 0
    error_message = "the account's settings are changed for nobody"
  }
}

run "for_a_rest_edge_api_gateway_gets_a_role" {
  variables {
    rest_edge = true
  }

  assert {
    condition     = aws_api_gateway_account.this[0].cloudwatch_role_arn == aws_iam_role.access_logs[0].arn
    error_message = "API Gateway writes no access log"
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role.access_logs[0].assume_role_policy).Statement : statement.Principal] == [
      { Service = "apigateway.amazonaws.com" },
    ]
    error_message = "somebody else may take the role"
  }
}
