# The doorbell: the table's change stream tells the compactor which partitions got record batches.
#
# It may lose a ring: the compactor reads the log and not the event, and the keeper finds each hour what nobody rang for. So a
# batch of changes that fails again and again is given up and put aside rather than kept in the way of all that come after it.

locals {
  doorbell_statements = [
    {
      Sid      = "Doorbell"
      Effect   = "Allow"
      Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
      Resource = [module.table.stream_arn]
    },
    {
      Sid      = "FindTheDoorbell"
      Effect   = "Allow"
      Action   = ["dynamodb:ListStreams"]
      Resource = ["${module.table.arn}/stream/*"]
    },
    {
      Sid      = "Failures"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [aws_sqs_queue.not_rung.arn]
    },
  ]
}

# Where in the change stream what was given up on is, for people.
resource "aws_sqs_queue" "not_rung" {
  name                      = "${local.name}-not-rung"
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_event_source_mapping" "doorbell" {
  event_source_arn  = module.table.stream_arn
  function_name     = local.functions[local.services.doorbell.function].alias_arn
  starting_position = "TRIM_HORIZON"
  batch_size        = 100
  # Of one partition many batches may come in a second, and it is compacted once for all of them.
  maximum_batching_window_in_seconds = 1

  bisect_batch_on_function_error = true
  maximum_retry_attempts         = 5
  maximum_record_age_in_seconds  = 3600

  filter_criteria {
    filter {
      pattern = jsonencode({
        eventName = [local.services.doorbell.event]
        dynamodb  = { Keys = { (local.services.table.partition_key) = { S = [{ prefix = local.services.doorbell.partition_keys_begin_with }] } } }
      })
    }
  }

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.not_rung.arn
    }
  }
}
