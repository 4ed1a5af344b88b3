# The table that everything is in: its shape is the ledger's, what protects it is the environment's.
#
# It leaves to the functions who may do what to its items.

resource "aws_dynamodb_table" "this" {
  #checkov:skip=CKV_AWS_119:with AWS's own key, as said below
  name         = var.name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = var.shape.partition_key
  range_key    = var.shape.sort_key

  attribute {
    name = var.shape.partition_key
    type = "S"
  }

  attribute {
    name = var.shape.sort_key
    type = "S"
  }

  ttl {
    enabled        = true
    attribute_name = var.shape.time_to_live
  }

  # It rings the compactor, which reads the log itself: keys are all that it needs to be told.
  stream_enabled   = true
  stream_view_type = var.shape.stream_view

  deletion_protection_enabled = var.protected

  point_in_time_recovery {
    enabled                 = var.recovery_days != null
    recovery_period_in_days = var.recovery_days
  }

  # With AWS's own key, as everything in DynamoDB is: a key of ours would cost a request to KMS every few minutes for each
  # function and protect from nobody who is not kept out by the policies already. SECURITY.md says more.
  server_side_encryption {
    enabled = false
  }
}
