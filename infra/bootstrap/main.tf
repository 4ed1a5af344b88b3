# What has to be there before anything else, once for each account and region: the bucket that keeps what OpenTofu knows of the
# environments, and for a REST edge the role by which API Gateway writes access logs.
#
# What OpenTofu knows of these stays in a file beside this one. It holds no secret; lost, what is there is imported.

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = { project = "eventledger" }
  }
}

module "state" {
  source = "../modules/bucket"

  name          = "eventledger-state-${var.account}-${var.region}"
  replaced_days = 365
}

data "aws_partition" "this" {}

# An account and region have one such role, for all REST APIs that are there, of others too.
resource "aws_iam_role" "access_logs" {
  count = var.rest_edge ? 1 : 0

  name        = "eventledger-access-logs-${var.region}"
  description = "Lets API Gateway write the access logs of REST APIs."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })
}

# AWS's own policy for this, as API Gateway's documentation wants it.
resource "aws_iam_role_policy_attachment" "access_logs" {
  count = var.rest_edge ? 1 : 0

  role       = aws_iam_role.access_logs[0].name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "this" {
  count = var.rest_edge ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.access_logs[0].arn

  # Without the role no REST API can be deployed that writes an access log, and those that are there write none any more. Who
  # only forgot the variable is told so.
  lifecycle {
    prevent_destroy = true
  }

  depends_on = [aws_iam_role_policy_attachment.access_logs]
}
