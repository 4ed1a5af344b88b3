# A bucket as all of ours are: private, encrypted, over TLS only, with what was replaced kept for a while. One with anything in
# it is not deleted.

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:who reads what is in CloudTrail, where data events are switched on; a log of access would need a bucket of its own
  #checkov:skip=CKV_AWS_144:what is lost with a region is lost with the table too
  #checkov:skip=CKV_AWS_145:with S3's own key; a key of ours would keep out nobody who is not kept out by the policies
  #checkov:skip=CKV2_AWS_62:nobody waits for objects
  bucket = var.name
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "what-was-replaced"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.replaced_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  # Versions are kept before there is a rule about them.
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Action    = "s3:*"
      Principal = "*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # S3 changes one of the two at a time.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
